import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { HostRoots } from '../../provider/model/paths.ts';
import type { Toolstack } from '../../provider/model/toolstack.ts';
import { type LeasableUsers, leaseStep } from '../../provider/resources/guest/lease.ts';
import { restSeconds } from '../../provider/resources/guest/lease-quarantine.ts';

/**
 * The lease's own shell text under the real sh. The accounts are given by a `getent` of the test's own: no user is made on
 * the machine that runs the tests (the end-to-end tests use real ones).
 */
let roots: HostRoots;
beforeEach(() => {
  const base = mkdtempSync(join(tmpdir(), 'stockade-lease-'));
  roots = { state: join(base, 'state'), run: join(base, 'run') };
});
afterEach(() => rmSync(join(roots.state, '..'), { recursive: true, force: true }));

const perDomain: LeasableUsers = { scheme: 'per-domain', firstDomid: 3, lastDomid: 5, uidBase: 200_000 };

interface Host {
  /** Cases of `getent passwd NAME`. */
  readonly accounts?: string;
  /** What the survey of the host says, in place of this machine's. */
  readonly survey?: readonly string[];
  readonly now?: number;
  readonly toolstack?: Toolstack;
}
const namedUsers = '*) n=${2##*domid}; echo "$2:x:$((200000 + n)):300$n::/:/none" ;;';
const noon = 1_700_000_000;

/** Leases to guests as a batch does; what each is told, or why all the others get none. */
function leaseAll(guests: readonly string[], users: LeasableUsers, host: Host = {}): readonly string[] {
  const { accounts = namedUsers, survey = ['complete'], now = noon, toolstack } = host;
  const body = leaseStep(guests[0] ?? '', users, roots, toolstack).body.text.replace(
    /^surveyed=yes/m,
    `stockade_survey() { survey='\n${survey.join('\n')}'; [ "$survey" != '\nunknown' ]; }\nsurveyed=yes`,
  );
  const script = `set -eu
refuse() { echo "refused $1: $2"; exit 90; }
fail() { echo "failed $1: $2"; exit 91; }
getent() { case $2 in ${accounts} esac; }
date() { echo ${now}; }
told=
member_give() { told="$told $3"; [ "$2" != passed_over ] || echo "passed over $3"; }
member_same() { echo "$1 has a record"; }
member_changed() { echo "$1:$told"; told=; }
member_fail() { echo "failed $1 $2: $3"; }
body() {
${body}
}
body ${guests.join(' ')}`;
  const { stdout, stderr } = spawnSync('/bin/dash', ['-c', script]);
  expect(stderr.toString()).toBe('');
  return stdout
    .toString()
    .trim()
    .split('\n')
    .map((line) => line.replace(/^[a-z]+: (\d+ \d+ \d+)$/, '$1'));
}

/** One guest, which has its record afterwards. */
function lease(guest: string, users: LeasableUsers, accounts?: string, host: Host = {}): string {
  const told = leaseAll([guest], users, accounts === undefined ? host : { ...host, accounts });
  if (existsSync(join(roots.state, `guests/${guest}/lease`))) record(guest);
  return told.join('\n');
}

function put(path: string, content: string): void {
  mkdirSync(join(roots.state, path, '..'), { recursive: true });
  writeFileSync(join(roots.state, path), content);
}
const record = (guest: string) => put(`guests/${guest}/record`, 'x');

describe('leasing a domid', () => {
  it('goes upwards, and never gives one to two guests', () => {
    expect(['a', 'b', 'c'].map((name) => lease(name, perDomain))).toEqual([
      '3 200003 3003',
      '4 200004 3004',
      '5 200005 3005',
    ]);
    expect(lease('d', perDomain)).toBe('refused no-free-domid: every domid from 3 to 5 is leased');
  });

  it('lets a freed one rest until the range came round', () => {
    lease('a', perDomain);
    rmSync(join(roots.state, 'leases/domid/3'));
    rmSync(join(roots.state, 'guests/a'), { recursive: true });
    expect(lease('b', perDomain)).toBe('4 200004 3004');
    expect(lease('c', perDomain)).toBe('5 200005 3005');
    expect(lease('d', perDomain)).toBe('3 200003 3003');
  });

  it.each(['', '$(touch /tmp/pwned)\n', 'ghost\n'])(
    'does not give away a leased domid whose claim says %j, nor one without a claim',
    (claim) => {
      lease('a', perDomain);
      lease('b', perDomain);
      writeFileSync(join(roots.state, 'leases/domid/3'), claim);
      rmSync(join(roots.state, 'leases/domid/4'));
      rmSync(join(roots.state, 'leases/last'));
      expect(lease('c', perDomain)).toBe('5 200005 3005');
      expect(lease('d', perDomain)).toBe('refused no-free-domid: every domid from 3 to 5 is leased');
    },
  );

  it('never gives a uid that another guest has, whatever its domid', () => {
    mkdirSync(join(roots.state, 'guests/old'), { recursive: true });
    writeFileSync(join(roots.state, 'guests/old/lease'), 'domid 900\nuid 200003\ngid 1\nshared no\n');
    expect(lease('a', perDomain)).toBe('4 200004 3004');
    const one: LeasableUsers = { ...perDomain, lastDomid: 3 };
    expect(lease('b', one)).toBe(
      'refused uid-leased: no domid from 3 to 3 is left: 1 were passed over, the first because another guest runs as uid 200003',
    );
  });

  it('keeps the counter whole when it is written over', () => {
    mkdirSync(join(roots.state, 'leases'), { recursive: true });
    writeFileSync(join(roots.state, 'leases/last'), '32751\n');
    expect(lease('a', perDomain)).toBe('3 200003 3003');
    expect(lease('b', perDomain)).toBe('4 200004 3004');
    expect(readFileSync(join(roots.state, 'leases/last'), 'utf8')).toBe('4    \n');
  });

  it('takes a claim that a killed run left without a guest', () => {
    mkdirSync(join(roots.state, 'leases/domid'), { recursive: true });
    writeFileSync(join(roots.state, 'leases/domid/3'), 'ghost\n');
    expect(lease('a', perDomain)).toBe('3 200003 3003');
    expect(readFileSync(join(roots.state, 'leases/domid/3'), 'utf8')).toBe('a\n');
  });

  it('starts anew when the counter is damaged', () => {
    mkdirSync(join(roots.state, 'leases/domid'), { recursive: true });
    writeFileSync(join(roots.state, 'leases/last'), '$(touch /tmp/pwned)\n');
    expect(lease('a', perDomain)).toBe('3 200003 3003');
  });

  it('refuses a user that is missing, and leases nothing', () => {
    expect(lease('a', perDomain, '*) return 2 ;;')).toBe(
      'refused user-missing: user xen-qemuuser-domid3 does not exist on the host',
    );
    expect(existsSync(join(roots.state, 'leases/domid/3'))).toBe(false);
  });

  it('refuses where every user has another uid than the set says', () => {
    expect(lease('a', perDomain, '*) echo "$2:x:0:0::/:/bin/sh" ;;')).toBe(
      'refused user-clash: no domid from 3 to 5 is left: 3 were passed over, the first because user xen-qemuuser-domid3 has uid 0, not 200003',
    );
  });

  it('passes over a named user inside the range, which libxl would refuse', () => {
    const range: LeasableUsers = { ...perDomain, scheme: 'range' };
    const mallory = 'xen-*) echo base ;; 200003) echo "mallory:x:$2:100::/:/bin/sh" ;; *) return 2 ;;';
    expect(lease('a', range, mallory)).toBe('4 200004 200004');
    expect(lease('b', range, mallory)).toBe('5 200005 200005');
    expect(lease('c', range, mallory)).toBe(
      'refused user-clash: no domid from 3 to 5 is left: 1 were passed over, the first because uid 200003 is user mallory',
    );
  });

  it("gives a number alone in a range of xl's: which guest has its uid now, and what is left of that, is of no concern", () => {
    const range: LeasableUsers = { ...perDomain, scheme: 'range', lastDomid: 3 };
    const accounts = 'xen-*) echo base ;; *) echo "mallory:x:$2:100::/:/bin/sh" ;;';
    put('leases/quarantine/3', `since ${noon}\nuid 200003\nwhy guest old was removed\n`);
    for (const survey of [['left 200003 1 process: 7 (qemu)', 'complete'], ['unknown']]) {
      rmSync(join(roots.state, 'guests'), { recursive: true, force: true });
      expect(lease('a', range, accounts, { survey, toolstack: 'xl' })).toBe('3 200003 200003');
    }
    expect(lease('b', range, accounts, { toolstack: 'xl' })).toBe(
      'refused no-free-domid: every domid from 3 to 3 is leased',
    );
  });

  it('gives every guest the shared user where that is asked for, with the uid that the set has', () => {
    const shared: LeasableUsers = { ...perDomain, scheme: 'shared', uidBase: 911 };
    const user = '*) echo "$2:x:911:912::/:/none" ;;';
    const survey = ['left 911 1 process: 7 (qemu)', 'complete'];
    expect(lease('a', shared, user, { survey })).toBe('3 911 912');
    expect(lease('b', shared, user)).toBe('4 911 912');
    expect(readFileSync(join(roots.state, 'guests/b/lease'), 'utf8')).toBe(
      'domid 4\nuid 911\ngid 912\nshared yes\nuser xen-qemuuser-shared\n',
    );
    expect(lease('c', { ...shared, uidBase: 900 }, user)).toBe(
      'refused user-clash: user xen-qemuuser-shared has uid 911, not 900',
    );
    expect(lease('c', shared, '*) return 2 ;;')).toBe(
      'refused user-missing: user xen-qemuuser-shared does not exist on the host',
    );
  });

  it('serves all new guests of a batch at once, each with a domid of its own; those with a record have theirs', () => {
    record('b');
    expect(leaseAll(['a', 'b', 'c'], perDomain)).toEqual([
      '3 200003 3003',
      'b has a record',
      '4 200004 3004',
    ]);
    expect(existsSync(join(roots.state, 'guests/b/lease'))).toBe(false);
  });

  it('tells all that get none why', () => {
    expect(leaseAll(['a', 'b', 'c', 'd'], perDomain)).toEqual([
      '3 200003 3003',
      '4 200004 3004',
      '5 200005 3005',
      'refused no-free-domid: every domid from 3 to 5 is leased',
    ]);
  });

  it('gives a guest anew what a run that was killed before its record had leased it, and keeps nothing held', () => {
    expect(leaseAll(['a'], perDomain)).toEqual(['3 200003 3003']);
    expect(leaseAll(['a'], perDomain)).toEqual(['4 200004 3004']);
    record('a');
    expect([lease('b', perDomain), lease('c', perDomain)]).toEqual(['5 200005 3005', '3 200003 3003']);
  });

  it.each([
    ['nothing', ''],
    ['no uid', 'domid 3\n'],
    ['no number', 'domid x\nuid y\n'],
  ])('does not give away the domid of a lease file that holds %s', (_what, content) => {
    lease('a', perDomain);
    writeFileSync(join(roots.state, 'guests/a/lease'), content);
    writeFileSync(join(roots.state, 'leases/last'), '2\n');
    expect(lease('b', perDomain)).toBe('4 200004 3004');
  });

  it('follows the leases where an older counter and older claims came back from a backup', () => {
    ['a', 'b', 'c'].forEach((guest) => lease(guest, perDomain));
    writeFileSync(join(roots.state, 'leases/last'), '3    \n');
    rmSync(join(roots.state, 'leases/domid'), { recursive: true });
    expect(lease('d', perDomain)).toBe('refused no-free-domid: every domid from 3 to 5 is leased');
  });

  it('passes over what a name or a range of somebody holds, and ids that mean something else', () => {
    const survey = [
      'held 200003 200003 user mallory',
      'held 200004 265536 a range of eve in /etc/subuid',
      'complete',
    ];
    expect(lease('a', perDomain, namedUsers, { survey })).toBe(
      'refused user-clash: no domid from 3 to 5 is left: 3 were passed over, the first because uid 200003 is held by user mallory',
    );
    const low: LeasableUsers = { scheme: 'range', firstDomid: 34, lastDomid: 35, uidBase: 65_500 };
    const nobody = 'xen-*) echo base ;; *) return 2 ;;';
    expect(lease('a', low, nobody)).toBe(
      'refused uid-forbidden: no domid from 34 to 35 is left: 2 were passed over, the first because uid 65534 is never leased',
    );
    for (const [uidBase, uid] of [
      [-1, 0],
      [4_294_967_293, 4_294_967_294],
      [4_294_967_294, 4_294_967_295],
    ] as const) {
      const one: LeasableUsers = { scheme: 'range', firstDomid: 1, lastDomid: 1, uidBase };
      expect(lease('a', one, nobody)).toContain(`because uid ${uid} is never leased`);
    }
  });
});

describe('what is left of a uid', () => {
  it('holds it back, and is told', () => {
    const survey = ['left 200003 1 process: 4711 (qemu)', 'complete'];
    expect(leaseAll(['a'], perDomain, { survey })).toEqual([
      'passed over uid 200003: 1 process: 4711 (qemu)',
      'a: 4 200004 3004 uid 200003: 1 process: 4711 (qemu)',
    ]);
  });

  it('is the reason where nothing else is to be had', () => {
    const survey = [3, 4, 5].map((n) => `left 20000${n} 1 file: /tmp/${n}`);
    expect(lease('a', perDomain, namedUsers, { survey: [...survey, 'complete'] })).toBe(
      'refused leftovers: no domid from 3 to 5 is left: 3 were passed over, the first because this is left of uid 200003: 1 file: /tmp/3',
    );
  });

  it('has to be known', () => {
    expect(lease('a', perDomain, namedUsers, { survey: ['unknown'] })).toBe(
      'refused leftovers-unknown: no domid from 3 to 5 is left: 3 were passed over, the first because what is left of its uid could not be looked for',
    );
  });
});

describe('a freed domid', () => {
  const rest = (domid: number, since: number | string) =>
    put(`leases/quarantine/${domid}`, `since ${since}\nuid ${200_000 + domid}\nwhy guest old was removed\n`);

  it('is taken only when no other is left, the longest rested first', () => {
    rest(3, noon - 10);
    rest(4, noon - 20);
    expect([lease('a', perDomain), lease('b', perDomain), lease('c', perDomain)]).toEqual([
      '5 200005 3005',
      '4 200004 3004',
      '3 200003 3003',
    ]);
    expect(existsSync(join(roots.state, 'leases/quarantine/3'))).toBe(false);
    expect(existsSync(join(roots.state, 'leases/quarantine/4'))).toBe(false);
  });

  it('is one as any other when it has rested, and not a second before', () => {
    rest(3, noon - restSeconds);
    expect(lease('a', perDomain)).toBe('3 200003 3003');
    rest(4, noon - restSeconds + 1);
    expect(lease('b', perDomain)).toBe('5 200005 3005');
  });

  it('is not taken while something is left of it, however long it rested', () => {
    rest(3, noon - 30);
    rest(4, noon - 20);
    rest(5, noon - 10);
    const survey = ['left 200003 1 file: /dev/shm/x', 'complete'];
    expect(leaseAll(['a'], perDomain, { survey }).at(-1)).toBe(
      'a: 4 200004 3004 uid 200003: 1 file: /dev/shm/x',
    );
  });

  it.each(['', 'x', noon + 1000, '9'.repeat(30), '$(reboot)'])(
    'whose file says since %s has only just begun to rest',
    (since) => {
      rest(3, since);
      rest(4, noon - 20);
      rest(5, noon - 10);
      expect([lease('a', perDomain), lease('b', perDomain), lease('c', perDomain)]).toEqual([
        '4 200004 3004',
        '5 200005 3005',
        '3 200003 3003',
      ]);
    },
  );
});
