import { storable } from '../engine/state.ts';
import type { ReadDataSource_Response as ReadResponse } from '../generated/tfplugin6.ts';
import { decodeObject } from '../wire/decode.ts';
import { toWireDiagnostics } from '../wire/diagnostics.ts';
import { encodeObject } from '../wire/encode.ts';
import { decodeMeta } from './meta.ts';
import { definitionOf, guarded, type ProviderHandlers, type Runtime } from './runtime.ts';

/** Reads facts. Terraform waits with it until the configuration is wholly known. */
export function readDataSource(runtime: Runtime): ProviderHandlers['readDataSource'] {
  return (request, call) =>
    guarded<ReadResponse>(runtime, {
      rpc: 'ReadDataSource',
      subject: request.typeName,
      call,
      work: async (provider, context) => {
        const source = definitionOf(provider.dataSources, 'data source', request.typeName);
        const config = decodeObject(request.config, source.schema) ?? {};
        const providerMeta = decodeMeta(provider, request.providerMeta);
        const response = await source.read({ config, providerMeta }, context);
        return {
          state: encodeObject(storable(response.state, source.schema), source.schema),
          diagnostics: toWireDiagnostics(response.diagnostics),
          deferred: undefined,
        };
      },
      failed: (diagnostics) => ({ state: undefined, diagnostics, deferred: undefined }),
    });
}
