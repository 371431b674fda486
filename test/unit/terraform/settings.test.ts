import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { FleetHosts } from '../../../provider/terraform/hosts.ts';
import { Settings } from '../../../provider/terraform/settings.ts';
import { targetOf } from '../../../provider/executor/targets.ts';
import { remember, remembered, rememberedTarget } from '../../../provider/terraform/targets.ts';
import { type Logger, type ObjectValue, UNKNOWN } from '../../../provider/tfplugin/types.ts';

const silent: Logger = { trace() {}, debug() {}, info() {}, warn() {}, error() {} };
const entry: ObjectValue = {
  address: '198.18.0.2',
  user: 'operator',
  sudo: true,
  host_key: 'ssh-ed25519 AAAA',
  private_key: 'SECRET',
  passphrase: 'HIDDEN',
};

function settingsOf(config: ObjectValue): Settings {
  const read = Settings.read(config);
  if ('diagnostics' in read) throw new Error(JSON.stringify(read.diagnostics));
  return read.settings;
}

function hostsOf(config: ObjectValue): FleetHosts {
  const hosts = new FleetHosts();
  hosts.configure(settingsOf(config), silent);
  return hosts;
}

describe('settings', () => {
  it('keep hosts apart by what is known of each', () => {
    const settings = settingsOf({ fleet: 'f', hosts: { hv1: entry, hv2: { ...entry, address: UNKNOWN } } });
    expect(settings.host('hv1')).toMatchObject({
      kind: 'known',
      entry: { connection: 'ssh2', user: 'operator' },
    });
    expect(settings.host('hv2')).toEqual({ kind: 'not-known-yet' });
    expect(settings.host('hv3')).toEqual({ kind: 'absent' });
    expect(settings.unreachable).toBe('error');
  });

  it('know no host while the inventory or the fleet is not known', () => {
    expect(settingsOf({ fleet: 'f', hosts: UNKNOWN }).host('hv1')).toEqual({ kind: 'not-known-yet' });
    expect(settingsOf({ fleet: UNKNOWN, hosts: { hv1: entry } }).host('hv1')).toEqual({
      kind: 'not-known-yet',
    });
  });
});

describe('reaching a host', () => {
  it('is an error that names the inventory where it has no such host', () => {
    const reach = hostsOf({ fleet: 'f', hosts: { hv1: entry } }).reach('hv9');
    expect(reach).toMatchObject({
      kind: 'absent',
      diagnostic: { code: 'host-not-in-inventory', detail: 'The inventory has: hv1.' },
    });
  });

  it('is put off while its name is not known', () => {
    expect(hostsOf({ fleet: 'f', hosts: { hv1: entry } }).reach(UNKNOWN)).toEqual({ kind: 'not-known-yet' });
    expect(new FleetHosts().reach('hv1')).toEqual({ kind: 'not-known-yet' });
  });

  it('works by what is remembered when it has left the inventory, under the fleet it was', () => {
    const before = hostsOf({ fleet: 'old', hosts: { hv1: entry } }).reach('hv1');
    const memory = before.kind === 'ready' ? before.access.memory : {};
    const after = hostsOf({ fleet: 'new', hosts: {} }).reach('hv1', memory);
    expect(after).toMatchObject({ kind: 'ready', access: { host: 'hv1', fleet: 'old' } });
  });
});

describe('what is remembered of a host', () => {
  const setting = settingsOf({ fleet: 'f', hosts: { hv1: entry } }).host('hv1');
  if (setting.kind !== 'known') throw new Error('not known');
  const target = targetOf('hv1', setting.entry);

  it('holds no secret', () => {
    const text = JSON.stringify(remember('f', target));
    expect(text).toContain('198.18.0.2');
    expect(text).not.toMatch(/SECRET|HIDDEN/);
  });

  it('leads back to it, with what the remaining inventory logs in with', () => {
    const memory = remembered(remember('f', target));
    if (memory === undefined) throw new Error('nothing remembered');
    const back = rememberedTarget('hv1', memory, [setting.entry]);
    expect(back).toMatchObject({
      connection: 'ssh2',
      address: '198.18.0.2',
      user: 'operator',
      sudo: true,
      trust: { kind: 'pinned', publicKeys: ['ssh-ed25519 AAAA'] },
    });
    const kinds = back.connection === 'ssh2' ? back.identities.map(({ kind }) => kind) : [];
    expect(kinds).toEqual(['key', 'agent', 'key-file']);
  });

  it('leads back by the ssh program to the same host, whoever had said how', () => {
    const back = (config: ObjectValue) => {
      const asked = settingsOf({ fleet: 'f', hosts: { hv1: { connection: 'openssh', ...config } } }).host(
        'hv1',
      );
      if (asked.kind !== 'known') throw new Error('not known');
      const before = targetOf('hv1', asked.entry);
      const memory = remembered(remember('f', before));
      if (memory === undefined) throw new Error('nothing remembered');
      return { before, back: rememberedTarget('hv1', memory, [setting.entry]) };
    };
    const alias = back({ address: 'rack1' });
    expect(alias.back).toEqual(alias.before);
    const whole = back({
      address: '198.18.0.3',
      port: 2222,
      user: 'ops',
      proxy_jump: 'gate',
      ssh_config_file: '/c',
      certificate_file: '/k-cert.pub',
      host_key: 'ssh-ed25519 AAAA',
      known_hosts_file: '/known',
      private_key_file: '/k',
    });
    expect(whole.back).toMatchObject({ ...whole.before, identities: expect.anything() as unknown });
    const files = whole.back.connection === 'openssh' ? whole.back.identities : [];
    expect(files).toContainEqual({ kind: 'key-file', path: '/k' });
  });

  it('is nothing where the private state is not ours', () => {
    expect(remembered({})).toBeUndefined();
    expect(remembered({ host: { fleet: 1 } })).toBeUndefined();
  });
});

describe('after an interrupt', () => {
  it('nothing more is begun on a host, but what ends that which must not go on', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'interrupted-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const nobody = { address: '127.0.0.1', port: 1, host_key: entry['host_key'] ?? null, agent: true };
    const config = { fleet: 'f', hosts: { hv1: nobody }, events_file: join(folder, 'events') };
    const hosts = hostsOf(config);
    hosts.stop();
    const reach = hosts.reach('hv1');
    if (reach.kind !== 'ready') throw new Error(reach.kind);
    const codes = async (options: { urgent?: boolean }) => {
      const written = await reach.access.write([], options);
      return written.ok ? [] : written.diagnostics.map(({ code }) => code);
    };
    expect(await codes({})).toEqual(['aborted']);
    expect(await codes({ urgent: true })).not.toContain('aborted');
  }, 30_000);
});
