import { attribute, type ManagedResource, textOf } from '../../../provider/tfplugin/index.ts';

/** The least a resource can be: no read, no update, nothing computed but an id. */
export const boxResource: ManagedResource = {
  schema: {
    attributes: {
      id: attribute.string({ computed: true }),
      label: attribute.string({ required: true, requiresReplace: true }),
      volume: attribute.number({ optional: true }),
    },
  },
  create: async ({ planned }) => ({ state: { ...planned, id: `box-${textOf(planned['label'])}` } }),
  delete: async () => ({}),
};
