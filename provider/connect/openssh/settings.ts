import { resolve } from 'node:path';
import { expandHome } from '../paths.ts';
import type { OpensshTarget } from '../target.ts';
import type { Round } from './login.ts';
import type { Place } from './place.ts';

/** A master whose last client is gone ends after this long: that is the life of one whose Stockade was killed. */
export const persistSeconds = 10;

/** Files of one attempt, by the plain names they have in its directory. */
export const files = {
  config: 'config',
  log: 'log',
  socket: 'socket',
  agent: 'agent',
  pinned: 'pinned',
  presented: 'presented',
} as const;

/** What the installed program knows. */
export interface Program {
  /** OpenSSH 8.5: a command of the user's configuration that knows further keys of hosts. */
  readonly hasKnownHostsCommand: boolean;
}

/** One run of the program. */
export interface Run {
  readonly target: OpensshTarget;
  readonly place: Place;
  /** What it logs in with; left out: what its own configuration says. */
  readonly round: Round | undefined;
  readonly program: Program;
}

/**
 * What holds for the host and for every host on the way to it: a jump host is reached by another ssh, which sees nothing but this file. The
 * first value of an option counts, so what stands before the user's configuration is final.
 */
export function sshConfig(run: Run): string {
  const { target } = run;
  const lines = [
    'BatchMode yes',
    'StrictHostKeyChecking yes',
    'NoHostAuthenticationForLocalhost no',
    'UpdateHostKeys no',
    'VisualHostKey no',
    'FingerprintHash sha256',
    'LogLevel ERROR',
    `ConnectTimeout ${target.connectTimeoutSeconds}`,
    'ServerAliveInterval 10',
    'ServerAliveCountMax 3',
    // A jump host may be reached over a master that is there already, and never gets one that stays.
    'ControlMaster no',
    'ClearAllForwardings yes',
    'ForwardAgent no',
    'ForwardX11 no',
    'Tunnel no',
    'PermitLocalCommand no',
    'RemoteCommand none',
    'RequestTTY no',
    'AddKeysToAgent no',
    ...knownHosts(run),
    ...login(run),
    ...included(run),
    `Host ${target.address}`,
    'User root',
  ];
  return `${lines.join('\n')}\n`;
}

function knownHosts({ target: { trust }, place, program }: Run): readonly string[] {
  const named = trust.kind === 'ssh-config' ? undefined : trust.files;
  if (named === undefined) return [];
  const links = named.map((file, index) => place.link(`known-hosts-${index}`, here(file)));
  return Object.entries(nothingButFiles(links.length === 0 ? '/dev/null' : links.join(' '), program)).map(
    ([name, value]) => `${name} ${value}`,
  );
}

/** Keys of hosts are looked for in these files, and nowhere else. */
function nothingButFiles(known: string, { hasKnownHostsCommand }: Program): Readonly<Record<string, string>> {
  return {
    UserKnownHostsFile: known,
    GlobalKnownHostsFile: '/dev/null',
    ...(hasKnownHostsCommand ? { KnownHostsCommand: 'none' } : {}),
    VerifyHostKeyDNS: 'no',
    CheckHostIP: 'no',
  };
}

function login({ target, place, round }: Run): readonly string[] {
  const named = target.certificateFile === undefined ? [] : [here(target.certificateFile)];
  const certificates = [...named, ...(round?.certificates ?? [])].map(
    (file, index) => `CertificateFile ${place.link(`certificate-${index}`, file)}`,
  );
  if (round === undefined) return certificates;
  const identities = round.files.map((file, index) => identity(place, file, index));
  const hasAgent = round.keys.length > 0 || round.agent !== undefined;
  return [
    ...certificates,
    ...(identities.length === 0 ? ['IdentityFile none'] : identities),
    // Where it listens goes through the environment: see `environmentOf`.
    `IdentityAgent ${hasAgent ? 'SSH_AUTH_SOCK' : 'none'}`,
    `IdentitiesOnly ${identities.length > 0 && round.keys.length === 0 ? 'yes' : 'no'}`,
  ];
}

/** Beside a key ssh looks for its public part and its certificate. */
function identity(place: Place, file: string, index: number): string {
  const name = `identity-${index}`;
  for (const suffix of ['.pub', '-cert.pub']) place.link(name + suffix, file + suffix);
  return `IdentityFile ${place.link(name, file)}`;
}

function included({ target: { configFile }, place }: Run): readonly string[] {
  if (configFile !== undefined) return [`Include ${place.link('user-config', here(configFile))}`];
  return ['Include ~/.ssh/config', 'Include /etc/ssh/ssh_config'];
}

/** What holds for the host alone, not on the way to it. */
function hostArguments({ target, place, program }: Run): readonly string[] {
  const { trust, port, user, proxyJump } = target;
  const pinned =
    trust.kind === 'pinned'
      ? { HostKeyAlias: 'stockade', ...nothingButFiles(place.path(files.pinned), program) }
      : {};
  return [
    ...['-F', place.path(files.config)],
    ...options(pinned),
    ...(port === undefined ? [] : ['-p', String(port)]),
    ...(user === undefined ? [] : ['-l', user]),
    ...(proxyJump === undefined ? [] : ['-J', proxyJump]),
    ...['--', target.address],
  ];
}

/**
 * A master in the background, without a session of its own. Its log is at level DEBUG1 by `-v`, not by an option: without the flag, a master
 * that persists sends what jump hosts' programs say to /dev/null.
 */
export function masterArguments(run: Run): readonly string[] {
  const { place } = run;
  return [
    ...['-v', '-M', '-S', place.path(files.socket), '-E', place.path(files.log), '-f', '-N'],
    ...options({ ControlPersist: String(persistSeconds) }),
    ...hostArguments(run),
  ];
}

/** The host's key is written to a file of ours, and nobody logs in. */
export function keyArguments(run: Run, algorithms: string): readonly string[] {
  return [
    ...['-S', 'none', '-E', '/dev/null', '-N'],
    ...options({
      StrictHostKeyChecking: 'accept-new',
      HostKeyAlias: 'presented',
      HashKnownHosts: 'no',
      HostKeyAlgorithms: algorithms,
      PreferredAuthentications: 'none',
      ...nothingButFiles(run.place.path(files.presented), run.program),
    }),
    ...hostArguments(run),
  ];
}

export function environmentOf({ place, round }: Run): NodeJS.ProcessEnv {
  const agent = round === undefined || round.keys.length === 0 ? round?.agent : place.path(files.agent);
  return {
    ...process.env,
    // Its messages are read here.
    LC_ALL: 'C',
    // ssh starts another for a jump host by the user's shell, which need not be one.
    SHELL: '/bin/sh',
    ...(agent === undefined ? {} : { SSH_AUTH_SOCK: agent }),
  };
}

function options(values: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(values).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
}

function here(file: string): string {
  return resolve(expandHome(file));
}
