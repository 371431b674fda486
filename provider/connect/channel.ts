import type { Client, ClientChannel } from 'ssh2';
import type { HostChannel, Opening } from './link.ts';
import { messageOf } from './paths.ts';
import type { Ending } from './supervise.ts';

/** A client of the ssh2 package that is logged in. */
export interface Session {
  readonly client: Client;
  readonly lost: string | undefined;
  destroy(): void;
}

/** Opens a channel and asks for the command on it. A session that does not answer in time is dropped. */
export async function openChannel(
  session: Session,
  commandText: string,
  timeoutSeconds: number,
): Promise<Opening> {
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
      session.destroy();
      resolve({ kind: sent ? 'unknown' : 'dead', reason: `no answer within ${timeoutSeconds} s` });
    }, timeoutSeconds * 1000);
    const settle = (opening: Opening) => {
      clearTimeout(timer);
      resolve(opening);
    };
    try {
      session.client.exec(commandText, options, (error, channel) => {
        if (error === undefined) settle({ kind: 'open', channel: onOpen(channel, session) });
        else if (session.lost !== undefined)
          settle({ kind: sent ? 'unknown' : 'dead', reason: session.lost });
        else settle({ kind: 'refused', reason: error.message });
      });
    } catch (error) {
      settle({ kind: 'dead', reason: session.lost ?? messageOf(error) });
    }
  });
}

/** Listens at once: a short command's exit status may be in the very packet that tells of its start. */
function onOpen(channel: ClientChannel, session: Session): HostChannel {
  channel.on('error', () => undefined);
  channel.stderr.on('error', () => undefined);
  return {
    stdin: channel,
    stdout: channel,
    stderr: channel.stderr,
    ended: endOf(channel, session),
    close: () => channel.close(),
  };
}

async function endOf(channel: ClientChannel, session: Session): Promise<Ending> {
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
    interrupted: session.lost ?? (own ? undefined : 'the channel closed without an exit status'),
  };
}
