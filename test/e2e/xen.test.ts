import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { HostSnapshot } from '../../provider/engine/snapshot.ts';
import { layersWithoutXl } from '../../provider/model/evidence.ts';
import { guestUnit } from '../../provider/model/paths.ts';
import { sh, word } from '../../provider/model/shell.ts';
import type { GuestDesired } from '../../provider/resources/guest/desired.ts';
import { lastPossibleDomid } from '../../provider/spec/qemu-users.ts';
import { domainUuid } from '../../provider/toolstacks/xl/config.ts';
import { domainOf } from '../../provider/toolstacks/xl/expectation.ts';
import { xenStates } from '../container-host.ts';
import { restlessKernel, waitingKernel } from '../lab/guest/standstill.ts';
import { useXenHost } from '../lab/vitest.ts';
import { Core, deviceModelOf, faultsOf, pending, stillKernel } from './core.fixture.ts';
import { ends, value } from './preparation.fixture.ts';

const running = useXenHost();
const restless = '/srv/kernels/restless';
/** Somebody else's domain. */
const foreign = `name = "theirs"
type = "hvm"
memory = 32
kernel = "${stillKernel}"
vga = "none"
vnc = 0
`;

/** What a guest of xl's has in common in these tests. */
const onXen: Partial<GuestDesired> = {
  accelerator: 'kvm',
  shutdownTimeoutSeconds: 10,
  isolation: { off: [], mayBeMissing: [...layersWithoutXl].sort(), hostDevMounts: false },
};

const domainIn = (snapshot: HostSnapshot, guest: GuestDesired) =>
  domainOf(domainUuid(guest), snapshot.domains ?? []);

beforeAll(async () => {
  await running.host.write(stillKernel, waitingKernel());
  await running.host.write(restless, restlessKernel());
});

describe('a guest of xl on a real Xen', () => {
  let core: Core;
  const web = (change: Partial<GuestDesired> = {}) => core.guest('web1', { ...onXen, ...change });

  beforeAll(() => {
    core = new Core(running.host, 'first', xenStates, 'xl');
  });
  afterAll(async () => {
    await core.leave(['web1']);
    await core.link.close();
  });

  it('runs with every layer that libxl gives, and nothing left to do', async () => {
    const { snapshot } = await core.converge(core.wish([web()]));
    const domain = domainIn(snapshot, web());
    expect(domain).toMatchObject({ name: 'web1', maxMemoryKib: 64 * 1024 });
    expect(deviceModelOf(snapshot, 'web1')).toBe(domain?.deviceModelPid);
    expect(faultsOf(await core.see(), core.wish([web()]), xenStates)).toEqual({});
    expect((await core.serialLog('web1')).toString('latin1').replaceAll('\0', '')).toContain('U');
  });

  it('is started anew with more memory, as another domain', async () => {
    const before = domainIn(await core.see(), web());
    const wish = core.wish([web({ memoryMib: 96 })]);
    expect(pending(wish, await core.see())).toEqual(['web1 restart memoryMib']);
    const { snapshot } = await core.converge(wish);
    expect(domainIn(snapshot, web())).toMatchObject({ maxMemoryKib: 96 * 1024 });
    expect(domainIn(snapshot, web())?.domid).not.toBe(before?.domid);
  });

  it('comes back when its device model was killed', async () => {
    const wish = core.wish([web({ memoryMib: 96 })]);
    await running.host.run(['kill', '-KILL', String(deviceModelOf(await core.see(), 'web1'))]);
    const seen = await core.until((now) => now.evidence.get('web1')?.running === false);
    expect(pending(wish, seen)).toEqual(['web1 restart integrity.process, integrity.isolation']);
    await core.converge(wish);
  });

  it('says which of its users is missing, and comes back with it', async () => {
    const wish = core.wish([web({ memoryMib: 96 })]);
    const user = (
      await running.host.run(sh`sed -n 's/^user //p' /var/lib/stockade/guests/web1/lease`)
    ).trim();
    await running.host.run(['systemctl', 'stop', guestUnit('web1')]);
    await running.host.run(['userdel', user]);
    await running.host.exec(['systemctl', 'start', guestUnit('web1')]);
    const seen = await core.until((now) => now.guests.get('web1')?.launchError !== undefined);
    expect(seen.guests.get('web1')?.launchError).toBe(`user: user ${user} does not exist`);
    expect(pending(wish, seen)).toEqual([
      'per-domain update integrity.users, integrity.groups',
      'web1 restart integrity.process, integrity.isolation',
    ]);
    await core.converge(wish);
  });

  it('finds handles on Xen that are not restricted, and everything else of a device model started by hand', async () => {
    const wish = core.wish([web({ memoryMib: 96 })]);
    await running.host.run(
      sh`sed -i 's/^dm_restrict = 1/dm_restrict = 0/; s/^  case $user in xen-qemuuser.*//' /var/lib/stockade/guests/web1/launch && systemctl restart stockade-guest@web1.service`,
    );
    const seen = await core.until((now) => now.evidence.get('web1')?.running === true);
    const bad = (seen.evidence.get('web1')?.layers ?? []).filter(({ state }) => state === 'ineffective');
    expect(bad.map(({ layer }) => layer).sort()).toEqual(
      ['capabilities', 'chroot', 'ipc-namespace', 'mount-namespace', 'rlimits', 'user', 'xen-handles'].sort(),
    );
    const handles = bad.find(({ layer }) => layer === 'xen-handles');
    expect(handles?.raw.filter((line) => line.includes(' restricted '))).toEqual([]);
    expect(pending(wish, seen)).toEqual(['web1 restart integrity.isolation, integrity.launcher']);
    await core.converge(wish);
  });

  it('is left down when it does nothing but start again, and says so', async () => {
    const wish = core.wish([web({ kernel: { kind: 'host', path: restless } })]);
    const { operations } = value(await core.plan(wish));
    await core.write(operations);
    const seen = await core.until((now) => now.guests.get('web1')?.launchError !== undefined);
    expect(seen.guests.get('web1')?.launchError).toContain('starts again over and over');
    expect(seen.domains).toEqual([]);
    await core.converge(core.wish([web()]));
  });

  it('does not touch a domain that has its name alone', async () => {
    await running.host.write('/srv/foreign.cfg', foreign);
    await running.host.run(['xl', 'create', '/srv/foreign.cfg']);
    const wish = core.wish([web(), core.guest('theirs', onXen)]);
    const planned = await core.plan(wish);
    expect(planned.ok ? [] : planned.diagnostics).toMatchObject([
      { code: 'domain-foreign', resource: `guest theirs on ${running.host.name}` },
    ]);
    expect(await running.host.run(['xl', 'list'])).toContain('theirs');
    await running.host.run(['xl', 'destroy', 'theirs']);
  });

  it('leaves nothing when it is taken away', async () => {
    const results = await core.leave(['web1']);
    expect(ends(results).filter((end) => !/^(same|changed) /.test(end))).toEqual([]);
    const left = await running.host.run(
      sh`xl list; ls -d /var/lib/stockade /run/stockade /run/xen/qemu-root-* /var/log/xen/qemu-dm-web1.log* /etc/systemd/system/stockade-guest@* 2>/dev/null; getent passwd | grep xen-qemuuser; true`,
    );
    expect(
      left
        .trim()
        .split('\n')
        .slice(1)
        .map((line) => line.split(/ +/)[0]),
    ).toEqual(['Domain-0']);
  });
});

describe('users of a range on a real Xen', () => {
  let core: Core;
  const db = (change: Partial<GuestDesired> = {}) => core.guest('db1', { ...onXen, ...change });

  beforeAll(() => {
    core = new Core(running.host, 'second', xenStates, 'xl', 'range');
  });
  afterAll(async () => {
    await core.leave(['db1']);
    await core.link.close();
  });

  it('are taken by domid, which nothing depends on', async () => {
    const { snapshot } = await core.converge(core.wish([db()]));
    const domain = domainIn(snapshot, db());
    const base = snapshot.users.get('range')?.record?.uidBase ?? 0;
    expect(domain?.killUid).toBe(base + (domain?.domid ?? 0));
    await running.host.run(['systemctl', 'restart', guestUnit('db1')]);
    const seen = await core.until((now) => now.evidence.get('db1')?.running === true);
    expect(domainIn(seen, db())?.domid).not.toBe(domain?.domid);
    expect(faultsOf(seen, core.wish([db()]), xenStates)).toEqual({});
    expect(pending(core.wish([db()]), seen)).toEqual([]);
  });

  it('are refused by the plan where somebody else has one of them, and by libxl as well', async () => {
    const seen = await core.see();
    const base = seen.users.get('range')?.record?.uidBase ?? 0;
    const next = base + (domainIn(seen, db())?.domid ?? 0) + 1;
    await running.host.run(['useradd', '--no-create-home', '--uid', String(next), 'intruder']);
    const planned = await core.plan(core.wish([db()]));
    expect(planned.ok ? [] : planned.diagnostics).toMatchObject([{ code: 'user-clash' }]);
    await running.host.exec(['systemctl', 'restart', guestUnit('db1')]);
    const failed = await core.until((now) => now.guests.get('db1')?.launchError !== undefined);
    expect(failed.guests.get('db1')?.launchError).toContain(`wanted to use uid ${next}`);
    await running.host.run(['userdel', 'intruder']);
    await core.converge(core.wish([db()]));
  });

  it('names what lies in an old root of a device model', async () => {
    const domid = (domainIn(await core.see(), db())?.domid ?? 0) + 1;
    const room = word(`/run/xen/qemu-root-${domid}`);
    await running.host.run(sh`mkdir -p ${room} && touch ${room}/planted`);
    await running.host.exec(['systemctl', 'restart', guestUnit('db1')]);
    const failed = await core.until((now) => now.guests.get('db1')?.launchError !== undefined);
    expect(failed.guests.get('db1')?.launchError).toContain(
      `/run/xen/qemu-root-${domid} is not empty, 'planted' lies in it`,
    );
    await running.host.run(sh`rm -r ${room}`);
    await core.converge(core.wish([db()]));
  });
});

describe('users for every domid there can be', () => {
  it('are made on the host in one batch, and removed again', async () => {
    const core = new Core(running.host, 'third', xenStates, 'xl');
    const { users, ...wish } = core.wish([]);
    const all = { ...wish, users: users.map((one) => ({ ...one, lastDomid: lastPossibleDomid })) };
    const count = async () =>
      Number(await running.host.run(sh`grep -c '^xen-qemuuser-domid' /etc/passwd || true`));
    const { results } = await core.converge(all);
    expect(results.filter(({ id }) => id.endsWith(': users'))).toMatchObject([{ status: 'changed' }]);
    expect(await count()).toBe(lastPossibleDomid);
    await core.leave([]);
    expect(await count()).toBe(0);
    await core.link.close();
  });
});
