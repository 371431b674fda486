import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { shareServiceUnit, shareSocketUnit } from '../../provider/jail/share-places.ts';
import { guestPlaces } from '../../provider/jail/places.ts';
import { guestUnit } from '../../provider/model/paths.ts';
import { sh, word } from '../../provider/model/shell.ts';
import { compareSnapshots, type HostSnapshot, snapshotHost } from '../lab/snapshot.ts';
import { useLab } from '../lab/vitest.ts';
import { Core, faultsOf, pending, placeKernels } from './core.fixture.ts';
import { ends, value } from './preparation.fixture.ts';
import { closedDirectory, makeSources, shareOf } from './shares.fixture.ts';

const lab = useLab({ hosts: 1, name: 'shares-life' });
let core: Core;
let blank: HostSnapshot;
const shares = [shareOf('p', { driver: 'proxy' }), shareOf('v', { driver: 'virtiofs' })];
const units = [
  shareServiceUnit('web1', 'p', 'proxy').replace('@', '@*'),
  shareServiceUnit('web1', 'v', 'virtiofs'),
];

beforeAll(async () => {
  placeKernels(lab.host);
  await makeSources(lab.host, shares);
  blank = await snapshotHost(lab.host);
  core = new Core(lab.host);
});
afterAll(() => core.link.close());
afterEach(async () => {
  await core.leave(['web1']);
  expect(compareSnapshots(blank, await snapshotHost(lab.host))).toEqual([]);
});

const wish = (change = {}) => core.wish([core.guest('web1', { shares, ...change })]);
const launchError = () => lab.host.exec(sh`cat ${word(guestPlaces('web1').launchError)}`);

/** The process that serves a share, below the parent of its pid namespace. */
async function helperOf(unit: string | undefined): Promise<string> {
  const found =
    await lab.host.run(sh`main=$(systemctl show --value --property=MainPID -- ${word(unit ?? '')} | head -n 1)
read -r child _ </proc/$main/task/$main/children || :; echo "$child"`);
  return found.trim();
}

async function runningUnits(): Promise<readonly string[]> {
  const shown = await lab.host.run(
    sh`systemctl list-units --plain --no-legend --state=active,activating,deactivating 'stockade-*.service' 'stockade-*.socket' | cut -d' ' -f1`,
  );
  return shown.split('\n').filter((unit) => unit !== '');
}

async function until(enough: () => Promise<boolean>): Promise<void> {
  for (let left = 60; left > 0 && !(await enough()); left--)
    await new Promise((resolve) => setTimeout(resolve, 500));
}

describe('helpers and their guest', () => {
  it.each([
    ['proxy', 0],
    ['virtiofs', 1],
  ] as const)(
    'a killed %s helper stops its guest, says so, and the next apply heals',
    async (_kind, index) => {
      await core.converge(wish());
      const helper = await helperOf(units[index]);
      await lab.host.run(sh`kill -9 ${word(helper)}`);
      await until(async () => (await runningUnits()).length === 0);
      expect(await runningUnits()).toEqual([]);
      expect((await launchError()).stdout).toMatch(
        /^share [pv]: its helper has ended \(exited 1\); the guest cannot go on without it/,
      );
      expect(pending(wish(), await core.see())).toEqual([
        expect.stringMatching(/^web1 restart .*integrity\.process/),
      ]);
      await core.converge(wish());
    },
  );

  it("a guest that is started again after a crash is so after its helper's crash, with new helpers", async () => {
    const again = wish({ restartPolicy: 'on_crash' });
    await core.converge(again);
    const before = await helperOf(units[0]);
    await lab.host.run(sh`kill -9 ${word(before)}`);
    const healed = await core.until((seen) => {
      const evidence = seen.evidence.get('web1');
      return evidence?.running === true && Object.keys(faultsOf(seen, again)).length === 0;
    });
    expect(faultsOf(healed, again)).toEqual({});
    expect(await helperOf(units[0])).not.toBe(before);
    expect(pending(again, healed)).toEqual([]);
  });

  it('a killed QEMU leaves no helper, and a restart by hand works every time', async () => {
    const { snapshot } = await core.converge(wish());
    const model =
      snapshot.evidence.get('web1')?.processes.find(({ role }) => role === 'device-model')?.pid ?? 0;
    await lab.host.run(sh`kill -9 ${model}`);
    await until(async () => (await runningUnits()).length === 0);
    expect(await runningUnits()).toEqual([]);
    await lab.host.run(sh`systemctl start ${word(guestUnit('web1'))}`);
    for (let time = 0; time < 4; time++) {
      const seen = await core.until((each) => pending(wish(), each).length === 0);
      expect(pending(wish(), seen)).toEqual([]);
      await lab.host.run(sh`systemctl restart ${word(guestUnit('web1'))}`);
    }
    const seen = await core.until((each) => pending(wish(), each).length === 0);
    expect(pending(wish(), seen)).toEqual([]);
    expect(faultsOf(seen, wish())).toEqual({});
  });

  it('an apply that ends between what listens and the guest is taken up by the next', async () => {
    const { operations } = value(await core.plan(wish()));
    const half = operations.filter(({ id }) => !id.endsWith(': start'));
    const { results } = await core.write(half);
    expect(ends(results).filter((end) => !/^(same|changed) /.test(end))).toEqual([]);
    await lab.host.run(
      sh`systemctl start ${word(shareSocketUnit('web1', 'p'))} ${word(shareSocketUnit('web1', 'v'))}`,
    );
    await core.converge(wish());
    expect((await runningUnits()).filter((unit) => unit.endsWith('.socket'))).toEqual([]);
  });

  it('an edited script and a foreign drop-in show as drift, and are undone', async () => {
    await core.converge(wish());
    const { stateDirectory } = guestPlaces('web1');
    const dropIn = `/etc/systemd/system/${shareServiceUnit('web1', 'v', 'virtiofs')}.d`;
    await lab.host.run(sh`echo '# edited' >>${word(`${stateDirectory}/shares`)}
mkdir ${word(dropIn)} && printf '[Service]\\nMemoryMax=infinity\\n' >${word(`${dropIn}/more.conf`)}`);
    expect(pending(wish(), await core.see())).toEqual(['web1 restart integrity.shares']);
    await core.converge(wish());
  });

  it('a share that is taken away leaves nothing of its helper', async () => {
    await core.converge(wish());
    const one = core.wish([core.guest('web1', { shares: shares.slice(0, 1) })]);
    await core.converge(one);
    expect((await runningUnits()).filter((unit) => unit.startsWith('stockade-share-web1:v'))).toEqual([]);
    await core.converge(core.wish([core.guest('web1')]));
    expect((await runningUnits()).filter((unit) => unit.startsWith('stockade-share'))).toEqual([]);
  });
});

describe('directories that cannot be shared', () => {
  it.each([
    ['is not there', sh`rm -rf -- ${word(`${closedDirectory}/p`)}`],
    ['is no directory', sh`rm -rf -- ${word(`${closedDirectory}/p`)}; echo >${word(`${closedDirectory}/p`)}`],
    [
      'leads over a symbolic link',
      sh`mv ${word(`${closedDirectory}/p`)} /srv/moved; ln -s /srv/moved ${word(`${closedDirectory}/p`)}`,
    ],
    [
      'users of the host can get at it',
      sh`chmod 0755 ${word(closedDirectory)}; chmod 0700 ${word(`${closedDirectory}/p`)}`,
    ],
  ])('%s: the guest does not start, and says so', async (text, spoil) => {
    await core.converge(wish());
    await lab.host.run(sh`systemctl stop ${word(guestUnit('web1'))}
${spoil}
systemctl start ${word(guestUnit('web1'))}`);
    await until(async () => (await runningUnits()).length === 0);
    expect((await launchError()).stdout).toContain(text);
    await lab.host.run(sh`rm -rf -- ${word(`${closedDirectory}/p`)}; [ ! -d /srv/moved ] || mv /srv/moved ${word(`${closedDirectory}/p`)}
mkdir -p ${word(`${closedDirectory}/p`)}; chmod 0700 ${word(closedDirectory)}; chmod 0755 ${word(`${closedDirectory}/p`)}`);
    await core.converge(wish());
  });

  it('one writer alone, unless both say otherwise', async () => {
    await core.converge(wish());
    const held = await lab.host.exec(sh`set -- /run/stockade/share-*.lock
[ $# -eq 2 ] || exit 0
for lock do ! flock -n -s "$lock" true || exit 0; done
exit 7`);
    expect(held.exitCode).toBe(7);
  });
});
