import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Runs `body` while holding an exclusive lock on `file`. The kernel holds it (flock) through a child that ends when this
 * process does, so a killed holder never leaves a stale lock.
 */
export async function withLock<T>(file: string, body: () => Promise<T>): Promise<T> {
  mkdirSync(dirname(file), { recursive: true });
  const holder = spawn('flock', ['--exclusive', '--no-fork', file, 'sh', '-c', 'echo held; exec cat'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = new Promise<void>((resolve) => holder.once('close', () => resolve()));
  try {
    await new Promise<void>((resolve, reject) => {
      holder.once('error', reject);
      holder.once('exit', (code) => reject(new Error(`flock ${file} ended with ${code}`)));
      holder.stdout.once('data', () => resolve());
    });
    return await body();
  } finally {
    holder.stdin.end();
    await ended;
  }
}
