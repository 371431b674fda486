import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { HostSnapshot } from '../../provider/engine/snapshot.ts';
import { guestPlaces } from '../../provider/jail/places.ts';
import { profilePath } from '../../provider/jail/lsm-profile.ts';
import { type LayerEvidence, layerNames } from '../../provider/model/evidence.ts';
import { guestUnit } from '../../provider/model/paths.ts';
import { sh, type ShellText, word } from '../../provider/model/shell.ts';
import { hostIntegrity, intactHost } from '../../provider/resources/host/integrity.ts';
import { sharePlaces } from '../../provider/jail/share-places.ts';
import { standstillKernel } from '../lab/guest/standstill.ts';
import { useVmHost } from '../lab/vitest.ts';
import { Core, pending, stillKernel } from './core.fixture.ts';
import { ends } from './preparation.fixture.ts';
import { closedDirectory, shareOf } from './shares.fixture.ts';

/** Guests start slowly on a machine that is itself emulated. */
const timeout = 900_000;

/** Container hosts have no AppArmor of their own: this wants a kernel. */
describe('the label of a security module', { timeout }, () => {
  const running = useVmHost();
  let core: Core;
  beforeAll(async () => {
    const { host } = running;
    const still = join(host.directory, 'still');
    writeFileSync(still, standstillKernel());
    await host.run(sh`mkdir -p /srv/kernels
cd /srv
truncate -s 1M raw.img read.img
truncate -s 8M base.img
qemu-img create -q -f qcow2 -F raw -b /srv/base.img layer.qcow2 16M`);
    await host.copyIn(still, stillKernel);
    await host.copyIn(fileURLToPath(new URL('lsm-attempts.pl', import.meta.url)), '/srv/attempts.pl');
    core = new Core(host);
  });
  afterAll(() => core.link.close());

  const isolation = { off: ['lsm'], mayBeMissing: [], hostDevMounts: false } as const;
  const backing = [{ path: '/srv/base.img', format: 'raw' }] as const;
  const disks = [
    { name: 'a', path: '/srv/layer.qcow2', format: 'qcow2', readonly: false, sizeMib: 16, backing },
    { name: 'b', path: '/srv/raw.img', format: 'raw', readonly: false, sizeMib: 1, backing: [] },
    { name: 'c', path: '/srv/read.img', format: 'raw', readonly: true, backing: [] },
  ] as const;
  const wish = () =>
    core.wish([
      core.guest('plain'),
      core.guest('much', { disks, sharedMemory: true, network: 'user' }),
      core.guest('bare', { isolation }),
    ]);
  const lsm = (snapshot: HostSnapshot, guest: string): LayerEvidence | undefined =>
    snapshot.evidence.get(guest)?.layers.find(({ layer }) => layer === 'lsm');
  const states = (snapshot: HostSnapshot, guest: string) =>
    Object.fromEntries(
      (snapshot.evidence.get(guest)?.layers ?? []).map(({ layer, state }) => [layer, state]),
    );
  const profile = (snapshot: HostSnapshot) => hostIntegrity(snapshot.facts).apparmorProfile;
  const every = Object.fromEntries(layerNames.map((layer) => [layer, 'effective']));
  /** Applies what is asked for; all of it has to go well and to stand. */
  const heal = async () => {
    const { results, snapshot } = await core.apply(wish());
    expect(ends(results).filter((end) => !/^(same|changed) /.test(end))).toEqual([]);
    expect([states(snapshot, 'plain'), states(snapshot, 'much')]).toEqual([every, every]);
    expect(hostIntegrity(snapshot.facts)).toEqual(intactHost);
    expect(pending(wish(), snapshot)).toEqual([]);
    return snapshot;
  };

  it('is on every process of a guest with every other layer, and in nothing in its way; off it is off', async () => {
    const snapshot = await heal();
    expect(states(snapshot, 'bare')).toEqual({ ...every, lsm: 'off' });
    const labels = (guest: string) =>
      new Set(lsm(snapshot, guest)?.raw.map((line) => line.replace(/^\d+ /, '')));
    const loaded = ['loaded: stockade-guest (enforce)', 'loaded: stockade-guest-logger (enforce)'];
    const confined = [
      'device-model stockade-guest (enforce)',
      'namespace-parent stockade-guest (enforce)',
      'logger stockade-guest-logger (enforce)',
    ];
    expect(labels('plain')).toEqual(new Set([...confined, ...loaded]));
    expect(labels('much')).toEqual(new Set([...confined, ...loaded]));
    expect(labels('bare')).toEqual(
      new Set([
        ...['device-model', 'namespace-parent', 'logger'].map((role) => `${role} unconfined`),
        ...loaded,
        // where nothing is expected all is shown
        'loaded: stockade-guest-share (enforce)',
        'loaded: stockade-guest-share-namespace (enforce)',
      ]),
    );
    expect((await running.host.exec(sh`dmesg | grep 'apparmor="DENIED"'`)).stdout).toBe('');
  });

  it('keeps a program from what the same program can do without it', async () => {
    const attempts = async (before: ShellText) =>
      (
        await running.host.run(sh`sleep 600 & other=$!
${before}
perl /srv/attempts.pl "$other"
kill -9 "$other"
umount /mnt 2>/dev/null || :
rm -f /srv/written /srv/node /tmp/written`)
      )
        .trim()
        .split('\n');
    const free = await attempts(sh`:`);
    expect(free).toHaveLength(14);
    expect(free.filter((line) => !line.endsWith('=done'))).toEqual([]);
    const confined = await attempts(sh`perl() {
  sh -c 'exec 3>/proc/self/attr/apparmor/exec; printf "exec stockade-guest" >&3 || exit; exec /usr/bin/perl "$@" 3>&-' sh "$@"
}`);
    expect(confined.filter((line) => line.endsWith('=done'))).toEqual([
      'root-reads-kernels=done',
      'user-reads-libraries=done',
    ]);
    expect(confined).toHaveLength(14);
  });

  it('is missed on a guest whose launcher leaves it out, and on loggers alone', async () => {
    const breakLauncher = (guest: string, pattern: ShellText) => sh`
sed -i ${pattern} ${word(guestPlaces(guest).launcher)}
systemctl restart ${word(guestUnit(guest))}`;
    await running.host.run(sh`${breakLauncher('plain', sh`'/exec %s/d'`)}
${breakLauncher('much', sh`'/exec %s. stockade-guest-logger/d'`)}`);
    const broken = await core.until(
      (now) => states(now, 'plain')['user'] === 'effective' && states(now, 'much')['user'] === 'effective',
    );
    expect(states(broken, 'plain')).toEqual({ ...every, lsm: 'ineffective' });
    expect(lsm(broken, 'plain')?.observed).toContain('the device-model is "unconfined"');
    expect(states(broken, 'much')).toEqual({ ...every, lsm: 'ineffective' });
    expect(lsm(broken, 'much')?.observed).toBe('the logger is "unconfined"');
    await heal();
  });

  it('is missed where the profile complains only, has other rules or is gone; the next apply puts it back', async () => {
    const { host } = running;
    await host.run(sh`sed -i 's/(attach_disconnected)/(attach_disconnected, complain)/' ${word(profilePath)}
apparmor_parser --replace ${word(profilePath)}`);
    const lax = await core.see();
    expect(profile(lax)).toBe('was edited; stockade-guest is in complain mode');
    expect(lsm(lax, 'plain')).toMatchObject({
      state: 'ineffective',
      observed: expect.stringContaining('the device-model is "stockade-guest (complain)"') as string,
    });
    expect(pending(wish(), lax)).toContain('vm1 update integrity.apparmorProfile');

    // the file as it was: what is loaded alone is other
    await host.run(sh`sed -i 's/, complain//' ${word(profilePath)}
sed 's/^  deny .*//; s/owner //' ${word(profilePath)} >/srv/lax
apparmor_parser --replace /srv/lax`);
    const other = await core.see();
    expect(profile(other)).toBe('other rules are loaded under its name');
    expect(lsm(other, 'plain')).toMatchObject({
      state: 'ineffective',
      observed: 'other rules are loaded under its name',
    });
    await heal();

    await host.run(sh`apparmor_parser --remove ${word(profilePath)}
ln -s ${word(profilePath)} /etc/apparmor.d/disable/stockade-guest`);
    const gone = await core.see();
    expect(profile(gone)).toBe(
      'is switched off by /etc/apparmor.d/disable/stockade-guest; stockade-guest is not loaded',
    );
    expect(lsm(gone, 'plain')).toMatchObject({
      state: 'ineffective',
      observed: expect.stringContaining('the device-model is "unconfined"') as string,
    });
    // nor does anything start without it
    await host.exec(sh`systemctl restart ${word(guestUnit('plain'))}`);
    const failed = await core.until((now) => now.evidence.get('plain')?.running === false);
    expect(failed.evidence.get('plain')?.running).toBe(false);
    expect(await host.run(['cat', guestPlaces('plain').launchError])).toBe(
      'loggers: AppArmor has no profile stockade-guest-logger: apply the host again\n',
    );
    await heal();
  });

  it('confines helpers of shares too, and is in nothing in the way of their start', async () => {
    const { host } = running;
    const shares = (['proxy', 'virtiofs', 'local'] as const).map((driver) => shareOf(driver, { driver }));
    await host.run(sh`install -d -m 0700 ${word(closedDirectory)}
cd ${word(closedDirectory)}
mkdir -p proxy virtiofs local
chmod 0777 local
dmesg --clear`);
    const { results } = await core.apply(core.wish([core.guest('sharing', { shares })]));
    expect(ends(results).filter((end) => !/^(same|changed) /.test(end))).toEqual([]);
    // each helper has answered QEMU by now
    expect((await host.exec(sh`dmesg | grep 'apparmor="DENIED"'`)).stdout).toBe('');

    const helpers = (snapshot: HostSnapshot) => snapshot.evidence.get('sharing')?.helpers ?? [];
    const seen = await core.see();
    expect(states(seen, 'sharing')).toEqual(every);
    const { user: _root, ...ofHelper } = every;
    expect(
      helpers(seen).map(({ layers }) => Object.fromEntries(layers.map(({ layer, state }) => [layer, state]))),
    ).toEqual([ofHelper, ofHelper]);
    await host.run(sh`sed -i 's/confine stockade-guest-share.*/:/' ${word(sharePlaces('sharing', 0).script)}
systemctl restart ${word(guestUnit('sharing'))}`);
    const broken = await core.until((now) => helpers(now).every(({ running: runs }) => runs));
    expect(
      helpers(broken).map(({ layers }) => layers.find(({ layer }) => layer === 'lsm')?.observed),
    ).toEqual(Array(2).fill(expect.stringContaining('the share-helper is "unconfined"')));
    expect(ends(await core.remove(['sharing'])).filter((end) => !/^(same|changed) /.test(end))).toEqual([]);
  });

  it('is there after what the host does at boot, and gone with the host', async () => {
    const { host } = running;
    await host.run(sh`apparmor_parser --remove ${word(profilePath)}
systemctl restart apparmor.service`);
    expect(profile(await core.see())).toBe('ok');
    expect(await host.run(sh`systemctl show --value --property=After ${word(guestUnit('plain'))}`)).toContain(
      'apparmor.service',
    );
    const removed = await core.leave(['plain', 'much', 'bare']);
    expect(ends(removed).filter((end) => !/^(same|changed) /.test(end))).toEqual([]);
    const left = await host.exec(
      sh`grep -F stockade /sys/kernel/security/apparmor/profiles; find /etc/apparmor.d /var/cache/apparmor -name '*stockade*'`,
    );
    expect(left.stdout).toBe('');
  });
});
