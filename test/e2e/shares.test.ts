import { mkdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { GuestShare } from '../../provider/resources/guest/desired.ts';
import { sh } from '../../provider/model/shell.ts';
import { compareSnapshots, snapshotHost } from '../lab/snapshot.ts';
import { useLab } from '../lab/vitest.ts';
import { Core, placeKernels, shown } from './core.fixture.ts';

export const share = (change: Partial<GuestShare> & Pick<GuestShare, 'tag' | 'source'>): GuestShare => ({
  readonly: true,
  driver: 'auto',
  writers: 'one',
  maxFileMib: 512,
  ...change,
});

describe('shares of guests on Debian 12', () => {
  const lab = useLab({ hosts: 1, name: 'shares' });
  let core: Core;
  beforeAll(() => {
    placeKernels(lab.host);
    for (const name of ['open', 'closed/inner']) {
      mkdirSync(lab.host.pathFromHere(`/srv/${name}`), { recursive: true });
      writeFileSync(lab.host.pathFromHere(`/srv/${name}/file`), name);
    }
    core = new Core(lab.host);
  });
  afterAll(() => core.link.close());

  it('are served by helpers of their own, and gone with their guest', async () => {
    await lab.host.run(sh`chmod 0700 /srv/closed`);
    const shares = [
      share({ tag: 'a', source: '/srv/open', driver: 'proxy' }),
      share({ tag: 'b', source: '/srv/closed/inner', driver: 'virtiofs', readonly: false }),
      share({ tag: 'c', source: '/srv/closed/inner', driver: 'proxy' }),
    ];
    const before = await snapshotHost(lab.host);
    const wish = core.wish([core.guest('web1', { shares })]);
    const { changes, results } = await core.apply(wish);
    console.log(shown(changes), results.map((r) => JSON.stringify(r)).join('\n'));
    console.log(
      await lab.host.run(
        sh`ps axf -o pid,ppid,args | cut -c1-150; systemctl list-units --all 'stockade*' --no-pager; ls -la /run/stockade/guests/web1 /etc/systemd/system; journalctl -n 40 --no-pager -o cat; :`,
      ),
    );
    const seen = await core.see();
    console.log(seen.evidence.get('web1')?.layers.map((l) => `${l.layer} ${l.state} ${l.observed}`));
    await core.leave(['web1']);
    console.log(compareSnapshots(before, await snapshotHost(lab.host)));
    console.log(await lab.host.run(sh`systemctl list-units --all 'stockade*' --no-pager`));
    expect(1).toBe(1);
  });
});
