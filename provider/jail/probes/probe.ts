import type { LayerName } from '../../model/evidence.ts';
import type { RowKind } from './interpreter.ts';
import type { ErrorName, SignalName, SyscallName } from './syscalls.ts';

/** One argument of a system call, or of another kind of row. */
export type Argument =
  | number
  | bigint
  /** A pointer to text that ends in NUL, or to these bytes. */
  | { readonly at: string | Uint8Array }
  /** A pointer to so many bytes of zeros, the probe's own. */
  | { readonly scratch: string; readonly bytes: number; readonly offset?: number }
  /** What an earlier step of the same probe gave; by its index. */
  | { readonly result: number }
  /** Something the host has to tell. */
  | { readonly parameter: ParameterName };

/**
 * What a host tells its canaries: a process outside of the jail (its pid), addresses of listening sockets of its own (by its
 * address and by loopback, as sockaddr_in), and a request for one of its network interfaces (as rtnetlink has it).
 */
export const parameters = {
  outsider: { offset: 0, bytes: 8, pointer: false },
  ownAddress: { offset: 8, bytes: 16, pointer: true },
  loopback: { offset: 24, bytes: 16, pointer: true },
  interfaceRequest: { offset: 40, bytes: 52, pointer: true },
} as const;
export type ParameterName = keyof typeof parameters;
/** Where in the request for an interface its name stands, ended and filled up with NULs. */
export const interfaceName = { offset: parameters.interfaceRequest.offset + 36, bytes: 16 } as const;

/** One thing the canary does. */
export interface Step {
  /** @default 'call' */
  readonly kind?: RowKind;
  /** A system call, or a number where it has none of its own. Without meaning for `touch` and `peek`. */
  readonly call: SyscallName | number;
  readonly arguments?: readonly Argument[];
  /** @default 1 */
  readonly count?: number;
  /** Added to the first argument at each repetition. @default 0 */
  readonly step?: number;
}

export type Stopper = LayerName | 'kernel';
export type Observation = ErrorName | SignalName;

/** Something that an attacker who has taken over a device model would try. */
export interface Probe {
  /** Kebab-case, unique. */
  readonly name: string;
  /** What is tried, for people. */
  readonly tries: string;
  /** The layer that is to stop it. */
  readonly layer: LayerName;
  readonly steps: readonly Step[];
  /** The step whose result decides. @default the last */
  readonly decides?: number;
  /** Which layer it was, by what was observed. Anything else proves nothing. */
  readonly stoppedBy: Readonly<Partial<Record<Observation, Stopper>>>;
  /**
   * What else than success shows that it got through: errors that come after all checks. `any`: all but what is in `stoppedBy`
   * (the attempt is to be refused whatever it asks for).
   * @default none
   */
  readonly through?: readonly ErrorName[] | 'any';
  /** Of the deciding result, where success is a certain value (setfsuid says who one was). @default any that is no error */
  readonly success?: bigint;
  /** It needs a canary of its own: the jail kills the process for it, or it changes what others need. @default false */
  readonly alone?: boolean;
  /** A kernel may kill an unconfined process for it too: its control runs apart. @default false */
  readonly controlApart?: boolean;
  /** Why it is no fault that it gets through; a reason for people. */
  readonly accepted?: string;
  /** The cgroup controller without which the host enforces no such limit: the probe is then not run. */
  readonly controller?: string;
}
