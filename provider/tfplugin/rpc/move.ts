import { storable } from '../engine/state.ts';
import type { MoveResourceState_Response as MoveResponse } from '../generated/tfplugin6.ts';
import { parseJson } from '../json.ts';
import type { PrivateState } from '../types.ts';
import { toWireDiagnostics } from '../wire/diagnostics.ts';
import { encodeObject } from '../wire/encode.ts';
import { decodePrivate, encodePrivate } from '../wire/private-state.ts';
import { definitionOf, guarded, type ProviderHandlers, type Runtime } from './runtime.ts';

/** A `moved` block from another resource type. The source's state is in the shape its own provider gave it. */
export function moveResourceState(runtime: Runtime): ProviderHandlers['moveResourceState'] {
  return (request, call) =>
    guarded<MoveResponse>(runtime, {
      rpc: 'MoveResourceState',
      subject: request.targetTypeName,
      call,
      work: async (provider, context) => {
        const resource = definitionOf(provider.resources, 'resource', request.targetTypeName);
        const { schema } = resource;
        const json = request.sourceState?.json ?? Buffer.alloc(0);
        const source = {
          sourceProvider: request.sourceProviderAddress,
          sourceType: request.sourceTypeName,
          sourceVersion: request.sourceSchemaVersion,
          sourceState: json.length === 0 ? null : parseJson(json.toString('utf8')),
          sourcePrivateState: foreignPrivate(request.sourcePrivate),
        };
        const response = await resource.moveState?.(source, context);
        if (response === undefined) {
          const from = `${request.sourceTypeName} of ${request.sourceProviderAddress}`;
          return refused(`Cannot move ${from} to ${request.targetTypeName}`);
        }
        return {
          targetState: encodeObject(storable(response.state, schema), schema),
          targetPrivate: encodePrivate(response.privateState),
          diagnostics: toWireDiagnostics(response.diagnostics),
        };
      },
      failed: (diagnostics) => ({ targetState: undefined, targetPrivate: Buffer.alloc(0), diagnostics }),
    });
}

function refused(summary: string): MoveResponse {
  const diagnostics = toWireDiagnostics([{ severity: 'error', summary }]);
  return { targetState: undefined, targetPrivate: Buffer.alloc(0), diagnostics };
}

/** Another provider's private state may be anything. */
function foreignPrivate(bytes: Buffer): PrivateState {
  try {
    return decodePrivate(bytes);
  } catch {
    return {};
  }
}
