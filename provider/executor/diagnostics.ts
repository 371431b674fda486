import { problem, type Diagnostic } from '../model/diagnostic.ts';
import type { ExecOutput } from '../connect/connection.ts';

const runAgain = 'Run it again: every step checks what is there and carries on.';

/** Why the host's side of a batch stopped before it ran anything. `detail` comes from the host. */
export function stopped(host: string, code: string, detail: string): Diagnostic {
  switch (code) {
    case 'not-root':
      return problem(code, `commands on host ${host} do not run as root`, {
        detail,
        hint: 'Log in as root, or set sudo = true for this host.',
        host,
      });
    case 'host-busy':
      return problem(code, `host ${host} is locked by someone else's batch`, {
        detail: detail === '' ? 'Nothing says by whom.' : `Locked by: ${detail}`,
        hint: 'Wait until that has ended, then try again. The lock goes with the process that holds it.',
        host,
      });
    case 'program-missing':
      return problem(code, `host ${host} has no program "${detail}"`, {
        hint: 'Install coreutils and util-linux on the host.',
        host,
      });
    case 'run-directory':
      return problem(code, `${detail} on host ${host} is not a directory of root's`, {
        hint: 'See who made it, and remove it if nothing uses it.',
        host,
      });
    default:
      return problem(code, `host ${host} gave no way to work: ${code}`, {
        detail,
        hint: 'See whether /run on the host is writable and has room.',
        host,
      });
  }
}

export function scriptIncomplete(host: string, stderr: string): Diagnostic {
  return problem('script-incomplete', `the script did not reach host ${host} as a whole; nothing was run`, {
    detail: stderr,
    hint: "Try again; if it happens every time, see whether the host has coreutils' head.",
    host,
  });
}

/** The batch did not come to its end, and nothing said why. */
export function cutShort(host: string, output: ExecOutput): Diagnostic {
  if (output.interrupted) {
    return problem('connection-lost', `the connection to host ${host} was lost during a batch`, {
      hint: runAgain,
      host,
    });
  }
  const how = output.signal === undefined ? `exit status ${output.exitCode ?? 'unknown'}` : output.signal;
  return problem('batch-cut-short', `a batch on host ${host} ended before its end (${how})`, {
    detail: Buffer.from(output.stderr).toString('utf8'),
    hint: `See what ended it on the host (memory, disk). ${runAgain}`,
    host,
  });
}

export function protocolBroken(host: string, what: string): Diagnostic {
  return problem('protocol-error', `host ${host} answered in a way no batch does`, {
    detail: what,
    hint: 'Something on the host alters what commands print. What was done there is not known: look, then run it again.',
    host,
  });
}

export function sectionFailed(host: string, name: string, exitCode: number, stderr: string): Diagnostic {
  return problem('section-failed', `host ${host} could not be read: ${name} ended with ${exitCode}`, {
    detail: stderr,
    hint: 'See the detail for what is wrong on the host.',
    host,
    step: name,
  });
}

export function sectionCut(host: string, name: string, limitBytes: number): Diagnostic {
  return problem('section-truncated', `host ${host} could not be read: ${name} was cut off`, {
    detail: `It printed more than ${limitBytes} bytes, or was ended.`,
    hint: 'See whether something floods the host with files, processes or output.',
    host,
    step: name,
  });
}

export function sectionMissing(host: string, name: string): Diagnostic {
  return problem('section-missing', `host ${host} gave no answer to ${name}`, {
    hint: runAgain,
    host,
    step: name,
  });
}

export function sessionClosed(host: string): Diagnostic {
  return problem('session-closed', `the session with host ${host} is closed`, { host });
}

/** Codes of those failures that say that a host is silent, rather than that it answers wrongly. */
const silence: ReadonlySet<string> = new Set(['host-unreachable', 'connection-lost', 'command-timeout']);

export function isSilent(diagnostics: readonly Diagnostic[]): boolean {
  const errors = diagnostics.filter((diagnostic) => diagnostic.severity === 'error');
  return errors.length > 0 && errors.every((diagnostic) => silence.has(diagnostic.code));
}
