import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { sh, word } from '../../provider/model/shell.ts';
import { compareSnapshots, snapshotHost } from '../lab/snapshot.ts';
import { useLab } from '../lab/vitest.ts';
import { type Definition, fleetDefinition, Folder, hostDefinition, stillGuest } from './cli.fixture.ts';

const lab = useLab({ hosts: 2, name: 'cli' });
const mainPid = async (guest: string, host = lab.host) =>
  (
    await host.run(sh`systemctl show --property=MainPID --value ${word(`stockade-guest@${guest}.service`)}`)
  ).trim();
const guestsOn = async (host = lab.host) =>
  (await host.run(sh`ls /var/lib/stockade/guests 2>/dev/null || :`))
    .split('\n')
    .filter((name) => name !== '');

describe('from an empty directory', () => {
  it('init, plan and apply bring up a guest, a plan after that is empty, and destroy leaves nothing', async () => {
    const before = await snapshotHost(lab.host);
    const folder = await Folder.make();
    const { host } = lab;
    const said = await folder.succeed(
      ...['init', '--fleet', 'first', '--host', host.name, '--address', host.address],
      ...['--port', String(host.port), '--user', host.user, '--host-key', host.hostPublicKey],
      ...['--key', host.keyFile, '--kernel', 'still', '--accelerator', 'tcg'],
    );
    expect(said).toContain('wrote stockade.yaml');
    expect(await folder.fail('init')).toContain('it exists');
    expect(await folder.succeed('validate')).toBe('Valid: 1 host, 1 set of users, 1 guest.\n');

    const planned = await folder.run('plan', '--detailed-exitcode');
    expect(planned).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('tcg') as string });
    expect(planned.stdout).toContain('Fleet first: 3 to create');
    expect(await guestsOn()).toEqual([]);
    expect(await folder.fail('apply')).toContain('--yes');
    expect(await guestsOn()).toEqual([]);

    const applied = await folder.run('apply', '--yes');
    expect(applied).toMatchObject({ exitCode: 0 });
    expect(applied.stdout).toContain('Applied: 3 of 3 objects done');
    expect(applied.stderr).toMatch(/\d+ of \d+/);
    expect(await mainPid('web1')).not.toBe('0');
    expect(existsSync(join(folder.path, 'stockade-events.jsonl'))).toBe(true);

    expect(await folder.run('plan', '--detailed-exitcode')).toMatchObject({ exitCode: 0 });
    const proof = await folder.run('evidence');
    expect(proof).toMatchObject({ exitCode: 0, stderr: '' });
    expect(proof.stdout).toContain('1 of 1 guests run isolated as asked for.');

    expect(await folder.succeed('destroy', '--yes')).toContain('3 to destroy');
    expect(compareSnapshots(before, await snapshotHost(lab.host))).toEqual([]);
  });
});

describe('a fleet that changes', () => {
  let folder: Folder;
  const define = (guests: Readonly<Record<string, Definition>>, fleet = 'fleet-1') =>
    folder.write('stockade.yaml', fleetDefinition({ fleet, hosts: lab.hosts, guests }));
  beforeAll(async () => {
    folder = await Folder.make();
    define({ web1: stillGuest('h1'), db1: stillGuest('h2') });
    await folder.succeed('apply', '--yes');
  });

  it('announces a restart, and restarts that guest alone', async () => {
    const [web, db] = [await mainPid('web1'), await mainPid('db1', lab.hosts[1])];
    define({ web1: stillGuest('h1', { memoryMib: 96 }), db1: stillGuest('h2') });
    const planned = await folder.succeed('plan');
    expect(planned).toContain('Disrupted:\n  guest web1 on h1 restarts: memoryMib');
    expect(planned).toContain('memoryMib: 64 -> 96');
    await folder.succeed('apply', '--yes');
    expect(await mainPid('web1')).not.toBe(web);
    expect(await mainPid('db1', lab.hosts[1])).toBe(db);
  });

  it('says what a guest loses of its isolation, and what it regains', async () => {
    define({
      web1: stillGuest('h1', { memoryMib: 96, isolation: { off: ['seccomp'] } }),
      db1: stillGuest('h2'),
    });
    expect(await folder.succeed('plan')).toMatch(/Isolation lost:\n  guest web1 on h1: .*\(isolation\.off\)/);
    await folder.succeed('apply', '--yes');
    expect(await folder.succeed('evidence')).toMatch(/seccomp +off/);
    define({ web1: stillGuest('h1', { memoryMib: 96 }), db1: stillGuest('h2') });
    expect(await folder.succeed('plan')).toContain('Isolation regained:\n  guest web1 on h1');
    await folder.succeed('apply', '--yes');
  });

  it('applies a saved plan exactly, leaving out what drifted beside it', async () => {
    define({ web1: stillGuest('h1', { memoryMib: 80 }), db1: stillGuest('h2') });
    await folder.succeed('plan', '--out', 'saved.plan');
    const db = await mainPid('db1', lab.hosts[1]);
    await lab.hosts[1]?.run(sh`kill -9 ${word(db)}; while [ -d /proc/${word(db)} ]; do sleep 0.05; done`);
    const applied = await folder.succeed('apply', 'saved.plan', '--yes');
    expect(applied).toContain('Applied: 1 of 1 objects done');
    expect(await folder.succeed('plan')).toMatch(/guest db1 on h2 restarts: .*integrity\.process/);
    // it was applied already: the world has moved
    const again = await folder.fail('apply', 'saved.plan', '--yes');
    expect(again).toMatch(/guest web1 on h1: generation: \d+ -> \d+/);
    await folder.succeed('apply', '--yes');
  });

  it('refuses a saved plan after something it rests on was changed, and names it', async () => {
    define({ web1: stillGuest('h1', { memoryMib: 64 }), db1: stillGuest('h2') });
    await folder.succeed('plan', '--out', 'saved.plan');
    const pid = await mainPid('web1');
    await lab.host.run(sh`chmod 0777 /run/stockade/root/web1`);
    const drifted = await folder.fail('apply', 'saved.plan', '--yes');
    expect(drifted).toContain('guest web1 on h1: chroot: ok -> mode 0777, not 0000');
    await lab.host.run(sh`chmod 0000 /run/stockade/root/web1`);
    folder.write('still', 'another kernel');
    expect(await folder.fail('apply', 'saved.plan', '--yes')).toContain('the plan was not applied');
    folder.placeKernel();
    define({ web1: stillGuest('h1', { memoryMib: 64 }), db1: stillGuest('h2', { memoryMib: 65 }) });
    expect(await folder.fail('apply', 'saved.plan', '--yes')).toContain('the definitions were changed');
    folder.write('saved.plan', folder.read('saved.plan').replace('"operations": "', '"operations": "0'));
    define({ web1: stillGuest('h1', { memoryMib: 64 }), db1: stillGuest('h2') });
    expect(await folder.fail('apply', 'saved.plan', '--yes')).toContain('other steps would be run');
    expect(await mainPid('web1')).toBe(pid);
    await folder.succeed('apply', '--yes');
  });

  it('is limited to what --limit names, without --exclude', async () => {
    define({ web1: stillGuest('h1', { memoryMib: 70 }), db1: stillGuest('h2', { memoryMib: 70 }) });
    expect(await folder.succeed('plan', '--limit', 'h2')).toContain('1 to restart; 2 stay');
    expect(await folder.succeed('plan', '--exclude', 'web*')).toContain('1 to restart; 4 stay');
    await folder.succeed('apply', '--yes', '--limit', 'web?');
    expect(await folder.succeed('plan')).toContain('Fleet fleet-1: 1 to restart; 5 stay');
    await folder.succeed('apply', '--yes', '--limit', 'h2/db1');
    expect(await folder.run('plan', '--detailed-exitcode')).toMatchObject({ exitCode: 0 });
    expect(await folder.fail('plan', '--limit', '$(id)')).toContain('is no pattern');
    const hosts = await folder.succeed('hosts', '--limit', 'db1');
    expect(hosts).toMatch(/^h2:/m);
    expect(hosts).not.toMatch(/^h1:/m);
  });

  it('destroys a guest that --limit names by its name alone, and nothing else; its host is not named', async () => {
    const pid = await mainPid('db1', lab.hosts[1]);
    expect(await folder.succeed('destroy', '--yes', '--limit', 'web1')).toContain('1 to destroy');
    expect(await guestsOn()).toEqual([]);
    expect(await mainPid('db1', lab.hosts[1])).toBe(pid);
    expect(await folder.succeed('apply', '--yes')).toContain('Applied: 1 of 1 objects done');
  });

  it('removes with --limit a guest that is no longer defined, where one of that name is or its host is named', async () => {
    define({
      web1: stillGuest('h1', { memoryMib: 70 }),
      db1: stillGuest('h2', { memoryMib: 70 }),
      web2: stillGuest('h1'),
      db2: stillGuest('h2'),
    });
    await folder.succeed('apply', '--yes');
    define({ web1: stillGuest('h1', { memoryMib: 70 }), db1: stillGuest('h2', { memoryMib: 70 }) });
    await folder.succeed('apply', '--yes', '--limit', 'web*');
    expect([await guestsOn(), await guestsOn(lab.hosts[1])]).toEqual([['web1'], ['db1', 'db2']]);
    await folder.succeed('apply', '--yes', '--limit', 'h2/db2');
    expect(await guestsOn(lab.hosts[1])).toEqual(['db1']);
  });

  it('plans around a host that gives no answer, and applies nothing until it is left out', async () => {
    const usual = fleetDefinition({
      hosts: lab.hosts,
      guests: { web1: stillGuest('h1', { memoryMib: 71 }), db1: stillGuest('h2', { memoryMib: 70 }) },
    });
    const dead = { ...hostDefinition(lab.host), port: 1 };
    folder.write('stockade.yaml', { ...usual, hosts: { ...(usual['hosts'] as Definition), h3: dead } });
    const planned = await folder.run('plan', '--detailed-exitcode', '--out', 'saved.plan');
    expect(planned.exitCode).toBe(1);
    expect(planned.stdout).toContain('1 host CANNOT BE PLANNED; 1 to restart; 5 stay as they are');
    expect(planned.stderr).toContain('host h3');
    expect(planned.stderr).toContain('The plan was not saved');
    const pid = await mainPid('web1');
    expect(await folder.fail('apply', '--yes')).toContain('leave these hosts out (--exclude)');
    expect(await mainPid('web1')).toBe(pid);
    await folder.succeed('apply', '--yes', '--exclude', 'h3');
    expect(await mainPid('web1')).not.toBe(pid);
    define({ web1: stillGuest('h1', { memoryMib: 70 }), db1: stillGuest('h2', { memoryMib: 70 }) });
    await folder.succeed('apply', '--yes');
  });

  it("takes away what left the definitions, and never what is another fleet's", async () => {
    const other = await Folder.make();
    other.write(
      'stockade.yaml',
      fleetDefinition({ fleet: 'other', hosts: lab.hosts, guests: { ours: stillGuest('h1') } }),
    );
    await other.succeed('apply', '--yes');
    const pid = await mainPid('ours');
    define({ web2: stillGuest('h1'), db1: stillGuest('h2', { memoryMib: 70 }) });
    expect(await folder.succeed('plan')).toContain('Destroyed:\n  guest web1 on h1');
    await folder.succeed('apply', '--yes');
    expect(await guestsOn()).toEqual(['ours', 'web2']);
    expect(await mainPid('ours')).toBe(pid);

    define({ ours: stillGuest('h1'), db1: stillGuest('h2', { memoryMib: 70 }) });
    const refused = await folder.fail('apply', '--yes');
    expect(refused).toContain('guest ours on h1 belongs to fleet "other"');
    expect(refused).toMatch(/stockade\.yaml:\d+:\d+: error/);
    expect(await guestsOn()).toEqual(['ours', 'web2']);

    define({});
    await folder.succeed('destroy', '--yes');
    expect(await guestsOn()).toEqual(['ours']);
    expect(await mainPid('ours')).toBe(pid);
    await other.succeed('destroy', '--yes');
    expect(await guestsOn()).toEqual([]);
  });
});

describe('a full set of users', () => {
  it('a guest takes the place of another in one apply', async () => {
    const folder = await Folder.make();
    const define = (guests: Readonly<Record<string, Definition>>) =>
      folder.write('stockade.yaml', {
        ...fleetDefinition({ fleet: 'full', hosts: [lab.host], guests }),
        users: [{ host: 'h1', lastDomid: 1 }],
      });
    define({ old: stillGuest('h1') });
    await folder.succeed('apply', '--yes');
    define({ new: stillGuest('h1') });
    expect(await folder.succeed('apply', '--yes')).toContain('Applied: 2 of 2 objects done');
    expect(await guestsOn()).toEqual(['new']);
    await folder.succeed('destroy', '--yes');
  });
});
