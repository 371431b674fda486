import { beforeAll, describe, expect, it } from 'vitest';
import { compareSnapshots, type HostSnapshot, snapshotHost } from '../lab/snapshot.ts';
import { useLab } from '../lab/vitest.ts';
import { type Definition, fleetDefinition, Folder, stillGuest } from './cli.fixture.ts';

const lab = useLab({ hosts: 2, name: 'cli-interrupt' });
let folder: Folder;
let before: readonly HostSnapshot[];
beforeAll(async () => {
  before = await Promise.all(lab.hosts.map(snapshotHost));
  folder = await Folder.make();
});

function define(guests: Readonly<Record<string, Definition>>): void {
  folder.write('stockade.yaml', fleetDefinition({ hosts: lab.hosts, guests }));
}

describe('ctrl-C', () => {
  it('lets the running step end, begins no more, says what is done and what is not, and the next apply goes on', async () => {
    define(Object.fromEntries(
      ['h1', 'h2'].flatMap((host) => [1, 2, 3].map((n) => [`g${n}-${host}`, stillGuest(host)])),
    ));
    const running = folder.start('apply', '--yes', '--parallelism', '1');
    await running.until('changed host h1');
    running.child.kill('SIGINT');
    expect(await running.ended).toBe(130);
    expect(running.stderr).toContain('Stopping: the steps that run come to their end');
    expect(running.stdout).toMatch(/Stopped: \d+ of 10 objects done/);
    expect(running.stdout).toContain('host h2: not begun');
    expect(running.stdout).toContain('guest g1-h2 on h2: not begun');
    expect(running.stdout).toContain('Run it again to carry on');
    expect(await folder.succeed('apply', '--yes')).toContain('Applied: ');
    expect(await folder.run('plan', '--detailed-exitcode')).toMatchObject({ exitCode: 0 });
    expect(await folder.run('evidence')).toMatchObject({ exitCode: 0 });
  });

  it('a second time ends it at once', async () => {
    define({ 'g1-h1': stillGuest('h1', { memoryMib: 96 }) });
    const running = folder.start('apply', '--yes');
    await running.until('steps to do');
    running.child.kill('SIGINT');
    await running.until('Stopping');
    running.child.kill('SIGINT');
    expect(await running.ended).toBe(130);
    await folder.succeed('apply', '--yes');
  });

  it('goes on without a terminal to write to', async () => {
    define({ 'g1-h1': stillGuest('h1', { memoryMib: 64 }) });
    const running = folder.start('apply', '--yes');
    running.child.stdout?.destroy();
    await running.ended;
    expect(await folder.succeed('apply', '--yes')).toMatch(/Applied|nothing to do/);
  });
});

const kills = 50;

describe(`killed at a random moment, ${kills} times over`, () => {
  it('the next apply finishes the job, and nothing has to be repaired by hand', async () => {
    const variants = [
      { a: stillGuest('h1'), b: stillGuest('h1', { memoryMib: 72 }), c: stillGuest('h2') },
      { a: stillGuest('h1', { memoryMib: 80 }), d: stillGuest('h1'), c: stillGuest('h2', { memoryMib: 72 }) },
      { d: stillGuest('h1', { isolation: { off: ['seccomp'] } }), b: stillGuest('h1') },
    ];
    let variant = 0;
    const defineNext = () => define(variants[variant++ % variants.length] ?? {});
    defineNext();
    await folder.succeed('apply', '--yes');
    // hosts are prepared by then: an apply between two variants is what is killed
    defineNext();
    let began = performance.now();
    await folder.succeed('apply', '--yes');
    let usual = performance.now() - began;
    const failures: string[] = [];
    let hit = 0;
    for (let round = 0; round < kills; round++) {
      defineNext();
      began = performance.now();
      const running = folder.start('apply', '--yes');
      const delay = Math.random() * usual;
      await Promise.race([running.ended, new Promise((resolve) => setTimeout(resolve, delay))]);
      const killed = running.child.exitCode === null;
      if (killed) hit++;
      // how long it takes depends on what else runs beside it
      usual = killed ? usual * 1.05 : performance.now() - began;
      running.child.kill('SIGKILL');
      await running.ended;
      // the definitions move on in between now and then
      if (round % 3 === 0) defineNext();
      const next = await folder.run('apply', '--yes');
      if (next.exitCode !== 0) failures.push(`round ${round}, after ${Math.round(delay)} ms: ${next.stderr}`);
    }
    expect(failures).toEqual([]);
    // most of them in the middle of something
    expect(hit).toBeGreaterThan(kills / 2);
    expect(await folder.run('plan', '--detailed-exitcode')).toMatchObject({ exitCode: 0 });
    expect(await folder.run('evidence')).toMatchObject({ exitCode: 0 });
  }, 1_500_000);

  it('and destroy leaves nothing behind', async () => {
    await folder.succeed('destroy', '--yes');
    const after = await Promise.all(lab.hosts.map(snapshotHost));
    const differences = before.flatMap((one, index) => {
      const other = after[index];
      return other === undefined ? ['a host is gone'] : compareSnapshots(one, other);
    });
    expect(differences).toEqual([]);
  });
});
