/** The process itself: handshake, certificates, the services around the protocol, and every way out. */
import { spawn } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { statSync } from 'node:fs';
import path from 'node:path';
import { status } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { HealthCheckRequest, HealthCheckResponse } from '../../provider/tfplugin/generated/health.ts';
import { GetMetadata_Response } from '../../provider/tfplugin/generated/tfplugin6.ts';
import { installedShelf } from './installed-shelf.ts';
import {
  COOKIE,
  createClientCertificate,
  type KeyPair,
  parseGreeting,
  type PluginProcess,
  RawClient,
  startPlugin,
} from './plugin-process.ts';
import { until, workspace } from './workspace.ts';

const METADATA = '/tfplugin6.Provider/GetMetadata';
const SHUTDOWN = '/plugin.GRPCController/Shutdown';

async function startWithTls(): Promise<{ plugin: PluginProcess; pair: KeyPair; client: RawClient }> {
  const pair = createClientCertificate();
  const plugin = await startPlugin({ ...COOKIE, PLUGIN_CLIENT_CERT: pair.certificate });
  const greeting = parseGreeting(await plugin.greeting);
  return { plugin, pair, client: new RawClient(greeting, pair) };
}

describe('started by hand', () => {
  test('it says what it is, and who starts it', async () => {
    const plugin = await startPlugin({});
    expect(await plugin.ended).toBe(1);
    expect(await plugin.greeting).toBe('');
    expect(plugin.stderr).toMatch(/^This is the Terraform provider "shelf"\. Terraform starts it/);
    expect(plugin.leftovers()).toEqual([]);
  });

  test('by a Terraform too old, it names both versions', async () => {
    const plugin = await startPlugin({ ...COOKIE, PLUGIN_PROTOCOL_VERSIONS: '4,5', PLUGIN_CLIENT_CERT: 'x' });
    expect(await plugin.ended).toBe(1);
    expect(plugin.stderr).toMatch(/speaks plugin protocol 6; this Terraform speaks 4,5/);
  });

  test('without a client certificate it refuses to serve, unless TLS is off on purpose', async () => {
    const plugin = await startPlugin(COOKIE);
    expect(await plugin.ended).toBe(1);
    expect(plugin.stderr).toContain('TF_DISABLE_PLUGIN_TLS=1');
  });
});

describe('handshake', () => {
  test('one line: versions, a socket nobody else can reach, a certificate for localhost', async () => {
    const { plugin } = await startWithTls();
    const greeting = parseGreeting(await plugin.greeting);
    expect(greeting.fields.slice(0, 5)).toEqual(['1', '6', 'unix', greeting.socket, 'grpc']);
    expect(greeting.fields).toHaveLength(6);
    expect(greeting.fields[5]).not.toContain('=');
    expect(new X509Certificate(greeting.serverCertificate).checkHost('localhost')).toBe('localhost');
    expect(statSync(path.dirname(greeting.socket)).mode & 0o777).toBe(0o700);
  });

  test('a temporary folder with a long name is no obstacle', async () => {
    const { binary } = await installedShelf();
    const one = await workspace('');
    one.write('main.tf', '');
    const long = path.join(one.folder, 'x'.repeat(120));
    const made = spawn('mkdir', [long]);
    await new Promise((resolve) => made.once('close', resolve));
    const plugin = await startPlugin({ ...COOKIE, TF_DISABLE_PLUGIN_TLS: '1', TMPDIR: long });
    const { socket } = parseGreeting(await plugin.greeting);
    expect(socket, binary).toMatch(/^\/tmp\/tfplugin-/);
    plugin.child.kill('SIGTERM');
    await plugin.ended;
  });
});

describe('mutual TLS', () => {
  test('the right certificate is served', async () => {
    const { client } = await startWithTls();
    const answer = await client.call(METADATA);
    expect(answer.code).toBe(status.OK);
    const { resources } = GetMetadata_Response.decode(answer.message);
    expect(resources.map(({ typeName }) => typeName)).toEqual(['shelf_thing', 'shelf_box']);
  });

  test('another certificate, and none, are refused', async () => {
    const { plugin } = await startWithTls();
    const greeting = parseGreeting(await plugin.greeting);
    for (const pair of [createClientCertificate(), undefined]) {
      const answer = await new RawClient(greeting, pair).call(METADATA);
      expect(answer).toMatchObject({ code: status.UNAVAILABLE });
    }
  });

  test('TF_DISABLE_PLUGIN_TLS=1 works, with terraform on the other side', async () => {
    const one = await workspace('resource "shelf_box" "b" {\n  label = "x"\n}');
    const run = await one.terraform(['apply', '-no-color', '-auto-approve'], { TF_DISABLE_PLUGIN_TLS: '1' });
    expect(run.code, run.output).toBe(0);
  });
});

describe('services beside the protocol', () => {
  test('health, output and broker answer; an unknown method is refused', async () => {
    const { client } = await startWithTls();
    const request = Buffer.from(HealthCheckRequest.encode({ service: 'plugin' }).finish());
    const answer = await client.call('/grpc.health.v1.Health/Check', request);
    expect(HealthCheckResponse.decode(answer.message).status).toBe(1);
    expect(await client.openAndEnd('/plugin.GRPCBroker/StartStream')).toBe(status.OK);
    const output = client.stream('/plugin.GRPCStdio/StreamStdio');
    output.on('error', () => undefined);
    await new Promise((resolve) => output.once('metadata', resolve));
    output.cancel();
    expect(await client.call('/tfplugin6.Provider/Nonsense')).toMatchObject({ code: status.UNIMPLEMENTED });
  });

  test('health can be watched', async () => {
    const { client } = await startWithTls();
    const watching = client.stream('/grpc.health.v1.Health/Watch');
    watching.on('error', () => undefined);
    const first = await new Promise<Buffer>((resolve) => watching.once('data', resolve));
    expect(HealthCheckResponse.decode(first).status).toBe(1);
    watching.cancel();
  });

  test('a request that is too long or not a message is refused, and the next one is served', async () => {
    const { client } = await startWithTls();
    const long = await client.call(METADATA, Buffer.alloc(65 * 1024 * 1024));
    expect(long).toMatchObject({ code: status.RESOURCE_EXHAUSTED });
    expect(await client.call('/tfplugin6.Provider/ReadResource', Buffer.from([0xff]))).toMatchObject({
      code: status.INTERNAL,
    });
    expect(await client.call(METADATA)).toMatchObject({ code: status.OK });
  });
});

describe('the end', () => {
  test('Shutdown: at once, with nothing left', async () => {
    const { plugin, client } = await startWithTls();
    expect(await client.call(SHUTDOWN)).toMatchObject({ code: status.OK });
    expect(await plugin.ended).toBe(0);
    expect(plugin.leftovers()).toEqual([]);
  });

  test('an interrupt does nothing, a termination ends it cleanly', async () => {
    const { plugin, client } = await startWithTls();
    plugin.child.kill('SIGINT');
    expect(await client.call(METADATA)).toMatchObject({ code: status.OK });
    plugin.child.kill('SIGTERM');
    expect(await plugin.ended).toBe(1);
    expect(plugin.leftovers()).toEqual([]);
  });

  test('it goes when its parent is gone', async () => {
    const { binary } = await installedShelf();
    const one = await workspace('');
    const script = `"$0" "$1" & echo $! > pid; sleep 1`;
    const parent = spawn('sh', ['-c', script, process.execPath, binary], {
      cwd: one.folder,
      env: { ...process.env, ...COOKIE, TF_DISABLE_PLUGIN_TLS: '1', TMPDIR: path.join(one.folder, 'tmp') },
      stdio: 'ignore',
    });
    await new Promise((resolve) => parent.once('close', resolve));
    await until('the provider to end', () => one.processes().length === 0);
    await one.assertNothingLeft();
  });
});
