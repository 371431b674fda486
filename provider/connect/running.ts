import { word } from '../model/shell.ts';
import type { HostChannel, Link } from './link.ts';
import { freshMarker, type Running } from './supervise.ts';
import { endCommand, wrapCommand } from './wrap.ts';

const stopMilliseconds = 5000;

/** A command on an open channel, as `supervise` wants it. */
export function runningOn(channel: HostChannel, link: Link, sudo: boolean): Running {
  return {
    stdin: channel.stdin,
    stdout: channel.stdout,
    stderr: channel.stderr,
    ended: channel.ended,
    stop: async (pid) => {
      const gone = pid !== undefined && (await endOnHost(link, pid, sudo));
      channel.close();
      return gone;
    },
  };
}

/** sshd leaves a command running when its channel goes, and signals none of root's: so it is ended by a command beside it. */
async function endOnHost(link: Link, pid: number, sudo: boolean): Promise<boolean> {
  const text = wrapCommand(endCommand(pid), word(freshMarker()), sudo).text;
  const opening = await link.open(text, stopMilliseconds / 1000);
  if (opening.kind !== 'open') return false;
  const { stdin, stdout, stderr, ended } = opening.channel;
  stdout.resume();
  stderr.resume();
  stdin.end();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>(
    (resolve) => (timer = setTimeout(resolve, stopMilliseconds, undefined)),
  );
  const ending = await Promise.race([ended, late]);
  clearTimeout(timer);
  return ending?.exitCode === 0;
}
