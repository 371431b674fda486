import { spawn } from 'node:child_process';
import { Socket } from 'node:net';
import { systemCode, messageOf } from '../paths.ts';
import { atExit, signal } from './at-exit.ts';

/** How a run of the ssh program ended, or got into the background. */
export type Finished = { readonly kind: 'not-started'; readonly reason: string } | Ended;

export interface Ended {
  readonly kind: 'ended';
  readonly exitCode: number | undefined;
  /** We ended it: its time was up. */
  readonly isLate: boolean;
  /** What it and those that it started say on stderr; some may go on to say something. */
  readonly stderr: () => string;
  /** Lets go of their stderr. */
  readonly release: () => void;
}

const keptCharacters = 16_384;
const lastWordsMilliseconds = 200;

/**
 * Runs `ssh` with these arguments; no shell is between. It gets a process group of its own, so that ctrl-C at a terminal is ours to
 * answer. At the deadline, and when this process ends meanwhile, the group is killed.
 */
export function runSsh(
  words: readonly string[],
  environment: NodeJS.ProcessEnv,
  deadline: AbortSignal,
): Promise<Finished> {
  return new Promise((resolve) => {
    const child = spawn('ssh', words, {
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe'],
      env: environment,
    });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (piece: string) => {
      said = (said + piece).slice(-keptCharacters);
    });
    const { pid } = child;
    const kill = () => {
      if (pid !== undefined) signal(-pid, 'SIGKILL');
    };
    const forget = atExit(kill);
    deadline.addEventListener('abort', kill, { once: true });
    if (deadline.aborted) kill();
    const settle = (finished: Finished) => {
      forget();
      deadline.removeEventListener('abort', kill);
      resolve(finished);
    };
    child.once('error', (error) => {
      const missing = systemCode(error) === 'ENOENT';
      settle({ kind: 'not-started', reason: missing ? 'there is no such program' : messageOf(error) });
    });
    child.once('exit', (code) => {
      const ended: Finished = {
        kind: 'ended',
        exitCode: code ?? undefined,
        isLate: deadline.aborted,
        stderr: () => said,
        release: () => child.stderr.destroy(),
      };
      // What leads through a jump host goes on in the background, and keeps stderr; it is no reason for us to stay.
      if (child.stderr instanceof Socket) child.stderr.unref();
      if (code === 0) settle(ended);
      else {
        const late = setTimeout(() => settle(ended), lastWordsMilliseconds);
        child.once('close', () => {
          clearTimeout(late);
          settle(ended);
        });
      }
    });
  });
}
