import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { shareSocketUnit } from '../../provider/jail/share-places.ts';
import { guestUnit } from '../../provider/model/paths.ts';
import { sh, word } from '../../provider/model/shell.ts';
import { compareSnapshots, type HostSnapshot, snapshotHost } from '../lab/snapshot.ts';
import { useLab } from '../lab/vitest.ts';
import { fleetDefinition, Folder, stillGuest } from './cli.fixture.ts';
import { closedDirectory, makeSources, shareOf } from './shares.fixture.ts';
import type { Started } from './started.fixture.ts';

const lab = useLab({ hosts: 1, name: 'shares-cut' });
const shares = [shareOf('p', { driver: 'proxy' }), shareOf('v', { driver: 'virtiofs' })];
const guest = guestUnit('web1');
const sockets = shares.map(({ tag }) => shareSocketUnit('web1', tag));
let folder: Folder;
let blank: HostSnapshot;

beforeAll(async () => {
  folder = await Folder.make();
  await makeSources(lab.host, shares);
  const written = shares.map(({ tag, driver, readonly }) => ({
    ...{ tag, driver, readonly, source: `${closedDirectory}/${tag}` },
  }));
  const guests = { web1: stillGuest('h1', { shares: written }) };
  folder.write('stockade.yaml', fleetDefinition({ hosts: lab.hosts, guests }));
  blank = await snapshotHost(lab.host);
});

/** A job of systemd's that the guest's start waits for, and what listens for its helpers does not: until somebody writes to the FIFO. */
beforeEach(async () => {
  await lab.host.run(sh`mkfifo /run/held
printf '[Unit]\\nBefore=%s\\n[Service]\\nType=oneshot\\nExecStart=/bin/sh -c "read x </run/held"\\n' ${word(guest)} >/run/systemd/system/held.service
systemctl daemon-reload
systemctl start --no-block held.service`);
});
afterEach(async () => {
  await letGo();
});
afterAll(async () => {
  await folder.succeed('destroy', '--yes');
  expect(compareSnapshots(blank, await snapshotHost(lab.host))).toEqual([]);
});

const letGo = () =>
  lab.host.run(sh`systemctl stop held.service || :
rm -f /run/held /run/systemd/system/held.service
systemctl daemon-reload
systemctl reset-failed held.service 2>/dev/null || :`);

const release = () => lab.host.run(sh`echo >/run/held`);

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  for (let left = 400; left > 0; left--) {
    if (await isSo()) return;
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  throw new Error(`waited for two minutes: ${what}; ${(await unitStates()).join(', ')}`);
}

/** What systemd shows of the guest and of what listens for its helpers: `active listening`, `inactive dead 17`, where the last is a job. */
async function unitStates(): Promise<readonly string[]> {
  const units = [guest, ...sockets];
  const shown = await lab.host.run(
    sh`for unit in ${word(units[0] ?? '')} ${word(units[1] ?? '')} ${word(units[2] ?? '')}; do
  echo $(systemctl show --value --property=ActiveState,SubState,Job -- "$unit")
done`,
  );
  return shown.trim().split('\n');
}

/** An apply that stands between the two starts. */
async function between(): Promise<Started> {
  const applier = folder.start('apply', '--yes');
  await until('sockets that listen, and a guest that is yet to start', async () => {
    const [of = '', ...listen] = await unitStates();
    return /^inactive dead [1-9]/.test(of) && listen.every((state) => state.startsWith('active listening'));
  });
  return applier;
}

/** What an applier has running on the host: who has the host's lock. */
async function remote(): Promise<readonly string[]> {
  const found = await lab.host.run(sh`for fd in /proc/[0-9]*/fd/9; do
  [ ! "$fd" -ef /run/stockade/lock ] || { pid=\${fd%/fd/9}; echo "\${pid#/proc/}"; }
done`);
  return found.split('\n').filter((pid) => pid !== '');
}

async function kill(applier: Started): Promise<void> {
  expect(applier.child.exitCode).toBeNull();
  applier.child.kill('SIGKILL');
  expect(await applier.ended).toBe(137);
}

/** All of it, with the steps that it has begun. */
async function killRemote(): Promise<void> {
  for (const pid of await remote())
    await lab.host.run(sh`kill -9 $(ps -o pid= --sid $(ps -o sid= --pid ${word(pid)})) || :`);
  expect(await remote()).toEqual([]);
}

/** All is as defined, nothing is on its way, and nothing listens any more. */
async function isWhole(): Promise<void> {
  expect(await folder.run('plan', '--detailed-exitcode')).toMatchObject({ exitCode: 0 });
  expect(await folder.run('evidence')).toMatchObject({ exitCode: 0 });
  expect((await unitStates()).map((state) => state.split(' ')[0])).toEqual([
    'active',
    'inactive',
    'inactive',
  ]);
  expect(
    await lab.host.run(
      sh`systemctl list-jobs --no-legend; systemctl list-units --failed --no-legend --plain 'stockade-*'`,
    ),
  ).toBe('');
  expect(await remote()).toEqual([]);
}

describe('an applier that is killed after what listens for the helpers was started, and before the guest is', () => {
  it('leaves a step that comes to its end by itself; the next apply finds all done', async () => {
    const applier = await between();
    await kill(applier);
    expect(await remote()).not.toEqual([]);
    await release();
    await until('the step that it had begun to be over', async () => (await remote()).length === 0);
    await folder.succeed('apply', '--yes');
    await isWhole();
    await folder.succeed('destroy', '--yes');
  });

  it('and what it ran on the host too: the next apply takes up what is there', async () => {
    const applier = await between();
    await kill(applier);
    await killRemote();
    expect((await unitStates()).map((state) => state.split(' ')[0])).toEqual([
      'inactive',
      'active',
      'active',
    ]);
    const next = folder.start('apply', '--yes');
    await until('the next apply to be at work', async () => (await remote()).length > 0);
    await release();
    expect([await next.ended, next.stderr]).toEqual([0, expect.anything()]);
    await isWhole();
    await folder.succeed('destroy', '--yes');
  });

  it('is cleaned up after by a destroy as well', async () => {
    await kill(await between());
    await killRemote();
    await folder.succeed('destroy', '--yes');
    expect((await unitStates()).map((state) => state.split(' ')[0])).toEqual([
      'inactive',
      'inactive',
      'inactive',
    ]);
    await letGo();
    expect(compareSnapshots(blank, await snapshotHost(lab.host))).toEqual([]);
  });
});
