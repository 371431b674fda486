import { hasErrors } from '../diagnostics.ts';
import { storable } from '../engine/state.ts';
import { decodeObject } from '../wire/decode.ts';
import { toWireDiagnostics } from '../wire/diagnostics.ts';
import { encodeObject } from '../wire/encode.ts';
import { decodePrivate, encodePrivate } from '../wire/private-state.ts';
import { decodeMeta } from './meta.ts';
import { definitionOf, guarded, type ProviderHandlers, type Runtime } from './runtime.ts';

/** What became of the object. With an error, or without a `read`, it is as it was. */
export function readResource(runtime: Runtime): ProviderHandlers['readResource'] {
  return (request, call) => {
    const unchanged = {
      newState: request.currentState,
      private: request.private,
      deferred: undefined,
    };
    return guarded(runtime, {
      rpc: 'ReadResource',
      subject: request.typeName,
      call,
      work: async (provider, context) => {
        const resource = definitionOf(provider.resources, 'resource', request.typeName);
        const state = decodeObject(request.currentState, resource.schema);
        if (state === null || resource.read === undefined) return { ...unchanged, diagnostics: [] };
        const privateState = decodePrivate(request.private);
        const providerMeta = decodeMeta(provider, request.providerMeta);
        const response = await resource.read({ state, privateState, providerMeta }, context);
        const diagnostics = toWireDiagnostics(response.diagnostics);
        if (hasErrors(response.diagnostics ?? [])) return { ...unchanged, diagnostics };
        return {
          newState: encodeObject(storable(response.state, resource.schema), resource.schema),
          private: encodePrivate(response.privateState ?? privateState),
          diagnostics,
          deferred: undefined,
        };
      },
      failed: (diagnostics) => ({ ...unchanged, diagnostics }),
    });
  };
}
