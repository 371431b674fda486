import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { GuestEvidence, LayerEvidence, LayerName } from '../../provider/model/evidence.ts';
import type { GuestShare } from '../../provider/resources/guest/desired.ts';
import { sh, word } from '../../provider/model/shell.ts';
import { evidenceSection } from '../../provider/jail/evidence.ts';
import { sharePlaces } from '../../provider/jail/share-places.ts';
import { notAsExpected } from '../container-host.ts';
import type { LabHost } from '../lab/lab.ts';
import { useLab } from '../lab/vitest.ts';
import { Core, placeKernels } from './core.fixture.ts';
import { placeShareGuest } from './share-guest.fixture.ts';
import { makeSources, shareGuest, shareOf } from './shares.fixture.ts';

/** A test host with one guest that has these shares. */
function useShares(suite: 'bookworm' | 'trixie', shares: readonly ReturnType<typeof shareOf>[]) {
  const lab = useLab({ hosts: 1, name: `share-ev-${suite}`, suite });
  const state: { core: Core | undefined } = { core: undefined };
  const core = () => {
    if (state.core === undefined) throw new Error('not prepared');
    return state.core;
  };
  beforeAll(async () => {
    placeKernels(lab.host);
    state.core = new Core(lab.host);
    await makeSources(lab.host, shares);
    await core().apply(core().wish([core().guest('web1', { shares })]));
  });
  afterAll(() => state.core?.link.close());
  const evidence = async (): Promise<GuestEvidence> => {
    const found = (await core().see()).evidence.get('web1');
    if (found === undefined) throw new Error('no evidence');
    return found;
  };
  return { lab, core, evidence };
}

/** What is not as it should be, of the guest and of each helper; what did not hold still for the look is no fault of theirs. */
function faults(
  { layers, helpers }: GuestEvidence,
  isFault: (layer: LayerEvidence) => boolean = ({ passing }) => passing !== true,
): Readonly<Record<string, string>> {
  const all = [
    ...layers.map((layer) => ['', layer] as const),
    ...helpers.flatMap((helper) => helper.layers.map((layer) => [`${helper.tag} `, layer] as const)),
  ];
  return Object.fromEntries(
    all
      .filter(([, layer]) => notAsExpected([layer]).length > 0 && isFault(layer))
      .map(([whose, { layer, state, observed }]) => [`${whose}${layer}`, `${state}: ${observed}`]),
  );
}

/** Looks at a guest again and again while it works on its shares: no look shows a fault, and one with nothing going on shows all. */
async function whileWorking(
  host: LabHost,
  core: Core,
  drivers: readonly GuestShare['driver'][],
): Promise<void> {
  await placeShareGuest(host);
  const shares = drivers.map((driver) => shareOf(`w${driver}`, { driver }));
  await makeSources(host, shares);
  const guest = shareGuest(core, 'web2', shares, 'task=roundtrip at_once=1 files=700 big_mib=4 stay=1');
  await core.apply(core.wish([guest]));
  const seen: Readonly<Record<string, string>>[] = [];
  const held = new Set<string>();
  let crowded = 0;
  for (let left = 600; left > 0 && !(await core.serialLog('web2')).includes('SHARE-DONE'); left--) {
    const found = (await core.see()).evidence.get('web2');
    if (found === undefined) continue;
    seen.push(faults(found));
    const raw = found.helpers.flatMap(({ layers }) => layers.flatMap((layer) => layer.raw));
    if (raw.some((line) => line.endsWith(' and more, not listed'))) crowded += 1;
    for (const line of found.layers.find(({ layer }) => layer === 'open-files')?.raw ?? []) {
      if (/ [fd] \d+:\d+ \//.test(line)) held.add(line);
    }
  }
  expect((await core.serialLog('web2')).toString('latin1')).toContain('SHARE-DONE');
  // it had files of the shares open at some of these looks
  expect([...held].filter((line) => line.includes('/roundtrip/'))).not.toEqual([]);
  expect(seen.filter((each) => Object.keys(each).length > 0)).toEqual([]);
  // virtiofsd had more files open than are listed at some
  expect(crowded).toBeGreaterThan(0);
  const last = (await core.see()).evidence.get('web2');
  expect(last && faults(last, () => true)).toEqual({});
}

describe('helpers of Debian 12', () => {
  const shares = [
    shareOf('a', { driver: 'proxy' }),
    shareOf('b', { driver: 'virtiofs', readonly: true }),
    shareOf('c', { driver: 'local' }),
  ];
  const { lab, core, evidence } = useShares('bookworm', shares);
  it('show every layer of theirs, and the guest shows all of its own', async () => {
    const found = await evidence();
    expect(faults(found)).toEqual({});
    expect(
      found.helpers.map(({ tag, driver, source, running }) => ({ tag, driver, source, running })),
    ).toEqual([
      { tag: 'a', driver: 'proxy', source: '/srv/closed/a', running: true },
      { tag: 'b', driver: 'virtiofs', source: '/srv/closed/b', running: true },
    ]);
  });

  it('are read by as many processes as a guest without', async () => {
    const section = evidenceSection(['web1']);
    const text = sh`section() {
${section.body}
}
for try in 1 2 3 4 5 6; do
  : & before=$!
  section web1 >/dev/null
  : & echo $(($! - before - 1))
done`;
    writeFileSync(lab.host.pathFromHere('/root/forks.sh'), text.text);
    const counts = (await lab.host.run(['sh', '/root/forks.sh'])).trim().split('\n').map(Number);
    expect(Math.min(...counts)).toBe(12);
  });

  it('show all while their guest works', () =>
    whileWorking(lab.host, core(), ['proxy', 'virtiofs', 'local']));

  const script = sharePlaces('web1', 0).script;
  /** Restarts the guest with a changed script, looks, and puts everything back. */
  const broken = async (change: (text: string) => string): Promise<Readonly<Record<string, string>>> => {
    const path = lab.host.pathFromHere(script);
    const text = readFileSync(path, 'utf8');
    const changed = change(text);
    expect(changed).not.toBe(text);
    writeFileSync(path, changed, { mode: 0o700 });
    try {
      await lab.host.run(sh`systemctl stop stockade-guest@web1.service`);
      await lab.host.run(sh`systemctl start stockade-guest@web1.service`);
      let found = await evidence();
      // QEMU speaks with each helper before it changes its user, and a helper locks itself in before it answers
      const isUp = () =>
        found.layers.find(({ layer }) => layer === 'user')?.state === 'effective' &&
        found.helpers.every(({ processes }) => processes.length > 1);
      for (let left = 60; left > 0 && !isUp(); left--) found = await evidence();
      if (!found.helpers.every(({ running }) => running))
        console.log(
          await lab.host.run(
            sh`tail -n 50 /run/stockade/guests/web1/launch-error; journalctl --no-pager -n 25 -o short-precise`,
          ),
        );
      return faults(found);
    } finally {
      writeFileSync(path, text, { mode: 0o700 });
    }
  };
  it.each<[LayerName, (text: string) => string]>([
    ['no-new-privs', (text) => text.replaceAll('--no-new-privs ', '')],
    ['rlimits', (text) => text.replaceAll('--core=0', '--core=1024')],
    ['ipc-namespace', (text) => text.replace(' --ipc ', ' ')],
    ['uts-namespace', (text) => text.replace(' --uts ', ' ')],
    ['cgroup-namespace', (text) => text.replace(' --cgroup ', ' ')],
    ['net-namespace', (text) => text.replace(' --net ', ' ')],
    ['pid-namespace', (text) => text.replaceAll('unshare --pid --fork', 'unshare --fork')],
    ['capabilities', (text) => text.replaceAll('--inh-caps=-all', '--inh-caps=+chown')],
    ['mount-namespace', (text) => text.replaceAll('options=nosuid,nodev', 'options=nosuid')],
    // a directory of the host's: what a file of root's would be to a helper that was taken over
    ['open-files', (text) => text.replaceAll('exec "$@" 4<&-', 'exec "$@" 4<&- 5</usr')],
    ['private-dev', (text) => text.replace('"$view/usr"', '"$view/usr" "$view/dev/sda"')],
  ])('%s taken away is seen', async (layer, change) => {
    const found = await broken(change);
    expect(found, JSON.stringify(found)).toHaveProperty([`a ${layer}`]);
    expect(found[`a ${layer}`]).toMatch(/^ineffective/);
  });

  it('that is another program proves nothing', async () => {
    const other = '/usr/lib/qemu/other-helper';
    await lab.host.run(sh`cp /usr/lib/qemu/virtfs-proxy-helper ${word(other)}`);
    const found = await broken((text) => text.replace('/usr/lib/qemu/virtfs-proxy-helper -n', `${other} -n`));
    expect(found['a seccomp']).toMatch(/^unproven: what serves it is not /);
    expect(found['a chroot']).toMatch(/^unproven/);
    expect(found['b seccomp']).toBeUndefined();
  });

  it('without the filter of their unit are seen', async () => {
    const dropIn = '/run/systemd/system/stockade-share-web1:a@.service.d';
    await lab.host.run(sh`mkdir -p ${word(dropIn)}
printf '[Service]\\nSystemCallFilter=\\nRestrictAddressFamilies=\\nMemoryDenyWriteExecute=no\\nRestrictRealtime=no\\nLockPersonality=no\\nSystemCallArchitectures=\\n' >${word(`${dropIn}/x.conf`)}
systemctl daemon-reload`);
    const found = await broken((text) => `${text}# changed\n`);
    await lab.host.run(sh`rm -r ${word(dropIn)}; systemctl daemon-reload`);
    expect(found['a seccomp']).toMatch(/^ineffective/);
    expect(found['b seccomp']).toBeUndefined();
  });
});

describe('helpers of Debian 13', () => {
  const shares = [shareOf('b', { driver: 'virtiofs' }), shareOf('c', { driver: 'local', readonly: true })];
  const { lab, core, evidence } = useShares('trixie', shares);
  it('show every layer of theirs, and the guest shows all of its own', async () => {
    expect(faults(await evidence())).toEqual({});
  });
  it('show all while their guest works', () => whileWorking(lab.host, core(), ['virtiofs', 'local']));
});
