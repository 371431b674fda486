import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { HostRoots } from '../../provider/model/paths.ts';
import { leaseDomid, type LeasableUsers } from '../../provider/resources/guest/lease.ts';

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

function lease(
  guest: string,
  users: LeasableUsers,
  accounts = '*) n=${2##*domid}; echo "$2:x:$((200000 + n)):300$n::/:/none" ;;',
) {
  const script = `set -eu
refuse() { echo "refused $1: $2"; exit 90; }
fail() { echo "failed $1: $2"; exit 91; }
getent() { case $2 in ${accounts} esac; }
${leaseDomid(guest, users, roots).text}
mkdir -p ${roots.state}/guests/${guest}; printf 'domid %s\\nuid %s\\ngid %s\\nshared no\\n' "$domid" "$uid" "$gid" >${roots.state}/guests/${guest}/lease
echo "$domid $uid $gid"`;
  const { stdout, stderr } = spawnSync('/bin/sh', ['-c', script]);
  expect(stderr.toString()).toBe('');
  return stdout.toString().trim();
}

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

  it('gives every guest the shared user where that is asked for', () => {
    const shared: LeasableUsers = { ...perDomain, scheme: 'shared' };
    expect(lease('a', shared, '*) echo "$2:x:911:912::/:/none" ;;')).toBe('3 911 912');
    expect(lease('b', shared, '*) echo "$2:x:911:912::/:/none" ;;')).toBe('4 911 912');
  });
});
