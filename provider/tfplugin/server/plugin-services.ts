/** What every plugin serves beside its protocol. */
import { HealthCheckResponse_ServingStatus as Status, HealthDefinition } from '../generated/health.ts';
import { GRPCBrokerDefinition, GRPCControllerDefinition, GRPCStdioDefinition } from '../generated/plugin.ts';
import { type Route, routesOf } from '../grpc/service.ts';

export interface ShutdownSteps {
  /** Before the answer: Terraform kills a process that is not gone two seconds after its question. */
  readonly cleanUp: () => void;
  /** After it. */
  readonly exit: () => void;
}

export function pluginServiceRoutes({ cleanUp, exit }: ShutdownSteps): [string, Route][] {
  const serving = { status: Status.SERVING };
  return [
    ...routesOf(HealthDefinition, { check: () => Promise.resolve(serving), watch: () => [serving] }),
    // No call of a provider uses a channel of its own.
    ...routesOf(GRPCBrokerDefinition, { startStream: () => [] }),
    // Nothing goes to stdout after the handshake, and stderr is read directly.
    ...routesOf(GRPCStdioDefinition, { streamStdio: () => [] }),
    ...routesOf(GRPCControllerDefinition, {
      shutdown: (_request, call) => {
        cleanUp();
        call.onClosed(exit);
        return Promise.resolve({});
      },
    }),
  ];
}
