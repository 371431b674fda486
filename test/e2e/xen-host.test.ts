import { beforeAll, describe, expect, it } from 'vitest';
import { sh } from '../../provider/model/shell.ts';
import { VmHost } from '../lab/vm/host.ts';
import { xenMachine } from '../lab/vm/xen.ts';
import { useXenHost } from '../lab/vitest.ts';
import { createGuest, deviceModelOf, handlesOf, makeRangeBase, rangeBase } from './xen.fixture.ts';

describe('a Xen host', () => {
  const running = useXenHost();
  beforeAll(async () => {
    await running.host.run(makeRangeBase);
  });

  it('has a Xen that xl talks to, and the right time', async () => {
    const { host } = running;
    const info = await host.run(['xl', 'info']);
    expect(info).toMatch(/^xen_version +: 4\.17\./m);
    expect(info).toMatch(/^virt_caps +:.* hvm/m);
    expect(await host.run(['xl', 'list'])).toMatch(/^Domain-0 +0 /m);
    const behind = Math.abs(Date.now() / 1000 - Number(await host.run(['date', '+%s'])));
    expect(behind).toBeLessThan(60);
  });

  it('gives the device model of a restricted guest a user, a root and some namespaces of its own', async () => {
    const { host } = running;
    const domid = await createGuest(host, 'restricted', true);
    const { pid, root, status, ownNamespaces } = await deviceModelOf(host, domid);
    const uid = String(rangeBase + domid);
    expect(status.get('Uid')?.split('\t')).toEqual([uid, uid, uid, uid]);
    expect(root).toBe(`/run/xen/qemu-root-${domid}`);
    expect(ownNamespaces).toEqual(['mnt', 'ipc']);
    expect(['CapInh', 'CapPrm', 'CapEff', 'CapAmb'].map((name) => status.get(name))).toEqual(
      Array(4).fill('0'.repeat(16)),
    );
    const { handles, ...about } = await handlesOf(host, 'restricted');
    expect(about).toMatchObject({ pid, complete: true });
    expect(new Set(handles.map(({ kind }) => kind))).toEqual(new Set(['privcmd', 'evtchn']));
    expect(handles.filter(({ verdict }) => verdict !== 'restricted')).toEqual([]);
    await host.run(['xl', 'destroy', 'restricted']);
    expect(await host.run(['xl', 'list', '--long'])).not.toContain('restricted');
    await host.run(sh`while test -e /proc/${pid}; do sleep 0.1; done`);
  });

  it('leaves the device model of another guest as it is: root, with all of the host', async () => {
    const { host } = running;
    const { root, status, ownNamespaces } = await deviceModelOf(host, await createGuest(host, 'free', false));
    expect([status.get('Uid'), root, ownNamespaces]).toEqual(['0\t0\t0\t0', '/', []]);
    const { handles, complete } = await handlesOf(host, 'free');
    const known = handles.filter(({ kind }) => ['privcmd', 'evtchn', 'gntdev'].includes(kind));
    expect([complete, new Set(known.map(({ kind }) => kind))]).toEqual([
      true,
      new Set(['privcmd', 'evtchn']),
    ]);
    expect(known.filter(({ verdict }) => verdict !== 'unrestricted')).toEqual([]);
    await host.run(['xl', 'destroy', 'free']);
  });

  it('has guests that go down when their power button is pressed', async () => {
    const { host } = running;
    await createGuest(host, 'obedient', true);
    await host.run(['xl', 'trigger', 'obedient', 'power']);
    await host.run(sh`while xl domid obedient 2>/dev/null; do sleep 0.5; done`);
    expect(await host.run(['cat', '/srv/xl/obedient.serial'])).toContain('power button');
  });

  it('is the same whatever was done to another, one beside the other', async () => {
    const { host } = running;
    await createGuest(host, 'marked', true);
    const other = await VmHost.start({ kind: xenMachine });
    try {
      expect(await other.run(['xl', 'list'])).not.toContain('marked');
      expect(await other.run(['ls', '-A', '/srv'])).toBe('');
      expect((await other.exec(['id', 'xen-qemuuser-range-base'])).exitCode).not.toBe(0);
    } finally {
      await other.stop();
    }
    expect(await host.run(['xl', 'list'])).toContain('marked');
    await host.run(['xl', 'destroy', 'marked']);
  });
});
