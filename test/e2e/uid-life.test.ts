import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { HostWish } from '../../provider/engine/plan.ts';
import { guestPlaces } from '../../provider/jail/places.ts';
import { stepExitCodes } from '../../provider/jail/step.ts';
import { guestUnit } from '../../provider/model/paths.ts';
import { sh, type ShellText, word } from '../../provider/model/shell.ts';
import { guestRemoval } from '../../provider/resources/guest/operations.ts';
import { cgroupFunctions } from '../../provider/resources/guest/supervise.ts';
import type { UserScheme } from '../../provider/spec/qemu-users.ts';
import { useLab } from '../lab/vitest.ts';
import { type Applied, Core, deviceModelOf, faultsOf, placeKernels } from './core.fixture.ts';
import { without } from './jail.fixture.ts';
import { ends } from './preparation.fixture.ts';

/** Of no other test: the kernel counts the processes of a uid over all hosts of this machine. */
const bases: Readonly<Record<UserScheme, number>> = {
  'per-domain': 1_500_000_000,
  range: 1_500_100_000,
  shared: 1_500_200_000,
};
/** A tree of processes under one uid that never stops growing, but for the limit that keeps this machine alive. */
const forkLoop = 'ulimit -u 40; while :; do (sleep 600 & sleep 600 & exec sleep 0.01); done';

const lab = useLab({ hosts: 1, name: 'uid-life' });
let core: Core;
beforeAll(() => {
  placeKernels(lab.host);
  core = new Core(lab.host);
});
afterAll(() => core.link.close());

function wishOf(names: readonly string[], lastDomid = 64, scheme: UserScheme = 'per-domain'): HostWish {
  const wish = core.wish(names.map((name) => core.guest(name, { scheme })));
  return {
    ...wish,
    users: wish.users.map((each) => ({ ...each, scheme, lastDomid, uidBase: bases[scheme] })),
  };
}

/** Plans and writes; what did not go well. */
async function failuresOf(wish: HostWish): Promise<readonly string[]> {
  return bad(await core.apply(wish));
}

function bad({ results }: Pick<Applied, 'results'>): readonly string[] {
  return ends(results).filter((end) => !/^(same|changed|skipped) /.test(end));
}

/** Starts something as a uid on the host, in no unit of ours. */
async function startAs(uid: number, script: string, group?: string): Promise<void> {
  const enter = group === undefined ? sh`:` : sh`echo 0 >${word(`${group}/cgroup.procs`)}`;
  const command = sh`${enter}; exec setsid setpriv --reuid=${uid} --regid=${uid} --clear-groups sh -c ${word(script)}`;
  await lab.host.run(sh`sh -c ${word(command.text)} </dev/null >/dev/null 2>&1 & sleep 0.5`);
}

async function processesOf(uid: number): Promise<readonly number[]> {
  const pattern = word(`^Uid:.*[[:blank:]]${uid}([[:blank:]]|$)`);
  const { stdout } = await lab.host.exec(sh`grep -lsE ${pattern} /proc/[0-9]*/status | tr -dc '0-9\\n'`);
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map(Number);
}

async function endAll(uid: number): Promise<void> {
  await lab.host.exec(sh`for round in 1 2 3; do
  setpriv --reuid=${uid} --regid=${uid} --clear-groups sh -c 'kill -KILL -1'
  sleep 0.1
done`);
}

async function groupOf(guest: string): Promise<string> {
  const group = await core.unitProperty(guest, 'ControlGroup');
  const found =
    await lab.host.run(sh`for m in /sys/fs/cgroup /sys/fs/cgroup/unified /sys/fs/cgroup/systemd; do
  if [ -e "$m"${word(group)}/cgroup.procs ]; then echo "$m"; break; fi
done`);
  return `${found.trim()}${group}`;
}

const unit = (verb: 'start' | 'stop', guest: string): ShellText =>
  sh`systemctl ${word(verb)} -- ${word(guestUnit(guest))}`;
const uidOf = (applied: Pick<Applied, 'snapshot'>, guest: string): number =>
  applied.snapshot.guests.get(guest)?.lease?.uid ?? 0;
const here = (path: string): string => lab.host.pathFromHere(path);
const remove = (...names: readonly string[]) =>
  core.write(names.flatMap((name) => guestRemoval({ host: lab.host.name, name }, core.fleet, 'any')));

describe.each(['per-domain', 'range', 'shared'] as const)('guests under the scheme %s', (scheme) => {
  const names = ['one', 'two'];
  const base = bases[scheme];
  let uids: readonly number[] = [];
  const user = {
    'per-domain': 'xen-qemuuser-domid1',
    range: 'xen-qemuuser-range-base',
    shared: 'xen-qemuuser-shared',
  };

  it('run as they should, proven, and say where the user is shared; without the user they do not start', async () => {
    const wish = wishOf(names, 64, scheme);
    const made = await core.converge(wish);
    uids = names.map((name) => uidOf(made, name));
    const domids = names.map((name) => made.snapshot.guests.get(name)?.lease?.domid ?? 0);
    expect(uids).toEqual(domids.map((domid) => (scheme === 'shared' ? base : base + domid)));
    expect(domids[1]).toBe((domids[0] ?? 0) + 1);
    const layer = made.snapshot.evidence.get('one')?.layers.find((each) => each.layer === 'user');
    expect(layer?.state).toBe('effective');
    expect(layer?.requested.includes('shared with other guests')).toBe(scheme === 'shared');
    await lab.host.run(
      sh`${unit('stop', 'one')}; userdel -f ${word(user[scheme])}; ${unit('start', 'one')} || :`,
    );
    await core.until(() => existsSync(here(guestPlaces('one').launchError)));
    await lab.host.run(sh`sleep 0.3`);
    expect(await core.unitProperty('one', 'ExecMainStatus')).toBe(String(stepExitCodes.user));
    expect(readFileSync(here(guestPlaces('one').launchError), 'utf8')).toBe(
      `user: user ${user[scheme]} does not exist\n`,
    );
    const { snapshot } = await core.converge(wish);
    expect(faultsOf(snapshot, wish)).toEqual({});
  });

  it('leave each other alone when one starts anew, and one is removed', async () => {
    const before = deviceModelOf(await core.see(), 'two');
    await lab.host.run(sh`${unit('stop', 'one')}; ${unit('start', 'one')}`);
    expect(deviceModelOf(await core.see(), 'two')).toBe(before);
    expect(bad(await remove('one'))).toEqual([]);
    expect(deviceModelOf(await core.see(), 'two')).toBe(before);
    await remove('two');
    expect((await Promise.all(uids.map(processesOf))).flat()).toEqual([]);
  });
});

describe('a process that forks in a loop under the uid of a guest', () => {
  let uid: number;
  let bystander: number;
  const neighbour = async () => deviceModelOf(await core.see(), 'next');
  beforeAll(async () => {
    const made = await core.converge(wishOf(['web', 'next']));
    uid = uidOf(made, 'web');
    bystander = deviceModelOf(made.snapshot, 'next');
  });

  it.each(['outside', 'inside'] as const)('does not outlive a stop, %s the unit', async (where) => {
    await startAs(uid, forkLoop, where === 'inside' ? await groupOf('web') : undefined);
    expect((await processesOf(uid)).length).toBeGreaterThan(5);
    await lab.host.run(unit('stop', 'web'));
    expect(await processesOf(uid)).toEqual([]);
    expect(await neighbour()).toBe(bystander);
    await lab.host.run(unit('start', 'web'));
  });

  it('does not outlive a start', async () => {
    await lab.host.run(unit('stop', 'web'));
    await startAs(uid, forkLoop);
    expect((await processesOf(uid)).length).toBeGreaterThan(5);
    const { snapshot } = await core.converge(wishOf(['web', 'next']));
    expect(await processesOf(uid)).toEqual([deviceModelOf(snapshot, 'web')]);
    expect(await neighbour()).toBe(bystander);
  });

  it('outlives both where the launcher does not reap', async () => {
    const launcher = here(guestPlaces('web').launcher);
    const whole = readFileSync(launcher, 'utf8');
    const line = ' || stockade_reap "$uid" || fail "processes of uid $uid cannot be ended: $strays"\n';
    const atStart = '      stockade_reap "$uid" || fail "processes of uid $uid cannot be ended: $strays"\n';
    writeFileSync(
      launcher,
      without(line, atStart)(whole).replace('[ "$holder" = "$guest" ]; then\n', '$&:\n'),
    );
    try {
      await startAs(uid, forkLoop);
      await lab.host.run(unit('stop', 'web'));
      expect((await processesOf(uid)).length).toBeGreaterThan(5);
      await lab.host.run(unit('start', 'web'));
      const seen = await core.until(({ evidence }) => evidence.get('web')?.running === true);
      expect((await processesOf(uid)).length).toBeGreaterThan(5);
      expect(seen.evidence.get('web')?.layers.find(({ layer }) => layer === 'user')?.state).toBe(
        'ineffective',
      );
    } finally {
      writeFileSync(launcher, whole);
    }
  });

  it('goes with its guest, also one that was stopped already', async () => {
    await lab.host.run(unit('stop', 'web'));
    expect(await processesOf(uid)).toEqual([]);
    await startAs(uid, forkLoop);
    expect((await processesOf(uid)).length).toBeGreaterThan(5);
    expect(bad(await remove('web'))).toEqual([]);
    expect(await processesOf(uid)).toEqual([]);
    expect(await neighbour()).toBe(bystander);
    await remove('next');
  });

  it('does not outlive the end of its cgroup where the kernel can only freeze it', async () => {
    const group = (await groupOf('none')).replace(/\/?$/, '/fork-loop');
    await lab.host.run(sh`mkdir -p ${word(group)}`);
    await startAs(uid, forkLoop, group);
    const pids = await processesOf(uid);
    expect(pids.length).toBeGreaterThan(5);
    const old = cgroupFunctions.text.replaceAll('cgroup.kill', 'cgroup.none');
    writeFileSync(here('/srv/kill-group'), `set -eu\n${old}\nmounts=\nmounts=/\nkill_group ${group}\n`);
    await lab.host.run(sh`sh /srv/kill-group`);
    await lab.host.run(sh`sleep 0.3`);
    expect(await processesOf(uid)).toEqual([]);
    await lab.host.run(sh`rmdir ${word(group)}`);
  });
});

describe('a process that a guest did not start', () => {
  it('is named and left alone when the guest starts first, and may not be there again when it starts', async () => {
    const wish = wishOf(['web']);
    const { operations } = await plannedFor(wish);
    const placed = await core.write(operations.filter(({ id }) => !id.endsWith(': start')));
    expect(bad(placed)).toEqual([]);
    const uid = uidOf(placed, 'web');
    await startAs(uid, 'exec sleep 600');
    const [stray = 0] = await processesOf(uid);
    const [told = '', ...others] = await failuresOf(wish);
    expect(others).toEqual([]);
    expect(told).toContain('guest-died');
    expect(told).toContain(
      `uid ${uid} has processes that this guest did not start, left alone: ${stray} (/usr/bin/sleep)`,
    );
    expect(await core.unitProperty('web', 'ExecMainStatus')).toBe(String(stepExitCodes.user));
    expect(await processesOf(uid)).toEqual([stray]);
    // neither does its removal touch it: it is told, and the uid is given to nobody
    const removed = await remove('web');
    expect(bad(removed)).toEqual([]);
    const left = `uid ${uid}: 1 process: ${stray} (sleep)`;
    expect(removed.results.map(({ values }) => values['leftovers']).filter(Boolean)).toEqual([left]);
    expect(await processesOf(uid)).toEqual([stray]);
    await endAll(uid);
  });

  it('holds back its uid, which another guest does not get', async () => {
    await core.apply(wishOf([], 2));
    const first = bases['per-domain'] + 1;
    await Promise.all([startAs(first, 'exec sleep 600'), startAs(first + 1, 'exec sleep 600')]);
    const [told = '', ...others] = await failuresOf(wishOf(['web'], 2));
    expect(others).toEqual([]);
    expect(told).toMatch(
      /lease: leftovers: no domid from 1 to 2 is left: 2 were passed over, the first because this is left of uid 150000000[12]: 1 process: \d+ \(sleep\)/,
    );
    expect(existsSync(here('/var/lib/stockade/guests/web'))).toBe(false);
    await endAll(first + 1);
    const made = await core.converge(wishOf(['web'], 2));
    expect(uidOf(made, 'web')).toBe(first + 1);
    expect(
      made.results.find(({ values }) => values['passed_over'] !== undefined)?.values['passed_over'],
    ).toMatch(/^uid 1500000001: 1 process: \d+ \(sleep\)$/);
    expect(await processesOf(first)).toHaveLength(1);
    await endAll(first);
    await remove('web');
  });
});

describe('files and System V objects of a removed guest', () => {
  it('are told, never deleted, and hold its uid back until somebody removed them', async () => {
    const made = await core.converge(wishOf(['web']));
    const uid = uidOf(made, 'web');
    const domid = uid - bases['per-domain'];
    const files = [
      `/dev/shm/a b${String.fromCharCode(27)}[2J`,
      '/tmp/deep/er/file',
      '/var/tmp/file',
      '/run/stockade/file',
    ];
    for (const file of files)
      await lab.host.run(
        sh`mkdir -p "$(dirname ${word(file)})"; : >${word(file)}; chown ${uid} ${word(file)}`,
      );
    await lab.host.run(sh`: >/srv/out-of-scope; chown ${uid} /srv/out-of-scope
setpriv --reuid=${uid} --regid=${uid} --clear-groups sh -c 'ipcmk -M 64; ipcmk -S 1; ipcmk -Q'`);
    const removed = await remove('web');
    expect(bad(removed)).toEqual([]);
    const told =
      removed.results.find(({ values }) => values['leftovers'] !== undefined)?.values['leftovers'] ?? '';
    expect(told).toMatch(
      /^uid \d+: 4 files: \/dev\/shm\/a b\?\[2J, .*, \.\.\.; 1 shared memory segment: \d+; 1 semaphore set: \d+; 1 message queue: \d+$/,
    );
    expect(files.filter((file) => !existsSync(here(file)) && !/^\/(dev|run|tmp)/.test(file))).toEqual([]);
    const rests = readFileSync(here(`/var/lib/stockade/leases/quarantine/${domid}`), 'utf8');
    expect(rests).toMatch(/^since \d{10}\nuid \d+\nwhy guest web was removed; left behind: 4 files: /);
    const only = wishOf(['web'], domid);
    const narrow = { ...only, users: only.users.map((each) => ({ ...each, firstDomid: domid })) };
    expect((await failuresOf(narrow))[0]).toContain(
      `lease: leftovers: no domid from ${domid} to ${domid} is left`,
    );
    await lab.host.run(sh`find /dev/shm /tmp /var/tmp /run/stockade -xdev -uid ${uid} -delete
for kind in m:shm s:sem q:msg; do
  for id in $(awk '/ '${uid}' /{print $2}' /proc/sysvipc/"\${kind#*:}"); do ipcrm -"\${kind%:*}" "$id"; done
done`);
    // the only one there is: out of quarantine before its time, since nothing is left of it
    const again = await core.converge(narrow);
    expect(uidOf(again, 'web')).toBe(uid);
    expect(existsSync(here(`/var/lib/stockade/leases/quarantine/${domid}`))).toBe(false);
    await remove('web');
    rmSync(here('/srv/out-of-scope'));
  });
});

describe('a uid that is held by somebody', () => {
  it.each([
    [
      'a second name',
      (uid: number) => sh`echo "mallory:x:${uid}:100::/:/bin/sh" >>/etc/passwd`,
      /is user mallory$/,
    ],
    [
      'a range',
      (uid: number) => sh`echo "eve:${uid - 5}:10" >>/etc/subuid`,
      /is in a range of eve in \/etc\/subuid$/,
    ],
  ] as const)('since its lease, by %s, is not started as, nor leased', async (_what, hold, message) => {
    const made = await core.converge(wishOf(['web']));
    const uid = uidOf(made, 'web');
    await lab.host.run(sh`cp /etc/passwd /srv/passwd; [ ! -f /etc/subuid ] || cp /etc/subuid /srv/subuid
${unit('stop', 'web')}; ${hold(uid)}; ${unit('start', 'web')} || :`);
    await lab.host.run(sh`sleep 0.3`);
    expect(await core.unitProperty('web', 'ExecMainStatus')).toBe(String(stepExitCodes.user));
    expect(readFileSync(here(guestPlaces('web').launchError), 'utf8').trim()).toMatch(message);
    await remove('web');
    await lab.host.run(
      sh`cp /srv/passwd /etc/passwd; if [ -f /srv/subuid ]; then cp /srv/subuid /etc/subuid; else rm -f /etc/subuid; fi`,
    );
    // planned for a host where nobody held it, written where somebody does
    await core.apply(wishOf([], 1));
    const { operations } = await plannedFor(wishOf(['web'], 1));
    await lab.host.run(hold(bases['per-domain'] + 1));
    const told = bad(await core.write(operations));
    expect(told[0]).toContain(
      'guest web on h1: lease: user-clash: no domid from 1 to 1 is left: 1 were passed over',
    );
    expect((await core.plan(wishOf(['web'], 1))).ok).toBe(false);
    await lab.host.run(
      sh`cp /srv/passwd /etc/passwd; if [ -f /srv/subuid ]; then cp /srv/subuid /etc/subuid; else rm -f /etc/subuid; fi`,
    );
  });

  it('by another guest that was started as it, is not started as: a lease that came back from a backup', async () => {
    const made = await core.converge(wishOf(['web']));
    const uid = uidOf(made, 'web');
    const running = await processesOf(uid);
    mkdirSync(here('/var/lib/stockade/guests/old/log'), { recursive: true });
    for (const file of ['lease', 'launch']) {
      const text = readFileSync(here(`/var/lib/stockade/guests/web/${file}`), 'utf8');
      writeFileSync(here(`/var/lib/stockade/guests/old/${file}`), text.replaceAll(/\bweb\b/g, 'old'), {
        mode: 0o700,
      });
    }
    await lab.host.run(sh`${unit('start', 'old')} || :; sleep 0.5`);
    expect(await core.unitProperty('old', 'ExecMainStatus')).toBe(String(stepExitCodes.user));
    expect(await processesOf(uid)).toEqual(running);
    await lab.host.run(
      sh`systemctl reset-failed ${word(guestUnit('old'))}; rm -r /var/lib/stockade/guests/old`,
    );
    await remove('web');
  });
});

async function plannedFor(wish: HostWish) {
  const plan = await core.plan(wish);
  if (!plan.ok) throw new Error(JSON.stringify(plan.diagnostics));
  return plan.value;
}
