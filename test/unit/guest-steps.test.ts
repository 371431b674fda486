import { createHash } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { recordPrelude, recordWritePrelude } from '../../provider/executor/prelude.ts';
import type { Operation } from '../../provider/model/operation.ts';
import { guestOperations, guestRemoval } from '../../provider/resources/guest/operations.ts';
import { renderGuest } from '../../provider/resources/guest/render.ts';
import { domainUuid } from '../../provider/toolstacks/xl/config.ts';
import { sampleGuest, sampleGuestFacts, sampleHost } from '../samples.ts';

/** The steps' own shell text under the real sh, in a tree made for the test; systemd's directories are below it too. */
let base: string;
let roots: { state: string; run: string };
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'stockade-steps-'));
  roots = { state: join(base, 'state'), run: join(base, 'run') };
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

function put(path: string, content = ''): string {
  const file = join(base, path);
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, content);
  return file;
}

function run(
  operations: readonly Operation[],
  step: string,
  guests: readonly string[] = [],
  programs = '',
): string {
  const body = operations.find(({ id }) => id.endsWith(`: ${step}`))?.step.body.text ?? 'exit 99';
  const here = body
    .replaceAll(/\/(etc|run|usr\/lib|usr\/local\/lib)\/systemd\//g, `${base}/$1/systemd/`)
    .replaceAll('/proc/xen/', `${base}/xen/`);
  const script = `set -eu
refuse() { echo "refused $1: $2"; exit 90; }
fail() { echo "failed $1: $2"; exit 91; }
changed() { echo changed; }
receive() { echo "received $3"; }
member_changed() { echo "changed $1"; }
member_same() { echo "same $1"; }
member_fail() { echo "failed $1 $2"; }
${recordPrelude.text}
${recordWritePrelude.text}
${programs}
body() {
${here}
}
body "$@"`;
  const { stdout, stderr } = spawnSync('/bin/sh', ['-c', script, 'sh', ...guests]);
  expect(stderr.toString()).toBe('');
  return stdout.toString().trim();
}

describe('the files that no record names any more', () => {
  const [one, other] = ['a'.repeat(64), 'b'.repeat(64)];
  const collect = () =>
    run(guestRemoval({ host: 'hv1', name: 'gone' }, 'f', 'any', roots), 'collect', ['gone']);
  beforeEach(() => {
    put(`state/files/${one}`);
    put(`state/files/${other}`);
    put('state/guests/web1/record', `stockade-record 1\nowner f\ngeneration 1\nfiles ${one}\n`);
  });

  it('go, and with the last of them what was kept of them', () => {
    const kept = put('state/verified-files', '1 2 3 x\n');
    expect(collect()).toBe('changed gone');
    expect(readdirSync(join(base, 'state/files'))).toEqual([one]);
    expect(existsSync(kept)).toBe(true);
    rmSync(join(base, 'state/guests/web1'), { recursive: true });
    expect(collect()).toBe('changed gone');
    expect(readdirSync(join(base, 'state/files'))).toEqual([]);
    expect(existsSync(kept)).toBe(false);
  });

  it.each([
    ['damaged', () => put('state/guests/web2/record', 'stockade-rec')],
    [
      'a link',
      () => {
        mkdirSync(join(base, 'state/guests/web2'));
        symlinkSync('/nowhere', join(base, 'state/guests/web2/record'));
      },
    ],
  ])('stay where a record is %s: it may name them', (_how, damage) => {
    damage();
    expect(collect()).toBe('changed gone');
    expect(readdirSync(join(base, 'state/files')).sort()).toEqual([one, other]);
  });
});

describe('the uid of a guest that goes', () => {
  const uid = 3_999_999_901;
  const gone = (user: string, record = '') => {
    put('state/guests/gone/lease', `domid 1\nuid ${uid}\ngid ${uid}\nshared no\nuser ${user}\n`);
    put('state/guests/gone/record', `stockade-record 1\nowner f\ngeneration 1\n${record}`);
    const claim = put(`run/uids/${uid}`, 'gone\n');
    const removal = guestRemoval({ host: 'hv1', name: 'gone' }, 'f', 'any', roots);
    return [run(removal, 'reap', ['gone']), existsSync(claim)];
  };

  it.each([
    ['xen-qemuuser-range-base', ''],
    ['xen-qemuuser-domid1', 'toolstack xl\n'],
  ])('is ended and rests: %s %j', (user, record) => {
    expect(gone(user, record)).toEqual(['changed gone', false]);
    expect(existsSync(join(base, 'state/leases/quarantine/1'))).toBe(true);
  });

  it("is left alone in a range of xl's: it may be that of another guest's domain", () => {
    expect(gone('xen-qemuuser-range-base', 'toolstack xl\n')).toEqual(['same gone', true]);
    expect(existsSync(join(base, 'state/leases/quarantine/1'))).toBe(false);
  });
});

describe("a guest of xl's that goes", () => {
  const guest = { host: 'xen1', name: 'gone' };
  const uuid = domainUuid({ ...guest, fleet: 'f' });
  const removed = (list: string, over = 'exit 1') => {
    const record = put(
      'state/guests/gone/record',
      'stockade-record 1\nowner f\ngeneration 1\ntoolstack xl\n',
    );
    chmodSync(put('state/guests/gone/launch', `#!/bin/sh\n${over}\n`), 0o700);
    const programs = `timeout() { shift; "$@"; }\nxl() { ${list}; }`;
    const said = run(guestRemoval(guest, 'f', 'any', roots), 'remove', [], programs);
    return [said.replace(/:.*/, ''), existsSync(record)];
  };
  const other = "echo 'web1 3 128 1 r 1.0 5c8c4bb4-1b1d-4b4f-8b0a-7d8bd3f0a001 -'";
  beforeEach(() => void put('xen/capabilities', 'control_d\n'));

  it('stays while xl lists its domain, and where xl gives no answer', () => {
    expect(removed(`${other}; echo 'gone 7 128 1 r 1.0 ${uuid} -'`)).toEqual(['failed domain-left', true]);
    expect(removed(`echo 'gone 7 128 1 r 1.0 ${uuid} -'`, 'exit 0')).toEqual(['failed domain-left', true]);
    expect(removed("echo 'libxl: error' >&2; return 1")).toEqual(['failed xl-no-answer', true]);
  });

  it('goes once its domain has, which its launcher ends where it has outlived the unit', () => {
    expect(removed(other)).toEqual(['changed', false]);
    const ended = join(base, 'ended');
    const ours = `[ -e ${ended} ] || echo 'gone 7 128 1 r 1.0 ${uuid} -'`;
    expect(removed(`${other}; ${ours}`, `[ "$1" = over ] && : >${ended}`)).toEqual([
      'changed\nchanged',
      false,
    ]);
  });

  it('goes from a host that was booted without Xen', () => {
    rmSync(join(base, 'xen'), { recursive: true });
    expect(removed('return 1')).toEqual(['changed', false]);
  });
});

describe('a kernel on the host', () => {
  const sha256 = createHash('sha256').update('kernel').digest('hex');
  const desired = sampleGuest({ kernel: { kind: 'digest', sha256, bytes: 6 } });
  const receive = (changedFiles: readonly string[]) =>
    run(
      guestOperations({
        change: {
          address: { kind: 'guest', host: 'hv1', name: 'web1' },
          action: 'restart',
          disruption: 'restart',
          reasons: [],
        },
        desired,
        facts: sampleGuestFacts(desired, { changedFiles }),
        users: { scheme: 'per-domain', firstDomid: 1, lastDomid: 3, uidBase: 200_000 },
        rendered: renderGuest(desired, sampleHost, roots),
        uploads: new Map([
          [
            sha256,
            {
              bytes: 6,
              sha256,
              async *open() {
                yield await Promise.resolve(Buffer.from('kernel'));
              },
            },
          ],
        ]),
        roots,
      }),
      'kernel',
    );

  it('is taken as it is where nothing speaks against it', () => {
    put(`state/files/${sha256}`, 'kernel');
    expect(receive([])).toBe('');
    expect(receive([sha256])).toBe('');
  });

  it.each([
    ['changed', () => void put(`state/files/${sha256}`, 'KERNEL')],
    ['a link', () => symlinkSync(put('kernel', 'kernel'), join(base, 'state/files', sha256))],
    ['gone', () => undefined],
  ])('is received anew where it is %s', (_how, damage) => {
    mkdirSync(join(base, 'state/files'), { recursive: true });
    damage();
    expect(receive([sha256])).toBe(`received ${sha256}\nchanged`);
    expect(existsSync(join(base, 'state/files', sha256))).toBe(false);
  });
});

describe("what others put beside a guest's unit", () => {
  const guest = sampleGuest({ name: 'web1' });
  const restart = { address: { kind: 'guest', host: 'hv1', name: 'web1' }, action: 'restart' } as const;
  const unit = (foreignUnitFiles: readonly string[] = []) =>
    run(
      guestOperations({
        change: { ...restart, disruption: 'restart', reasons: [] },
        desired: guest,
        facts: sampleGuestFacts(guest, { foreignUnitFiles }),
        users: { scheme: 'per-domain', firstDomid: 1, lastDomid: 3, uidBase: 200_000 },
        rendered: renderGuest(guest, sampleHost, roots),
        uploads: new Map(),
        roots,
      }),
      'unit',
    );

  it('goes, wherever it is and whatever it is called; what is for others stays', () => {
    mkdirSync(join(base, 'etc/systemd/system'), { recursive: true });
    const name = 'stockade-guest@web1.service';
    const foreign = [
      put(`etc/systemd/system/${name}.d/odd\nname.conf`),
      put(`etc/systemd/system/${name}.d/20 x.conf`),
      put(`run/systemd/system.control/${name}.d/50-MemoryMax.conf`),
      put(`usr/lib/systemd/system/${name}`),
    ];
    const theirs = put('etc/systemd/system/stockade-guest@web2.service.d/x.conf');
    expect(unit()).toMatch(/^changed(\nchanged)+$/);
    expect(foreign.filter((file) => existsSync(file))).toEqual([]);
    expect(existsSync(theirs)).toBe(true);
    expect(existsSync(join(base, `etc/systemd/system/${name}.d/10-stockade.conf`))).toBe(true);
    expect(unit()).toBe('');
  });

  it('is found by what the host has, not by names that were read before', () => {
    mkdirSync(join(base, 'etc/systemd/system'), { recursive: true });
    const far = put('elsewhere/x.conf');
    unit([far]);
    expect(existsSync(far)).toBe(true);
  });
});
