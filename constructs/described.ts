import type { IResolvable, TerraformMetaArguments } from 'cdktf';

/** What the user sets of a generated configuration: without Terraform's own arguments, and without `Taken`. */
type Own<Generated, Taken extends PropertyKey> = Omit<Generated, keyof TerraformMetaArguments | Taken>;

/**
 * Properties of a construct: the help texts of the generated bindings (which have them from the spec), the types of the spec itself, which
 * are narrower: `'kvm' | 'tcg'` where Terraform knows only `string`. So in objects and lists inside too. Everything is read-only.
 */
export type Described<Generated, Spec, Taken extends PropertyKey = never> = DescribedObject<
  Own<Generated, Taken>,
  Spec
>;

/** The same of an object inside a configuration: what is called like one of Terraform's arguments (`connection`) is the object's own. */
export type DescribedObject<Generated, Spec> = {
  readonly [Key in keyof Generated]: Key extends keyof Spec
    ? Narrowed<Generated[Key], Spec[Key]>
    : Generated[Key];
};

/** One property: keys and their help texts as generated, the rest as the spec has it. */
type Narrowed<Generated, Spec> = Spec extends readonly (infer Element)[]
  ? readonly Narrowed<ElementOf<Generated>, Element>[]
  : Spec extends object
    ? Fields<Extract<Exclude<Generated, IResolvable>, object>, Spec>
    : Spec;
type Fields<Generated, Spec> = {
  readonly [Key in keyof Generated]: Key extends keyof Spec ? Narrowed<Generated[Key], Spec[Key]> : never;
};
type ElementOf<List> = List extends readonly (infer Element)[] ? Element : never;

/** The same without properties that may be `undefined`, all the way down. */
type Defined<Value> = Value extends readonly (infer Element)[]
  ? Defined<Element>[]
  : Value extends object
    ? { [Key in keyof Value]: Defined<Exclude<Value[Key], undefined>> }
    : Value;

/** Without the properties that are `undefined`: for the generated bindings, whose optional properties are absent or have a value. */
export function defined<Value>(value: Value): Defined<Value> {
  return withoutUndefined(value) as Defined<Value>;
}

function withoutUndefined(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutUndefined);
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype)
    return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, one]) => (one === undefined ? [] : [[key, withoutUndefined(one)]])),
  );
}
