import { hasErrors } from '../diagnostics.ts';
import { planChange } from '../engine/plan.ts';
import { replacePaths } from '../engine/replace.ts';
import { withoutWriteOnly } from '../engine/state.ts';
import type {
  PlanResourceChange_Request as PlanRequest,
  PlanResourceChange_Response as PlanResponse,
} from '../generated/tfplugin6.ts';
import type { CallContext, ManagedResource, Provider } from '../types.ts';
import type { ObjectValue } from '../values.ts';
import { decodeObject } from '../wire/decode.ts';
import { toWireDiagnostics, toWirePath } from '../wire/diagnostics.ts';
import { encodeObject } from '../wire/encode.ts';
import { decodePrivate, encodePrivate } from '../wire/private-state.ts';
import { objectType } from '../wire/types.ts';
import { decodeMeta } from './meta.ts';
import { definitionOf, guarded, type ProviderHandlers, type Runtime } from './runtime.ts';

interface Planning {
  readonly provider: Provider;
  readonly resource: ManagedResource;
  readonly request: PlanRequest;
  readonly context: CallContext;
}

/**
 * What Apply would make. For a replacement Terraform asks twice: first as an update, which names the paths that
 * force it, then as a create.
 */
export function planResourceChange(runtime: Runtime): ProviderHandlers['planResourceChange'] {
  return (request, call) =>
    guarded(runtime, {
      rpc: 'PlanResourceChange',
      subject: request.typeName,
      call,
      work: async (provider, context) => {
        const resource = definitionOf(provider.resources, 'resource', request.typeName);
        const proposed = decodeObject(request.proposedNewState, resource.schema);
        const planning = { provider, resource, request, context };
        return proposed === null ? planDelete(planning) : planCreateOrUpdate(planning, proposed);
      },
      failed: (diagnostics) => ({
        plannedState: request.priorState,
        requiresReplace: [],
        plannedPrivate: request.priorPrivate,
        diagnostics,
        deferred: undefined,
      }),
    });
}

async function planCreateOrUpdate(planning: Planning, proposed: ObjectValue): Promise<PlanResponse> {
  const { provider, resource, request, context } = planning;
  const { schema } = resource;
  const prior = decodeObject(request.priorState, schema);
  const config = decodeObject(request.config, schema) ?? {};
  const engine = planChange({ schema, prior, config, proposed });
  const privateState = decodePrivate(request.priorPrivate);
  const response = await resource.plan?.(
    {
      action: prior === null ? 'create' : 'update',
      prior,
      config,
      proposed,
      planned: engine.planned,
      requiresReplace: prior === null ? [] : replacePaths(schema.attributes, prior, engine.planned, config),
      privateState,
      providerMeta: decodeMeta(provider, request.providerMeta),
      withComputedUnknown: engine.withComputedUnknown,
    },
    context,
  );
  const planned = withoutWriteOnly(response?.planned ?? engine.planned, schema.attributes);
  const paths = response?.requiresReplace ?? replacePaths(schema.attributes, prior, planned, config);
  const type = objectType(schema.attributes);
  return {
    plannedState: encodeObject(planned, schema),
    requiresReplace: prior === null ? [] : paths.map((path) => toWirePath(path, type)),
    plannedPrivate: encodePrivate(response?.privateState ?? privateState),
    diagnostics: toWireDiagnostics(response?.diagnostics),
    deferred: undefined,
  };
}

async function planDelete(planning: Planning): Promise<PlanResponse> {
  const { provider, resource, request, context } = planning;
  const prior = decodeObject(request.priorState, resource.schema);
  const privateState = decodePrivate(request.priorPrivate);
  const providerMeta = decodeMeta(provider, request.providerMeta);
  const response =
    prior === null ? undefined : await resource.planDelete?.({ prior, privateState, providerMeta }, context);
  const refused = hasErrors(response?.diagnostics ?? []);
  return {
    plannedState: refused ? request.priorState : encodeObject(null, resource.schema),
    requiresReplace: [],
    plannedPrivate: encodePrivate(response?.privateState ?? privateState),
    diagnostics: toWireDiagnostics(response?.diagnostics),
    deferred: undefined,
  };
}
