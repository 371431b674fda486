import { checkProvider } from '../engine/check-schema.ts';
import type {
  GetMetadata_Response as MetadataResponse,
  GetProviderSchema_Response as SchemaResponse,
  Schema as WireSchema,
  ServerCapabilities,
} from '../generated/tfplugin6.ts';
import type { Schema } from '../schema.ts';
import { toWireDiagnostics } from '../wire/diagnostics.ts';
import { toWireFunction, toWireSchema } from '../wire/schema.ts';
import { guarded, type ProviderHandlers, type Runtime } from './runtime.ts';

const CAPABILITIES: ServerCapabilities = {
  // `planDelete` is called, and may warn or refuse.
  planDestroy: true,
  // One process may plan by the schema another one gave: ours is constant.
  getProviderSchemaOptional: true,
  moveResourceState: true,
};

/** The names of everything the provider has, without the schemas. */
export function getMetadata(runtime: Runtime): ProviderHandlers['getMetadata'] {
  const empty = { dataSources: [], resources: [], functions: [], ephemeralResources: [] };
  return (_request, call) =>
    guarded<MetadataResponse>(runtime, {
      rpc: 'GetMetadata',
      call,
      work: async (provider) => ({
        serverCapabilities: CAPABILITIES,
        diagnostics: [],
        dataSources: typeNames(provider.dataSources),
        resources: typeNames(provider.resources),
        functions: Object.keys(provider.functions ?? {}).map((name) => ({ name })),
        ephemeralResources: typeNames(provider.ephemeralResources),
      }),
      failed: (diagnostics) => ({ ...empty, serverCapabilities: CAPABILITIES, diagnostics }),
    });
}

/** All schemas. A schema that contradicts itself is an error here, as nothing later could be trusted. */
export function getProviderSchema(runtime: Runtime): ProviderHandlers['getProviderSchema'] {
  return (_request, call) =>
    guarded<SchemaResponse>(runtime, {
      rpc: 'GetProviderSchema',
      call,
      work: async (provider) => ({
        provider: toWireSchema(provider.schema),
        providerMeta: provider.metaSchema === undefined ? undefined : toWireSchema(provider.metaSchema),
        resourceSchemas: schemasOf(provider.resources),
        dataSourceSchemas: schemasOf(provider.dataSources),
        ephemeralResourceSchemas: schemasOf(provider.ephemeralResources),
        functions: mapValues(provider.functions ?? {}, toWireFunction),
        diagnostics: toWireDiagnostics(checkProvider(provider)),
        serverCapabilities: CAPABILITIES,
      }),
      failed: (diagnostics) => ({
        provider: undefined,
        providerMeta: undefined,
        resourceSchemas: {},
        dataSourceSchemas: {},
        ephemeralResourceSchemas: {},
        functions: {},
        diagnostics,
        serverCapabilities: CAPABILITIES,
      }),
    });
}

function typeNames(definitions: Readonly<Record<string, unknown>> | undefined): { typeName: string }[] {
  return Object.keys(definitions ?? {}).map((typeName) => ({ typeName }));
}

function schemasOf(
  definitions: Readonly<Record<string, { readonly schema: Schema }>> | undefined,
): Record<string, WireSchema> {
  return mapValues(definitions ?? {}, (definition) => toWireSchema(definition.schema));
}

function mapValues<From, To>(
  record: Readonly<Record<string, From>>,
  transform: (value: From) => To,
): Record<string, To> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, transform(value)]));
}
