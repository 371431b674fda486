import { attribute, type NestedAttribute, type ObjectValue } from '../tfplugin/types.ts';

/**
 * The `integrity` of a resource: Read stores what the host shows, Plan plans `ok` for every part, so that a plan names
 * what drifted. `parts`: a description for each.
 */
export function integrityAttribute(parts: Readonly<Record<string, string>>): NestedAttribute {
  return attribute.nested(
    'single',
    Object.fromEntries(
      Object.entries(parts).map(([name, description]) => [
        name,
        attribute.string({ computed: true, description }),
      ]),
    ),
    {
      computed: true,
      description:
        'Whether it is on the host as it was made, part by part: `ok`, or what is wrong. A plan that differs here heals it.',
    },
  );
}

/** What is planned: `ok` throughout. */
export function intactOf(parts: Readonly<Record<string, string>>): ObjectValue {
  return Object.fromEntries(Object.keys(parts).map((name) => [name, 'ok']));
}
