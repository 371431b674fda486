import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type DelayProxy, delayProxy } from '../lab/delay-proxy.ts';
import { compareSnapshots, type HostSnapshot, snapshotHost } from '../lab/snapshot.ts';
import { useLab } from '../lab/vitest.ts';
import { type Configuration, flat, hostEntry, stack, Workspace } from './terraform.fixture.ts';

const lab = useLab({ hosts: 1, name: 'tf-connection' });
let workspace: Workspace;
let before: HostSnapshot;

const applying = ['apply', '-input=false', '-auto-approve'] as const;
const hosts = (change: Configuration): Configuration => ({ h1: hostEntry(lab.host, change) });

beforeAll(async () => {
  before = await snapshotHost(lab.host);
});
beforeEach(async () => {
  workspace = await Workspace.make(await stack({ hosts: hosts({}) }));
});
afterEach(() => workspace.remove());

describe('a connection that drops during an apply', () => {
  let proxy: DelayProxy;

  beforeAll(async () => {
    // Far away: what is done there shows on the host well before the answer comes.
    proxy = await delayProxy({ target: { address: lab.host.address, port: lab.host.port }, delayMs: 120 });
  });
  afterAll(() => proxy.close());

  /** Applies, and breaks the connection as soon as the file is on the host. */
  async function applyCutAt(file: string): Promise<string> {
    const running = workspace.terraform(...applying);
    let over = false;
    void running.finally(() => {
      over = true;
    });
    while (!over && !existsSync(lab.host.pathFromHere(file))) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    proxy.dropConnections();
    const output = await running;
    expect(output.exitCode, output.stdout).toBe(1);
    return flat(output.stderr);
  }

  const written = () =>
    readFileSync(join(workspace.folder, 'stockade-events.jsonl'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { readonly type: string; readonly kind?: string });

  it('names the host; the next applies replace what was half made, and nothing stays behind', async () => {
    const entry = hosts({ address: proxy.address, port: proxy.port });
    const users = 'stockade_qemu_users.h1';
    const guest = 'stockade_guest.web1';
    workspace.write(await stack({ hosts: entry }));

    const atUsers = await applyCutAt('/var/lib/stockade/users/per-domain');
    expect(atUsers).toMatch(/users per-domain on h1: the connection ended before the result came/);
    expect(atUsers).toContain('Host: h1');
    expect(written().at(-1)?.type).not.toBe('batch-started');
    expect((await workspace.plan()).actions).toEqual({ [users]: 'delete,create', [guest]: 'create' });

    const atGuest = await applyCutAt('/var/lib/stockade/guests/web1/record');
    expect(atGuest).toMatch(/guest web1 on h1: the connection ended before the result came/);
    expect((await workspace.plan()).actions).toEqual({ [guest]: 'delete,create' });

    await workspace.apply();
    expect(await workspace.plan()).toMatchObject({ exitCode: 0 });
    await workspace.destroy();
    expect(compareSnapshots(before, await snapshotHost(lab.host))).toEqual([]);
  });
});

describe('a private key given as text', () => {
  it('is nowhere but in the configuration', async () => {
    const key = readFileSync(lab.host.keyFile, 'utf8');
    const provider = { events_file: 'events.jsonl' };
    const given = hosts({ private_key: key, private_key_file: null });
    workspace.write(await stack({ hosts: given, provider, guests: [] }));
    const tracing = { TF_LOG: 'TRACE', TF_LOG_PATH: join(workspace.folder, 'trace.log') };
    const said = [
      await workspace.terraform('plan', '-input=false', '-out=plan', tracing),
      await workspace.terraform('apply', '-input=false', 'plan', tracing),
      await workspace.terraform('show', '-json', 'plan', tracing),
      await workspace.terraform('destroy', '-input=false', '-auto-approve', tracing),
    ];
    expect(said.map(({ exitCode }) => exitCode)).toEqual([0, 0, 0, 0]);
    const secret = key.split('\n').filter((line) => line.length > 30 && !line.startsWith('-----'));
    expect(secret.length).toBeGreaterThan(2);
    const shown = said.map(({ stdout, stderr }) => stdout + stderr);
    const files = readdirSync(workspace.folder).filter((name) => !name.startsWith('.'));
    expect(files).toEqual(expect.arrayContaining(['trace.log', 'events.jsonl', 'terraform.tfstate', 'plan']));
    const holders = files.filter((name) => {
      const text = readFileSync(join(workspace.folder, name), 'latin1');
      return secret.some((line) => text.includes(line));
    });
    expect(holders).toEqual(['main.tf.json']);
    // What `show -json` prints repeats the configuration, so it is Terraform's to keep.
    const [planned, applied, , destroyed] = shown;
    for (const text of [planned, applied, destroyed]) {
      expect(secret.filter((line) => text?.includes(line))).toEqual([]);
    }
  });
});

describe('a login user who is not root', () => {
  it('works through sudo, with a known_hosts file', async () => {
    const entry = hosts({
      user: 'operator',
      sudo: true,
      host_key: null,
      known_hosts_file: lab.host.knownHostsFile,
    });
    workspace.write(await stack({ hosts: entry }));
    await workspace.apply();
    expect(await workspace.state('stockade_guest.web1')).toMatchObject({ state: 'running' });
    expect(await workspace.plan()).toMatchObject({ exitCode: 0 });
    await workspace.destroy();
    expect(compareSnapshots(before, await snapshotHost(lab.host))).toEqual([]);
  });
});
