/** How far the program had come. `proxy`: it waits for a jump host, or a command of its configuration, to bring it to the host. */
export type Phase = 'resolving' | 'connecting' | 'proxy' | 'handshake' | 'login' | 'ready';

/** What the program says of a connection at log level DEBUG1. Hosts have a say in it: good for messages, and for nothing else. */
export interface Told {
  readonly phase: Phase;
  /** The host as its configuration has it. */
  readonly name?: string;
  readonly port?: number;
  readonly user?: string;
  readonly hostKey?: { readonly type: string; readonly fingerprint: string };
  /** Keys that it offered: `/root/.ssh/id_ed25519 ED25519 SHA256:…`. */
  readonly offered: readonly string[];
  /** What it says to people, a line each. */
  readonly words: readonly string[];
}

/** Lines as of OpenSSH 8.4 to 10.0; a later mark stands for a later phase. */
const marks: readonly (readonly [RegExp, Phase])[] = [
  [/^debug1: Connecting to /, 'connecting'],
  [/^debug1: Executing proxy /, 'proxy'],
  [/^debug1: (?:Connection established|Remote protocol version)/, 'handshake'],
  [/^debug1: SSH2_MSG_NEWKEYS received/, 'login'],
  [/^Authenticated to /, 'ready'],
];

const noise =
  /^(?:debug\d: |OpenSSH_|Authenticated |\*\* |Transferred: |Bytes per second: |@+$|Pseudo-terminal will not )/;

export function readLog(text: string): Told {
  const lines = linesOf(text);
  const first = (pattern: RegExp) => lines.map((line) => pattern.exec(line)).find((found) => found !== null);
  const reached = marks.filter(([mark]) => lines.some((line) => mark.test(line))).map(([, phase]) => phase);
  const connecting = first(/^debug1: Connecting to (\S{1,255}) (?:\[\S*\] )?port (\d{1,5})/);
  const login = first(/^debug1: Authenticating to (\S{1,255}):(\d{1,5}) as '([^']{0,255})'/);
  const key = first(/^debug1: Server host key: (\S{1,80}) (SHA256:\S{1,64})/);
  const name = login?.[1] ?? connecting?.[1];
  const port = login?.[2] ?? connecting?.[2];
  return {
    phase: reached.at(-1) ?? 'resolving',
    ...(name === undefined ? {} : { name }),
    ...(port === undefined ? {} : { port: Number(port) }),
    ...(login?.[3] === undefined ? {} : { user: login[3] }),
    ...(key?.[1] === undefined || key[2] === undefined
      ? {}
      : { hostKey: { type: key[1], fingerprint: key[2] } }),
    offered: lines.flatMap((line) => {
      const key = /^debug1: Offering public key: (.{1,500})/.exec(line)?.[1];
      return key === undefined ? [] : [`key ${key}`];
    }),
    words: lines.filter((line) => !noise.test(line)),
  };
}

/** Its last words, for a connection that ended. */
export function lastWordsOf(text: string): string | undefined {
  return readLog(text).words.at(-1);
}

function linesOf(text: string): readonly string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}
