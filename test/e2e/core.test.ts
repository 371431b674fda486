import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { planHost } from '../../provider/engine/plan.ts';
import { guestPlaces } from '../../provider/jail/places.ts';
import { guestUnit, unitDirectory } from '../../provider/model/paths.ts';
import { sh, word } from '../../provider/model/shell.ts';
import { guestRemoval } from '../../provider/resources/guest/operations.ts';
import { standstillKernel } from '../lab/guest/standstill.ts';
import { compareSnapshots, snapshotHost } from '../lab/snapshot.ts';
import { useLab } from '../lab/vitest.ts';
import { Core, deviceModelOf, faultsOf, pending, placeKernels, shown, uploadOf } from './core.fixture.ts';
import { ends, value } from './preparation.fixture.ts';

const lab = useLab({ hosts: 1, name: 'core' });
beforeAll(() => placeKernels(lab.host));

describe('a host, its users and two guests', () => {
  it('are made over one connection by one read and one write, proven in it, and leave nothing behind', async () => {
    const before = await snapshotHost(lab.host);
    const core = new Core(lab.host);
    const wish = core.wish([core.guest('web1'), core.guest('web2')]);
    const made = await core.converge(wish);
    expect(shown(made.changes)).toEqual(['h1 create', 'per-domain create', 'web1 create', 'web2 create']);
    expect(core.link.counters().get('h1')).toEqual({ connections: 1, readBatches: 1, writeBatches: 1 });
    const leases = ['web1', 'web2'].map((name) => made.snapshot.guests.get(name)?.lease);
    expect(leases).toMatchObject([
      { domid: 1, shared: false },
      { domid: 2, shared: false },
    ]);
    expect(leases[1]?.uid).toBe((leases[0]?.uid ?? 0) + 1);
    const removed = await core.leave(['web1', 'web2']);
    expect(ends(removed).filter((end) => !/^(same|changed) /.test(end))).toEqual([]);
    await core.link.close();
    expect(compareSnapshots(before, await snapshotHost(lab.host))).toEqual([]);
  });
});

describe('drift', () => {
  const core = () => fleetOfOne;
  let fleetOfOne: Core;
  const wish = () => core().wish([core().guest('web1')]);
  beforeAll(async () => {
    fleetOfOne = new Core(lab.host);
    await core().converge(wish());
  });
  const healed = async (difference: readonly string[]) => {
    const plan = value(await core().plan(wish()));
    expect(shown(plan.changes)).toEqual(difference);
    return core().converge(wish());
  };

  it('is healed where the device model was killed', async () => {
    const pid = deviceModelOf(await core().see(), 'web1');
    await lab.host.run(sh`kill -9 ${pid}; while [ -d /proc/${pid} ]; do sleep 0.05; done`);
    await core().until((snapshot) => snapshot.evidence.get('web1')?.running === false);
    const { snapshot } = await healed(['web1 restart integrity.process, integrity.isolation']);
    expect(deviceModelOf(snapshot, 'web1')).not.toBe(pid);
  });

  it('is healed in the running guest where only the mode of its chroot changed', async () => {
    const pid = deviceModelOf(await core().see(), 'web1');
    chmodSync(lab.host.pathFromHere(guestPlaces('web1').chroot), 0o777);
    const { snapshot } = await healed(['web1 update integrity.isolation, integrity.chroot']);
    expect(deviceModelOf(snapshot, 'web1')).toBe(pid);
  });

  it('keeps what somebody put into the chroot aside, and gives the guest an empty one', async () => {
    const { chroot } = guestPlaces('web1');
    writeFileSync(lab.host.pathFromHere(`${chroot}/a plant`), 'kept');
    const { results } = await healed(['web1 restart integrity.isolation, integrity.chroot']);
    const aside = results.find(({ values }) => 'tampered' in values)?.values['tampered'] ?? '';
    expect(aside).toMatch(/^\/run\/stockade\/tampered\/web1-[0-9.]+$/);
    expect(readFileSync(lab.host.pathFromHere(`${aside}/a plant`), 'utf8')).toBe('kept');
  });

  it('is healed where the launcher was edited', async () => {
    const { launcher } = guestPlaces('web1');
    const file = lab.host.pathFromHere(launcher);
    const original = readFileSync(file, 'utf8');
    writeFileSync(file, original.replace('set -eu', 'set -eux'));
    await healed(['web1 restart integrity.launcher']);
    expect(readFileSync(lab.host.pathFromHere(launcher), 'utf8')).toBe(original);
  });

  it('is healed where the unit was given a drop-in, edited, or taken from what starts at boot', async () => {
    const dropIns = `${unitDirectory}/${guestUnit('web1')}.d`;
    const planted = lab.host.pathFromHere(`${dropIns}/99-more.conf`);
    writeFileSync(planted, '[Service]\nExecStartPre=/bin/true\n');
    await lab.host.run(sh`systemctl daemon-reload`);
    await healed(['web1 restart integrity.unit']);
    expect(existsSync(planted)).toBe(false);
    writeFileSync(lab.host.pathFromHere(`${dropIns}/10-stockade.conf`), '[Service]\nRestart=always\n');
    await healed(['web1 restart integrity.unit']);
    await lab.host.run(sh`rm ${word(`${unitDirectory}/multi-user.target.wants/${guestUnit('web1')}`)}`);
    await healed(['web1 restart integrity.unit']);
    expect(await core().unitProperty('web1', 'NeedDaemonReload')).toBe('no');
    expect(await core().unitProperty('web1', 'Restart')).toBe('no');
  });

  it('is healed where the user was deleted', async () => {
    const before = await lab.host.run(sh`getent passwd xen-qemuuser-domid1`);
    await lab.host.run(sh`userdel -f xen-qemuuser-domid1`);
    const plan = value(await core().plan(wish()));
    expect(shown(plan.changes)).toEqual([expect.stringMatching(/^per-domain update integrity\./)]);
    await core().converge(wish());
    expect(await lab.host.run(sh`getent passwd xen-qemuuser-domid1`)).toBe(before);
  });

  it('announces a restart for more memory, keeps the domid, and is over after it', async () => {
    const before = await core().see();
    const grown = core().wish([core().guest('web1', { memoryMib: 96 })]);
    const { changes, snapshot } = await core().converge(grown);
    expect(shown(changes)).toEqual(['web1 restart memoryMib']);
    expect(changes.find(({ address }) => address.kind === 'guest')).toMatchObject({
      disruption: 'restart',
      reasons: [{ before: '64', after: '96' }],
    });
    expect(snapshot.guests.get('web1')).toMatchObject({
      generation: (before.guests.get('web1')?.generation ?? 0) + 1,
      lease: before.guests.get('web1')?.lease,
    });
    expect(deviceModelOf(snapshot, 'web1')).not.toBe(deviceModelOf(before, 'web1'));
    await core().converge(wish());
  });

  it('changes what needs no restart in the running guest', async () => {
    const pid = deviceModelOf(await core().see(), 'web1');
    const crashing = core().wish([core().guest('web1', { restartPolicy: 'on_crash' })]);
    const { changes, snapshot } = await core().converge(crashing);
    expect(shown(changes)).toEqual(['web1 update restartPolicy']);
    expect(deviceModelOf(snapshot, 'web1')).toBe(pid);
    expect(await core().unitProperty('web1', 'Restart')).toBe('on-failure');
  });

  it('does not come of a crash where the guest is to be restarted', async () => {
    const crashing = core().wish([core().guest('web1', { restartPolicy: 'on_crash' })]);
    const pid = deviceModelOf(await core().see(), 'web1');
    await lab.host.run(sh`kill -9 ${pid}`);
    const back = await core().until((snapshot) => {
      const evidence = snapshot.evidence.get('web1');
      return (
        evidence?.running === true &&
        deviceModelOf(snapshot, 'web1') !== pid &&
        pending(crashing, snapshot).length === 0
      );
    });
    expect(pending(crashing, back)).toEqual([]);
    expect(deviceModelOf(back, 'web1')).not.toBe(pid);
    expect(Number(await core().unitProperty('web1', 'NRestarts'))).toBe(1);
    await core().converge(wish());
  });

  it('does not come of a reboot of the host: its guests are back, as isolated as before', async () => {
    await lab.host.reboot();
    const back = await core().until(
      (snapshot) =>
        Object.keys(faultsOf(snapshot, wish())).length === 0 && pending(wish(), snapshot).length === 0,
    );
    expect(faultsOf(back, wish())).toEqual({});
    expect(pending(wish(), back)).toEqual([]);
    await core().leave(['web1']);
    await core().link.close();
  });
});

describe('a guest that cannot start', () => {
  it('has its last words in the error, keeps its record, and is healed by a better definition', async () => {
    const core = new Core(lab.host);
    writeFileSync(lab.host.pathFromHere('/srv/kernels/bad'), 'this is no kernel');
    const bad = core.guest('bad', { kernel: { kind: 'host', path: '/srv/kernels/bad' } });
    const gone = core.guest('gone', { kernel: { kind: 'host', path: '/srv/kernels/no such' } });
    const good = core.guest('good');
    const { results } = await core.apply(core.wish([bad, gone, good]));
    const starts = results.filter(({ id }) => id.endsWith(': start'));
    expect(starts).toMatchObject([
      { status: 'failed', code: 'guest-died' },
      { status: 'failed', code: 'guest-died' },
      { status: 'changed' },
    ]);
    expect(starts[0]?.message).toMatch(
      /qemu.*(linux kernel too old|invalid kernel header|not a valid kernel|bad)/i,
    );
    expect(starts[1]?.message).toContain('/srv/kernels/no such is no regular file, or not there');
    const better = core.wish([core.guest('bad'), core.guest('gone'), good]);
    const plan = value(await core.plan(better));
    expect(shown(plan.changes)).toEqual([
      'bad restart kernel, integrity.process, integrity.isolation',
      'gone restart kernel, integrity.process, integrity.isolation',
    ]);
    await core.converge(better);
    await core.leave(['bad', 'gone', 'good']);
    await core.link.close();
  });
});

describe('a kernel of the applying machine', () => {
  it('is on the host once, by its digest, until no guest has it any more', async () => {
    const core = new Core(lab.host);
    const upload = uploadOf(standstillKernel());
    const kernel = { kind: 'digest', sha256: upload.sha256, bytes: upload.bytes } as const;
    const guests = [core.guest('one', { kernel }), core.guest('two', { kernel })];
    await core.converge(core.wish(guests, [upload]));
    const files = () =>
      readdirSync(lab.host.pathFromHere('/var/lib/stockade/files')).filter((name) => !name.startsWith('.'));
    expect(files()).toEqual([upload.sha256]);
    // the next guest finds it there
    await core.converge(core.wish([...guests, core.guest('three', { kernel })]));
    await core.write(['one', 'three'].flatMap((name) => guestRemoval({ host: 'h1', name }, 'first', 'any')));
    expect(files()).toEqual([upload.sha256]);
    await core.write(guestRemoval({ host: 'h1', name: 'two' }, 'first', 'any'));
    expect(files()).toEqual([]);
    await core.leave([]);
    await core.link.close();
  });
});

describe('a guest by the name of one that is gone', () => {
  it('starts with its own unit, where systemd has that of the other still', async () => {
    const before = await snapshotHost(lab.host);
    // a unit that names another keeps it in memory
    await lab.host.run(sh`printf '[Unit]\nAfter=%s\n[Service]\nExecStart=/bin/sleep infinity\n' ${word(guestUnit('web1'))} >/run/systemd/system/names-it.service
systemctl daemon-reload
systemctl start names-it.service`);
    const core = new Core(lab.host);
    const isolation = { off: ['seccomp'], mayBeMissing: [], hostDevMounts: false } as const;
    const open = await core.apply(core.wish([core.guest('web1', { isolation })]));
    expect(ends(open.results).filter((end) => !/^(same|changed) /.test(end))).toEqual([]);
    await core.remove(['web1']);
    expect(await core.unitProperty('web1', 'DropInPaths')).not.toBe('');
    const wish = core.wish([core.guest('web1')]);
    expect(faultsOf((await core.apply(wish)).snapshot, wish)).toEqual({});
    await core.leave(['web1']);
    await core.link.close();
    await lab.host.run(sh`systemctl stop names-it.service
rm /run/systemd/system/names-it.service
systemctl daemon-reload`);
    expect(compareSnapshots(before, await snapshotHost(lab.host))).toEqual([]);
  });
});

describe('several fleets', () => {
  it('share a host, never touch what is not theirs, and go without taking the others along', async () => {
    const before = await snapshotHost(lab.host);
    const [first, second] = [new Core(lab.host, 'first'), new Core(lab.host, 'second')];
    const ours = first.wish([first.guest('web1')]);
    const theirs = second.wish([second.guest('db1')]);
    const [one, two] = [value(await first.plan(ours)), value(await second.plan(theirs))];
    // both planned for an empty host, both write at once
    const written = await Promise.all([first.write(one.operations), second.write(two.operations)]);
    expect(
      written.flatMap(({ results }) => ends(results)).filter((end) => !/^(same|changed) /.test(end)),
    ).toEqual([]);
    await first.converge(ours);
    const { snapshot } = await second.converge(theirs);
    const uids = ['web1', 'db1'].map((name) => snapshot.guests.get(name)?.lease?.uid);
    expect(new Set(uids).size).toBe(2);

    const theft = planHost(second.wish([second.guest('web1')]), snapshot);
    expect(theft).toMatchObject({ ok: false, diagnostics: [{ code: 'record-foreign', host: 'h1' }] });
    const removal = await second.write(guestRemoval({ host: 'h1', name: 'web1' }, 'second', 'any'));
    const [record, ...rest] = removal.results.map(({ status }) => status);
    expect([record, ...new Set(rest)]).toEqual(['refused', 'skipped']);
    expect(removal.results[0]).toMatchObject({ code: 'record-foreign' });

    await second.leave(['db1']);
    expect(pending(ours, await first.see())).toEqual([]);
    await first.leave(['web1']);
    await Promise.all([first.link.close(), second.link.close()]);
    expect(compareSnapshots(before, await snapshotHost(lab.host))).toEqual([]);
  });
});

describe('two writers of one fleet', () => {
  it('do not undo each other: what was planned for an older generation is refused', async () => {
    const [early, late] = [new Core(lab.host), new Core(lab.host)];
    const wish = (memoryMib: number) => early.wish([early.guest('web1', { memoryMib })]);
    await early.converge(wish(64));
    const stale = value(await late.plan(wish(128)));
    await early.converge(wish(96));
    const { results, snapshot } = await late.write(stale.operations);
    expect(results[0]).toMatchObject({ status: 'refused', code: 'record-moved' });
    expect(results.slice(1).map(({ status }) => status)).toEqual(results.slice(1).map(() => 'skipped'));
    expect(pending(wish(96), snapshot)).toEqual([]);

    const both = [value(await early.plan(wish(64))), value(await late.plan(wish(128)))];
    const written = await Promise.all([
      early.write(both[0]?.operations ?? []),
      late.write(both[1]?.operations ?? []),
    ]);
    const firsts = written.map(({ results: [record] }) => record?.status).sort();
    expect(firsts).toEqual(['changed', 'refused']);
    await early.converge(wish(64));
    await early.leave(['web1']);
    await Promise.all([early.link.close(), late.link.close()]);
  });

  it('that create the same guest: one does, the other is refused', async () => {
    const [one, other] = [new Core(lab.host), new Core(lab.host)];
    await one.converge(one.wish([]));
    const wish = one.wish([one.guest('web1')]);
    const plans = [value(await one.plan(wish)), value(await other.plan(wish))];
    const written = await Promise.all([
      one.write(plans[0]?.operations ?? []),
      other.write(plans[1]?.operations ?? []),
    ]);
    const records = written.map(({ results }) => results.find(({ id }) => id.endsWith(': record')));
    const firsts = records.map((record) => record?.code ?? record?.status).sort();
    expect(firsts).toEqual(['changed', 'record-exists']);
    expect(pending(wish, await one.see())).toEqual([]);
    await one.leave(['web1']);
    await Promise.all([one.link.close(), other.link.close()]);
  });
});
