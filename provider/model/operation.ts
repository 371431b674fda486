import type { Address } from './address.ts';
import type { ShellText } from './shell.ts';

/**
 * One convergent step on a host: check, act, check again. Run any number of times it ends in the same state.
 *
 * Its body is the body of a POSIX sh function, run with `set -eu` in a subshell, stdin from /dev/null, the host's lock not
 * inherited, stdout and stderr captured (bounded). The executor's prelude gives it these functions:
 *   changed            something was altered (else the step reports `same`)
 *   give KEY VALUE     hands a value back (bounded, encoded)
 *   refuse CODE TEXT   ends the step: a precondition does not hold; nothing was touched
 *   fail CODE TEXT     ends the step: it was tried and did not work
 *   expect_record FILE OWNER GENERATION, record_read FILE, record_write FILE KEY VALUE…   (see model/record.ts)
 * Any other non-zero exit is a failure with code `step-failed` and the captured output.
 */
export interface Operation {
  /** Unique within a batch, e.g. `guest web1 on hv1: launcher`. Shown to people, so in their words. */
  readonly id: string;
  readonly address: Address;
  /** Ids that must have ended well (or done nothing) before; otherwise this one is `skipped`. Ids not in the batch are ignored. */
  readonly needs: readonly string[];
  /** Ids that come first, however they end. Ids not in the batch are ignored. @default none */
  readonly after?: readonly string[];
  readonly step: OwnStep | CollectiveStep;
}

export interface OwnStep {
  readonly kind: 'own';
  readonly body: ShellText;
  /** Bytes streamed after the script; the body reads them, in order, by `receive INDEX DIRECTORY NAME [MODE]`
   * (mode 0600 unless given; the directory is root's). One that is not received is passed over. */
  readonly uploads?: readonly Upload[];
}

/**
 * A step that many operations share (one `systemctl start` for all guests of a batch). Members of the same name and the
 * same dependency level run as one body with all members' `argument`s as "$@". The body reports each member by
 * `member_changed ARG`, `member_same ARG` or `member_fail ARG CODE TEXT`; a member not reported has failed.
 * `member_give ARG KEY VALUE` hands a value back for one of them. A `refuse` or `fail` holds for all not reported yet.
 */
export interface CollectiveStep {
  readonly kind: 'collective';
  readonly name: string;
  readonly body: ShellText;
  readonly argument: string;
}

export interface Upload {
  /** Size in bytes; the stream must yield exactly as many. */
  readonly bytes: number;
  readonly sha256: string;
  open(): AsyncIterable<Uint8Array>;
}

export type OperationStatus = 'same' | 'changed' | 'refused' | 'failed' | 'skipped' | 'unknown';

/** How one operation ended. `unknown`: the connection or the script ended before its result line came. */
export interface OperationResult {
  readonly id: string;
  readonly status: OperationStatus;
  /** What `give` handed back. */
  readonly values: Readonly<Record<string, string>>;
  /** Code of `refuse` or `fail`, or `step-failed`, `dependency-failed`, `no-result`. Absent when it went well. */
  readonly code?: string;
  /** Message of `refuse` or `fail`; hostile until shown through an escaping view. */
  readonly message?: string;
  /** Captured stdout and stderr, bounded to 8 KiB. */
  readonly output: string;
  readonly milliseconds: number;
}

/**
 * A part of an observation: a sh function body run with `"$@"` = the union of all requests' arguments of the same name,
 * whose stdout (bounded) comes back as bytes. It must fork a constant number of processes, whatever the number of arguments.
 * It runs with `set -u`; only an explicit `exit N` or `return N` makes it fail. `record_read FILE` is there (see model/record.ts).
 */
export interface ReadSection {
  readonly name: string;
  readonly body: ShellText;
  readonly arguments: readonly string[];
  /** It travels as a gzip stream, where the host has gzip: for what is long and says much the same many times. @default false */
  readonly packed?: boolean;
}
