import { problem, type Diagnostic } from '../../model/diagnostic.ts';
import { bounded, describeTarget, type Destination, networkProblem, unreachable } from '../diagnostics.ts';
import type { Phase, Told } from './log.ts';

/** Why a run of the program came to nothing. */
export interface Failure {
  readonly told: Told;
  /** What jump hosts' programs said. */
  readonly onTheWay: readonly string[];
  /** We ended it when its time was up. */
  readonly isLate: boolean;
}

/** What a failure is; the caller has more to say of a refused login and of a host's key. */
export type Verdict =
  | { readonly kind: 'host-key' }
  | { readonly kind: 'login-refused'; readonly reason: string }
  | { readonly kind: 'told'; readonly diagnostic: Diagnostic };

const keyFault = /Host key verification failed|IDENTIFICATION HAS CHANGED|REVOKED HOST KEY|strict checking/;
const loginFault = /Permission denied \(|Too many authentication failures|no mutual signature/;
const configFault =
  /Bad configuration option|[Bb]ad configuration options|Bad owner or permissions|line \d+: |[Mm]issing argument|Unsupported option|invalid quotes|keyword .* extra arguments/;

export function judge(to: Destination, connectTimeoutSeconds: number, failure: Failure): Verdict {
  const { told, onTheWay, isLate } = failure;
  const { phase, words } = told;
  const said = words.join('\n');
  const tell = (diagnostic: Diagnostic): Verdict => ({ kind: 'told', diagnostic });
  if (isLate) return tell(timedOut(to, phase, connectTimeoutSeconds, onTheWay));
  if (phase === 'resolving' && configFault.test([...words, ...onTheWay].join('\n'))) {
    return tell(configurationRefused(to, [...words, ...onTheWay].join('\n')));
  }
  if (phase === 'proxy') return tell(lostOnTheWay(to, onTheWay, said));
  if (keyFault.test(said)) return { kind: 'host-key' };
  if (phase === 'login' || loginFault.test(said)) {
    return { kind: 'login-refused', reason: words.at(-1) ?? 'nothing' };
  }
  if (phase === 'handshake' || phase === 'ready') {
    return tell(
      unreachable(
        to,
        'does not complete the SSH handshake',
        'See that an SSH server with current algorithms listens there, and what its log says.',
        said,
      ),
    );
  }
  return tell(networkProblem(to, networkCode(said), said));
}

/** Messages of the C library, as ssh quotes them, and Node's names for the same errors. */
const networkCodes: readonly (readonly [RegExp, string])[] = [
  [/Connection refused/, 'ECONNREFUSED'],
  [
    /Name or service not known|nodename nor servname|No address associated|Name does not resolve/,
    'ENOTFOUND',
  ],
  [/Temporary failure in name resolution|Try again/, 'EAI_AGAIN'],
  [/timed out/, 'ETIMEDOUT'],
  [/No route to host|Network is unreachable/, 'EHOSTUNREACH'],
];

function networkCode(said: string): string | undefined {
  return networkCodes.find(([pattern]) => pattern.test(said))?.[1];
}

function timedOut(to: Destination, phase: Phase, seconds: number, onTheWay: readonly string[]): Diagnostic {
  const waited = `within ${seconds} s`;
  const doing: Readonly<Record<Phase, string>> = {
    resolving: `has a name that was not resolved ${waited} (time-out)`,
    connecting: `does not answer ${waited} (time-out)`,
    proxy: `is not reached through its jump host ${waited} (time-out)`,
    handshake: `accepts connections but does not complete the SSH handshake ${waited} (time-out)`,
    login: `does not complete the login ${waited} (time-out)`,
    ready: `does not answer ${waited} (time-out)`,
  };
  return unreachable(
    to,
    doing[phase],
    'See that the host is up, and that no firewall or overload stands in the way.',
    onTheWay.length === 0 ? undefined : onTheWay.join('\n'),
  );
}

/** What stands between us and the host failed: its own words say why. */
function lostOnTheWay(to: Destination, onTheWay: readonly string[], said: string): Diagnostic {
  const words = onTheWay.length === 0 ? said : onTheWay.join('\n');
  const more = (hint: string) => ({ detail: bounded(words), hint, host: to.host });
  if (keyFault.test(words)) {
    const changed = /HAS CHANGED|REVOKED/.test(words);
    return problem(
      changed ? 'host-key-changed' : 'host-key-unknown',
      `the key of a jump host on the way to host ${describeTarget(to)} ${changed ? 'has changed' : 'is not known'}`,
      more(
        "Compare its fingerprint with the jump host's own; if it is the same, put its key into the known_hosts file that is used for this host.",
      ),
    );
  }
  if (loginFault.test(words)) {
    return problem(
      'login-refused',
      `a jump host on the way to host ${describeTarget(to)} refuses the login`,
      more("Name its user with it (`USER@HOST`) or in ssh's configuration, and an identity that it takes."),
    );
  }
  return unreachable(
    to,
    'is not reached through its jump host',
    'See that the jump host is up, lets connections through (AllowTcpForwarding), and reaches the host itself.',
    words,
  );
}

function configurationRefused(to: Destination, words: string): Diagnostic {
  return problem('ssh-config-refused', `the ssh program refuses its configuration for host ${to.host}`, {
    detail: bounded(words),
    hint: 'Mend that file (`ssh -G HOST` reads it without connecting), or name another file for this host.',
    host: to.host,
  });
}

export function programMissing(host: string, reason: string): Diagnostic {
  return problem('ssh-missing', `the ssh program that reaches host ${host} cannot be started: ${reason}`, {
    hint: "Install OpenSSH's client here (Debian: `apt-get install openssh-client`), or set the host's `connection` to `ssh2`, which needs no program.",
    host,
  });
}

export function notMultiplexed(host: string, reason: string): Diagnostic {
  return problem('ssh-unsuitable', `the ssh program cannot carry several commands to host ${host}`, {
    detail: bounded(reason),
    hint: 'It has to be OpenSSH 7.6 or later: `ssh -V` says what it is. Or set its `connection` to `ssh2`, which needs no program.',
    host,
  });
}

export function argumentRefused(host: string, what: string, value: string, rule: string): Diagnostic {
  return problem('ssh-argument-refused', `the ${what} of host ${host} ${rule}`, {
    detail: JSON.stringify(value.slice(0, 120)),
    hint: 'The ssh program could take anything else for an option or a command.',
    host,
  });
}
