import { randomInt } from 'node:crypto';
import { attribute, type Provider } from '../../../provider/tfplugin/index.ts';

/**
 * A stand-in for the provider `hashicorp/null`: its resource `null_resource`, with the two attributes that its documentation names. It makes
 * nothing; provisioners are run by Terraform itself.
 */
export function nullStandIn(): Provider {
  return {
    schema: { description: 'Stand-in of a test for hashicorp/null.', attributes: {} },
    resources: {
      null_resource: {
        schema: {
          attributes: {
            id: attribute.string({ computed: true, keepWhenUpdated: true }),
            triggers: attribute.map('string', { optional: true, requiresReplace: true }),
          },
        },
        create: async ({ planned }) => ({ state: { ...planned, id: `stand-in-${randomInt(2 ** 47)}` } }),
        delete: async () => ({}),
      },
    },
  };
}
