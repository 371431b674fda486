import { Console } from 'node:console';
import type { Http2Server } from 'node:http2';
import { ProviderDefinition } from '../generated/tfplugin6.ts';
import { createGrpcServer } from '../grpc/server.ts';
import { routesOf } from '../grpc/service.ts';
import { providerHandlers } from '../rpc/index.ts';
import { createRuntime } from '../rpc/runtime.ts';
import type { Logger, Provider } from '../types.ts';
import { createIdentity } from './certificate.ts';
import { handshakeLine, readGreeting } from './handshake.ts';
import { manageLifetime } from './lifetime.ts';
import { createLogger, logThreshold } from './logger.ts';
import { pluginServiceRoutes } from './plugin-services.ts';
import { createPrivateSocket } from './socket.ts';

export interface ServeOptions {
  /** The provider's type name: `stockade`. */
  readonly name: string;
  /**
   * Makes the provider. Called after the handshake line is out, so that what it imports does not delay it; the
   * first call waits for it.
   */
  readonly load: () => Promise<Provider>;
}

/** The largest message Terraform itself accepts. */
const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;
/** For the last bytes to pass through the encryption. */
const SHUTDOWN_GRACE_MS = 20;

/**
 * Runs this process as a Terraform provider, until Terraform ends it. Started by anything else, it explains itself on stderr
 * and sets exit code 1.
 */
export async function serve({ name, load }: ServeOptions): Promise<void> {
  const greeting = readGreeting(process.env, name);
  if (!greeting.ok) {
    process.stderr.write(`${greeting.message}\n`);
    process.exitCode = 1;
    return;
  }
  // stdout belongs to the handshake: a stray console.log must not end up there.
  globalThis.console = new Console(process.stderr, process.stderr);
  const log = createProcessLogger(name);
  const socket = createPrivateSocket(process.env);
  manageLifetime(log, socket.remove);
  const runtime = createRuntime(load, log);
  const routes = new Map([
    ...routesOf(ProviderDefinition, providerHandlers(runtime)),
    ...pluginServiceRoutes({
      cleanUp: socket.remove,
      exit: () => setTimeout(() => process.exit(0), SHUTDOWN_GRACE_MS),
    }),
  ]);
  const { clientCertificate } = greeting;
  const identity = clientCertificate === undefined ? undefined : createIdentity(new Date());
  const server = createGrpcServer({
    routes,
    maxRequestBytes: MAX_MESSAGE_BYTES,
    ...(identity === undefined || clientCertificate === undefined
      ? {}
      : { tls: { ...identity, clientCertificate } }),
  });
  await listen(server, socket.path);
  process.stdout.write(handshakeLine(socket.path, identity?.der));
  void runtime.provider().catch(() => undefined);
}

function createProcessLogger(name: string): Logger {
  return createLogger({
    threshold: logThreshold(process.env, name),
    module: `provider.${name}`,
    write: (line) => process.stderr.write(line),
    now: () => new Date(),
  });
}

function listen(server: Http2Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => resolve());
  });
}
