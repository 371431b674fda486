/**
 * gRPC over node:http2, as much of it as a plugin needs: unary calls, and streams that stay open. It loads
 * in a third of the time of the general library, which counts as Terraform starts a provider several times per command.
 */
import {
  constants,
  createSecureServer,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import type { TlsIdentity } from '../server/certificate.ts';
import { frame, readSingleMessage } from './frames.ts';
import type { Call, Route, Routes } from './service.ts';
import { encodeGrpcMessage, GrpcCode, GrpcError } from './status.ts';

export interface GrpcServerOptions {
  readonly routes: Routes;
  /** Mutual TLS: only the holder of this client certificate may connect. Without it, plain text. */
  readonly tls?: TlsIdentity & { readonly clientCertificate: string };
  /** Longest request accepted, in bytes. */
  readonly maxRequestBytes: number;
}

const WINDOW_BYTES = 8 * 1024 * 1024;
const HTTP2_OPTIONS = {
  // The only client is the one that started this process; large states must not trip flood limits.
  maxSessionMemory: Number.MAX_SAFE_INTEGER,
  settings: { initialWindowSize: WINDOW_BYTES, maxConcurrentStreams: 10_000 },
};

export function createGrpcServer(options: GrpcServerOptions): Http2Server {
  const { tls } = options;
  const server: Http2Server =
    tls === undefined
      ? createServer(HTTP2_OPTIONS)
      : createSecureServer({
          ...HTTP2_OPTIONS,
          key: tls.key,
          cert: tls.certificate,
          ca: tls.clientCertificate,
          requestCert: true,
          rejectUnauthorized: true,
          minVersion: 'TLSv1.2',
        });
  server.on('session', (session) => {
    session.on('error', () => session.destroy());
    session.setLocalWindowSize?.(WINDOW_BYTES);
  });
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    stream.on('error', () => stream.destroy());
    void serveCall(stream, headers, options);
  });
  return server;
}

async function serveCall(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  options: GrpcServerOptions,
): Promise<void> {
  const abort = new AbortController();
  stream.once('close', () => abort.abort());
  const call: Call = { signal: abort.signal, onClosed: (action) => stream.once('close', action) };
  try {
    const route = findRoute(headers, options.routes);
    if (route.kind === 'open-stream') return openStream(stream, route.greetings(), route.endsWithClient);
    const request = await readSingleMessage(stream, options.maxRequestBytes);
    respond(stream, await route.answer(request, call));
  } catch (error) {
    refuse(stream, error);
  }
}

function findRoute(headers: IncomingHttpHeaders, routes: Routes): Route {
  const contentType = headers['content-type'] ?? '';
  const path = headers[':path'];
  const route = typeof path === 'string' ? routes.get(path) : undefined;
  if (headers[':method'] !== 'POST' || !contentType.startsWith('application/grpc')) {
    throw new GrpcError(GrpcCode.INVALID_ARGUMENT, 'this is a Terraform provider; it speaks gRPC only');
  }
  if (route === undefined) throw new GrpcError(GrpcCode.UNIMPLEMENTED, 'unknown method');
  return route;
}

const HEADERS = { ':status': 200, 'content-type': 'application/grpc+proto' };

function respond(stream: ServerHttp2Stream, message: Uint8Array): void {
  if (stream.closed || stream.destroyed) return;
  stream.respond(HEADERS, { waitForTrailers: true });
  stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': String(GrpcCode.OK) }));
  stream.end(frame(message));
}

function openStream(
  stream: ServerHttp2Stream,
  greetings: readonly Uint8Array[],
  endsWithClient: boolean,
): void {
  stream.respond(HEADERS, { waitForTrailers: true });
  stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': String(GrpcCode.OK) }));
  for (const greeting of greetings) stream.write(frame(greeting));
  stream.resume();
  if (endsWithClient) stream.once('end', () => stream.end());
}

function refuse(stream: ServerHttp2Stream, error: unknown): void {
  if (stream.closed || stream.destroyed || stream.headersSent) return;
  const code = error instanceof GrpcError ? error.code : GrpcCode.INTERNAL;
  const message = error instanceof Error ? error.message : String(error);
  stream.respond(
    { ...HEADERS, 'grpc-status': String(code), 'grpc-message': encodeGrpcMessage(message) },
    { endStream: true },
  );
  // The client may still be sending what nobody will read.
  stream.once('finish', () => stream.close(constants.NGHTTP2_NO_ERROR));
}
