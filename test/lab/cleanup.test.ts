import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, test } from 'vitest';
import { attachLab, detachedLabs, startLab } from './lab.ts';
import { runsDirectory } from './paths.ts';
import { run } from './process.ts';
import { marksOf, noTraces, type RunIdentity, type RunMarks, ticksNow, tracesOf } from './testing/traces.ts';

/** A program that runs a lab of two hosts, and what was seen of it. */
async function startHolder(): Promise<{ child: ChildProcess; marks: RunMarks }> {
  const child = spawn(process.execPath, ['--import', 'tsx', 'test/lab/testing/hold.ts'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  return { child, marks: marksOf(JSON.parse(line) as RunIdentity) };
}

async function ended(child: ChildProcess): Promise<unknown> {
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
  return signal ?? code;
}

describe('a lab leaves nothing on the machine', () => {
  test('after stop, and stop can be repeated', async () => {
    const lab = await startLab({ hosts: 2, name: 'stop' });
    const marks = marksOf({ id: lab.id, links: lab.hosts.map((host) => host.link) });

    const running = tracesOf(marks);
    expect(marks.namespaces).toHaveLength(2);
    expect(running.processes.length).toBeGreaterThan(10);
    expect(running.mounts.length).toBeGreaterThan(2);
    expect(running.namespaces).toHaveLength(2);
    expect(running.interfaces).toHaveLength(2);
    expect(running.cgroups.length).toBeGreaterThan(0);
    expect(running.files).toHaveLength(1);

    const asked = ticksNow();
    await lab.stop();
    expect(tracesOf(marks, asked)).toEqual(noTraces);
    await lab.stop();
  });

  test('where another has got the number of its network namespace: that is not a trace of it', async () => {
    const lab = await startLab({ hosts: 1, name: 'reused' });
    const marks = marksOf({ id: lab.id, links: lab.hosts.map((host) => host.link) });
    const asked = ticksNow();
    await lab.stop();
    const other = spawn('unshare', ['--net', 'sh', '-c', 'readlink /proc/self/ns/net; exec sleep 60'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      const [number] = (await once(createInterface(other.stdout), 'line')) as [string];
      // whose number it gets is the kernel's choice
      const reused = { ...marks, namespaces: [number] };
      expect(tracesOf(reused).namespaces).toEqual([number]);
      expect(tracesOf(reused, asked)).toEqual(noTraces);
    } finally {
      other.kill('SIGKILL');
    }
  });

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'after %s, which still ends the program',
    async (signal) => {
      const { child, marks } = await startHolder();
      const asked = ticksNow();
      child.kill(signal);
      expect(await ended(child)).toBe(signal);
      expect(tracesOf(marks, asked)).toEqual(noTraces);
    },
  );

  test('after an uncaught exception', async () => {
    const { child, marks } = await startHolder();
    const asked = ticksNow();
    child.stdin?.write('now\n');
    expect(await ended(child)).toBe(1);
    expect(tracesOf(marks, asked)).toEqual(noTraces);
  });

  test('after kill -9: all that runs goes at once, files and control groups with the next lab', async () => {
    const { child, marks } = await startHolder();
    const asked = ticksNow();
    child.kill('SIGKILL');
    await ended(child);
    await expect
      .poll(() => tracesOf(marks, asked), { timeout: 10_000 })
      .toMatchObject({ processes: [], mounts: [], namespaces: [], interfaces: [] });
    await detachedLabs();
    expect(tracesOf(marks, asked)).toEqual(noTraces);
  });

  test('after a host fails to start, and says what failed', async () => {
    const path = process.env['PATH'];
    const programs = mkdtempSync(join(tmpdir(), 'lab-programs-'));
    for (const name of [
      'cp',
      'flock',
      'ip',
      'mkdir',
      'mount',
      'nsenter',
      'rm',
      'setpriv',
      'sh',
      'ssh-keygen',
      'unshare',
      'cat',
    ]) {
      symlinkSync((await run('which', [name])).trim(), join(programs, name));
    }
    try {
      process.env['PATH'] = programs;
      await expect(startLab({ hosts: 1, name: 'broken' })).rejects.toThrow(
        /h1 ended while booting.*nspawn: not found/s,
      );
    } finally {
      process.env['PATH'] = path;
      rmSync(programs, { recursive: true });
    }
    expect(readdirSync(runsDirectory()).filter((name) => name.startsWith('broken-'))).toEqual([]);
  });

  test('a lab left running outlives its program and is ended by another', async () => {
    const lab = await startLab({ hosts: 1, name: 'left', detached: true });
    const record = (await detachedLabs()).find(({ id }) => id === lab.id);
    if (record === undefined) throw new Error('the lab is not listed');
    const again = attachLab(record);
    expect(again.hosts[0]?.isRunning).toBe(true);
    const marks = marksOf({ id: lab.id, links: lab.hosts.map((host) => host.link) });
    const asked = ticksNow();
    await again.stop();
    expect(tracesOf(marks, asked)).toEqual(noTraces);
  });
});
