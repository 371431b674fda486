import { validateBySchema } from '../engine/validate.ts';
import type { Diagnostic as WireDiagnostic, DynamicValue } from '../generated/tfplugin6.ts';
import type { Call } from '../grpc/service.ts';
import type { Schema } from '../schema.ts';
import type { CallContext, PluginDiagnostic, Provider, ValidateRequest } from '../types.ts';
import { decodeObject } from '../wire/decode.ts';
import { toWireDiagnostics } from '../wire/diagnostics.ts';
import { definitionOf, guarded, type ProviderHandlers, type Runtime } from './runtime.ts';

interface Validatable {
  readonly schema: Schema;
  validate?(request: ValidateRequest, context: CallContext): Promise<readonly PluginDiagnostic[]>;
}

type ValidateRpc =
  | 'validateProviderConfig'
  | 'validateResourceConfig'
  | 'validateDataResourceConfig'
  | 'validateEphemeralResourceConfig';

/** The four validations: what the schema says first, then the definition's own check. The configuration may hold unknowns. */
export function validateHandlers(runtime: Runtime): Pick<ProviderHandlers, ValidateRpc> {
  const run = async (
    rpc: string,
    request: { readonly config: DynamicValue | undefined; readonly typeName?: string },
    call: Call,
    pick: (provider: Provider) => Validatable,
  ): Promise<{ diagnostics: WireDiagnostic[] }> =>
    guarded(runtime, {
      rpc,
      call,
      ...(request.typeName === undefined ? {} : { subject: request.typeName }),
      work: async (provider, context) => {
        const definition = pick(provider);
        const config = decodeObject(request.config, definition.schema);
        if (config === null) return { diagnostics: [] };
        const own = (await definition.validate?.({ config }, context)) ?? [];
        return { diagnostics: toWireDiagnostics([...validateBySchema(definition.schema, config), ...own]) };
      },
      failed: (diagnostics) => ({ diagnostics }),
    });
  return {
    validateProviderConfig: (request, call) =>
      run('ValidateProviderConfig', request, call, (provider) => ({
        schema: provider.schema,
        validate: async (validation, context) => (await provider.validateConfig?.(validation, context)) ?? [],
      })),
    validateResourceConfig: (request, call) =>
      run('ValidateResourceConfig', request, call, (provider) =>
        definitionOf(provider.resources, 'resource', request.typeName),
      ),
    validateDataResourceConfig: (request, call) =>
      run('ValidateDataResourceConfig', request, call, (provider) =>
        definitionOf(provider.dataSources, 'data source', request.typeName),
      ),
    validateEphemeralResourceConfig: (request, call) =>
      run('ValidateEphemeralResourceConfig', request, call, (provider) =>
        definitionOf(provider.ephemeralResources, 'ephemeral resource', request.typeName),
      ),
  };
}
