import { hasErrors, type PluginDiagnostic } from '../diagnostics.ts';
import { storable, unknownAfterApply } from '../engine/state.ts';
import type {
  ApplyResourceChange_Request as ApplyRequest,
  ApplyResourceChange_Response as WireResponse,
} from '../generated/tfplugin6.ts';
import type { ApplyResponse, CallContext, ManagedResource, PrivateState, Provider } from '../types.ts';
import type { ObjectValue } from '../values.ts';
import { decodeObject } from '../wire/decode.ts';
import { toWireDiagnostics } from '../wire/diagnostics.ts';
import { encodeObject } from '../wire/encode.ts';
import { decodePrivate, encodePrivate } from '../wire/private-state.ts';
import { decodeMeta } from './meta.ts';
import { definitionOf, guarded, type ProviderHandlers, type Runtime } from './runtime.ts';

interface Applying {
  readonly provider: Provider;
  readonly resource: ManagedResource;
  readonly request: ApplyRequest;
  readonly context: CallContext;
  readonly privateState: PrivateState;
  readonly prior: ObjectValue | null;
}

/**
 * Creates, updates or deletes. A state that comes with an error is kept: after a failed create Terraform taints it. An
 * exception keeps the prior state; of a create nothing is then known, so hooks must return what they made.
 */
export function applyResourceChange(runtime: Runtime): ProviderHandlers['applyResourceChange'] {
  return (request, call) =>
    guarded(runtime, {
      rpc: 'ApplyResourceChange',
      subject: request.typeName,
      call,
      work: async (provider, context) => {
        const resource = definitionOf(provider.resources, 'resource', request.typeName);
        const prior = decodeObject(request.priorState, resource.schema);
        const planned = decodeObject(request.plannedState, resource.schema);
        const privateState = decodePrivate(request.plannedPrivate);
        const applying = { provider, resource, request, context, privateState, prior };
        return planned === null ? applyDelete(applying) : applyCreateOrUpdate(applying, planned);
      },
      failed: (diagnostics) => ({
        newState: request.priorState,
        private: request.plannedPrivate,
        diagnostics,
      }),
    });
}

async function applyCreateOrUpdate(applying: Applying, planned: ObjectValue): Promise<WireResponse> {
  const { provider, resource, request, context, privateState, prior } = applying;
  const config = decodeObject(request.config, resource.schema) ?? {};
  const providerMeta = decodeMeta(provider, request.providerMeta);
  const create = { planned, config, privateState, providerMeta };
  if (prior === null) return finish(applying, await resource.create(create, context));
  if (resource.update === undefined) {
    const diagnostic: PluginDiagnostic = {
      severity: 'error',
      summary: `${request.typeName} cannot be changed in place`,
      detail: 'Replace it: terraform apply -replace=ADDRESS.',
    };
    return finish(applying, { state: prior, diagnostics: [diagnostic] });
  }
  return finish(applying, await resource.update({ ...create, prior }, context));
}

function finish({ resource, privateState }: Applying, response: ApplyResponse): WireResponse {
  const own = response.diagnostics ?? [];
  const diagnostics = hasErrors(own) ? own : [...own, ...unknownAfterApply(response.state)];
  return {
    newState: encodeObject(storable(response.state, resource.schema), resource.schema),
    private: encodePrivate(response.privateState ?? privateState),
    diagnostics: toWireDiagnostics(diagnostics),
  };
}

async function applyDelete({
  provider,
  resource,
  request,
  context,
  privateState,
  prior,
}: Applying): Promise<WireResponse> {
  const gone = { newState: encodeObject(null, resource.schema), private: Buffer.alloc(0), diagnostics: [] };
  if (prior === null) return gone;
  const providerMeta = decodeMeta(provider, request.providerMeta);
  const response = await resource.delete({ prior, privateState, providerMeta }, context);
  const diagnostics = toWireDiagnostics(response.diagnostics);
  if (!hasErrors(response.diagnostics ?? [])) return { ...gone, diagnostics };
  return {
    newState: encodeObject(storable(response.state ?? prior, resource.schema), resource.schema),
    private: encodePrivate(response.privateState ?? privateState),
    diagnostics,
  };
}
