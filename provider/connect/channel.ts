import type { ClientChannel } from 'ssh2';
import { word } from '../model/shell.ts';
import type { Link } from './dial.ts';
import { messageOf } from './paths.ts';
import { freshMarker, type Ending, type Running } from './supervise.ts';
import { endCommand, wrapCommand } from './wrap.ts';

/** A channel on which the command was started. */
export interface OpenChannel {
  readonly kind: 'open';
  readonly channel: ClientChannel;
  readonly ended: Promise<Ending>;
}

/** What became of the wish to run a command on a link. */
export type Opening =
  | OpenChannel
  /** The connection is gone; the command was certainly not sent. */
  | { readonly kind: 'dead'; readonly reason: string }
  /** The host would not; the connection stands. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** It was sent, and the connection is gone: it may have run. */
  | { readonly kind: 'unknown'; readonly reason: string };

const stopMilliseconds = 5000;

/** Opens a channel and asks for the command on it. A link that does not answer in time is dropped. */
export async function openChannel(link: Link, commandText: string, timeoutSeconds: number): Promise<Opening> {
  let sent = false;
  // ssh2 needs the environment between the channel's confirmation and the request to run the command. That it asks for it
  // is the one sign that the command may be on its way; before that, it certainly is not.
  const options = {
    get env() {
      sent = true;
      return {};
    },
  };
  return await new Promise<Opening>((resolve) => {
    const timer = setTimeout(() => {
      link.destroy();
      resolve({ kind: sent ? 'unknown' : 'dead', reason: `no answer within ${timeoutSeconds} s` });
    }, timeoutSeconds * 1000);
    const settle = (opening: Opening) => {
      clearTimeout(timer);
      resolve(opening);
    };
    try {
      link.client.exec(commandText, options, (error, channel) => {
        if (error === undefined) settle(onOpen(channel, link));
        else if (link.lost !== undefined) settle({ kind: sent ? 'unknown' : 'dead', reason: link.lost });
        else settle({ kind: 'refused', reason: error.message });
      });
    } catch (error) {
      settle({ kind: 'dead', reason: link.lost ?? messageOf(error) });
    }
  });
}

/** Listens at once: a short command's exit status may be in the very packet that tells of its start. */
function onOpen(channel: ClientChannel, link: Link): OpenChannel {
  channel.on('error', () => undefined);
  channel.stderr.on('error', () => undefined);
  return { kind: 'open', channel, ended: endOf(channel, link) };
}

/** A command on an open channel, as `supervise` wants it. */
export function runningOn({ channel, ended }: OpenChannel, link: Link, sudo: boolean): Running {
  return {
    stdin: channel,
    stdout: channel,
    stderr: channel.stderr,
    ended,
    stop: async (pid) => {
      const gone = pid !== undefined && (await endOnHost(link, pid, sudo));
      channel.close();
      return gone;
    },
  };
}

async function endOf(channel: ClientChannel, link: Link): Promise<Ending> {
  let exitCode: number | undefined;
  let signal: string | undefined;
  channel.on('exit', (code: number | null, name?: string) => {
    exitCode = code ?? undefined;
    signal = name;
  });
  await Promise.all([
    new Promise((resolve) => channel.once('close', resolve)),
    new Promise((resolve) => channel.stderr.once('close', resolve)),
  ]);
  // Output may follow the exit status: it is whole only when the host itself closed the channel.
  const own = exitCode !== undefined || signal !== undefined;
  return {
    exitCode,
    signal,
    interrupted: link.lost ?? (own ? undefined : 'the channel closed without an exit status'),
  };
}

/** sshd leaves a command running when its channel goes, and signals none of root's: so it is ended by a command beside it. */
async function endOnHost(link: Link, pid: number, sudo: boolean): Promise<boolean> {
  const text = wrapCommand(endCommand(pid), word(freshMarker()), sudo).text;
  const opening = await openChannel(link, text, stopMilliseconds / 1000);
  if (opening.kind !== 'open') return false;
  const { channel, ended } = opening;
  channel.resume();
  channel.stderr.resume();
  channel.end();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>(
    (resolve) => (timer = setTimeout(resolve, stopMilliseconds, undefined)),
  );
  const ending = await Promise.race([ended, late]);
  clearTimeout(timer);
  return ending?.exitCode === 0;
}
