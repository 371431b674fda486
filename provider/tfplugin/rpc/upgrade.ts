import { hasErrors, type PluginDiagnostic } from '../diagnostics.ts';
import { storable } from '../engine/state.ts';
import type {
  UpgradeResourceState_Request as UpgradeRequest,
  UpgradeResourceState_Response as UpgradeResponse,
} from '../generated/tfplugin6.ts';
import { parseJson } from '../json.ts';
import type { CallContext, ManagedResource } from '../types.ts';
import { toWireDiagnostics } from '../wire/diagnostics.ts';
import { encodeObject } from '../wire/encode.ts';
import { definitionOf, guarded, type ProviderHandlers, type Runtime } from './runtime.ts';

/**
 * On every plan, for every object in the state. At the same version the raw JSON goes back untouched: no number can
 * lose a digit on the way, and nothing is parsed for nothing.
 */
export function upgradeResourceState(runtime: Runtime): ProviderHandlers['upgradeResourceState'] {
  return (request, call) =>
    guarded(runtime, {
      rpc: 'UpgradeResourceState',
      subject: request.typeName,
      call,
      work: async (provider, context) => {
        const resource = definitionOf(provider.resources, 'resource', request.typeName);
        return upgrade(resource, request, context);
      },
      failed: (diagnostics) => ({ upgradedState: undefined, diagnostics }),
    });
}

async function upgrade(
  resource: ManagedResource,
  request: UpgradeRequest,
  context: CallContext,
): Promise<UpgradeResponse> {
  const { version } = request;
  const present = resource.schema.version ?? 0;
  const json = request.rawState?.json ?? Buffer.alloc(0);
  if (json.length === 0) {
    return refused('State too old', 'It was stored before Terraform 0.12 and cannot be read.');
  }
  if (version === present) {
    return { upgradedState: { json, msgpack: Buffer.alloc(0) }, diagnostics: [] };
  }
  if (version > present) {
    return refused(
      'State from a newer provider',
      `It has version ${version}, this provider knows ${request.typeName} up to ${present}. Use the newer provider.`,
    );
  }
  if (resource.upgrade === undefined) {
    return refused('State too old', `This provider cannot read version ${version} of ${request.typeName}.`);
  }
  const state = parseJson(json.toString('utf8'));
  const response = await resource.upgrade({ version, state }, context);
  const failed = hasErrors(response.diagnostics ?? []);
  return {
    upgradedState: failed
      ? undefined
      : encodeObject(storable(response.state, resource.schema), resource.schema),
    diagnostics: toWireDiagnostics(response.diagnostics),
  };
}

function refused(summary: string, detail: string): UpgradeResponse {
  const diagnostic: PluginDiagnostic = { severity: 'error', summary, detail };
  return { upgradedState: undefined, diagnostics: toWireDiagnostics([diagnostic]) };
}
