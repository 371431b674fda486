import { type AttributePath, type PluginDiagnostic, showPath } from '../diagnostics.ts';
import { type Attribute, type Attributes, isNested, type Schema } from '../schema.ts';
import type { Provider } from '../types.ts';

const NAME = /^[a-z_][a-z0-9_]*$/;

/** Mistakes of the provider's author: names Terraform refuses, options that contradict each other. */
export function checkProvider(provider: Provider): PluginDiagnostic[] {
  const named: readonly (readonly [string, { readonly schema: Schema }])[] = [
    ...Object.entries(provider.resources ?? {}),
    ...Object.entries(provider.dataSources ?? {}),
    ...Object.entries(provider.ephemeralResources ?? {}),
  ];
  return [
    ...checkAttributes('provider', provider.schema.attributes, []),
    ...named.flatMap(([type, { schema }]) => checkAttributes(type, schema.attributes, [])),
  ];
}

function checkAttributes(type: string, attributes: Attributes, path: AttributePath): PluginDiagnostic[] {
  return Object.entries(attributes).flatMap(([name, one]) => {
    const here = [...path, name];
    const own = mistakes(name, one).map(
      (mistake): PluginDiagnostic => ({
        severity: 'error',
        summary: `Invalid schema of ${type}`,
        detail: `${showPath(here)}: ${mistake}. This is a mistake in the provider.`,
      }),
    );
    return isNested(one) ? [...own, ...checkAttributes(type, one.attributes, here)] : own;
  });
}

function mistakes(name: string, one: Attribute): string[] {
  const rules: readonly (readonly [boolean, string])[] = [
    [!NAME.test(name), 'the name must be lower-case letters, digits and underscores'],
    [
      one.required === true && (one.optional === true || one.computed === true),
      'required excludes optional and computed',
    ],
    [
      one.required !== true && one.optional !== true && one.computed !== true,
      'it must be required, optional or computed',
    ],
    [
      one.default !== undefined && !(one.optional === true && one.computed === true),
      'a default needs optional and computed',
    ],
    [one.keepWhenUpdated === true && one.computed !== true, 'keepWhenUpdated needs computed'],
    [one.writeOnly === true && one.computed === true, 'writeOnly excludes computed'],
  ];
  return rules.filter(([broken]) => broken).map(([, rule]) => rule);
}
