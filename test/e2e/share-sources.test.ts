import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type HostWish, planHost } from '../../provider/engine/plan.ts';
import { ShellText } from '../../provider/model/shell.ts';
import type { GuestShare } from '../../provider/resources/guest/desired.ts';
import { compareSnapshots, snapshotHost } from '../lab/snapshot.ts';
import { useLab } from '../lab/vitest.ts';
import { Core, placeKernels } from './core.fixture.ts';
import { shareOf } from './shares.fixture.ts';

const lab = useLab({ hosts: 1, name: 'share-sources' });
const onHost = (text: string) => lab.host.run(ShellText.unsafelyFromProgramText(text));
let core: Core;

beforeAll(async () => {
  placeKernels(lab.host);
  core = new Core(lab.host);
  await onHost(`umask 022; mkdir -p /srv/t/open /srv/t/plain /srv/t/half /srv/t/safe /srv/t/closed/in
chmod 0700 /srv/t/closed; echo >/srv/t/file; ln -s open /srv/t/link; mkdir /srv/t/open/below
mount -t tmpfs -o mode=0755 plain /srv/t/plain
mount -t tmpfs -o mode=0755,nosuid half /srv/t/half
mount -t tmpfs -o mode=0755,nosuid,nodev safe /srv/t/safe
mkdir '/srv/t/safe/a b' /srv/t/plain/x /srv/t/half/x`);
});
afterAll(async () => {
  await core.link.close();
  await onHost('umount /srv/t/plain /srv/t/half /srv/t/safe; rm -rf /srv/t');
});

const wishOf = (...shares: readonly GuestShare[]): HostWish => core.wish([core.guest('web1', { shares })]);
const proxy = (source: string, change: Partial<GuestShare> = {}) =>
  shareOf('t', { driver: 'proxy', ...change }, source);

/** What stands against sharing it, and how many scripts went to the host for that. */
async function refused(...shares: readonly GuestShare[]): Promise<readonly unknown[]> {
  const before = core.events.length;
  const plan = await core.plan(wishOf(...shares));
  const batches = core.events.slice(before).filter(({ type }) => type === 'batch-finished');
  expect(batches).toMatchObject([{ kind: 'read' }]);
  return plan.ok ? [] : plan.diagnostics.map(({ code, path }) => [code, path?.join('.')]);
}

describe('a plan, by one look at the host', () => {
  it.each([
    ['share-source-missing', '/srv/t/gone'],
    ['share-source-not-directory', '/srv/t/file'],
    ['share-source-not-directory', '/srv/t/file/below'],
    ['share-source-link', '/srv/t/link'],
    ['share-source-link', '/srv/t/link/below'],
    ['share-source-place', '/proc/sys'],
    ['share-source-spelling', '/srv/t/safe/'],
    ['share-source-exposed', '/srv/t/open'],
    ['share-source-exposed', '/srv/t/plain/x'],
    ['share-source-exposed', '/srv/t/half/x'],
    // the guest may change its mode
    ['share-source-exposed', '/srv/t/closed'],
  ])('refuses with %s: %s', async (code, source) => {
    expect(await refused(proxy(source))).toEqual([[code, 'shares.0.source']]);
  });

  it.each(['/srv/t/safe/a b', '/srv/t/closed/in'])('lets through: %s', async (source) => {
    expect(await refused(proxy(source))).toEqual([]);
  });

  it('lets through what is not written to, or by QEMU alone', async () => {
    expect(await refused(proxy('/srv/t/open', { readonly: true }))).toEqual([]);
    expect(await refused(proxy('/srv/t/open', { driver: 'local' }))).toEqual([]);
  });

  it('refuses before anything is touched; with either remedy it goes through', async () => {
    const before = await snapshotHost(lab.host);
    const source = '/srv/t/plain/x';
    expect(await refused(proxy(source))).toEqual([['share-source-exposed', 'shares.0.source']]);
    expect(compareSnapshots(before, await snapshotHost(lab.host))).toEqual([]);
    await onHost('mount -o remount,bind,nosuid,nodev /srv/t/plain');
    expect(await refused(proxy(source))).toEqual([]);
    await onHost('mount -o remount,bind,suid,dev /srv/t/plain');
    expect(await refused(proxy(source))).toHaveLength(1);
    await onHost('chmod 0700 /srv/t/plain');
    expect(await refused(proxy(source))).toEqual([]);
  });

  it('sees the place of a link that leads elsewhere', async () => {
    const plan = await core.plan(wishOf(proxy('/srv/t/link/below')));
    expect(plan).toMatchObject({
      diagnostics: [{ hint: "Give the directory's own path: /srv/t/open/below" }],
    });
  });
});

it('directories asked for later cost one look together, and none again', async () => {
  const [one, two] = ['/srv/t/safe', '/srv/t/gone'];
  await core.see();
  const reads = () => core.link.counters().get(lab.host.name)?.readBatches ?? 0;
  const before = reads();
  const look = (source: string) => core.link.observe(core.target, [], [source]);
  const seen = await Promise.all([look(one), look(two)]);
  expect(reads()).toBe(before + 1);
  const plans = seen.map((result, index) =>
    result.ok ? planHost(wishOf(proxy([one, two][index] ?? '')), result.value).ok : undefined,
  );
  expect(plans).toEqual([true, false]);
  await Promise.all([look(one), look(two), look('/srv/t/../x')]);
  expect(reads()).toBe(before + 1);
});
