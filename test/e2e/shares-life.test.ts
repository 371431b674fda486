import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { shareServiceUnit } from '../../provider/jail/share-places.ts';
import { guestPlaces } from '../../provider/jail/places.ts';
import { guestUnit } from '../../provider/model/paths.ts';
import { sh, word } from '../../provider/model/shell.ts';
import { containerStates } from '../container-host.ts';
import { compareSnapshots, type HostSnapshot, snapshotHost } from '../lab/snapshot.ts';
import { useLab } from '../lab/vitest.ts';
import { Core, faultsOf, pending, placeKernels } from './core.fixture.ts';
import { closedDirectory, makeSources, shareOf } from './shares.fixture.ts';

const lab = useLab({ hosts: 1, name: 'shares-life' });
let core: Core;
let blank: HostSnapshot;
const shares = [shareOf('p', { driver: 'proxy' }), shareOf('v', { driver: 'virtiofs' })];
/** Written to by QEMU itself: it has no helper. */
const local = shareOf('l', { driver: 'local' });
const units = [
  shareServiceUnit('web1', 'p', 'proxy').replace('@', '@*'),
  shareServiceUnit('web1', 'v', 'virtiofs'),
];

beforeAll(async () => {
  placeKernels(lab.host);
  await makeSources(lab.host, [...shares, local]);
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
    // while the guest still goes down it looks whole: its helpers do not
    const healed = await core.until((seen) => pending(again, seen).length === 0);
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

  it('an edited script and a foreign drop-in show as drift, and are undone', async () => {
    await core.converge(wish());
    const { stateDirectory } = guestPlaces('web1');
    const dropIn = `/etc/systemd/system/${shareServiceUnit('web1', 'v', 'virtiofs')}.d`;
    await lab.host.run(sh`echo '# edited' >>${word(`${stateDirectory}/shares`)}
mkdir ${word(dropIn)} && printf '[Service]\\nMemoryMax=infinity\\n' >${word(`${dropIn}/more.conf`)}`);
    expect(pending(wish(), await core.see())).toEqual(['web1 restart integrity.shares']);
    await core.converge(wish());
  });

  it.each(['/etc', '/run'])(
    'a drop-in of %s for all helpers shows as drift of the host, and is undone',
    async (top) => {
      await core.converge(wish());
      const places = ['stockade-share-.service.d', 'stockade-share-.socket.d', 'stockade-guest-.service.d'];
      for (const place of places) {
        const dropIn = `${top}/systemd/system/${place}`;
        await lab.host.run(
          sh`mkdir ${word(dropIn)} && printf '[Unit]\nDescription=x\n' >${word(`${dropIn}/x.conf`)}`,
        );
        expect(pending(wish(), await core.see())).toEqual([expect.stringMatching(/^h1 update integrity\./)]);
        await core.converge(wish());
        expect((await lab.host.exec(sh`[ -e ${word(dropIn)} ]`)).exitCode).toBe(1);
      }
    },
  );

  it('a guest that goes takes with it what others have put beside its units', async () => {
    await core.converge(wish());
    for (const unit of [guestUnit('web1'), shareServiceUnit('web1', 'v', 'virtiofs')]) {
      const dropIn = `/run/systemd/system/${unit}.d`;
      await lab.host.run(sh`mkdir -p ${word(dropIn)} && printf '[Unit]\n' >${word(`${dropIn}/x.conf`)}`);
    }
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
      'users of the host can get at it at /srv/seen',
      sh`mkdir /srv/seen; mount --bind ${word(`${closedDirectory}/p`)} /srv/seen`,
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
    await lab.host.run(sh`[ ! -d /srv/seen ] || { umount /srv/seen; rmdir /srv/seen; }
rm -rf -- ${word(`${closedDirectory}/p`)}; [ ! -d /srv/moved ] || mv /srv/moved ${word(`${closedDirectory}/p`)}
mkdir -p ${word(`${closedDirectory}/p`)}; chmod 0700 ${word(closedDirectory)}; chmod 0755 ${word(`${closedDirectory}/p`)}`);
    await core.converge(wish());
  });

  it('QEMU itself by security_model none makes real files there: users of the host who can get at it are a reason not to start', async () => {
    const none = shareOf('l', { driver: 'local', securityModel: 'none' });
    const isolation = { off: ['chroot'], mayBeMissing: [], hostDevMounts: false } as const;
    const open = new Core(lab.host, 'first', { ...containerStates, chroot: 'off' });
    const real = open.wish([open.guest('web1', { shares: [none], isolation })]);
    await open.converge(real);
    await lab.host.run(sh`systemctl stop ${word(guestUnit('web1'))}
mkdir /srv/seen; mount --bind ${word(none.source)} /srv/seen
systemctl start ${word(guestUnit('web1'))} || :`);
    await until(async () => (await runningUnits()).length === 0);
    expect((await launchError()).stdout).toBe(
      `view: ${none.source} is written to for a guest, and users of the host can get at it at /srv/seen: mount it there with nosuid and nodev, or let only root enter a directory above that (chmod 0700)\n`,
    );
    await lab.host.run(sh`mount -o remount,bind,nosuid,nodev /srv/seen`);
    await open.converge(real);
    await open.link.close();
    await lab.host.run(sh`umount /srv/seen; rmdir /srv/seen`);
  });

  it('one writer alone, unless both say otherwise; what QEMU serves itself is no exception', async () => {
    const all = wish({ shares: [...shares, local] });
    const { snapshot } = await core.converge(all);
    expect(faultsOf(snapshot, all)).toEqual({});
    const held = await lab.host.exec(sh`set -- /run/stockade/share-*.lock
[ $# -eq 3 ] || exit 0
for lock do ! flock -n -s "$lock" true || exit 0; done
exit 7`);
    expect(held.exitCode).toBe(7);
    const lock = await lab.host.run(
      sh`echo /run/stockade/share-$(stat -c %d-%i -- ${word(local.source)}).lock`,
    );
    const model =
      snapshot.evidence.get('web1')?.processes.find(({ role }) => role === 'device-model')?.pid ?? 0;
    expect(await lab.host.run(sh`ls -l /proc/${model}/fd`)).not.toContain(lock.trim());

    await lab.host.run(sh`systemctl stop ${word(guestUnit('web1'))}`);
    expect((await lab.host.exec(sh`ls /run/stockade/share-*.lock`)).exitCode).not.toBe(0);
    const other = await lab.host.run(
      sh`setsid flock --no-fork -x ${word(lock.trim())} sleep 1000 </dev/null >/dev/null 2>&1 & echo $!`,
    );
    await lab.host.run(sh`while flock -n -s ${word(lock.trim())} true; do sleep 0.1; done
systemctl start ${word(guestUnit('web1'))} || :`);
    await until(async () => (await runningUnits()).length === 0);
    expect(await runningUnits()).toEqual([]);
    expect((await launchError()).stdout).toContain(`another guest writes to ${local.source}`);
    await lab.host.run(sh`kill -9 ${word(other.trim())}; rm -f ${word(lock.trim())}`);
    await core.converge(all);
  });
});
