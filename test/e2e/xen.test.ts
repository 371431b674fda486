import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { guestUnit } from '../../provider/model/paths.ts';
import { sh } from '../../provider/model/shell.ts';
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

  beforeAll(() => {
    core = new Core(running.host, 'first', xenStates, 'xl');
  });
  afterAll(async () => {
    await core.leave(['web1']);
    await core.link.close();
  });

  it('runs with every layer that libxl gives, and nothing left to do', async () => {
    const { snapshot } = await core.converge(core.wish([web()]));
    const domain = domainIn(snapshot, web());
    expect(domain).toMatchObject({ name: 'web1', maxMemoryKib: 64 * 1024 });
    expect(deviceModelOf(snapshot, 'web1')).toBe(domain?.deviceModelPid);
    expect(faultsOf(await core.see(), core.wish([web()]), xenStates)).toEqual({});
    expect((await core.serialLog('web1')).toString('latin1').replaceAll('\0', '')).toContain('U');
  });

  it('is started anew with more memory, as another domain', async () => {
    const before = domainIn(await core.see(), web());
    const wish = core.wish([web({ memoryMib: 96 })]);
    expect(pending(wish, await core.see())).toEqual(['web1 restart memoryMib']);
    const { snapshot } = await core.converge(wish);
    expect(domainIn(snapshot, web())).toMatchObject({ maxMemoryKib: 96 * 1024 });
    expect(domainIn(snapshot, web())?.domid).not.toBe(before?.domid);
  });

  it('comes back when its device model was killed', async () => {
    const wish = core.wish([web({ memoryMib: 96 })]);
    await running.host.run(['kill', '-KILL', String(deviceModelOf(await core.see(), 'web1'))]);
    const seen = await core.until((now) => now.evidence.get('web1')?.running === false);
    expect(pending(wish, seen)).toEqual(['web1 restart integrity.process, integrity.isolation']);
    await core.converge(wish);
  });

  it('says which of its users is missing, and comes back with it', async () => {
    const wish = core.wish([web({ memoryMib: 96 })]);
    const user = (
      await running.host.run(sh`sed -n 's/^user //p' /var/lib/stockade/guests/web1/lease`)
    ).trim();
    await running.host.run(['systemctl', 'stop', guestUnit('web1')]);
    await running.host.run(['userdel', user]);
    await running.host.exec(['systemctl', 'start', guestUnit('web1')]);
    const seen = await core.until((now) => now.guests.get('web1')?.launchError !== undefined);
    expect(seen.guests.get('web1')?.launchError).toBe(`user: user ${user} does not exist`);
    expect(pending(wish, seen)).toEqual([
      'per-domain update integrity.users, integrity.groups',
      'web1 restart integrity.process, integrity.isolation',
    ]);
    await core.converge(wish);
  });
});
