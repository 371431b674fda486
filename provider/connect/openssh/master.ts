import type { Diagnostic } from '../../model/diagnostic.ts';
import type { Link } from '../link.ts';
import { atExit, signal } from './at-exit.ts';
import { Channels } from './channels.ts';
import type { ProxySocket } from './mux.ts';

export interface MasterSettings {
  readonly warnings: readonly Diagnostic[];
  /** What the program said last, for a connection that ended by itself. */
  readonly lastWords: () => string | undefined;
  /** Called once, when it is gone. */
  readonly onGone: () => void;
}

const leaveMilliseconds = 1000;

/** A link over an ssh in the background, whose only client we are. It never outlives us for long: see `persistSeconds`. */
export function linkOver({ socket, pid, listen }: ProxySocket, settings: MasterSettings): Link {
  const channels = new Channels(socket);
  let lost: string | undefined;
  let isGone = false;
  /** While its socket stands, the process is there and its number is its own. */
  const kill = (name: NodeJS.Signals) => {
    if (!isGone) signal(pid, name);
  };
  const destroy = (reason: string) => {
    lost ??= reason;
    kill('SIGKILL');
    socket.destroy();
  };
  const forget = atExit(() => kill('SIGKILL'));
  listen(
    (message) => channels.take(message),
    (reason) => destroy(`it sent what nobody can read: ${reason}`),
  );
  const gone = new Promise<void>((resolve) => {
    socket.on('close', () => {
      isGone = true;
      lost ??= settings.lastWords() ?? 'the ssh program ended';
      channels.lose(lost);
      forget();
      settings.onGone();
      resolve();
    });
  });
  return {
    get lost() {
      return lost;
    },
    warnings: settings.warnings,
    open: (commandText, timeoutSeconds) =>
      channels.open(commandText, timeoutSeconds, () => destroy(`no answer within ${timeoutSeconds} s`)),
    destroy: () => destroy('it was given up'),
    end: async () => {
      lost ??= 'it was closed';
      kill('SIGTERM');
      const force = setTimeout(() => destroy('it was closed'), leaveMilliseconds);
      await gone;
      clearTimeout(force);
    },
  };
}
