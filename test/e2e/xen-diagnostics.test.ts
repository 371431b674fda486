import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { guestPlaces } from '../../provider/jail/places.ts';
import { guestUnit } from '../../provider/model/paths.ts';
import { sh, type ShellText, word } from '../../provider/model/shell.ts';
import type { OperationResult } from '../../provider/model/operation.ts';
import type { GuestDesired } from '../../provider/resources/guest/desired.ts';
import { firstDefaultBase } from '../../provider/resources/qemu-users/uid-base.ts';
import { xenStates } from '../container-host.ts';
import { crashingKernel, restlessKernel, waitingKernel } from '../lab/guest/standstill.ts';
import { useXenHost } from '../lab/vitest.ts';
import { Core, pending, stillKernel } from './core.fixture.ts';
import { ends, value } from './preparation.fixture.ts';
import { onXen } from './xen-guest.fixture.ts';
import { createGuest } from './xen.fixture.ts';

const running = useXenHost();
const restless = '/srv/kernels/restless';
const crashing = '/srv/kernels/crashing';

describe('what stands in the way of a guest of xl', () => {
  let core: Core;
  /** Not ours, called as one of ours would be. */
  let foreign: { readonly domid: number; readonly shown: string };
  const guest = (name: string, change: Partial<GuestDesired> = {}) =>
    core.guest(name, { ...onXen, shutdownTimeoutSeconds: 0, ...change });
  const shownForeign = () => running.host.run(['xl', 'list', '-l', String(foreign.domid)]);
  const faultsOfPlan = async (wish: Parameters<Core['plan']>[0]) => {
    const planned = await core.plan(wish);
    return planned.ok ? [] : planned.diagnostics;
  };
  /** With things on the host other than they are, for as long as it takes. */
  const amiss = async <T>(make: ShellText, undo: ShellText, look: () => Promise<T>): Promise<T> => {
    await running.host.run(make);
    return look().finally(() => running.host.run(undo));
  };
  /** What did not start, and why. */
  const failed = (results: readonly OperationResult[]) =>
    ends(results).filter((end) => !/^(same|changed) /.test(end));
  const notUp = 'start: domain-died: its domain did not come up';

  beforeAll(async () => {
    const kernels = [
      [stillKernel, waitingKernel()],
      [restless, restlessKernel()],
      [crashing, crashingKernel()],
    ] as const;
    for (const [path, kernel] of kernels) await running.host.write(path, kernel);
    core = new Core(running.host, 'first', xenStates, 'xl', 'range');
  });
  afterAll(() => core.link.close());

  it('is a domain of its name, which is left alone, and memory that Xen does not have', async () => {
    const wish = core.wish([guest('web1'), guest('big', { memoryMib: 1500 })]);
    const planned = await core.plan(wish);
    expect(planned.ok ? planned.warnings : planned.diagnostics).toMatchObject([
      { code: 'xl-memory-low', severity: 'warning', resource: 'guest big on xen1' },
    ]);
    const domid = await createGuest(running.host, 'web1', false);
    foreign = { domid, shown: await running.host.run(['xl', 'list', '-l', String(domid)]) };
    expect(await faultsOfPlan(wish)).toMatchObject([
      {
        code: 'domain-foreign',
        hint: `Give the guest another name, or rename that domain (xl rename ${domid} NEW-NAME) or shut it down.`,
      },
    ]);
    const { results } = await core.write(value(planned).operations);
    expect(failed(results).sort()).toEqual([
      expect.stringMatching(
        /^failed guest big on xen1: start: domain-died: .*can't allocate low memory for domain: Out of memory;/,
      ),
      `failed guest web1 on xen1: ${notUp}: domain: a domain called web1 that is not ours is there (domid ${domid}): rename or remove it, or give the guest another name`,
    ]);
  });

  it('is a host without xl, or whose xl is not of the Xen that runs', async () => {
    const wish = core.wish([guest('web2')]);
    const without = await amiss(
      sh`mv /usr/sbin/xl /usr/sbin/xl.away`,
      sh`mv /usr/sbin/xl.away /usr/sbin/xl`,
      () => faultsOfPlan(wish),
    );
    expect(without).toMatchObject([
      { code: 'no-xl', hint: expect.stringContaining('apt-get install xen-system-amd64') as string },
    ]);
    const other = await amiss(
      sh`mv /usr/lib/xen-4.17 /usr/lib/xen-4.11`,
      sh`mv /usr/lib/xen-4.11 /usr/lib/xen-4.17`,
      () => faultsOfPlan(wish),
    );
    expect(other).toMatchObject([
      {
        code: 'xl-no-answer',
        detail: expect.stringContaining("Can't find version 4.17 of xen utils") as string,
        hint: expect.stringContaining('xen-utils-VERSION') as string,
      },
    ]);
  });

  it('is who has the uid that libxl would use, what fills an old root, and who else starts it', async () => {
    const wish = core.wish([guest('web2'), guest('web3'), guest('web4')]);
    const { operations } = value(await core.plan(wish));
    // two domains of one batch have numbers that follow each other: one is odd, one even
    const numbers = (first: number) => sh`$(seq ${foreign.domid - (foreign.domid % 2) + first} 2 30)`;
    const [faults, left] = await amiss(
      sh`for n in ${numbers(2)}; do echo "squatter$n:x:$((${firstDefaultBase} + n)):1::/:/bin/false"; done >>/etc/passwd
for n in ${numbers(3)}; do mkdir -p /run/xen/qemu-root-$n; echo >"/run/xen/qemu-root-$n/left over"; done
mkdir -p /etc/xen/auto; echo 'name = "web4"' >/etc/xen/auto/web4.cfg`,
      sh`sed -i /^squatter/d /etc/passwd
for n in ${numbers(3)}; do rm -r /run/xen/qemu-root-$n; done
rm -r /etc/xen/auto`,
      async () => [await faultsOfPlan(wish), failed((await core.write(operations)).results)] as const,
    );
    expect(faults).toMatchObject([
      {
        code: 'user-clash',
        summary: expect.stringMatching(/^uid \d+ is wanted, but belongs to user squatter\d+$/) as string,
        hint: expect.stringContaining('Choose another uid_base') as string,
      },
    ]);
    expect(left.map((end) => end.replace(/^failed guest web\d on xen1: /, '')).sort()).toEqual([
      `${notUp}: domain: xendomains would start the guest a second time: remove /etc/xen/auto/web4.cfg`,
      expect.stringMatching(
        /: \/run\/xen\/qemu-root-(\d+) is not empty, 'left over' lies in it; Domain \1:failed to remove existing chroot dir /,
      ),
      expect.stringMatching(/: Domain (\d+):wanted to use uid \d+ \(.*\) but that is user squatter\1 !;/),
    ]);
  });

  it('is itself, where it starts again or crashes over and over', async () => {
    const wish = core.wish([
      guest('dizzy', { kernel: { kind: 'host', path: restless } }),
      guest('frail', { kernel: { kind: 'host', path: crashing }, restartPolicy: 'on_crash' }),
    ]);
    const { operations } = value(await core.plan(wish));
    const { results } = await core.write(operations.filter(({ id }) => !id.endsWith(': start')));
    expect(failed(results)).toEqual([]);
    const [dizzy, frail] = [word(guestUnit('dizzy')), word(guestUnit('frail'))];
    // how often is in the golden launchers; here twice will do
    await running.host.run(sh`sed -i 's/"$starts" -le 5 /"$starts" -le 1 /' ${word(guestPlaces('dizzy').launcher)}
sed -i s/^StartLimitBurst=5$/StartLimitBurst=2/ /etc/systemd/system/${frail}.d/*
systemctl daemon-reload
for unit in ${dizzy} ${frail}; do
  systemctl start --no-block $unit
  until systemctl is-failed --quiet $unit; do sleep 3; done
done`);
    // systemd counts the one that it refuses
    expect(await core.unitProperty('frail', 'NRestarts')).toBe('2');
    const down = await core.see();
    expect(['dizzy', 'frail'].map((name) => down.guests.get(name)?.launchError)).toEqual([
      expect.stringMatching(
        /^launch: the guest starts again over and over \(5 times in 600 s\): its last words are in \//,
      ),
      expect.stringMatching(/^launch: the guest crashed \(domain \d+, reason 3\): its last words are in \//),
    ]);
    expect(pending(wish, down)).toEqual([
      'dizzy restart integrity.process, integrity.isolation, integrity.launcher',
      'frail restart integrity.process, integrity.isolation, integrity.unit',
    ]);
  });

  it('never becomes what happens to others', async () => {
    const domains = await running.host.run(sh`xl list | sed '1,2d; s/ .*//'`);
    expect(domains.trimEnd().split('\n')).toEqual(['web1']);
    expect(await shownForeign()).toBe(foreign.shown);
  });
});
