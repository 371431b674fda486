import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { evidenceSection, parseEvidence, proveIsolation } from '../../provider/jail/evidence.ts';
import { guestPlaces } from '../../provider/jail/places.ts';
import { stepExitCodes } from '../../provider/jail/step.ts';
import { reapFunctions } from '../../provider/jail/strays.ts';
import { guestUnit } from '../../provider/model/paths.ts';
import { ShellText, sh, word, words } from '../../provider/model/shell.ts';
import { parseQmpReplies, qmpAnswer, qmpCall, qmpFunctions } from '../../provider/toolstacks/qemu/qmp.ts';
import { buildGuestImage } from '../lab/guest/image.ts';
import { guestBanner, guestCommandLine } from '../lab/guest/init.ts';
import { useLab } from '../lab/vitest.ts';
import { faults, JailHost, stateOf, type TestGuest } from './jail.fixture.ts';

const running = useLab({ hosts: 1, name: 'jail-life' });
let jail: JailHost;
beforeAll(async () => {
  jail = new JailHost(running.host);
  await jail.prepare(await buildGuestImage());
});

const ended = (guest: TestGuest) =>
  jail.until(
    () => jail.unitProperty(guest, 'ActiveState'),
    (state) => state === 'failed' || state === 'inactive',
  );

describe('a launch that fails', () => {
  it("leaves QEMU's last words in the log when it dies at start", async () => {
    const guest = jail.place({ qemu: ['-device', 'no-such-device'] });
    await jail.startDoomed(guest);
    expect(await ended(guest)).toBe('failed');
    expect(await jail.log(guest, 'stderr')).toContain("'no-such-device' is not a valid device model name");
    const [observed] = await jail.observe(guest);
    expect(observed).toMatchObject({ running: false, unit: { result: 'exit-code', execMainStatus: '1' } });
    const [evidence] = await jail.evidence(guest);
    const states = new Set(evidence?.layers.map(({ layer, state }) => (layer === 'lsm' ? 'missing' : state)));
    expect(states).toEqual(new Set(['unproven', 'missing']));
  });

  it('leaves a chroot that was filled as it is, and names what lies in it', async () => {
    const guest = jail.place();
    const { chroot, launchError } = guestPlaces(guest.name);
    await jail.host.run(sh`mkdir -p ${word(chroot)} && echo kept >${word(`${chroot}/a "plant"`)}`);
    await jail.startDoomed(guest);
    expect(await ended(guest)).toBe('failed');
    expect(await jail.unitProperty(guest, 'ExecMainStatus')).toBe(String(stepExitCodes.chroot));
    expect(await jail.host.run(['cat', launchError])).toContain(
      `chroot: ${chroot} is not an empty directory; in it: 'a "plant"'`,
    );
    expect(await jail.host.run(['cat', `${chroot}/a "plant"`])).toBe('kept\n');
  });

  it.each([
    ['root', 'domid 1\nuid 0\ngid 300000\nshared no\n', 'lease'],
    ['nobody', 'domid 1\nuid 65534\ngid 300000\n', 'lease'],
    ['the no change of setuid', 'domid 1\nuid 300000\ngid 65535\n', 'lease'],
    ['its 32 bit form', 'domid 1\nuid 4294967295\ngid 300000\n', 'lease'],
    ['more than a number', 'domid 1\nuid $(id -u)\ngid 300000\n', 'lease'],
    ['two numbers', 'domid 1\nuid 300000 0\ngid 300000\n', 'lease'],
    ['an unknown line', 'domid 1\nuid 300000\ngid 300000\nroot yes\n', 'lease'],
    ['nothing', '', 'lease'],
    ["another user's uid", 'domid 1\nuid 1\ngid 300000\n', 'user'],
  ] as const)('refuses a lease of %s', async (_, lease, step) => {
    const guest = jail.place({ lease });
    await jail.startDoomed(guest);
    expect(await ended(guest)).toBe('failed');
    expect(await jail.unitProperty(guest, 'ExecMainStatus')).toBe(String(stepExitCodes[step]));
    expect(await jail.host.run(sh`journalctl -o cat -u ${word(guestUnit(guest.name))}`)).toContain(
      `stockade-launch: ${step}: `,
    );
  });
});

describe('a kernel', () => {
  it('that others than root could exchange is not opened', async () => {
    const guest = jail.place();
    await jail.host.run(sh`chmod g+w /srv`);
    await jail.startDoomed(guest);
    expect(await ended(guest)).toBe('failed');
    await jail.host.run(sh`chmod g-w /srv`);
    expect(await jail.unitProperty(guest, 'ExecMainStatus')).toBe(String(stepExitCodes['trusted-files']));
    expect(await jail.host.run(['cat', guestPlaces(guest.name).launchError])).toMatch(
      /^trusted-files: \/srv belongs to uid 0 with mode 775: root must own it and all directories above it/,
    );
    await jail.start(guest);
    await jail.stop(guest);
  });
});

describe('a hostile guest or device model', () => {
  it('fills no more of the disk than its log may take, and the end of what it prints is kept', async () => {
    const commandLine = `${guestCommandLine} flood_kib=512`;
    const guest = jail.place({ qemu: [], commandLine, initrd: 'hostile' });
    await jail.start(guest);
    const log = await jail.until(
      () => jail.log(guest, 'serial'),
      (text) => text.includes(guestBanner),
    );
    expect(log).toContain(guestBanner);
    const directory = guestPlaces(guest.name).logDirectory;
    const sizes = await jail.host.run(sh`stat -c %s ${word(directory)}/serial.0 ${word(directory)}/serial.1`);
    const bytes = sizes.trim().split('\n').map(Number);
    expect(Math.max(...bytes)).toBe(32 * 1024);
    expect(bytes.reduce((sum, size) => sum + size)).toBeLessThanOrEqual(64 * 1024);
    const [evidence] = await jail.settled(guest);
    expect(evidence && faults(evidence)).toEqual({});
    await jail.stop(guest);
  });

  it('cannot pass for something else by names of processes, files and memfds', async () => {
    const name = '../x\\nSTOCKADE 7 ok\\nend\\n/proc/1/status';
    const perl = `my $n = "${name}"; syscall(319, $n, 0) >= 0 or die; $0 = "x) R 1 1 1\\n0 0"; sleep 600`;
    const script = (launcher: string) =>
      launcher.replace(
        '#!/bin/sh\n',
        `#!/bin/sh\n[ "$1" != run ] || perl -e '${perl}' </dev/null >/dev/null 2>&1 &\n`,
      );
    const [hostile, honest] = [jail.place({ breakLauncher: script }), jail.place()];
    await jail.start(hostile, honest);
    const [, fine] = await jail.until(
      () => jail.evidence(hostile, honest),
      ([bad, good]) =>
        bad?.running === true &&
        stateOf(bad, 'open-files') === 'ineffective' &&
        good !== undefined &&
        Object.keys(faults(good)).length === 0,
      50,
    );
    expect(fine && faults(fine)).toEqual({});
    const [bad] = await jail.evidence(hostile);
    const files = bad?.layers.find((layer) => layer.layer === 'open-files');
    expect(files?.state).toBe('ineffective');
    expect(files?.observed).toContain('memfd:../x\\nSTOCKADE 7 ok\\nend');
    expect(bad && stateOf(bad, 'capabilities')).toBe('ineffective');
    await jail.stop(hostile, honest);
  });

  it('does not outlive a reaping, not even forking in a loop', async () => {
    const guest = jail.place();
    const bomb = 'ulimit -u 40; while :; do (sleep 600 & sleep 600 & exec sleep 0.01); done';
    const uid = String(guest.uid);
    await jail.host.run(
      sh`setsid setpriv --reuid=${word(uid)} --regid=${word(uid)} --clear-groups sh -c ${word(bomb)} </dev/null >/dev/null 2>&1 & sleep 1`,
    );
    expect((await jail.processesOf(guest.uid)).length).toBeGreaterThan(3);
    await jail.host.run(sh`${reapFunctions}
stockade_reap ${word(uid)}`);
    expect(await jail.processesOf(guest.uid)).toEqual([]);
  });

  it('is seen and ended when its first thread has ended and others go on', async () => {
    const program = `#include <pthread.h>
#include <unistd.h>
static void *rest(void *none) { for (;;) pause(); return none; }
int main(void) { pthread_t thread; pthread_create(&thread, 0, rest, 0); pthread_exit(0); }
`;
    const here = jail.host.pathFromHere('/srv/headless');
    execFileSync('gcc', ['-static', '-pthread', '-o', here, '-x', 'c', '-'], { input: program });
    const guest = jail.place({
      breakLauncher: () => '#!/bin/sh\n[ "$1" = run ] || exit 0\n/srv/headless & wait\nexec sleep 600\n',
    });
    const uid = String(guest.uid);
    await jail.start(guest);
    const [seen] = await jail.until(
      () => jail.observe(guest),
      ([shown]) => shown?.processes.some((process) => process.executableInode === -1) === true,
      50,
    );
    expect(seen?.running).toBe(true);
    await jail.stop(guest);
    expect(await jail.observe(guest)).toMatchObject([{ running: false, processes: [] }]);
    await jail.host.run(
      sh`setsid setpriv --reuid=${word(uid)} --regid=${word(uid)} --clear-groups /srv/headless </dev/null >/dev/null 2>&1 & sleep 0.3`,
    );
    const strays = sh`${reapFunctions}
stockade_strays ${word(uid)}`;
    expect(await jail.host.run(strays)).toMatch(/^\d+ $/);
    await jail.host.run(sh`${reapFunctions}
stockade_reap ${word(uid)}`);
    expect(await jail.host.run(strays)).toBe('');
  });

  it('finds the strays of its earlier start ended before it starts', async () => {
    const guest = jail.place();
    const uid = String(guest.uid);
    await jail.start(guest);
    await jail.stop(guest);
    await jail.host.run(
      sh`setsid setpriv --reuid=${word(uid)} --regid=${word(uid)} --clear-groups sleep 600 </dev/null >/dev/null 2>&1 &`,
    );
    await jail.start(guest);
    const [evidence] = await jail.settled(guest);
    expect(evidence && faults(evidence)).toEqual({});
    expect(await jail.processesOf(guest.uid)).toHaveLength(1);
    await jail.host.run(
      sh`setsid setpriv --reuid=${word(uid)} --regid=${word(uid)} --clear-groups sleep 600 </dev/null >/dev/null 2>&1 & sleep 0.3`,
    );
    const [later] = await jail.evidence(guest);
    expect(later && faults(later)).toEqual({ user: `ineffective: other processes run as uid ${uid}` });
    await jail.stop(guest);
  });
});

describe('the end of a guest', () => {
  it('comes by its power button', async () => {
    const guest = jail.place({
      qemu: [],
      commandLine: guestCommandLine,
      initrd: 'quiet',
      plan: { shutdownTimeoutSeconds: 30 },
    });
    await jail.start(guest);
    await jail.until(
      () => jail.log(guest, 'serial'),
      (text) => text.includes(guestBanner),
    );
    await jail.stop(guest);
    expect(await jail.log(guest, 'serial')).toContain('Stockade guest is going down');
    expect(await jail.unitProperty(guest, 'Result')).toBe('success');
  });

  it.each([
    ['listens', false, 'success'],
    ['does not listen', true, 'exit-code'],
  ] as const)('comes by the launcher alone where QEMU %s', async (_, deaf, result) => {
    const guest = jail.place();
    await jail.start(guest);
    await jail.settled(guest);
    const [observed] = await jail.observe(guest);
    const qemu = observed?.processes.find((process) => process.role === 'device-model');
    if (deaf) await jail.host.run(['kill', '-STOP', String(qemu?.pid)]);
    const main = await jail.unitProperty(guest, 'MainPID');
    await jail.host.run(sh`MAINPID=${word(main)} ${word(guestPlaces(guest.name).launcher)} stop`);
    await ended(guest);
    expect(await jail.unitProperty(guest, 'Result')).toBe(result);
    expect(await jail.processesOf(guest.uid)).toEqual([]);
  });

  it('leaves nothing when its namespace parent is killed', async () => {
    const guest = jail.place();
    await jail.start(guest);
    await jail.settled(guest);
    await jail.host.run(['kill', '-KILL', await jail.unitProperty(guest, 'MainPID')]);
    expect(await ended(guest)).toBe('failed');
    expect(await jail.processesOf(guest.uid)).toEqual([]);
  });

  it('is not the end where it is to be restarted on a crash', async () => {
    const guest = jail.place({ plan: { restartPolicy: 'on_crash' } });
    await jail.start(guest);
    await jail.settled(guest);
    const [observed] = await jail.observe(guest);
    const qemu = observed?.processes.find((process) => process.role === 'device-model');
    await jail.host.run(['kill', '-KILL', String(qemu?.pid)]);
    const [back] = await jail.until(
      () => jail.observe(guest),
      ([now]) => now?.running === true && now.unit?.restarts === 1,
    );
    expect(back?.unit).toMatchObject({ restarts: 1, activeState: 'active' });
    const [evidence] = await jail.settled(guest);
    expect(evidence && faults(evidence)).toEqual({});
    await jail.stop(guest);
  });
});

describe('reading', () => {
  it('forks as often for five guests as for one', async () => {
    const guests = Array.from({ length: 5 }, () => jail.place());
    await jail.start(...guests);
    const shown = await jail.settled(...guests);
    expect(shown.map(faults)).toEqual([{}, {}, {}, {}, {}]);
    const counts = [await forksOfReading(guests.slice(0, 1)), await forksOfReading(guests)];
    expect(counts).toEqual([11, 11]);
    const [one, five] = [await bytesOfReading(guests.slice(0, 1)), await bytesOfReading(guests)];
    expect((five - one) / 4).toBeLessThan(18_000);
    await jail.stop(...guests);
  });

  it('comes to the same where lists are too long for one command, and to an error where nothing can be started', async () => {
    const guests = [jail.place(), jail.place()];
    await jail.start(...guests);
    await jail.settled(...guests);
    const section = evidenceSection(guests.map(({ name }) => name));
    const observe = (programs: string) => sh`${ShellText.unsafelyFromProgramText(programs)}
section() {
${section.body}
}
section ${words(section.arguments)} >/root/shown || exit 9
base64 -w0 /root/shown`;
    const tooLong = ['grep', 'find', 'stat'].map((name) => `${name}() { return 126; }`).join('\n');
    const portions = await jail.host.run(observe(tooLong));
    const parsed = parseEvidence(
      Buffer.from(portions, 'base64'),
      guests.map((guest) => jail.expectation(guest)),
      'h',
    );
    const shown = parsed.ok
      ? parsed.value.map((each, index) =>
          faults(proveIsolation(each, jail.expectation(guests[index] as TestGuest))),
        )
      : parsed.diagnostics;
    expect(shown).toEqual([{}, {}]);
    for (const name of ['grep', 'find', 'stat', 'systemctl']) {
      const broken = await jail.host.exec(observe(`${name}() { return 127; }`));
      expect([name, broken.exitCode]).toEqual([name, 1]);
    }
    await jail.stop(...guests);
  });

  it("asks a guest's monitor", async () => {
    const guest = jail.place();
    await jail.start(guest);
    await jail.settled(guest);
    const call = qmpCall(guestPlaces(guest.name).runDirectory, '0123456789abcdef', [
      { execute: 'query-status' },
      { execute: 'no-such' },
    ]);
    for (let round = 0; round < 2; round++) {
      const said = await jail.host.run(sh`${qmpFunctions}
${call}`);
      const replies = parseQmpReplies(Buffer.from(said));
      expect(qmpAnswer(replies, '0123456789abcdef-0')).toMatchObject({
        ok: true,
        value: { status: 'prelaunch' },
      });
      expect(qmpAnswer(replies, '0123456789abcdef')).toMatchObject({
        ok: false,
        diagnostics: [{ code: 'qmp-refused' }],
      });
    }
    await jail.stop(guest);
  });
});

async function bytesOfReading(guests: readonly TestGuest[]): Promise<number> {
  const section = evidenceSection(guests.map(({ name }) => name));
  const count = await jail.host.run(sh`section() {
${section.body}
}
section ${words(section.arguments)} | wc -c`);
  return Number(count);
}

/** By the numbers of the processes before and after; the least of some tries, for the host has a life of its own. */
async function forksOfReading(guests: readonly TestGuest[]): Promise<number> {
  const section = evidenceSection(guests.map(({ name }) => name));
  const script = sh`section() {
${section.body}
}
for try in 1 2 3 4 5 6; do
  : & before=$!
  section ${words(section.arguments)} >/dev/null
  : & echo $(($! - before - 1))
done`;
  writeFileSync(jail.host.pathFromHere('/root/forks.sh'), script.text);
  const counts = await jail.host.run(['sh', '/root/forks.sh']);
  return Math.min(...counts.trim().split('\n').map(Number));
}
