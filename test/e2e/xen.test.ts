import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { guestPlaces } from '../../provider/jail/places.ts';
import { guestUnit } from '../../provider/model/paths.ts';
import { ShellText, sh, word } from '../../provider/model/shell.ts';
import type { GuestDesired } from '../../provider/resources/guest/desired.ts';
import { standsAsAsked } from '../../provider/resources/guest/integrity.ts';
import { domainUuid, xlConfig } from '../../provider/toolstacks/xl/config.ts';
import { fdCheckSection } from '../../provider/toolstacks/xl/fd-check.ts';
import { type FdCheck, parseFdCheck } from '../../provider/toolstacks/xl/fd-check-parse.ts';
import { xenStates } from '../container-host.ts';
import { waitingKernel } from '../lab/guest/standstill.ts';
import { useXenHost } from '../lab/vitest.ts';
import { Core, deviceModelOf, faultsOf, pending, stillKernel } from './core.fixture.ts';
import { value } from './preparation.fixture.ts';
import { domainIn, onXen } from './xen-guest.fixture.ts';

const running = useXenHost();

beforeAll(async () => {
  await running.host.write(stillKernel, waitingKernel());
});

/** What the section says of one domain, with some of its text another. */
async function check(uuid: string, ...changes: readonly (readonly [string, string])[]): Promise<FdCheck> {
  const text = changes.reduce((body, [from, to]) => {
    if (!body.includes(from)) throw new Error(`the section has no ${from}`);
    return body.replace(from, to);
  }, fdCheckSection([]).body.text);
  const told = await running.host.run(sh`set -- ${word(uuid)}
${ShellText.unsafelyFromProgramText(text)}`);
  return value(parseFdCheck(Buffer.from(told)));
}

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
  afterAll(() => core.link.close());

  it('runs with every layer that libxl gives, and nothing left to do', async () => {
    const { snapshot } = await core.converge(wish());
    const domain = domainIn(snapshot, web());
    expect(domain).toMatchObject({ name: 'web1', maxMemoryKib: 64 * 1024 });
    expect(deviceModelOf(snapshot, 'web1')).toBe(domain?.deviceModelPid);
    expect(faultsOf(await core.see(), wish(), xenStates)).toEqual({});
    expect((await core.serialLog('web1')).toString('latin1').replaceAll('\0', '')).toContain('U');
  });

  describe('the handles of its device model', () => {
    it("are found whatever the guest's domain is called", async () => {
      const domid = String(domainIn(await core.see(), web())?.domid);
      await running.host.run(['xl', 'rename', domid, 'other']);
      const seen = await core.see().finally(() => running.host.run(['xl', 'rename', domid, 'web1']));
      expect(domainIn(seen, web())?.name).toBe('other');
      expect(faultsOf(seen, wish(), xenStates)).toEqual({});
    });

    it('hold a reading up no longer than its time, if they hold the checker up', async () => {
      await running.host.write('/srv/hang', '#!/bin/sh\nexec sleep 600\n', 0o755);
      const began = Date.now();
      const checked = await check(
        domainUuid(web()),
        ['\nxen_checker\n', '\nchecker=/srv/hang\n'],
        ['time.monotonic() + 90', 'time.monotonic() + 8'],
        ['run(checkable, 45)', 'run(checkable, 4)'],
      );
      expect((Date.now() - began) / 1000).toBeLessThan(40);
      const { handles = [], complete } = checked.get(domainUuid(web())) ?? {};
      expect(complete).toBe(true);
      expect(new Set(handles.map(({ verdict }) => verdict))).toEqual(new Set(['unchecked']));
      expect(handles.map(({ said }) => said)).toContain('there was no time left for it');
    });

    it.each([
      ['not all seen where they move from number to number', 'range(100, 400)', false],
      ['all seen where they stay', 'range(0)', true],
    ])('are %s', async (_, numbers, complete) => {
      const uuid = '5c8c4bb4-1b1d-4b4f-8b0a-7d8bd3f0a001';
      const program = `import os, time
at = os.open("/dev/xen/evtchn", os.O_RDWR)
os.open("/dev/xen/privcmd", os.O_RDWR)
while True:
    for number in ${numbers}:
        os.dup2(at, number)
        os.close(at)
        at = number
        time.sleep(0.01)
    time.sleep(0.01)`;
      const pid =
        await running.host.run(sh`systemd-run --quiet --collect --unit=mover python3 -c ${word(program)}
pid=$(systemctl show --value --property=MainPID mover)
until readlink /proc/$pid/fd/* | grep -qx /dev/xen/privcmd; do systemctl is-active --quiet mover || exit 1; sleep 0.2; done
echo $pid`);
      const store = `/local/domain/77/vm = "/vm/${uuid}"\n/local/domain/77/image/device-model-pid = "${pid.trim()}"\n`;
      await running.host.write('/srv/store', store);
      const checked = await check(
        uuid,
        ['timeout 30 xenstore-ls -f /local/domain', 'cat /srv/store'],
        // there is one processor: in time it will be the other's turn
        ['again, seen = listed(pid)', 'time.sleep(5); again, seen = listed(pid)'],
      ).finally(() => running.host.run(['systemctl', 'stop', 'mover']));
      expect(checked.get(uuid)?.complete).toBe(complete);
      expect(checked.get(uuid)?.handles.map(({ verdict }) => verdict)).toContain('unrestricted');
    });

    it('show nothing on a host without the checker, which is no reason to start the guest anew', async () => {
      const checker = sh`/usr/lib/xen-4.17/bin/depriv-fd-checker`;
      await running.host.run(sh`mv ${checker} ${checker}.away`);
      const [seen, planned] = await core
        .see()
        .then(async (now) => [now, await core.plan(core.wish([web(), core.guest('web2', onXen)]))] as const)
        .finally(() => running.host.run(sh`mv ${checker}.away ${checker}`));
      const layer = seen.evidence.get('web1')?.layers.find((each) => each.layer === 'xen-handles');
      expect(layer).toMatchObject({
        state: 'unproven',
        unprovable: expect.stringContaining('depriv-fd-checker') as string,
      });
      expect(layer !== undefined && standsAsAsked(layer)).toBe(true);
      expect(pending(wish(), seen)).toEqual([]);
      const warnings = planned.ok ? planned.warnings : planned.diagnostics;
      expect(warnings.map(({ code, resource }) => [code, resource])).toEqual([
        ['xl-handles-unproven', 'guest web2 on xen1'],
      ]);
    });
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
