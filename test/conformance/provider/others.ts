import {
  attribute,
  type DataSource,
  type EphemeralResource,
  FunctionFailure,
  type ProviderFunction,
  textOf,
} from '../../../provider/tfplugin/index.ts';
import type { Store } from './store.ts';

/** Names of what is on the shelf. */
export function inventorySource(store: () => Store): DataSource {
  return {
    schema: {
      attributes: {
        prefix: attribute.string({ optional: true }),
        names: attribute.list('string', { computed: true }),
      },
    },
    read: async ({ config }) => {
      const prefix = textOf(config['prefix']) ?? '';
      if (prefix === 'forbidden') {
        const diagnostic = { severity: 'error', summary: 'Hands off', path: ['prefix'] } as const;
        return { state: null, diagnostics: [diagnostic] };
      }
      const names = await store().names();
      return { state: { ...config, names: names.filter((name) => name.startsWith(prefix)) } };
    },
  };
}

/** A key for one run; its life is noted in the store. */
export function keyResource(store: () => Store): EphemeralResource {
  return {
    schema: {
      attributes: {
        lock: attribute.string({ required: true }),
        value: attribute.string({ computed: true, sensitive: true }),
      },
    },
    validate: async ({ config }) =>
      config['lock'] === 'none' ? [{ severity: 'error', summary: 'No such lock', path: ['lock'] }] : [],
    open: async ({ config }) => {
      const lock = textOf(config['lock']) ?? '';
      await store().note(`opened ${lock}`);
      return {
        result: { ...config, value: `key-to-${lock}` },
        renewAt: new Date(Date.now() + 200),
        privateState: { lock },
      };
    },
    renew: async ({ privateState }) => {
      await store().note(`renewed ${textOf(privateState['lock'])}`);
      return { privateState };
    },
    close: async ({ privateState }) => {
      await store().note(`closed ${textOf(privateState['lock'])}`);
      return [];
    },
  };
}

/** `provider::shelf::label("a", "b", "c")` is `a: b, c`. */
export const labelFunction: ProviderFunction = {
  summary: 'Makes a label',
  parameters: [{ name: 'title', type: 'string' }],
  variadicParameter: { name: 'rest', type: 'string' },
  returns: 'string',
  call: async ([title, ...rest]) => {
    if (title === '') throw new FunctionFailure('A label has a title.', 0);
    return `${textOf(title)}: ${rest.map(textOf).join(', ')}`;
  },
};

/** `provider::shelf::sum([1, 2])`: exact, whatever the size. */
export const sumFunction: ProviderFunction = {
  summary: 'Adds whole numbers',
  parameters: [{ name: 'numbers', type: { list: 'number' } }],
  returns: 'number',
  call: async ([numbers]) =>
    Array.isArray(numbers) ? numbers.reduce((sum: bigint, one) => sum + BigInt(String(one)), 0n) : null,
};
