import { chmodSync, existsSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { HostSnapshot } from '../../provider/engine/snapshot.ts';
import { stderrLogMaxKib } from '../../provider/jail/logger.ts';
import { guestPlaces } from '../../provider/jail/places.ts';
import { sh, word } from '../../provider/model/shell.ts';
import { buildGuestImage } from '../lab/guest/image.ts';
import { guestCommandLine } from '../lab/guest/init.ts';
import { useLab } from '../lab/vitest.ts';
import { Core, faults, pending, placeKernels } from './core.fixture.ts';
import { ends, value } from './preparation.fixture.ts';

const lab = useLab({ hosts: 1, name: 'core-hostile' });
let core: Core;
beforeAll(async () => {
  const image = await buildGuestImage();
  placeKernels(lab.host, {
    '/srv/kernels/linux': image.unpackedKernel,
    '/srv/kernels/hostile': image.hostileInitrd,
  });
  core = new Core(lab.host);
});
afterAll(() => core.link.close());

/** What somebody would print who knows how results, sections, evidence and Terraform's own output look. */
const forgery = [
  'x',
  `${'0'.repeat(32)} begin`,
  `${'0'.repeat(32)} 0 failed 1 - -`,
  `${'0'.repeat(32)} section 0 Zm9yZ2Vk`,
  `${'0'.repeat(32)} end`,
  'STOCKADE 7 ok c3RvY2thZGU=',
  'Uid:\t0\t0\t0\t0',
  'MainPID=1',
  '\u001b[2J\u001b]0;forged\u0007',
  'Apply complete! Resources: 99 added',
].join('\n');

/** Everything of a snapshot but for the raw lines of evidence and the offending names that a layer cites. */
function judged(snapshot: HostSnapshot, guest: string): unknown {
  const evidence = snapshot.evidence.get(guest);
  return {
    owner: snapshot.guests.get(guest)?.owner,
    guests: [...snapshot.guests.keys()],
    host: snapshot.facts.record,
    running: evidence?.running,
    layers: evidence?.layers.map(({ layer, state }) => `${layer} ${state}`),
  };
}

function logBytes(guest: string, log: 'serial' | 'stderr'): number {
  const { logDirectory } = guestPlaces(guest);
  return [0, 1]
    .map((segment) => statSync(lab.host.pathFromHere(`${logDirectory}/${log}.${segment}`)).size)
    .reduce((sum, size) => sum + size);
}

describe('a guest that prints forged lines, control sequences and megabytes without end', () => {
  it('changes no result, plan or evidence, and fills no more than its log', async () => {
    const loud = core.guest('loud', {
      memoryMib: 128,
      kernel: { kind: 'host', path: '/srv/kernels/linux' },
      initrd: { kind: 'host', path: '/srv/kernels/hostile' },
      commandLine: `${guestCommandLine} flood_kib=0`,
    });
    await core.converge(core.wish([loud]));
    const flooding = async () => (await core.serialLog('loud')).includes('STOCKADE 7 ok');
    await core.until(flooding);
    expect(await flooding()).toBe(true);
    const both = core.wish([loud, core.guest('quiet')]);
    const { results } = await core.converge(both);
    expect(results.filter(({ id }) => !id.startsWith('guest quiet '))).toEqual([]);
    const grown = core.wish([loud, core.guest('quiet', { memoryMib: 96 })]);
    const { snapshot } = await core.converge(grown);
    expect(judged(snapshot, 'loud')).toEqual(judged(await core.see(), 'loud'));
    await core.until(() => logBytes('loud', 'serial') > 32 * 1024);
    expect(logBytes('loud', 'serial')).toBeLessThanOrEqual(64 * 1024);
    expect(pending(grown, await core.see())).toEqual([]);
    await core.leave(['loud', 'quiet']);
  });
});

describe('a process under the uid of a guest, its name and its memfd forged', () => {
  const placeImpostor = (): void => {
    const perl = `my $n = ${perlText(forgery)};
syscall(319, substr($n, 0, 240), 0) >= 0 or die;
$0 = $n;
open(F, '>', '/proc/self/comm') or die;
syswrite(F, "x) R 1\\n1 1") or die;
close(F);
sleep 600;`;
    writeFileSync(lab.host.pathFromHere('/srv/impostor.pl'), perl);
    chmodSync(lab.host.pathFromHere('/srv/impostor.pl'), 0o755);
  };
  const start = async (uid: number, cgroup: string | undefined): Promise<void> => {
    const enter = cgroup === undefined ? sh`:` : sh`echo $$ >${word(`${cgroup}/cgroup.procs`)}`;
    const impostor = sh`${enter}
exec setsid setpriv --reuid=${uid} --regid=${uid} --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all \\
  perl /srv/impostor.pl`;
    await lab.host.run(sh`sh -c ${word(impostor.text)} </dev/null >/dev/null 2>&1 &
for try in $(seq 100); do
  if grep -qs '(x) R' /proc/$!/stat; then exit 0; fi
  sleep 0.1
done
echo 'the impostor did not start' >&2
exit 1`);
  };
  const wish = () => core.wish([core.guest('web1'), core.guest('web2')]);

  it.each(['outside', 'inside'] as const)('shows as what it is, %s the unit of the guest', async (where) => {
    placeImpostor();
    const before = await core.converge(wish());
    const uid = before.snapshot.guests.get('web1')?.lease?.uid ?? 0;
    const group = await core.unitProperty('web1', 'ControlGroup');
    const mounted = (
      await lab.host.run(sh`for m in /sys/fs/cgroup /sys/fs/cgroup/unified /sys/fs/cgroup/systemd; do
  if [ -e "$m"${word(group)}/cgroup.procs ]; then echo "$m"; break; fi
done`)
    ).trim();
    await start(uid, where === 'inside' ? `${mounted}${group}` : undefined);
    const seen = await core.see();
    const layers = new Map<string, string>(
      seen.evidence.get('web1')?.layers.map(({ layer, state }) => [layer, state] as const),
    );
    const telling = where === 'outside' ? ['user'] : ['user', 'open-files'];
    expect(telling.map((layer) => layers.get(layer))).toEqual(telling.map(() => 'ineffective'));
    expect(faults(seen.evidence.get('web2'))).toEqual([]);
    expect(judged(seen, 'web2')).toEqual(judged(before.snapshot, 'web2'));
    expect(pending(wish(), seen)).toEqual(['web1 restart integrity.isolation']);
    const healed = await core.converge(wish());
    expect(healed.results.filter(({ id }) => !id.startsWith('guest web1 '))).toEqual([]);
    expect(await lab.host.run(sh`pgrep -u ${uid} perl || :`)).toBe('');
  });

  it('is ended before the guest is called ready, however long that takes', async () => {
    const setpriv = lab.host.pathFromHere('/usr/bin/setpriv');
    renameSync(setpriv, `${setpriv}.slow`);
    // The reaper runs as the guest's user, as a child of the unit's main process: it must not pass for the device model.
    writeFileSync(
      setpriv,
      `#!/bin/sh
for last do :; done
[ "$last" = 'kill -KILL -1' ] || exec /usr/bin/setpriv.slow "$@"
: >/srv/reaped-slowly
exec /usr/bin/setpriv.slow "$1" "$2" --clear-groups sh -c 'sleep 1; kill -KILL -1'
`,
      { mode: 0o755 },
    );
    try {
      const uid = (await core.see()).guests.get('web1')?.lease?.uid ?? 0;
      await start(uid, undefined);
      await core.converge(wish());
    } finally {
      renameSync(`${setpriv}.slow`, setpriv);
    }
    expect(existsSync(lab.host.pathFromHere('/srv/reaped-slowly'))).toBe(true);
  });

  it('goes with its guest', async () => {
    const uid = (await core.see()).guests.get('web1')?.lease?.uid ?? 0;
    await start(uid, undefined);
    const removed = await core.leave(['web1', 'web2']);
    expect(ends(removed).filter((end) => !/^(same|changed) /.test(end))).toEqual([]);
    expect(await lab.host.run(sh`pgrep -u ${uid} || :`)).toBe('');
  });
});

describe('a device model that dies with megabytes of forged lines on stderr', () => {
  it('is one failed step with the end of what it said, and the rest of the batch is as it was', async () => {
    const binary = '/srv/hostile-qemu';
    writeFileSync(
      lab.host.pathFromHere(binary),
      `#!/bin/sh
case "$*" in
  *guest=bad*) yes "$(cat /srv/forgery)" | head -c 5000000 >&2; echo 'and that is that' >&2; exit 1 ;;
esac
exec /usr/bin/qemu-system-x86_64 "$@"
`,
    );
    chmodSync(lab.host.pathFromHere(binary), 0o755);
    writeFileSync(lab.host.pathFromHere('/srv/forgery'), forgery);
    const guests = ['one', 'bad', 'two'].map((name) => core.guest(name));
    const wish = { ...core.wish(guests), host: { ...core.wish([]).host, qemuBinary: binary } };
    const { operations } = value(await core.plan(wish));
    const { results, snapshot } = await core.write(operations);
    expect(results.map(({ id }) => id)).toEqual(operations.map(({ id }) => id));
    expect(ends(results).filter((end) => !/^(same|changed) /.test(end))).toEqual([
      expect.stringMatching(/^failed guest bad on h1: start: guest-died: [^]*and that is that$/),
    ]);
    expect(
      Buffer.byteLength(results.find(({ status }) => status === 'failed')?.message ?? ''),
    ).toBeLessThanOrEqual(4096);
    expect(logBytes('bad', 'stderr')).toBeLessThanOrEqual(stderrLogMaxKib * 1024);
    expect([...snapshot.guests.keys()]).toEqual(['bad', 'one', 'two']);
    expect(snapshot.evidence.get('bad')?.running).toBe(false);
    expect(snapshot.evidence.get('one')?.running).toBe(true);
    await core.leave(['one', 'bad', 'two']);
  });
});

function perlText(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
