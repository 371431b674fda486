import { failure, problem, type Result, success } from '../../model/diagnostic.ts';
import { sh, type ShellText, word } from '../../model/shell.ts';

/** How long a monitor may take to answer, and how much of what it says is read. */
const answerSeconds = 5;
const maxAnswerBytes = 65536;

/** A monitor command; its arguments become JSON. */
export interface QmpCommand {
  readonly execute: string;
  readonly arguments?: Readonly<Record<string, string | number | boolean>>;
}

/**
 * Functions to talk with a guest's monitor over its FIFOs; nothing waits for ever, nothing is read without end, nobody else
 * speaks meanwhile.
 *   stockade_qmp DIRECTORY TOKEN COMMAND...   DIRECTORY of the FIFOs; TOKEN of hexadecimal digits; COMMANDs as JSON.
 *     Prints what the monitor says until it answers the last command (whose id is TOKEN). 1 where there is no monitor.
 */
export const qmpFunctions: ShellText = sh`stockade_qmp() (
  [ -p "$1/qmp.in" ] && [ -p "$1/qmp.out" ] || exit 1
  # opened both ways: a FIFO whose other side has gone does not hold anybody up
  exec 3<>"$1/qmp.in" 4<>"$1/qmp.out"
  flock -w ${answerSeconds} 4 || exit 1
  token=$2
  shift 2
  timeout ${answerSeconds} sh -c 'printf "%s\\n" "$@" >&3' sh '{"execute":"qmp_capabilities"}' "$@" || exit 1
  (
    ulimit -v 131072
    exec timeout ${answerSeconds} sed -u "/\\"$token\\"/q" <&4
  ) | head -c ${maxAnswerBytes}
)`;

/** Shell text that asks a monitor; the answers to `commands` are numbered TOKEN-0, TOKEN-1 …, the last is TOKEN itself. */
export function qmpCall(directory: string, token: string, commands: readonly QmpCommand[]): ShellText {
  if (!/^[0-9a-f]{8,64}$/.test(token)) throw new Error('a monitor token is 8 to 64 hexadecimal digits');
  const lines = commands.map((command, index) =>
    word(JSON.stringify({ ...command, id: index === commands.length - 1 ? token : `${token}-${index}` })),
  );
  return lines.reduce((all, line) => sh`${all} ${line}`, sh`stockade_qmp ${word(directory)} ${word(token)}`);
}

export type QmpReply =
  | { readonly kind: 'greeting' }
  | { readonly kind: 'return'; readonly id: string | undefined; readonly value: unknown }
  | {
      readonly kind: 'error';
      readonly id: string | undefined;
      readonly class: string;
      readonly description: string;
    }
  | { readonly kind: 'event'; readonly name: string; readonly data: unknown };

/** What a monitor said, line by line; what is no message of the protocol is left out, as is a last line cut short. */
export function parseQmpReplies(bytes: Uint8Array): readonly QmpReply[] {
  const text = new TextDecoder().decode(bytes.subarray(0, maxAnswerBytes));
  return text.split('\n').flatMap((line) => parseReply(line) ?? []);
}

function parseReply(line: string): QmpReply | undefined {
  const message = parseObject(line);
  if (message === undefined) return undefined;
  const id = typeof message.get('id') === 'string' ? (message.get('id') as string) : undefined;
  if (message.has('QMP')) return { kind: 'greeting' };
  if (message.has('return')) return { kind: 'return', id, value: message.get('return') };
  const event = message.get('event');
  if (typeof event === 'string') return { kind: 'event', name: event, data: message.get('data') };
  const error = entries(message.get('error'));
  if (error === undefined) return undefined;
  return {
    kind: 'error',
    id,
    class: asText(error.get('class')),
    description: asText(error.get('desc')),
  };
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value.slice(0, 1024) : '';
}

function parseObject(line: string): ReadonlyMap<string, unknown> | undefined {
  try {
    return entries(JSON.parse(line));
  } catch {
    return undefined;
  }
}

/** As a map: a key called `__proto__` is one like any other. */
function entries(value: unknown): ReadonlyMap<string, unknown> | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return new Map(Object.entries(value));
}

/** The answer to the command with this id. */
export function qmpAnswer(replies: readonly QmpReply[], id: string): Result<unknown> {
  for (const reply of replies) {
    if (reply.kind === 'return' && reply.id === id) return success(reply.value);
    if (reply.kind === 'error' && reply.id === id) {
      return failure(
        problem('qmp-refused', `QEMU refused a monitor command: ${reply.description || reply.class}`),
      );
    }
  }
  return failure(
    problem('qmp-silent', 'QEMU did not answer on its monitor.', {
      hint: 'Look at the guest: it may hang or be ending. Its stderr log may say why.',
    }),
  );
}
