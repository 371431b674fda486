/** Starts the provider as Terraform would, and talks to it with an independent gRPC client. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  ChannelCredentials,
  Client,
  type ClientReadableStream,
  credentials,
  type ServiceError,
} from '@grpc/grpc-js';
import { onTestFinished } from 'vitest';
import { installedShelf } from './installed-shelf.ts';

export const COOKIE = {
  TF_PLUGIN_MAGIC_COOKIE: 'd602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2',
};

export interface KeyPair {
  readonly key: string;
  readonly certificate: string;
}

/** A self-signed client certificate such as Terraform makes for itself. */
export function createClientCertificate(): KeyPair {
  const folder = mkdtempSync(path.join(tmpdir(), 'client-cert-'));
  try {
    const files = { key: path.join(folder, 'key.pem'), certificate: path.join(folder, 'cert.pem') };
    const request =
      'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:secp521r1 -nodes -days 2 -subj /CN=localhost';
    const args = [...request.split(' '), '-keyout', files.key, '-out', files.certificate];
    execFileSync('openssl', args, { stdio: 'ignore' });
    return { key: readFileSync(files.key, 'utf8'), certificate: readFileSync(files.certificate, 'utf8') };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export class PluginProcess {
  readonly child: ChildProcess;
  /** Where its socket is. */
  readonly temporary: string;
  /** Exit code, once it is gone. */
  readonly ended: Promise<number | null>;
  /** The handshake line, or what it printed before it ended. */
  readonly greeting: Promise<string>;
  stderr = '';

  constructor(binary: string, environment: Readonly<Record<string, string>>) {
    this.temporary = mkdtempSync(path.join(tmpdir(), 'plugin-process-'));
    const child = spawn(process.execPath, [binary], {
      env: { PATH: process.env['PATH'], TMPDIR: this.temporary, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child = child;
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      this.stderr += chunk;
    });
    this.ended = new Promise((resolve) => child.once('close', resolve));
    this.greeting = new Promise((resolve) => {
      let stdout = '';
      child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
        stdout += chunk;
        if (stdout.endsWith('\n')) resolve(stdout);
      });
      child.once('close', () => resolve(stdout));
    });
  }

  /** What it left in the temporary folder. */
  leftovers(): string[] {
    return readdirSync(this.temporary);
  }

  remove(): void {
    this.child.kill('SIGKILL');
    rmSync(this.temporary, { recursive: true, force: true });
  }
}

export async function startPlugin(environment: Readonly<Record<string, string>>): Promise<PluginProcess> {
  const { binary } = await installedShelf();
  const started = new PluginProcess(binary, environment);
  onTestFinished(() => started.remove());
  return started;
}

export interface Greeting {
  readonly fields: readonly string[];
  readonly socket: string;
  /** The certificate in the line, as PEM; empty without TLS. */
  readonly serverCertificate: string;
}

export function parseGreeting(line: string): Greeting {
  const fields = line.trimEnd().split('|');
  const certificate = Buffer.from(fields[5] ?? '', 'base64').toString('base64');
  const serverCertificate =
    certificate === '' ? '' : `-----BEGIN CERTIFICATE-----\n${certificate}\n-----END CERTIFICATE-----\n`;
  return { fields, socket: fields[3] ?? '', serverCertificate };
}

/** `message` is empty where the call failed. */
export interface Answer {
  readonly code: number;
  readonly message: Buffer;
}

const raw = (bytes: Buffer): Buffer => bytes;

/** A client that sends and receives bytes. Closed when the test ends. */
export class RawClient {
  private readonly client: Client;

  constructor(greeting: Greeting, pair: KeyPair | undefined) {
    this.client = new Client(`unix:${greeting.socket}`, channelCredentials(greeting, pair), {
      'grpc.ssl_target_name_override': 'localhost',
      'grpc.default_authority': 'localhost',
      'grpc.max_receive_message_length': -1,
      'grpc.max_send_message_length': -1,
    });
    onTestFinished(() => this.client.close());
  }

  call(method: string, message: Buffer = Buffer.alloc(0)): Promise<Answer> {
    return new Promise((resolve) => {
      const done = (error: ServiceError | null, response?: Buffer): void =>
        resolve({ code: error?.code ?? 0, message: response ?? Buffer.alloc(0) });
      this.client.makeUnaryRequest(method, raw, raw, message, done);
    });
  }

  stream(method: string): ClientReadableStream<Buffer> {
    return this.client.makeServerStreamRequest(method, raw, raw, Buffer.alloc(0));
  }

  /** Opens a two-way stream, ends our half, and says with which status the server ended it. */
  openAndEnd(method: string): Promise<number> {
    const duplex = this.client.makeBidiStreamRequest(method, raw, raw);
    duplex.on('data', () => undefined).on('error', () => undefined);
    duplex.end();
    return new Promise((resolve) => duplex.once('status', ({ code }) => resolve(code)));
  }
}

function channelCredentials(greeting: Greeting, pair: KeyPair | undefined): ChannelCredentials {
  if (greeting.serverCertificate === '') return credentials.createInsecure();
  const root = Buffer.from(greeting.serverCertificate);
  return pair === undefined
    ? ChannelCredentials.createSsl(root)
    : ChannelCredentials.createSsl(root, Buffer.from(pair.key), Buffer.from(pair.certificate));
}
