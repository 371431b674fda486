import { problem, type Diagnostic } from '../model/diagnostic.ts';
import { fingerprint, keyLine, type PublicKey } from './keys.ts';
import { knownHostsName, type HostKeyEntry } from './known_hosts.ts';

/** A host that is reached over the network, as far as messages are about it. */
export interface Destination {
  readonly host: string;
  readonly address: string;
  readonly port: number;
  readonly user: string;
}

/** What a host says may be long; the view that shows it escapes the rest. */
export function bounded(text: string): string {
  return text.length > 4000 ? `${text.slice(0, 4000)}…` : text;
}

/** `hv1 (198.18.0.2 port 22)`: how messages name a host that is reached over the network. */
export function describeTarget(target: Destination): string {
  return `${target.host} (${target.address} port ${target.port})`;
}

const askTheHost =
  "Compare the fingerprint with the host's own: on its console, `ssh-keygen -lf /etc/ssh/ssh_host_…_key.pub`.";

export function hostKeyUnknown(
  target: Destination,
  key: PublicKey,
  files: readonly string[],
  others: readonly HostKeyEntry[],
  warnings: readonly Diagnostic[],
): Diagnostic {
  const detail = [
    `The host presents ${key.type} ${fingerprint(key)}.`,
    ...others.map((entry) =>
      entry.marker === 'cert-authority'
        ? `${entry.file}:${entry.line} trusts a certificate authority, which does not vouch for a plain key.`
        : `${entry.file}:${entry.line} has another type of key for it, ${entry.key.type}, which the host did not present.`,
    ),
    ...warnings.map((warning) => warning.summary),
  ];
  const line = `${knownHostsName(target.address, target.port)} ${keyLine(key)}`;
  return problem('host-key-unknown', `the key of host ${describeTarget(target)} is not known`, {
    detail: detail.join('\n'),
    hint: `${askTheHost} If it is the same, add this line to ${files[0] ?? 'a known_hosts file'}, or pin the key:`,
    copy: line,
    host: target.host,
  });
}

/** `known`: what is on record instead, a line each. */
export function hostKeyChanged(target: Destination, key: PublicKey, known: readonly string[]): Diagnostic {
  return problem(
    'host-key-changed',
    `host ${describeTarget(target)} presents another key than the one on record`,
    {
      detail: [`It presents ${key.type} ${fingerprint(key)}.`, 'On record:', ...known].join('\n'),
      hint: `Either someone stands between you and the host, or it was installed anew. ${askTheHost} Only if that is the key, replace the one on record by:`,
      copy: keyLine(key),
      host: target.host,
    },
  );
}

export function hostKeyRevoked(target: Destination, key: PublicKey, entry: HostKeyEntry): Diagnostic {
  return problem('host-key-revoked', `host ${describeTarget(target)} presents a revoked key`, {
    detail: `${key.type} ${fingerprint(key)} is revoked by ${entry.file}:${entry.line}.`,
    hint: 'Whoever holds that key may be posing as the host: do not connect. Give the host a new key, and record it.',
    host: target.host,
  });
}

export function loginRefused(
  target: Destination,
  tried: readonly string[],
  notes: readonly string[],
): Diagnostic {
  const attempts =
    tried.length === 0 ? ['No identity could be offered.'] : tried.map((one) => `Tried: ${one}.`);
  return problem('login-refused', `host ${describeTarget(target)} refuses the login of ${target.user}`, {
    detail: bounded([...attempts, ...notes].join('\n')),
    hint: `Put one of these public keys into ~${target.user}/.ssh/authorized_keys on the host, or name the right user or identity.`,
    host: target.host,
  });
}

export function identityUnreadable(host: string, what: string, reason: string, hint: string): Diagnostic {
  return problem('identity-unreadable', `${what} cannot be used: ${reason}`, { hint, host });
}

export function unreachable(target: Destination, summary: string, hint: string, detail?: string): Diagnostic {
  return problem('host-unreachable', `host ${describeTarget(target)} ${summary}`, {
    ...(detail === undefined ? {} : { detail: bounded(detail) }),
    hint,
    host: target.host,
  });
}

/** `code`: Node's name for the system error. */
export function networkProblem(target: Destination, code: string | undefined, reason: string): Diagnostic {
  const checkAddress = 'Check the address and port, and that the host is up.';
  switch (code) {
    case 'ECONNREFUSED':
      return unreachable(target, 'refuses the connection', 'Start sshd there, or correct the port.', reason);
    case 'ENOTFOUND':
      return unreachable(target, 'has a name that does not exist (DNS)', 'Correct the address.', reason);
    case 'EAI_AGAIN':
      return unreachable(
        target,
        'has a name that could not be resolved (DNS)',
        'See that DNS works here.',
        reason,
      );
    case 'ETIMEDOUT':
      return unreachable(target, 'does not answer (time-out)', checkAddress, reason);
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return unreachable(target, 'cannot be reached from here: there is no route', checkAddress, reason);
    default:
      return unreachable(target, 'cannot be reached', checkAddress, reason);
  }
}

export function connectionLost(host: string, detail: string): Diagnostic {
  return problem('connection-lost', `the connection to host ${host} was lost`, {
    detail: bounded(detail),
    hint: 'Run it again: every step checks what is there and carries on.',
    host,
  });
}

export function commandTimeout(host: string, seconds: number, detail: string): Diagnostic {
  return problem('command-timeout', `a command on host ${host} took longer than ${seconds} s`, {
    detail,
    hint: 'See what the host is busy with, or allow more time; then run it again.',
    host,
  });
}

export function outputTooLarge(host: string, bytes: number, detail: string): Diagnostic {
  return problem('output-too-large', `a command on host ${host} wrote more than ${bytes} bytes`, {
    detail,
    hint: 'Nothing Stockade runs says that much: look for something on the host that floods the output.',
    host,
  });
}

export function aborted(host: string, detail: string): Diagnostic {
  return problem('aborted', `work on host ${host} was stopped`, {
    detail,
    hint: 'Run it again to carry on from where it stopped.',
    host,
  });
}

export function channelRefused(host: string, detail: string): Diagnostic {
  return problem('channel-refused', `host ${host} opens no session on the connection`, {
    detail: bounded(detail),
    hint: "Look at MaxSessions and ForceCommand in the host's sshd_config.",
    host,
  });
}

/** The command never started as root. `stderr` is what sudo or the login shell said; hostile until a view escapes it. */
export function notStarted(
  host: string,
  sudo: boolean,
  exitCode: number | undefined,
  stderr: string,
  stdout: string,
): Diagnostic {
  const said = [stderr, stdout].map((text) => text.trim()).find((text) => text !== '');
  const detail = `Exit status ${exitCode ?? 'unknown'}${said === undefined ? '' : `: ${said}`}`;
  if (!sudo) {
    return problem('shell-refused', `host ${host} did not run the command`, {
      detail,
      hint: 'The login shell or a forced command stands in the way: root needs a shell that runs `sh -c`.',
      host,
    });
  }
  const summary = /password is required|terminal is required|askpass/.test(stderr)
    ? `sudo on host ${host} asks for a password`
    : exitCode === 127
      ? `host ${host} has no sudo`
      : `sudo on host ${host} refuses to run commands as root`;
  return problem('sudo-refused', summary, {
    detail,
    hint: 'Allow it in /etc/sudoers.d on the host: `USER ALL=(root) NOPASSWD: ALL`, or log in as root.',
    host,
  });
}

export function notRoot(host: string, sudo: boolean): Diagnostic {
  return problem('not-root', `commands on host ${host} do not run as root`, {
    hint: sudo
      ? "sudo's default user on the host is not root: allow `(root)` in its sudoers."
      : 'Log in as root, or switch sudo on for this host.',
    host,
  });
}

export function inputFailed(host: string, reason: string): Diagnostic {
  return problem('input-failed', `what was to be sent to host ${host} could not be read: ${reason}`, {
    hint: 'See that the files to upload are there and do not change meanwhile; then run it again.',
    host,
  });
}
