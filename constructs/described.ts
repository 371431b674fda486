import type { TerraformMetaArguments } from 'cdktf';

/** What the user sets of a generated configuration: without Terraform's own arguments, and without `Taken`. */
type Own<Generated, Taken extends PropertyKey> = Omit<Generated, keyof TerraformMetaArguments | Taken>;

/**
 * Properties of a construct: the help texts of the generated bindings (which have them from the spec), the types of the spec itself, which
 * are narrower: `'kvm' | 'tcg'` where Terraform knows only `string`. Everything is read-only.
 */
export type Described<Generated, Spec, Taken extends PropertyKey = never> = {
  readonly [Key in keyof Own<Generated, Taken>]: Key extends keyof Spec
    ? Spec[Key]
    : Own<Generated, Taken>[Key];
};

type Defined<Value> = { [Key in keyof Value]: Exclude<Value[Key], undefined> };

/** Without the properties that are `undefined`: for the generated bindings, whose optional properties are absent or have a value. */
export function defined<Value extends object>(value: Value): Defined<Value> {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as Defined<Value>;
}
