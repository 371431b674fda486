import type { PluginDiagnostic } from './diagnostics.ts';
import type { TerraformValue } from './values.ts';

/** Terraform's type constraints. `dynamic` takes any value; avoid it where a type can be named. */
export type AttributeType =
  | 'string'
  | 'number'
  | 'bool'
  | 'dynamic'
  | { readonly list: AttributeType }
  | { readonly set: AttributeType }
  | { readonly map: AttributeType }
  | { readonly object: Readonly<Record<string, AttributeType>> }
  | { readonly tuple: readonly AttributeType[] };

/** How often nested attributes may occur: once, as a list, as a map by key, or as a set. */
export type Nesting = 'single' | 'list' | 'map' | 'set';

/** What every attribute may say. Exactly one of required, optional, computed, or optional and computed. */
export interface AttributeOptions {
  /** Markdown, for `terraform providers schema` and generated bindings. */
  readonly description?: string;
  readonly required?: boolean;
  readonly optional?: boolean;
  readonly computed?: boolean;
  /** Hidden in plans and outputs; stored in the state all the same. */
  readonly sensitive?: boolean;
  /** Never stored: present in `config` only, null in plan and state. Not with `computed`. */
  readonly writeOnly?: boolean;
  /** Why not to use it any more; shown as a warning where it is set. */
  readonly deprecated?: string;
  /** A planned value that differs from the prior one makes Terraform destroy and create. Not on set elements. */
  readonly requiresReplace?: boolean;
  /**
   * Computed only: an update keeps the prior value, so that references to it stay known. Without it, a computed
   * attribute that is not configured becomes unknown wherever anything else differs.
   */
  readonly keepWhenUpdated?: boolean;
  /** What an attribute left out of the configuration is planned as; it must be optional and computed. */
  readonly default?: TerraformValue;
  /**
   * Checks a known, non-null configured value. Returns messages, each a complete sentence; they become errors at
   * this attribute. Not called while anything inside the value is unknown.
   */
  readonly validate?: (value: TerraformValue) => readonly (string | PluginDiagnostic)[];
}

export interface SimpleAttribute extends AttributeOptions {
  readonly type: AttributeType;
}

export interface NestedAttribute extends AttributeOptions {
  readonly nesting: Nesting;
  readonly attributes: Attributes;
}

export type Attribute = SimpleAttribute | NestedAttribute;
export type Attributes = Readonly<Record<string, Attribute>>;

/** The attributes of a provider, resource, data source or ephemeral resource. Blocks are not offered: nested attributes do their work. */
export interface Schema {
  /** Stored beside the state; a state of a lower version goes through `upgrade`. Default 0. */
  readonly version?: number;
  readonly description?: string;
  readonly deprecated?: string;
  readonly attributes: Attributes;
}

export function isNested(attribute: Attribute): attribute is NestedAttribute {
  return 'nesting' in attribute;
}

const simple =
  (type: AttributeType) =>
  (options: AttributeOptions): SimpleAttribute => ({ ...options, type });

/** `attribute.string({ required: true })`, `attribute.list("string", { optional: true })`, … */
export const attribute = {
  string: simple('string'),
  number: simple('number'),
  bool: simple('bool'),
  dynamic: simple('dynamic'),
  list: (element: AttributeType, options: AttributeOptions): SimpleAttribute => ({
    ...options,
    type: { list: element },
  }),
  set: (element: AttributeType, options: AttributeOptions): SimpleAttribute => ({
    ...options,
    type: { set: element },
  }),
  map: (element: AttributeType, options: AttributeOptions): SimpleAttribute => ({
    ...options,
    type: { map: element },
  }),
  object: (fields: Readonly<Record<string, AttributeType>>, options: AttributeOptions): SimpleAttribute => ({
    ...options,
    type: { object: fields },
  }),
  /** Nested attributes, each with its own options: `attribute.nested("map", { size: … }, { optional: true })`. */
  nested: (nesting: Nesting, attributes: Attributes, options: AttributeOptions): NestedAttribute => ({
    ...options,
    nesting,
    attributes,
  }),
};
