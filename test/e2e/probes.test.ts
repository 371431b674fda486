import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ProbeReport, runProbes } from '../../provider/executor/probes.ts';
import { injectFunctions } from '../../provider/jail/probes/inject.ts';
import { parseProbeResults, type ProbeResult } from '../../provider/jail/probes/judge.ts';
import type { Operation } from '../../provider/model/operation.ts';
import { ShellText, sh, word } from '../../provider/model/shell.ts';
import { type HostWithQemu, withQemu } from '../../provider/resources/guest/render.ts';
import { type HostProbes, hostProbes } from '../../provider/resources/host/probes.ts';
import { compareSnapshots, type HostSnapshot, snapshotHost } from '../lab/snapshot.ts';
import { useLab } from '../lab/vitest.ts';
import { Core, deviceModelOf, placeKernels } from './core.fixture.ts';
import { ends, value } from './preparation.fixture.ts';

const lab = useLab({ hosts: 1, name: 'probes' });
let core: Core;
let blank: HostSnapshot;
let before: HostSnapshot;
let guestProcess: number;
beforeAll(async () => {
  placeKernels(lab.host);
  blank = await snapshotHost(lab.host);
  core = new Core(lab.host, 'first');
  const { snapshot } = await core.converge(core.wish([core.guest('web1')]));
  guestProcess = deviceModelOf(snapshot, 'web1');
  before = await snapshotHost(lab.host);
});
afterAll(() => core.link.close());

/** What a container host has not: device nodes for memory and messages, modules, ports, limits of memory. */
const notThere = ['init-module', 'iopl', 'open-kmsg', 'open-mem', 'use-memory'];
/** What no layer stops, with a reason in the table. */
const known = ['setpgid', 'setsid'];

const named = (results: readonly ProbeResult[], outcome: ProbeResult['outcome']) =>
  results.filter((result) => result.outcome === outcome).map(({ name }) => name);
const probe = (results: readonly ProbeResult[], name: string) =>
  results.find((result) => result.name === name);

async function probeHost(options: Partial<Parameters<typeof runProbes>[2]> = {}): Promise<ProbeReport> {
  return value(await runProbes(core.link, core.target, { fleet: 'first', ...options }));
}

async function probesHere(change: Partial<HostWithQemu> = {}): Promise<HostProbes> {
  const { facts } = await core.see();
  const capabilities = withQemu(facts.capabilities);
  if (capabilities === undefined) throw new Error('the host has no QEMU');
  return hostProbes({ host: lab.host.name, capabilities: { ...capabilities, ...change }, control: true });
}

/** The same operations with another text for the step that probes. */
function altered(operations: readonly Operation[], change: (text: string) => string): readonly Operation[] {
  return operations.map((operation) => {
    if (!operation.id.endsWith(': probes')) return operation;
    const { text } = operation.step.body;
    expect(change(text)).not.toBe(text);
    const body = ShellText.unsafelyFromProgramText(change(text));
    return { ...operation, step: { ...operation.step, body } };
  });
}

/** Probes canaries that another launcher starts: QEMU as the canary's user after `preparation`. */
async function probeWithout(jail: string): Promise<readonly ProbeResult[]> {
  const { plan, operations, stepId } = await probesHere();
  const launcher = `#!/bin/sh
[ "$1" = run ] || exit 0
uid=$(id -u xen-qemuuser-canary)
ulimit -n 20000
cd "$(mktemp -d /tmp/canary.XXXXXX)" && chown "$uid" .
exec ${jail} qemu-system-x86_64 -nodefaults -display none -machine q35,accel=tcg -m 64 -S 9</
`;
  const quoted = launcher.replaceAll("'", `'\\''`);
  const places = /'#!\/bin\/sh\n(?:[^']|'\\'')*' >(\S+\/launch)\n/g;
  const dropIns = /'# Made by Stockade[^']*' >(?=\S+\.conf)/g;
  const weaker = altered(operations, (text) =>
    text.replace(places, (_, place: string) => `'${quoted}' >${place}\n`).replace(dropIns, "'' >"),
  );
  const { results } = await core.write(weaker);
  await lab.host.run(sh`rm -rf /tmp/canary.*`);
  return parseProbeResults(plan, results.find(({ id }) => id === stepId)?.values ?? {});
}

/** Every capability that the root of a container host has. */
const held = '+all,-sys_resource';
const asUser = 'setpriv --reuid "$uid" --regid "$uid" --clear-groups';

/** Everything is as it was before any probe, but for the canaries' user. */
async function nothingIsLeft(): Promise<void> {
  const seen = await core.see();
  expect(deviceModelOf(seen, 'web1')).toBe(guestProcess);
  expect([...seen.guests.keys()]).toEqual(['web1']);
  const changes = compareSnapshots(before, await snapshotHost(lab.host));
  expect(
    changes.filter(
      (line) =>
        !/xen-qemuuser-canary|"\/run\/stockade\/lock"|"\/etc\/g?shadow"|"\/etc\/(passwd|group)"/.test(line),
    ),
  ).toEqual([]);
}

describe('probes of a prepared host', () => {
  it('are stopped by the layers they are to be stopped by, each shown by a control', async () => {
    const { results, diagnostics, milliseconds } = await probeHost();
    console.log(`${results.length} probes in ${milliseconds} ms`);
    expect(named(results, 'unproven').sort()).toEqual(notThere);
    expect(named(results, 'got-through').sort()).toEqual(known);
    const stopped = results.filter(({ outcome }) => outcome === 'stopped');
    expect(stopped.length).toBe(results.length - notThere.length - known.length);
    expect(stopped.filter(({ layer, stoppedBy }) => layer !== stoppedBy)).toEqual([]);
    expect(stopped.filter(({ control }) => control === undefined)).toEqual([]);
    expect([...new Set(stopped.map(({ stoppedBy }) => stoppedBy))].sort()).toEqual([
      'capabilities',
      'chroot',
      'ipc-namespace',
      'net-namespace',
      'open-files',
      'pid-namespace',
      'rlimits',
      'seccomp',
    ]);
    for (const name of ['vsock', 'packet-socket']) {
      expect(probe(results, name)).toMatchObject({ stoppedBy: 'seccomp', observed: 'EAFNOSUPPORT' });
    }
    expect(probe(results, 'io-uring')).toMatchObject({ observed: 'EPERM', control: 'EFAULT' });
    expect(diagnostics.map(({ severity, code }) => `${severity} ${code}`)).toEqual([
      'warning probe-accepted',
      'warning probe-unproven',
    ]);
    await nothingIsLeft();
  });

  it('prove less without a control, and never more', async () => {
    const { results } = await probeHost({ control: false });
    expect(results.filter(({ control }) => control !== undefined)).toEqual([]);
    expect(named(results, 'got-through').sort()).toEqual(known);
    expect(probe(results, 'syscall-fork')).toMatchObject({ outcome: 'stopped', observed: 'SIGSYS' });
    expect(probe(results, 'read-passwd')).toMatchObject({ outcome: 'stopped', observed: 'EACCES' });
    expect(probe(results, 'connect-abstract')).toMatchObject({
      outcome: 'unproven',
      observed: 'ECONNREFUSED',
    });
  });

  it('get through where a layer is off', async () => {
    const isolation = { off: ['rlimits' as const], mayBeMissing: [], hostDevMounts: false };
    const { results, diagnostics } = await probeHost({ isolation });
    const through = ['grow-file', 'lock-memory', 'message-queue', 'threads', 'write-far'];
    expect(
      named(results, 'got-through')
        .filter((name) => !known.includes(name))
        .sort(),
    ).toEqual(through);
    const errors = diagnostics.filter(({ severity }) => severity === 'error');
    expect(errors.map(({ summary }) => summary)).toEqual([
      `rlimits: 5 probes got through on ${lab.host.name}: write-far, grow-file, lock-memory, message-queue, threads`,
    ]);
  });

  it('get through where the filters of QEMU and of its unit are off', async () => {
    const isolation = { off: ['seccomp' as const], mayBeMissing: [], hostDevMounts: false };
    const { results } = await probeHost({ isolation });
    const through = named(results, 'got-through');
    expect(through).toEqual(expect.arrayContaining(['io-uring', 'syscall-fork', 'syscall-32-bit', 'vsock']));
    expect(probe(results, 'packet-socket')).toMatchObject({ stoppedBy: 'capabilities' });
  });
});

describe('a host that says it enforces limits of memory, and does not', () => {
  it('is found out', async () => {
    const { plan, operations, stepId } = await probesHere({ cgroupControllers: ['memory'] });
    const { results } = await core.write(operations);
    const shown = parseProbeResults(plan, results.find(({ id }) => id === stepId)?.values ?? {});
    expect(probe(shown, 'use-memory')).toMatchObject({ outcome: 'got-through', control: 'success' });
    await nothingIsLeft();
  });
});

describe('a canary', () => {
  /** Stops, as a canary, a process that works for a second or two and then does `end`; what `stopped_idle` gave, and its registers. */
  const stopped = async (end: string): Promise<string> => {
    const works = `my $end = time + 2; 1 while time < $end; ${end}`;
    return lab.host.run(sh`give() { echo "gave $*"; }
${injectFunctions}
perl -e ${word(works)} & pid=$!
until [ "/proc/$pid/exe" -ef /usr/bin/perl ]; do :; done
if stopped_idle canary; then first_thread "$pid"; at=$state; read -r call _ <"/proc/$pid/syscall"; echo "$at $call"; fi
kill -KILL "$pid" || :
wait "$pid" || :`);
  };

  it('is given its program in its main loop, however long it takes to get there', async () => {
    expect((await stopped('syscall(7, 0, 0, 60_000);')).trim()).toBe('T 7');
    expect((await stopped('exit 3')).trim()).toBe('gave canary.end not-started');
  });
});

describe('the same probes', () => {
  it('all get through where a launcher leaves the whole jail out, but for the user', async () => {
    const results = await probeWithout(`${asUser} --inh-caps=${held} --ambient-caps=${held}`);
    expect(results.filter(({ outcome }) => outcome === 'stopped')).toEqual([]);
    // a unit's main process leads a session already
    expect(named(results, 'unproven').sort()).toEqual([...notThere, 'setpgid', 'setsid'].sort());
  });

  it('are stopped by user and capabilities alone where nothing else is left', async () => {
    const results = await probeWithout(`${asUser} --inh-caps=-all --bounding-set=-all`);
    const stopped = results.filter(({ outcome }) => outcome === 'stopped');
    expect([...new Set(stopped.map(({ stoppedBy }) => stoppedBy))].sort()).toEqual(['capabilities', 'user']);
    expect(named(results, 'got-through')).toEqual(
      expect.arrayContaining([
        'read-passwd',
        'syscall-fork',
        'connect-loopback',
        'threads',
        'inherited-directory',
      ]),
    );
    await nothingIsLeft();
  });
});

describe('a run of probes', () => {
  it('that is killed leaves canaries, and the next one clears them', async () => {
    const { operations } = await probesHere();
    const killed = altered(operations, (text) =>
      text.replace('  mains=$(', `  sh -c 'kill -KILL $PPID'\n  mains=$(`),
    );
    const { results } = await core.write(killed);
    expect(ends(results).at(-1)).toMatch(/^failed .*: probes: step-failed/);
    const units = sh`systemctl is-active stockade-guest@stockade-canary_0 stockade-control_control`;
    expect((await lab.host.exec(units)).stdout).toBe('active\nactive\n');
    // no record: nobody takes it for a guest
    expect([...(await core.see()).guests.keys()]).toEqual(['web1']);
    const report = await probeHost();
    expect(named(report.results, 'got-through').sort()).toEqual(known);
    await nothingIsLeft();
  });

  it('proves nothing where memory cannot be written, or on another machine', async () => {
    const fake = (name: string, text: string) =>
      sh`printf '%s\\n' ${ShellText.unsafelyFromProgramText(`'${text.replaceAll("'", `'\\''`)}'`)} >/usr/local/sbin/${ShellText.unsafelyFromProgramText(name)}; chmod 755 /usr/local/sbin/${ShellText.unsafelyFromProgramText(name)}`;
    await lab.host.run(
      fake(
        'dd',
        `#!/bin/sh\ncase "$1" in of=/proc/*) echo 'dd: cannot write: EIO' >&2; exit 1 ;; esac\nexec /bin/dd "$@"`,
      ),
    );
    const sealed = await probeHost();
    await lab.host.run(sh`rm /usr/local/sbin/dd`);
    expect(named(sealed.results, 'unproven')).toHaveLength(sealed.results.length);
    expect(probe(sealed.results, 'syscall-fork')?.reason).toMatch(
      /^this host does not let root write to the memory of a process: dd: cannot write: EIO/,
    );
    await lab.host.run(fake('uname', `#!/bin/sh\necho aarch64`));
    const elsewhere = await probeHost();
    await lab.host.run(sh`rm /usr/local/sbin/uname`);
    expect(named(elsewhere.results, 'unproven')).toHaveLength(elsewhere.results.length);
    expect(probe(elsewhere.results, 'syscall-fork')?.reason).toMatch(/another machine/);
    await nothingIsLeft();
  });

  it('that is killed is cleared with the host, and its user goes too', async () => {
    const { operations } = await probesHere();
    await core.write(
      altered(operations, (text) => text.replace('  mains=$(', `  sh -c 'kill -KILL $PPID'\n  mains=$(`)),
    );
    const removed = await core.leave(['web1']);
    expect(ends(removed).filter((end) => !/^(same|changed) /.test(end))).toEqual([]);
    expect(compareSnapshots(blank, await snapshotHost(lab.host))).toEqual([]);
  });
});

describe('Debian 13, whose QEMU denies by error and whose threads all wait in one place', () => {
  const other = useLab({ hosts: 1, name: 'probes-13', suite: 'trixie' });

  it('stops the same, run after run', async () => {
    const visitor = new Core(other.host, 'first');
    try {
      await visitor.converge(visitor.wish([]));
      for (let run = 0; run < 3; run++) {
        const { results } = value(await runProbes(visitor.link, visitor.target, { fleet: 'first' }));
        expect(named(results, 'unproven').sort()).toEqual(notThere);
        expect(named(results, 'got-through').sort()).toEqual(known);
        expect(probe(results, 'syscall-fork')).toMatchObject({ stoppedBy: 'seccomp', observed: 'EPERM' });
      }
    } finally {
      await visitor.link.close();
    }
  });
});
