import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ShellText, sh, word } from '../../provider/model/shell.ts';
import { standsAsAsked } from '../../provider/resources/guest/integrity.ts';
import { domainUuid } from '../../provider/toolstacks/xl/config.ts';
import { fdCheckSection } from '../../provider/toolstacks/xl/fd-check.ts';
import { type FdCheck, parseFdCheck } from '../../provider/toolstacks/xl/fd-check-parse.ts';
import { xenStates } from '../container-host.ts';
import { waitingKernel } from '../lab/guest/standstill.ts';
import { useXenHost } from '../lab/vitest.ts';
import { Core, faultsOf, pending, stillKernel } from './core.fixture.ts';
import { value } from './preparation.fixture.ts';
import { domainIn, onXen } from './xen-guest.fixture.ts';

const running = useXenHost();
let core: Core;
const web = () => core.guest('web1', { ...onXen, shutdownTimeoutSeconds: 0 });
const wish = () => core.wish([web()]);

beforeAll(async () => {
  await running.host.write(stillKernel, waitingKernel());
  core = new Core(running.host, 'first', xenStates, 'xl');
  await core.converge(wish());
});
afterAll(async () => {
  await core.leave(['web1']);
  await core.link.close();
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

describe('the handles of a device model', () => {
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
    const pid = await running.host.run(sh`systemd-run --quiet --unit=mover python3 -c ${word(program)}
pid=$(systemctl show --value --property=MainPID mover)
until readlink /proc/$pid/fd/* | grep -qx /dev/xen/privcmd; do sleep 0.2; done
echo $pid`);
    const store = `/local/domain/77/vm = "/vm/${uuid}"\n/local/domain/77/image/device-model-pid = "${pid.trim()}"\n`;
    await running.host.write('/srv/store', store);
    const checked = await check(
      uuid,
      ['timeout 30 xenstore-ls -f /local/domain', 'cat /srv/store'],
      // there is one processor: in time it will be the other's turn
      ['again, seen = listed(pid)', 'time.sleep(1); again, seen = listed(pid)'],
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
