import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sh, type ShellText } from '../../provider/model/shell.ts';
import type { GuestDesired } from '../../provider/resources/guest/desired.ts';
import { firstDefaultBase } from '../../provider/resources/qemu-users/uid-base.ts';
import { xenStates } from '../container-host.ts';
import { crashingKernel, restlessKernel, waitingKernel } from '../lab/guest/standstill.ts';
import { useXenHost } from '../lab/vitest.ts';
import { Core, stillKernel } from './core.fixture.ts';
import { ends, value } from './preparation.fixture.ts';
import { onXen } from './xen-guest.fixture.ts';
import { createGuest } from './xen.fixture.ts';

const running = useXenHost();
const restless = '/srv/kernels/restless';
const crashing = '/srv/kernels/crashing';
/** As many domids as the tests below may use up. */
const next = 8;

describe('what stands in the way of a guest of xl', () => {
  let core: Core;
  /** Not ours, called as one of ours would be. */
  let foreign: { readonly domid: number; readonly shown: string };
  const guest = (name: string, change: Partial<GuestDesired> = {}) =>
    core.guest(name, { ...onXen, ...change });
  const domains = async () =>
    (await running.host.run(sh`xl list | sed '1,2d; s/ .*//'`)).trimEnd().split('\n');
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
  beforeAll(async () => {
    const kernels = [
      [stillKernel, waitingKernel()],
      [restless, restlessKernel()],
      [crashing, crashingKernel()],
    ] as const;
    for (const [path, kernel] of kernels) await running.host.write(path, kernel);
    core = new Core(running.host, 'first', xenStates, 'xl', 'range');
  });
  afterAll(async () => {
    await core.leave(['web1', 'web2', 'big', 'dizzy', 'frail']);
    await core.link.close();
  });

  it('is a domain of its name, in the plan and at the start, which leave it alone', async () => {
    const wish = core.wish([guest('web1')]);
    const planned = value(await core.plan(wish));
    const domid = await createGuest(running.host, 'web1', false);
    foreign = { domid, shown: await running.host.run(['xl', 'list', '-l', String(domid)]) };
    expect(await faultsOfPlan(wish)).toMatchObject([
      {
        code: 'domain-foreign',
        hint: `Give the guest another name, or rename that domain (xl rename ${domid} NEW-NAME) or shut it down.`,
      },
    ]);
    const { results } = await core.write(planned.operations);
    expect(ends(results).at(-1)).toBe(
      `failed guest web1 on xen1: start: domain-died: its domain did not come up: domain: a domain called web1 that is not ours is there (domid ${domid}): rename or remove it, or give the guest another name`,
    );
    expect(await shownForeign()).toBe(foreign.shown);
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

  it('is memory that Xen does not have: a warning of the plan, and an error that says what to do', async () => {
    const wish = core.wish([guest('big', { memoryMib: 1500 })]);
    const planned = await core.plan(wish);
    expect(planned.ok ? planned.warnings : planned.diagnostics).toMatchObject([
      { code: 'xl-memory-low', severity: 'warning' },
    ]);
    const { results } = await core.write(value(planned).operations);
    expect(ends(results).at(-1)).toContain('failed guest big on xen1: start: domain-died');
    expect(await domains()).toEqual(['web1']);
  });

  it('is who has the uid that libxl would use, what fills an old root, and who else starts it', async () => {
    const wish = core.wish([guest('web2')]);
    const uid = firstDefaultBase + foreign.domid;
    const last = foreign.domid + next;
    const clash = await amiss(
      sh`for n in $(seq ${foreign.domid + 1} ${last}); do echo "squatter$n:x:$((${uid} + n)):1:::"; done >>/etc/passwd`,
      sh`sed -i /^squatter/d /etc/passwd`,
      async () => [await faultsOfPlan(wish), ends((await core.apply(wish)).results)] as const,
    );
    expect(clash).toEqual([]);
  });

  it('is itself, where it starts again over and over', async () => {
    const dizzy = guest('dizzy', { kernel: { kind: 'host', path: restless } });
    const { results } = await core.apply(core.wish([dizzy]));
    expect(ends(results)).toEqual([]);
  });

  it('is itself, where it crashes over and over', async () => {
    const frail = guest('frail', { kernel: { kind: 'host', path: crashing }, restartPolicy: 'on_crash' });
    const { results } = await core.apply(core.wish([frail]));
    expect(ends(results)).toEqual([]);
  });

  it('never becomes what happens to others', async () => {
    expect(await domains()).toEqual(['web1']);
    expect(await shownForeign()).toBe(foreign.shown);
  });
});
