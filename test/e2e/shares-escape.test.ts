import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sh, word } from '../../provider/model/shell.ts';
import type { GuestShare } from '../../provider/resources/guest/desired.ts';
import { sharePlaces, shareSocketUnit } from '../../provider/jail/share-places.ts';
import { departures, escapeCounts } from '../lab/guest/share-report.ts';
import { attackProxy, placeProxyPrograms } from '../lab/hostile/proxy.ts';
import { proxyAttacks } from '../lab/hostile/proxy-report.ts';
import { type Suite, suites } from '../lab/recipe.ts';
import { useLab } from '../lab/vitest.ts';
import { Core, placeKernels } from './core.fixture.ts';
import {
  canary,
  escapeTask,
  everyWay,
  linkRaces,
  outside,
  placeCanary,
  startSwapper,
} from './share-canary.fixture.ts';
import { placeShareGuest } from './share-guest.fixture.ts';
import { makeSources, runShareGuest, shareGuest, shareOf } from './shares.fixture.ts';

/** How long a race runs, and how often it is tried at least. */
const race = { seconds: 60, tries: 10_000 };
const drivers = {
  bookworm: ['proxy', 'virtiofs', 'local'],
  trixie: ['virtiofs', 'local'],
} as const satisfies Record<Suite, readonly GuestShare['driver'][]>;

// both at once: the time of a race is the same however much is raced for
describe.concurrent.each(suites)('a hostile guest on %s', { timeout: 1_600_000 }, (suite) => {
  const lab = useLab({ hosts: 1, name: `escape-${suite}`, suite });
  let core: Core;
  beforeAll(async () => {
    await placeShareGuest(lab.host);
    core = new Core(lab.host);
  });
  afterAll(() => core.link.close());

  it('tries every way out of its shares, and finds none', async ({ expect }) => {
    const { host } = lab;
    const shares = drivers[suite].map((driver) => shareOf(`e-${driver}`, { driver }));
    await makeSources(host, shares);
    const sources = shares.map(({ source }) => source);
    placeCanary(host, sources);
    const before = outside(host);
    const swapsUntilNow = await startSwapper(host, sources);
    const guest = shareGuest(core, 'evil', shares, escapeTask(race.seconds, race.tries));
    const report = await runShareGuest(host, core, guest);
    const swaps = await swapsUntilNow();
    expect([swaps.length, swaps.filter((count) => count < race.tries)]).toEqual([shares.length, []]);
    for (const { tag } of shares) {
      expect([tag, departures(report, tag, everyWay)]).toEqual([tag, []]);
      const counts = escapeCounts(report, tag);
      expect(counts.map(({ step }) => step)).toEqual(everyWay.slice(1, -1));
      expect([tag, counts.filter(({ tries, hits }) => tries === 0 || hits > 0)]).toEqual([tag, []]);
      const forLinks = counts.filter(({ step }) => linkRaces.includes(step));
      expect([tag, forLinks.map(({ tries }) => tries >= race.tries)]).toEqual([tag, [true, true]]);
    }
    expect(outside(host)).toBe(before);
  });
});

describe('a device model that somebody has taken over', () => {
  const lab = useLab({ hosts: 1, name: 'escape-proxy' });
  let core: Core;
  beforeAll(() => {
    placeKernels(lab.host);
    placeProxyPrograms(lab.host);
    core = new Core(lab.host);
  });
  afterAll(() => core.link.close());

  it('speaks with the helper of its share as it likes, and gets at nothing outside; users of the host gain nothing', async () => {
    const { host } = lab;
    const share = shareOf('data', { driver: 'proxy' });
    await makeSources(host, [share]);
    await host.run(sh`mkdir -p /srv/outside`);
    const wish = core.wish([core.guest('web1', { shares: [share] })]);
    await core.apply(wish);
    // the test takes QEMU's place at the socket, as often as it likes: what ties helper and guest is taken out, the jail stays
    const { socket } = sharePlaces('web1', 0);
    const unit = word(shareSocketUnit('web1', share.tag));
    const keep = await host.run(sh`set -e
systemctl stop stockade-guest@web1
cd /etc/systemd/system
sed -i '/^PartOf=/d; s/^MaxConnections=1$/MaxConnections=16/; /^Accept=/aTriggerLimitIntervalSec=0' ${unit}
sed -i '/^BindsTo=/d; /^ExecStartPost=/d; /^ExecStopPost=/d' stockade-share-web1:data@.service
systemctl daemon-reload
systemctl start ${unit}
systemctl is-active ${unit}`);
    expect(keep.trim()).toBe('active');
    const target = { socket, export: share.source, canary: canary.path };
    const raced = await attackProxy(host, target, { only: ['race'], seconds: race.seconds });
    const rest = proxyAttacks.filter((name) => name !== 'race');
    const others = await attackProxy(host, target, { only: rest, seconds: 5 });
    const attacks = new Map([...raced.attacks, ...others.attacks]);
    const { inside } = others;
    expect([...attacks].filter(([, { hits }]) => hits > 0)).toEqual([]);
    expect(attacks.get('race')?.tries).toBeGreaterThan(race.tries);
    // it left a set-user-id program of root's in the export; nobody gets at it
    expect(inside['set-uid']).toBe(1);
    const tried = await host.exec(
      sh`runuser -u plain -- sh -c ${word(`find ${share.source} -perm -4000 -exec {} \\;`)}`,
    );
    expect(tried.exitCode).not.toBe(0);
    expect(tried.stderr).toContain('Permission denied');
  });
});
