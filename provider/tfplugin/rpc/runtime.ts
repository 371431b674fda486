import type { PluginDiagnostic } from '../diagnostics.ts';
import type { Diagnostic as WireDiagnostic, ProviderDefinition } from '../generated/tfplugin6.ts';
import type { Call, Handlers } from '../grpc/service.ts';
import type { CallContext, Logger, Provider } from '../types.ts';
import { toWireDiagnostic } from '../wire/diagnostics.ts';

export type ProviderHandlers = Handlers<ProviderDefinition>;

/** What the handlers share for the life of the process. */
export interface Runtime {
  /** The provider, loaded once. Rejects where loading failed. */
  readonly provider: () => Promise<Provider>;
  readonly log: Logger;
  readonly context: (call: Call) => CallContext;
  readonly configured: (terraformVersion: string) => void;
  /** Aborts the signal of all calls, those under way and those to come. */
  readonly stop: () => void;
}

export function createRuntime(load: () => Promise<Provider>, log: Logger): Runtime {
  const stopping = new AbortController();
  let terraformVersion: string | undefined;
  let loading: Promise<Provider> | undefined;
  return {
    provider: () => (loading ??= load()),
    log,
    context: (call) => ({
      signal: AbortSignal.any([stopping.signal, call.signal]),
      log,
      terraformVersion,
    }),
    configured: (version) => {
      terraformVersion = version;
    },
    stop: () => stopping.abort(),
  };
}

export interface GuardedCall<Response> {
  readonly rpc: string;
  /** The type concerned, for messages: `stockade_guest`. */
  readonly subject?: string;
  readonly call: Call;
  readonly work: (provider: Provider, context: CallContext) => Promise<Response>;
  /** The response for an exception: nothing changed, and this diagnostic. */
  readonly failed: (diagnostics: WireDiagnostic[]) => Response;
}

/** Runs a handler's work: exceptions become diagnostics, and the time it took goes to the log. */
export async function guarded<Response>(runtime: Runtime, options: GuardedCall<Response>): Promise<Response> {
  const { rpc, subject, call, work, failed } = options;
  const started = performance.now();
  try {
    const provider = await runtime.provider();
    return await work(provider, runtime.context(call));
  } catch (error) {
    runtime.log.debug('exception', { rpc, subject, stack: error instanceof Error ? error.stack : undefined });
    return failed([toWireDiagnostic(exceptionDiagnostic(error, subject ?? rpc, runtime.context(call)))]);
  } finally {
    runtime.log.trace('call', { rpc, subject, milliseconds: Math.round(performance.now() - started) });
  }
}

function exceptionDiagnostic(error: unknown, subject: string, context: CallContext): PluginDiagnostic {
  const message = error instanceof Error ? error.message : String(error);
  return context.signal.aborted
    ? { severity: 'error', summary: `Cancelled: ${subject}`, detail: message }
    : {
        severity: 'error',
        summary: `Unexpected error in ${subject}`,
        detail: `${message}\n\nThis is a mistake in the provider. TF_LOG=debug shows where.`,
      };
}

/** Picks a definition by its type name. @throws Error where the provider has none of that name. */
export function definitionOf<Definition>(
  definitions: Readonly<Record<string, Definition>> | undefined,
  kind: string,
  name: string,
): Definition {
  const found = definitions !== undefined && Object.hasOwn(definitions, name) ? definitions[name] : undefined;
  if (found === undefined) throw new Error(`the provider has no ${kind} "${name}"`);
  return found;
}
