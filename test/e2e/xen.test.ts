import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { guestPlaces } from '../../provider/jail/places.ts';
import { guestUnit } from '../../provider/model/paths.ts';
import { sh, word } from '../../provider/model/shell.ts';
import type { GuestDesired } from '../../provider/resources/guest/desired.ts';
import { xlConfig } from '../../provider/toolstacks/xl/config.ts';
import { xenStates } from '../container-host.ts';
import { waitingKernel } from '../lab/guest/standstill.ts';
import { useXenHost } from '../lab/vitest.ts';
import { Core, deviceModelOf, faultsOf, pending, stillKernel } from './core.fixture.ts';
import { domainIn, onXen } from './xen-guest.fixture.ts';

const running = useXenHost();

beforeAll(async () => {
  await running.host.write(stillKernel, waitingKernel());
});

it('xl reads a configuration as it was meant, whatever its strings hold', async () => {
  const commandLine = `quiet "]; on_crash='restart' \\x41 \\042 \\ $(reboot) \`id\` ünï`;
  const path = '/dev/x,vdev=hda,access=rw';
  const disks = [{ name: 'a', path, format: 'raw' as const, readonly: true, backing: [] }];
  const whole = { name: 'odd', uuid: '5c8c4bb4-1b1d-4b4f-8b0a-7d8bd3f0a001', memoryMib: 32, vcpus: 1 };
  const paths = { kernel: stillKernel, initrd: undefined, deviceModel: '/usr/libexec/x', serial: '/run/x' };
  await running.host.write('/srv/odd.cfg', xlConfig({ ...whole, ...paths, commandLine, disks }));
  const told = await running.host.run(['xl', 'create', '-n', '/srv/odd.cfg']);
  const read = JSON.parse(told.slice(told.indexOf('{'))) as unknown;
  expect(read).toMatchObject({
    c_info: { name: 'odd', uuid: whole.uuid },
    b_info: { cmdline: commandLine },
    disks: [{ pdev_path: path, vdev: 'xvda', backend: 'phy' }],
  });
});

describe('a guest of xl on a real Xen', () => {
  let core: Core;
  const web = (change: Partial<GuestDesired> = {}) => core.guest('web1', { ...onXen, ...change });
  const wish = (change: Partial<GuestDesired> = {}) => core.wish([web(change)]);

  beforeAll(() => {
    core = new Core(running.host, 'first', xenStates, 'xl');
  });
  afterAll(async () => {
    await core.leave(['web1']);
    await core.link.close();
  });

  it('runs with every layer that libxl gives, and nothing left to do', async () => {
    const { snapshot } = await core.converge(wish());
    const domain = domainIn(snapshot, web());
    expect(domain).toMatchObject({ name: 'web1', maxMemoryKib: 64 * 1024 });
    expect(deviceModelOf(snapshot, 'web1')).toBe(domain?.deviceModelPid);
    expect(faultsOf(await core.see(), wish(), xenStates)).toEqual({});
    expect((await core.serialLog('web1')).toString('latin1').replaceAll('\0', '')).toContain('U');
  });

  it('shows every layer as not there, and each handle as open, once its device model is not restricted', async () => {
    const { launcher } = guestPlaces('web1');
    await running.host.run(sh`sed -i -e 's/^dm_restrict = 1/dm_restrict = 0/' -e '/device_model_user/d' ${word(launcher)}
systemctl restart ${word(guestUnit('web1'))}`);
    const seen = await core.see();
    const layers = seen.evidence.get('web1')?.layers ?? [];
    const states = Object.fromEntries(layers.map(({ layer, state }) => [layer, state]));
    const given = [
      'user',
      'chroot',
      'mount-namespace',
      'ipc-namespace',
      'capabilities',
      'rlimits',
      'xen-handles',
    ];
    expect(states).toEqual({
      ...xenStates,
      ...Object.fromEntries(given.map((layer) => [layer, 'ineffective'])),
    });
    const handles = layers.find(({ layer }) => layer === 'xen-handles')?.raw ?? [];
    const verdicts = handles.map((line) => line.split(' ').slice(2, 4));
    // Xen's checker has no test for others
    const checked = verdicts.filter(([kind = '']) => ['privcmd', 'evtchn', 'gntdev'].includes(kind));
    expect(new Set(checked.map(([kind]) => kind))).toEqual(new Set(['privcmd', 'evtchn']));
    expect(checked.filter(([, verdict]) => verdict !== 'unrestricted')).toEqual([]);
    expect(pending(wish(), seen)).toEqual(['web1 restart integrity.isolation, integrity.launcher']);
  });

  it('is started anew with more memory, restricted again, as another domain', async () => {
    const before = await core.see();
    const more = wish({ memoryMib: 96 });
    expect(pending(more, before)).toEqual([
      'web1 restart memoryMib, integrity.isolation, integrity.launcher',
    ]);
    const { snapshot } = await core.converge(more);
    expect(domainIn(snapshot, web())).toMatchObject({ maxMemoryKib: 96 * 1024 });
    expect(domainIn(snapshot, web())?.domid).not.toBe(domainIn(before, web())?.domid);
  });

  it('shows that its user is gone, while it runs and once its device model was killed, and comes back with it', async () => {
    const more = wish({ memoryMib: 96 });
    const user = (
      await running.host.run(sh`sed -n 's/^user //p' /var/lib/stockade/guests/web1/lease`)
    ).trim();
    const pid = String(deviceModelOf(await core.see(), 'web1'));
    await running.host.run(['userdel', '--force', user]);
    expect(pending(more, await core.see())).toEqual(['per-domain update integrity.users, integrity.groups']);
    await running.host.run(['kill', '-KILL', pid]);
    const down = await core.until((now) => now.guests.get('web1')?.launchError !== undefined);
    expect(down.guests.get('web1')?.launchError).toMatch(/^launch: the device model of domain \d+ ended/);
    expect([down.evidence.get('web1')?.running, domainIn(down, web())]).toEqual([false, undefined]);
    expect(pending(more, down)).toContain('web1 restart integrity.process, integrity.isolation');
    await running.host.exec(['systemctl', 'start', guestUnit('web1')]);
    const refused = await core.see();
    expect(refused.guests.get('web1')?.launchError).toBe(`user: user ${user} does not exist`);
    expect(pending(more, refused)).toEqual([
      'per-domain update integrity.users, integrity.groups',
      'web1 restart integrity.process, integrity.isolation',
    ]);
    await core.converge(more);
  });
});
