import { afterEach, describe, expect, it } from 'vitest';
import { sh, word } from '../../provider/model/shell.ts';
import { qemuUsersDiff } from '../../provider/resources/qemu-users/diff.ts';
import { intactUsers, qemuUsersIntegrity } from '../../provider/resources/qemu-users/integrity.ts';
import { firstDefaultBase, resolveIds } from '../../provider/resources/qemu-users/uid-base.ts';
import { compareSnapshots, snapshotHost } from '../lab/snapshot.ts';
import { useLab } from '../lab/vitest.ts';
import { ends, Preparation, usersOf, value } from './preparation.fixture.ts';

describe('the users of guests', () => {
  const lab = useLab({ hosts: 1, name: 'users' });
  const open: Preparation[] = [];
  const fleet = async (name = 'test') => {
    const preparation = new Preparation(lab.host, name);
    open.push(preparation);
    await preparation.prepare();
    return preparation;
  };
  afterEach(async () => {
    for (const one of open) {
      for (const scheme of ['per-domain', 'range', 'shared'] as const) await one.removeUsers(scheme);
      expect(ends(await one.unprepare()).filter((end) => end.startsWith('refused'))).toEqual([]);
    }
    await Promise.all(open.splice(0).map(({ session }) => session.close()));
  });
  const passwd = async (pattern: string) =>
    (await lab.host.run(sh`grep -h ${word(pattern)} /etc/passwd /etc/group || :`)).trimEnd().split('\n');
  const integrity = async (one: Preparation, scheme: 'per-domain' | 'range' | 'shared' = 'per-domain') =>
    qemuUsersIntegrity(usersOf(await one.see(), scheme), one.fleet);
  const actionOf = async (one: Preparation, desired = one.wishUsers()) => {
    const facts = usersOf(await one.see(), desired.scheme);
    return qemuUsersDiff(desired, value(resolveIds(desired, facts)), facts);
  };

  it('are all 32,751 made in one step, and leave nothing behind', async () => {
    const before = await snapshotHost(lab.host);
    const one = await fleet();
    const [made] = await one.makeUsers({ lastDomid: 32_751 });
    expect(made).toMatchObject({
      status: 'changed',
      values: { uid_base: String(firstDefaultBase), reaper_uid: String(firstDefaultBase + 32_752) },
    });
    expect(await passwd('^xen-qemuuser-domid32751:')).toEqual([
      `xen-qemuuser-domid32751:x:${firstDefaultBase + 32_751}:${firstDefaultBase + 32_751}:Stockade:/nonexistent:/usr/sbin/nologin`,
      `xen-qemuuser-domid32751:x:${firstDefaultBase + 32_751}:`,
    ]);
    expect((await lab.host.run(sh`grep -c '^xen-qemuuser-.*:!\\*:[0-9]*::::::$' /etc/shadow`)).trim()).toBe(
      '32752',
    );
    const facts = usersOf(await one.see(), 'per-domain');
    expect(facts.accounts.runs).toHaveLength(1);
    expect(qemuUsersIntegrity(facts, 'test')).toEqual(intactUsers);
    expect((await actionOf(one, one.wishUsers({ lastDomid: 32_751 }))).action).toBe('noop');
    const [gone] = await one.removeUsers();
    expect(gone?.status).toBe('changed');
    await one.unprepare();
    expect(compareSnapshots(before, await snapshotHost(lab.host))).toEqual([]);
    console.log(`32,751 users made in ${made?.milliseconds} ms, removed in ${gone?.milliseconds} ms`);
  });

  it('are made and removed while others add and remove users, and nothing is lost', async () => {
    const one = await fleet();
    const [others, ...turns] = await Promise.all([
      lab.host.run(sh`n=0
until [ -e /srv/turns-over ] || [ "$n" -ge 400 ]; do
  n=$((n + 1))
  useradd --no-create-home "other$n" || echo "useradd other$n: $?"
  [ $((n % 2)) -eq 0 ] || userdel "other$n" || echo "userdel other$n: $?"
done 2>&1
echo "$n"`),
      (async () => {
        for (let turn = 0; turn < 6; turn++) {
          expect(ends(await one.makeUsers({ lastDomid: 8000 }))).toEqual([
            'changed qemu-users per-domain on h1: users',
          ]);
          expect(ends(await one.removeUsers())).toEqual(['changed qemu-users per-domain on h1: users']);
        }
        await lab.host.run(['touch', '/srv/turns-over']);
      })(),
    ]);
    // without a word of failure, from the first turn to the last
    expect(others).toMatch(/^\d+\n$/);
    const made = Number(others);
    expect(made).toBeGreaterThan(12);
    expect(made).toBeLessThan(400);
    expect(turns).toHaveLength(1);
    const left = await lab.host.run(
      sh`cut -d: -f1 /etc/passwd /etc/group /etc/shadow /etc/gshadow | grep '^other' | sort -V | uniq -c`,
    );
    expect(left.trim().split(/\s*\n\s*/)).toEqual(
      Array.from({ length: Math.floor(made / 2) }, (_, index) => `4 other${2 * (index + 1)}`),
    );
    expect(await lab.host.run(sh`ls -A /etc | grep -e '\.lock$' -e '\.edit$' -e stockade || :`)).toBe(
      '.pwd.lock\n',
    );
    await lab.host.run(sh`rm /srv/turns-over
for n in $(seq 2 2 ${made}); do userdel "other$n"; done`);
  });

  it('shows what drifted by name and number, and is healed with the same ids', async () => {
    const one = await fleet();
    await one.makeUsers();
    await lab.host.run(sh`userdel xen-qemuuser-domid3; userdel xen-qemuuser-domid5
usermod -s /bin/bash -d /root xen-qemuuser-domid7
usermod -p "$(printf x)" xen-qemuuser-domid8
groupmod -g 4711 xen-qemuuser-domid9
gpasswd -a operator xen-qemuuser-domid10
userdel xen-qemuuser-reaper`);
    expect(await integrity(one)).toEqual({
      users:
        'missing xen-qemuuser-domid3 (and 1 more); changed xen-qemuuser-domid7: home /root, shell /bin/bash (and 2 more)',
      groups: 'missing xen-qemuuser-domid3 (and 1 more); changed xen-qemuuser-domid9: gid 4711 (and 1 more)',
      reaper: 'missing',
      record: 'ok',
    });
    expect(await actionOf(one)).toMatchObject({ action: 'update', disruption: 'live' });
    await one.makeUsers();
    expect(await integrity(one)).toEqual(intactUsers);
    expect((await passwd('^xen-qemuuser-domid[37]:')).sort()).toEqual(
      [3, 7].flatMap((n) => [
        `xen-qemuuser-domid${n}:x:${firstDefaultBase + n}:`,
        `xen-qemuuser-domid${n}:x:${firstDefaultBase + n}:${firstDefaultBase + n}:Stockade:/nonexistent:/usr/sbin/nologin`,
      ]),
    );
    expect((await lab.host.exec(sh`pwck -rq; grpck -r`)).stdout).not.toContain('xen-qemuuser');
    expect(ends(await one.makeUsers())).toEqual([]);
  });

  it('are what their fleets want together', async () => {
    const [one, other] = [await fleet('one'), await fleet('other')];
    await one.makeUsers({ firstDomid: 1, lastDomid: 10 });
    await other.makeUsers({ firstDomid: 8, lastDomid: 20 });
    const names = async () =>
      (await passwd('^xen-qemuuser-domid.*nologin')).map((line) => line.split(':')[0]?.slice(18));
    const numbers = (first: number, last: number) =>
      Array.from({ length: last - first + 1 }, (_, index) => String(first + index)).sort();
    expect((await names()).sort()).toEqual(numbers(1, 20));
    expect(await integrity(one)).toEqual(intactUsers);
    expect(await other.obstacles(other.wishUsers({ uidBase: 300_000 }))).toMatchObject([
      { code: 'uid-base-conflict', resource: 'qemu-users per-domain on h1' },
    ]);
    expect(ends(await other.makeUsers({ firstDomid: 9, lastDomid: 12 }))[0]).toMatch(/^changed/);
    expect((await names()).sort()).toEqual(numbers(1, 12));
    await one.removeUsers();
    expect((await names()).sort()).toEqual(numbers(9, 12));
    expect(await integrity(other)).toEqual(intactUsers);
    await other.removeUsers();
    expect(await passwd('^xen-qemuuser')).toEqual(['']);
  });

  it('of the three schemes stand side by side and share the reaper', async () => {
    const one = await fleet();
    await one.makeUsers({ scheme: 'shared' });
    await one.makeUsers({ scheme: 'range', lastDomid: 32_751 });
    await one.makeUsers({ lastDomid: 2 });
    const base = firstDefaultBase;
    const entries = (await passwd('^xen-qemuuser-.*nologin')).map((line) =>
      line.split(':').slice(0, 3).join(':'),
    );
    expect(entries.sort()).toEqual([
      `xen-qemuuser-domid1:x:${base + 131_073}`,
      `xen-qemuuser-domid2:x:${base + 131_074}`,
      `xen-qemuuser-range-base:x:${base + 65_536}`,
      `xen-qemuuser-reaper:x:${base + 32_752}`,
      `xen-qemuuser-shared:x:${base}`,
    ]);
    for (const scheme of ['per-domain', 'range', 'shared'] as const) {
      expect(await integrity(one, scheme)).toEqual(intactUsers);
    }
    await one.removeUsers('per-domain');
    await one.removeUsers('range');
    expect((await passwd('^xen-qemuuser-.*nologin')).map((line) => line.split(':')[0]).sort()).toEqual([
      'xen-qemuuser-reaper',
      'xen-qemuuser-shared',
    ]);
  });

  it('are refused where an id is held, and at the last moment too', async () => {
    const one = await fleet();
    await lab.host.run(
      sh`useradd -M -u 300005 somebody; groupadd -g 400005 some-group; echo 'somebody:500000:65536' >>/etc/subuid`,
    );
    try {
      const summaries = async (uidBase: number, scheme: 'per-domain' | 'range' = 'per-domain') =>
        (await one.obstacles(one.wishUsers({ uidBase, scheme }))).map(
          ({ code, summary }) => `${code}: ${summary}`,
        );
      expect(await summaries(300_000)).toEqual([
        'user-clash: uid 300005 is wanted, but belongs to user somebody',
      ]);
      expect(await summaries(300_000, 'range')).toEqual([
        'user-clash: uid 300005 is wanted, but belongs to user somebody',
      ]);
      expect(await summaries(400_000)).toEqual([
        'user-clash: gid 400005 is wanted, but belongs to group some-group',
      ]);
      expect(await summaries(500_000)).toEqual([
        'user-clash: uid 500001 is wanted, but belongs to the subordinate uid range of somebody',
      ]);
      expect((await summaries(65_500))[0]).toMatch(/^uid-forbidden: .* hold 65534, which no guest may have$/);
      expect(ends(await one.makeUsers({ uidBase: 300_000 }))).toEqual([
        'failed qemu-users per-domain on h1: users: user-clash: uid 300005 belongs to user somebody',
      ]);
      expect(ends(await one.makeUsers({ uidBase: 300_000, scheme: 'range' }))).toEqual([
        'failed qemu-users range on h1: users: user-clash: id 300005 belongs to user somebody',
      ]);
      expect(usersOf(await one.see(), 'per-domain').record).toBeUndefined();
      expect(await lab.host.run(sh`ls /var/lib/stockade/users`)).toBe('');
    } finally {
      await lab.host.run(sh`userdel somebody; groupdel some-group; sed -i '/^somebody:500000/d' /etc/subuid`);
    }
  });

  it('that somebody else made are adopted as they are and stay, or are a clash', async () => {
    await lab.host.run(sh`groupadd -g 700001 xen-qemuuser-domid1
useradd -M -u 700001 -g 700001 -d /nonexistent -s /usr/sbin/nologin -c 'by hand' xen-qemuuser-domid1`);
    const before = await passwd('^xen-qemuuser');
    const one = await fleet();
    expect(await one.obstacles(one.wishUsers())).toEqual([]);
    expect((await one.makeUsers({ lastDomid: 4 }))[0]?.values).toMatchObject({ uid_base: '700000' });
    expect(await integrity(one)).toEqual(intactUsers);
    await one.removeUsers();
    expect(await passwd('^xen-qemuuser')).toEqual(before);
    await lab.host.run(sh`usermod -s /bin/sh xen-qemuuser-domid1`);
    expect(await one.obstacles(one.wishUsers())).toMatchObject([
      {
        code: 'user-clash',
        summary: 'a user of that name exists and is not as asked for: xen-qemuuser-domid1 has shell /bin/sh',
      },
    ]);
    expect(ends(await one.makeUsers())[0]).toContain(
      'user-clash: user xen-qemuuser-domid1 exists with uid 700001, gid 700001, home /nonexistent, shell /bin/sh',
    );
    await lab.host.run(sh`userdel xen-qemuuser-domid1`);
  });

  it('are not taken from a guest that runs as one', async () => {
    const one = await fleet();
    await one.makeUsers({ lastDomid: 8 });
    await lab.host.run(sh`mkdir /var/lib/stockade/guests/web1
printf 'stockade-record 1\nowner test\ngeneration 1\n' >/var/lib/stockade/guests/web1/record
printf 'domid 5\nuid ${firstDefaultBase + 5}\ngid 1\nshared no\n' >/var/lib/stockade/guests/web1/lease`);
    const message = `users-in-use: guest web1 runs as uid ${firstDefaultBase + 5} of this set`;
    expect(ends(await one.removeUsers())[0]).toContain(message);
    expect(ends(await one.makeUsers({ lastDomid: 4 }))[0]).toContain(message);
    expect(ends(await one.makeUsers({ firstDomid: 5, lastDomid: 6 }))[0]).toMatch(/^changed/);
    expect(usersOf(await one.see(), 'per-domain').leased).toEqual([
      { guest: 'web1', owner: 'test', uid: firstDefaultBase + 5 },
    ]);
    await lab.host.run(sh`rm -r /var/lib/stockade/guests/web1`);
    expect(ends(await one.removeUsers())[0]).toMatch(/^changed/);
  });

  it('need a prepared host, and an owner', async () => {
    const stranger = new Preparation(lab.host, 'stranger');
    await fleet();
    expect(ends(await stranger.makeUsers())).toEqual([
      'refused qemu-users per-domain on h1: users: host-not-prepared: the host is not prepared for fleet stranger',
    ]);
    expect(ends(await stranger.removeUsers())).toEqual(['same qemu-users per-domain on h1: users']);
    await stranger.session.close();
  });

  it('are finished by the next run when one is killed at any moment', async () => {
    const one = await fleet();
    for (const delay of ['0.02', '0.05', '0.08', '0.12', '0.2']) {
      const killing = lab.host.run(sh`tries=0
until pid=$(pgrep -x vipw) || [ $tries -gt 500 ]; do tries=$((tries + 1)); sleep 0.01; done
sleep ${word(delay)}
kill -9 $pid $(pgrep -P "$pid") $(pgrep -x awk) 2>/dev/null || :`);
      await one.makeUsers({ lastDomid: 32_751 });
      await killing;
      await one.makeUsers({ lastDomid: 32_751 });
      expect(await integrity(one)).toEqual(intactUsers);
      expect(ends(await one.removeUsers())[0]).toMatch(/^changed/);
      expect(await passwd('^xen-qemuuser')).toEqual(['']);
      expect(await lab.host.run(sh`ls -A /etc | grep -e '\.lock$' -e '\.edit$' -e stockade || :`)).toBe(
        '.pwd.lock\n',
      );
    }
  });
});
