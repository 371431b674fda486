import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface SshPlace {
  readonly keyFile: string;
  readonly knownHosts: string;
  readonly port: number;
  /** A socket that keeps one connection for all commands. @default a connection for each */
  readonly controlPath?: string;
}

/** What comes before the command: to root of the machine behind this port, its key known beforehand, nothing asked. */
export function sshArguments({ keyFile, knownHosts, port, controlPath }: SshPlace): readonly string[] {
  const options = [
    'BatchMode=yes',
    'IdentitiesOnly=yes',
    'StrictHostKeyChecking=yes',
    `UserKnownHostsFile=${knownHosts}`,
    ...(controlPath === undefined
      ? []
      : ['ControlMaster=auto', `ControlPath=${controlPath}`, 'ControlPersist=60']),
  ];
  return [
    '-F',
    'none',
    '-i',
    keyFile,
    '-p',
    String(port),
    ...options.flatMap((one) => ['-o', one]),
    'root@127.0.0.1',
    '--',
  ];
}

/** Writes the machine's keys where ssh looks for them; returns the file. */
export function writeKnownHosts(directory: string, port: number, keys: readonly string[]): string {
  const file = join(directory, 'known_hosts');
  writeFileSync(file, keys.map((key) => `[127.0.0.1]:${port} ${key}\n`).join(''));
  return file;
}
