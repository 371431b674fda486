import { attribute, type Provider } from '../../../provider/tfplugin/index.ts';
import { boxResource } from './box.ts';
import { inventorySource, keyResource, labelFunction, sumFunction } from './others.ts';
import { Store } from './store.ts';
import { thingResource } from './thing.ts';

/** The provider the conformance test drives the real terraform with. */
export function shelfProvider(): Provider {
  let folder: string | undefined;
  const store = (): Store => {
    if (folder === undefined) throw new Error("the provider's root is not known yet");
    return new Store(folder);
  };
  return {
    schema: {
      attributes: {
        root: attribute.string({ required: true, description: 'Folder of the things.' }),
        token: attribute.string({ optional: true, sensitive: true }),
      },
    },
    metaSchema: { attributes: { owner: attribute.string({ optional: true }) } },
    validateConfig: async ({ config }) =>
      config['token'] === 'stolen'
        ? [{ severity: 'error', summary: 'Bad token', path: ['token'], detail: 'It was stolen.' }]
        : [],
    configure: async ({ config }) => {
      folder = typeof config['root'] === 'string' ? config['root'] : undefined;
      return [];
    },
    resources: { shelf_thing: thingResource(store), shelf_box: boxResource },
    dataSources: { shelf_inventory: inventorySource(store) },
    ephemeralResources: { shelf_key: keyResource(store) },
    functions: { label: labelFunction, sum: sumFunction },
  };
}
