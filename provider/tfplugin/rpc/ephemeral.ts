import type {
  OpenEphemeralResource_Response as OpenResponse,
  RenewEphemeralResource_Response as RenewResponse,
  Timestamp,
} from '../generated/tfplugin6.ts';
import { decodeObject } from '../wire/decode.ts';
import { toWireDiagnostics } from '../wire/diagnostics.ts';
import { encodeObject } from '../wire/encode.ts';
import { decodePrivate, encodePrivate } from '../wire/private-state.ts';
import { definitionOf, guarded, type ProviderHandlers, type Runtime } from './runtime.ts';

type EphemeralRpc = 'openEphemeralResource' | 'renewEphemeralResource' | 'closeEphemeralResource';

/** Values that live for one run: opened, renewed when asked for, closed at its end. */
export function ephemeralHandlers(runtime: Runtime): Pick<ProviderHandlers, EphemeralRpc> {
  return {
    openEphemeralResource: openEphemeralResource(runtime),
    renewEphemeralResource: renewEphemeralResource(runtime),
    closeEphemeralResource: closeEphemeralResource(runtime),
  };
}

function openEphemeralResource(runtime: Runtime): ProviderHandlers['openEphemeralResource'] {
  const nothing = { result: undefined, renewAt: undefined, private: undefined, deferred: undefined };
  return (request, call) =>
    guarded<OpenResponse>(runtime, {
      rpc: 'OpenEphemeralResource',
      subject: request.typeName,
      call,
      work: async (provider, context) => {
        const resource = definitionOf(provider.ephemeralResources, 'ephemeral resource', request.typeName);
        const config = decodeObject(request.config, resource.schema) ?? {};
        const response = await resource.open({ config }, context);
        return {
          result: encodeObject(response.result, resource.schema),
          renewAt: timestamp(response.renewAt),
          private: encodePrivate(response.privateState),
          diagnostics: toWireDiagnostics(response.diagnostics),
          deferred: undefined,
        };
      },
      failed: (diagnostics) => ({ ...nothing, diagnostics }),
    });
}

function renewEphemeralResource(runtime: Runtime): ProviderHandlers['renewEphemeralResource'] {
  return (request, call) =>
    guarded<RenewResponse>(runtime, {
      rpc: 'RenewEphemeralResource',
      subject: request.typeName,
      call,
      work: async (provider, context) => {
        const resource = definitionOf(provider.ephemeralResources, 'ephemeral resource', request.typeName);
        const privateState = decodePrivate(request.private);
        const response = (await resource.renew?.({ privateState }, context)) ?? {};
        return {
          renewAt: timestamp(response.renewAt),
          private: encodePrivate(response.privateState ?? privateState),
          diagnostics: toWireDiagnostics(response.diagnostics),
        };
      },
      failed: (diagnostics) => ({ renewAt: undefined, private: request.private, diagnostics }),
    });
}

function closeEphemeralResource(runtime: Runtime): ProviderHandlers['closeEphemeralResource'] {
  return (request, call) =>
    guarded(runtime, {
      rpc: 'CloseEphemeralResource',
      subject: request.typeName,
      call,
      work: async (provider, context) => {
        const resource = definitionOf(provider.ephemeralResources, 'ephemeral resource', request.typeName);
        const privateState = decodePrivate(request.private);
        return { diagnostics: toWireDiagnostics(await resource.close?.({ privateState }, context)) };
      },
      failed: (diagnostics) => ({ diagnostics }),
    });
}

function timestamp(date: Date | undefined): Timestamp | undefined {
  if (date === undefined) return undefined;
  const seconds = Math.floor(date.getTime() / 1000);
  return { seconds, nanos: (date.getTime() - seconds * 1000) * 1_000_000 };
}
