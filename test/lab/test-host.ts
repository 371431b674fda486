import type { HostCommand } from './host.ts';
import type { CommandOptions, CommandOutput } from './process.ts';

/** What a test host is to those who only log in to it: a container (`LabHost`) or a machine with a kernel of its own (`VmHost`). */
export interface TestHost {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly user: string;
  /** Private key of that user. */
  readonly keyFile: string;
  readonly knownHostsFile: string;
  /** Type and key, ed25519 first. */
  readonly hostPublicKeys: readonly string[];
  /** Runs a command as root. */
  exec(command: HostCommand, options?: CommandOptions): Promise<CommandOutput>;
  /** Like `exec`, but throws unless the command succeeded; returns its stdout. */
  run(command: HostCommand, options?: CommandOptions): Promise<string>;
  /** What a file on it holds. */
  read(pathOnHost: string): Promise<Buffer>;
  /** Writes a file on it, with its directories. @default mode 0644 */
  write(pathOnHost: string, content: string | Buffer, mode?: number): Promise<void>;
}
