import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { HostSnapshot } from '../../provider/engine/snapshot.ts';
import { guestPlaces } from '../../provider/jail/places.ts';
import { guestUnit } from '../../provider/model/paths.ts';
import { sh, word } from '../../provider/model/shell.ts';
import { guestRemoval } from '../../provider/resources/guest/operations.ts';
import { xenStates } from '../container-host.ts';
import { waitingKernel } from '../lab/guest/standstill.ts';
import { useXenHost } from '../lab/vitest.ts';
import { Core, deviceModelOf, faultsOf, stillKernel } from './core.fixture.ts';
import { ends } from './preparation.fixture.ts';
import { domainIn, onXen } from './xen-guest.fixture.ts';

const running = useXenHost();

describe('guests of a range whose domains were started in another order than they were leased', () => {
  let core: Core;
  const guest = (name: string) => core.guest(name, { ...onXen, shutdownTimeoutSeconds: 0 });
  const wish = () => core.wish([guest('one'), guest('two')]);
  const leaseOf = (snapshot: HostSnapshot, name: string) => {
    const lease = snapshot.guests.get(name)?.lease;
    if (lease === undefined) throw new Error(`${name} has no lease`);
    return lease;
  };
  const remove = async (...names: readonly string[]) => {
    const host = running.host.name;
    const { results } = await core.write(
      names.flatMap((name) => guestRemoval({ host, name }, core.fleet, 'any')),
    );
    return ends(results).filter((end) => !/^(same|changed|skipped) /.test(end));
  };

  beforeAll(async () => {
    await running.host.write(stillKernel, waitingKernel());
    core = new Core(running.host, 'first', xenStates, 'xl', 'range');
    const { snapshot } = await core.converge(wish());
    // as after a reboot of the host: each has the number of the other's domain
    for (const [name, other] of [
      ['one', 'two'],
      ['two', 'one'],
    ] as const) {
      const { domid, uid } = leaseOf(snapshot, name);
      const number = domainIn(snapshot, guest(other))?.domid ?? 0;
      const id = uid - domid + number;
      const lease = `domid ${number}\nuid ${id}\ngid ${id}\nshared no\nuser xen-qemuuser-range-base\n`;
      await running.host.write(guestPlaces(name).lease, lease, 0o600);
    }
  });
  afterAll(() => core.link.close());

  it('run all the same, each as the uid of its domain', async () => {
    const seen = await core.see();
    expect(faultsOf(seen, wish(), xenStates)).toEqual({});
    expect(leaseOf(seen, 'one').domid).toBe(domainIn(seen, guest('two'))?.domid);
  });

  it('do not keep each other from starting, nor end each other', async () => {
    const two = deviceModelOf(await core.see(), 'two');
    await running.host.run(['systemctl', 'restart', guestUnit('one')]);
    const seen = await core.see();
    expect(faultsOf(seen, wish(), xenStates)).toEqual({});
    expect(deviceModelOf(seen, 'two')).toBe(two);
  });

  it('outlive the removal of the other, whose uid an older launcher has claimed', async () => {
    const before = await core.see();
    const { uid } = leaseOf(before, 'one');
    await running.host.run(sh`mkdir -p -m 0700 /run/stockade/uids; echo one >/run/stockade/uids/${uid}`);
    expect(await remove('one')).toEqual([]);
    const seen = await core.see();
    expect(deviceModelOf(seen, 'two')).toBe(deviceModelOf(before, 'two'));
    expect(faultsOf(seen, core.wish([guest('two')]), xenStates)).toEqual({});
    expect([seen.guests.has('one'), domainIn(seen, guest('one'))]).toEqual([false, undefined]);
  });

  it('are not removed while xl does not say that their domain is gone', async () => {
    await running.host.run(sh`mv /usr/sbin/xl /usr/sbin/xl.away
printf '#!/bin/sh\\necho "no answer" >&2\\nexit 1\\n' >/usr/sbin/xl; chmod 0755 /usr/sbin/xl`);
    const place = guestPlaces('two').launchError;
    const looked = async () => {
      const failed = await remove('two');
      // what xl itself starts, which still answers
      const domains = await running.host.run(['/usr/lib/xen-4.17/bin/xl', 'list']);
      return { failed, domains, error: await running.host.run(['cat', place]) };
    };
    const { failed, domains, error } = await looked().finally(() =>
      running.host.run(sh`mv /usr/sbin/xl.away /usr/sbin/xl`),
    );
    expect(failed).toEqual([expect.stringContaining('xl-no-answer')]);
    expect(domains).toMatch(/^two /m);
    expect(error).toMatch(/^domain: the domain of the guest .* cannot be ended/);
    expect((await core.see()).guests.has('two')).toBe(true);
    expect(await remove('two')).toEqual([]);
    const seen = await core.see();
    expect([seen.guests.has('two'), domainIn(seen, guest('two'))]).toEqual([false, undefined]);
  });

  it("reads no file of root's for a user who links to it", async () => {
    const initrd = '/home/mallory/initrd';
    await running.host.run(sh`useradd --create-home mallory; chmod 0755 /home/mallory
ln -s /etc/shadow ${word(initrd)}; chown -h mallory ${word(initrd)}`);
    const curious = { ...guest('one'), initrd: { kind: 'host' as const, path: initrd } };
    const { results } = await core.apply(core.wish([curious]));
    expect(ends(results).at(-1)).toMatch(/domain-died: .*trusted-files: .* belongs to uid \d+ with mode/);
  });
});
