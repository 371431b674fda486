import { afterEach, describe, expect, it } from 'vitest';
import { sh, word } from '../../provider/model/shell.ts';
import { hostObstacles } from '../../provider/resources/host/checks.ts';
import { hostDiff } from '../../provider/resources/host/diff.ts';
import { capabilitiesFor } from '../../provider/resources/host/facts.ts';
import { hostIntegrity, intactHost } from '../../provider/resources/host/integrity.ts';
import { hostOperations } from '../../provider/resources/host/operations.ts';
import { qemuAnswers } from '../../provider/toolstacks/qemu/probe.ts';
import { compareSnapshots, snapshotHost } from '../lab/snapshot.ts';
import { useLab } from '../lab/vitest.ts';
import { ends, Preparation } from './preparation.fixture.ts';

describe('a host', () => {
  const lab = useLab({ hosts: 1, name: 'host' });
  const open: Preparation[] = [];
  const fleet = (name = 'test') => {
    const preparation = new Preparation(lab.host, name);
    open.push(preparation);
    return preparation;
  };
  afterEach(async () => {
    for (const preparation of open) await preparation.unprepare();
    await Promise.all(open.splice(0).map(({ session }) => session.close()));
  });

  it('says what it is', async () => {
    const { host } = await fleet().see();
    const { qemu, ...machine } = host.capabilities;
    expect(machine).toMatchObject({
      supervisor: { kind: 'systemd', version: 252 },
      missingPrograms: [],
      virtiofsd: { path: '/usr/lib/qemu/virtiofsd', kind: 'c', translatesIds: false },
      proxyHelper: '/usr/lib/qemu/virtfs-proxy-helper',
    });
    expect(machine.kernel).toMatch(/^\d+\.\d+/);
    expect(qemu).toMatchObject({
      binary: '/usr/bin/qemu-system-x86_64',
      seccomp: true,
      runWithChroot: false,
      runWithUser: false,
      chrootOption: true,
      runasOption: true,
      xenDomidRestrict: true,
      fsdevDrivers: ['local', 'proxy', 'synth'],
    });
    expect(qemu?.version).toMatch(/^7\.2\./);
    expect(qemu?.machines).toEqual(expect.arrayContaining(['q35', 'pc', 'microvm']));
    expect(qemu?.devices).toEqual(expect.arrayContaining(['virtio-net-pci', 'vhost-user-fs-pci']));
    expect(qemu?.accelerators.working).toContain('tcg');
    expect(host.operatingSystem).toMatchObject({ id: 'debian' });
    expect(host.record).toBeUndefined();
  });

  it('is prepared, stays as it is, and is left as it was', async () => {
    const before = await snapshotHost(lab.host);
    const one = fleet();
    expect(ends(await one.prepare())).toEqual([
      'changed host h1: record',
      'changed host h1: logger user',
      'changed host h1: unit template',
      'changed host h1: reload',
    ]);
    const { host } = await one.see();
    expect(hostIntegrity(host)).toEqual(intactHost);
    expect(hostDiff(one.wishHost(), host).action).toBe('noop');
    expect(host.owners.get('test')?.generation).toBe(1);
    expect(ends(await one.unprepare())).toEqual([
      'same host h1: release',
      'changed host h1: unit template',
      'changed host h1: reload',
      'same host h1: apparmor profile',
      'changed host h1: logger user',
      'changed host h1: remove',
    ]);
    expect(compareSnapshots(before, await snapshotHost(lab.host))).toEqual([]);
  });

  it('tries an accelerator by a guest that ends itself', async () => {
    const outcome = async (accelerator: string) =>
      lab.host.run(sh`${qemuAnswers()}
qemu=/usr/bin/qemu-system-x86_64
qemu_try ${word(accelerator)}
printf '%s' "$qemu_tried"
ls /run | grep stockade-probe || :`);
    expect(await outcome('tcg')).toBe('works');
    expect(await outcome('none')).toBe('failed');
  });

  it('keeps the answers of QEMU, and asks again when QEMU was replaced', async () => {
    const one = fleet();
    await one.prepare();
    const first = (await one.see()).host.capabilities;
    const kept = await lab.host.run(sh`ls /var/lib/stockade/capabilities`);
    expect(kept.trim().split('\n')).toHaveLength(3);
    await lab.host.run(
      sh`cp -p /usr/bin/qemu-system-x86_64 /usr/bin/q && mv /usr/bin/q /usr/bin/qemu-system-x86_64`,
    );
    const second = (await one.see()).host.capabilities;
    expect(second).toEqual({ ...first, qemu: { ...first.qemu, inode: second.qemu?.inode } });
    expect(second.qemu?.inode).not.toBe(first.qemu?.inode);
    const now = await lab.host.run(sh`ls /var/lib/stockade/capabilities`);
    expect(now.trim().split('\n')).toHaveLength(3);
    expect(now).not.toBe(kept);
  });

  it('shows what drifted, and is healed', async () => {
    const one = fleet();
    await one.prepare();
    await lab.host.run(sh`chmod 755 /var/lib/stockade/users
rmdir /var/lib/stockade/files
echo '# edited' >>/etc/systemd/system/stockade-guest@.service
mkdir -p '/run/systemd/system/stockade-guest@.service.d'
printf '[Service]\nNoNewPrivileges=no\n' >'/run/systemd/system/stockade-guest@.service.d/a b.conf'
userdel stockade-logger`);
    const drifted = (await one.see()).host;
    expect(hostDiff(one.wishHost(), drifted)).toMatchObject({
      action: 'update',
      disruption: 'live',
      reasons: [
        {
          path: ['integrity', 'directories'],
          before: '/var/lib/stockade/users has mode 0755, not 0700 (and 1 more)',
        },
        {
          path: ['integrity', 'unitTemplate'],
          before: 'was edited; has an addition: /run/systemd/system/stockade-guest@.service.d/a b.conf',
        },
        { path: ['integrity', 'loggerUser'], before: 'missing' },
      ],
    });
    expect(ends(await one.prepare())).toEqual(
      ['record', 'logger user', 'unit template', 'reload'].map((step) => `changed host h1: ${step}`),
    );
    const healed = (await one.see()).host;
    expect(hostIntegrity(healed)).toEqual(intactHost);
    expect(healed.owners.get('test')?.generation).toBe(2);
  });

  it('tells systemd of the template even when the run before was killed in between', async () => {
    const one = fleet();
    await one.prepare();
    await lab.host.run(sh`: >/run/stockade/reload`);
    const found = (await one.see()).host;
    expect(hostIntegrity(found).unitTemplate).toBe('systemd has not read it yet');
    expect(ends(await one.prepare())).toContain('changed host h1: reload');
    expect(hostIntegrity((await one.see()).host)).toEqual(intactHost);
  });

  it('is not drifted by a reboot', async () => {
    const one = fleet();
    await one.prepare();
    await lab.host.reboot();
    expect(hostDiff(one.wishHost(), (await one.see()).host).action).toBe('noop');
  });

  it('belongs to each fleet that prepared it, and goes with the last', async () => {
    const [one, other] = [fleet('one'), fleet('other')];
    await one.prepare();
    expect(ends(await other.prepare())).toEqual([
      'changed host h1: record',
      'same host h1: logger user',
      'same host h1: unit template',
      'same host h1: reload',
    ]);
    expect(ends(await one.unprepare())).toEqual([
      'same host h1: release',
      'same host h1: unit template',
      'same host h1: reload',
      'same host h1: apparmor profile',
      'same host h1: logger user',
      'changed host h1: remove',
    ]);
    const { host } = await other.see();
    expect([...host.owners.keys()]).toEqual(['other']);
    expect(hostIntegrity(host)).toEqual(intactHost);
    await other.unprepare();
    expect((await other.see()).host.record).toBeUndefined();
  });

  it('refuses to be made twice, or from a plan that is out of date', async () => {
    const one = fleet();
    const { host } = await one.see();
    const desired = one.wishHost();
    const operations = hostOperations({ change: hostDiff(desired, host), desired, facts: host });
    await one.run(operations);
    const [again] = ends(await one.run(operations));
    expect(again).toMatch(/^refused host h1: record: record-exists: /);
  });

  it('cannot be let go of while guests or users are on it', async () => {
    const one = fleet();
    await one.prepare();
    await one.makeUsers({ lastDomid: 2 });
    expect(ends(await one.unprepare())[0]).toBe(
      'refused host h1: release: host-in-use: users per-domain of fleet test are on the host',
    );
    expect(hostIntegrity((await one.see()).host)).toEqual(intactHost);
    await one.removeUsers();
    await lab.host.run(sh`mkdir /var/lib/stockade/guests/web1
printf 'stockade-record 1\nowner test\ngeneration 1\n' >/var/lib/stockade/guests/web1/record`);
    expect(ends(await one.unprepare())[0]).toBe(
      'refused host h1: release: host-in-use: guest web1 of fleet test is on the host',
    );
    await lab.host.run(sh`rm -r /var/lib/stockade/guests/web1`);
  });

  it('says what is missing, and how to install it', async () => {
    const one = fleet();
    await lab.host.run(
      sh`mv /usr/bin/qemu-system-x86_64 /usr/bin/away; mv /usr/bin/setpriv /usr/bin/setpriv.away`,
    );
    try {
      const { host } = await one.see();
      const desired = one.wishHost();
      expect(hostObstacles(desired, host)).toMatchObject([
        { code: 'missing-program', host: 'h1', hint: 'On the host: apt-get install util-linux.' },
        { code: 'no-qemu', resource: 'host h1' },
      ]);
      const change = hostDiff(desired, host);
      const [refused, ...skipped] = ends(await one.run(hostOperations({ change, desired, facts: host })));
      expect(refused).toBe('refused host h1: record: missing-program: programs are missing: setpriv');
      expect(skipped.every((text) => text.startsWith('skipped'))).toBe(true);
    } finally {
      await lab.host.run(
        sh`mv /usr/bin/away /usr/bin/qemu-system-x86_64; mv /usr/bin/setpriv.away /usr/bin/setpriv`,
      );
    }
  });

  it('is refused with what does not answer as QEMU does, and works with a QEMU of choice', async () => {
    const before = await snapshotHost(lab.host);
    const one = fleet();
    await lab.host.run(sh`mkdir '/opt/my qemu'
cat >'/opt/my qemu/broken' <<'END'
#!/bin/sh
exit 1
exec /usr/bin/qemu-system-x86_64 "$@"
END
cp '/opt/my qemu/broken' '/opt/my qemu/with'
sed -i 2d '/opt/my qemu/with'
chmod 755 '/opt/my qemu'/*`);
    const { host } = await one.see(['/opt/my qemu/broken']);
    const bad = one.wishHost('/opt/my qemu/broken');
    expect(hostObstacles(bad, host)).toMatchObject([{ code: 'no-qemu', path: ['qemuBinary'] }]);
    const [refused] = ends(
      await one.run(hostOperations({ change: hostDiff(bad, host), desired: bad, facts: host })),
    );
    expect(refused).toBe(
      'refused host h1: record: no-qemu: /opt/my qemu/broken does not answer as QEMU does',
    );
    await one.prepare('/opt/my qemu/with');
    const seen = (await one.see()).host;
    expect(capabilitiesFor(seen, 'test').qemu?.binary).toBe('/opt/my qemu/with');
    expect(seen.capabilities.qemu?.binary).toBe('/usr/bin/qemu-system-x86_64');
    expect(hostDiff(one.wishHost(), seen).reasons).toMatchObject([
      { path: ['qemuBinary'], before: '/opt/my qemu/with', after: '(found by search)' },
    ]);
    await one.unprepare();
    await lab.host.run(sh`rm -r '/opt/my qemu'`);
    expect(compareSnapshots(before, await snapshotHost(lab.host))).toEqual([]);
  });
});
