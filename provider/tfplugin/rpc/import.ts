import { storable } from '../engine/state.ts';
import { toWireDiagnostics } from '../wire/diagnostics.ts';
import { encodeObject } from '../wire/encode.ts';
import { encodePrivate } from '../wire/private-state.ts';
import { definitionOf, guarded, type ProviderHandlers, type Runtime } from './runtime.ts';

/** Finds an object by what the user calls it. Terraform reads each one right afterwards. */
export function importResourceState(runtime: Runtime): ProviderHandlers['importResourceState'] {
  return (request, call) =>
    guarded(runtime, {
      rpc: 'ImportResourceState',
      subject: request.typeName,
      call,
      work: async (provider, context) => {
        const resource = definitionOf(provider.resources, 'resource', request.typeName);
        if (resource.importState === undefined) {
          const diagnostics = toWireDiagnostics([
            { severity: 'error', summary: `${request.typeName} cannot be imported` },
          ]);
          return { importedResources: [], diagnostics, deferred: undefined };
        }
        const response = await resource.importState({ id: request.id }, context);
        const importedResources = response.imported.map((one) => {
          const typeName = one.type ?? request.typeName;
          const { schema } = definitionOf(provider.resources, 'resource', typeName);
          return {
            typeName,
            state: encodeObject(storable(one.state, schema), schema),
            private: encodePrivate(one.privateState),
          };
        });
        return {
          importedResources,
          diagnostics: toWireDiagnostics(response.diagnostics),
          deferred: undefined,
        };
      },
      failed: (diagnostics) => ({ importedResources: [], diagnostics, deferred: undefined }),
    });
}
