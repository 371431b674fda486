import { z } from 'zod';
import {
  isSshHost,
  isSshJump,
  isSshUser,
  sshHostRule,
  sshJumpRule,
  sshUserRule,
} from '../model/ssh-names.ts';
import { field, hostPath, plainText } from './field.ts';
import { nameSchema } from './names.ts';

/** Public keys, a line each; blank lines and the line break at the end of a `.pub` file do not count. */
function publicKeys() {
  return z
    .string()
    .min(1)
    .max(16384)
    .refine(
      (text) => text.split('\n').every((line) => /^[\t -~]*\r?$/.test(line)) && text.trim() !== '',
      'must be one or more public keys in OpenSSH form, a line each',
    );
}

/** How one host is reached: an entry of the provider's inventory. */
export const hostEntrySchema = z
  .strictObject({
    connection: field(
      z.enum(['ssh2', 'openssh', 'local']).default('ssh2'),
      'How the host is reached: `ssh2` (built-in SSH client), `openssh` (the `ssh` program of this machine, with its configuration: certificates, jump hosts) or `local` (this very machine). Default: `ssh2`.',
    ),
    address: field(
      plainText(255).optional(),
      "DNS name or IP address; with `openssh` also a `Host` of ssh's configuration. Required unless `connection` is `local`.",
    ),
    port: field(
      z.int().min(1).max(65535).optional(),
      "TCP port of sshd. Default: 22, or with `openssh` what ssh's configuration says.",
    ),
    user: field(
      plainText(255).optional(),
      "Login user. Default: `root`, or with `openssh` what ssh's configuration says.",
    ),
    proxyJump: field(
      plainText(2048).optional(),
      "Hosts to pass through on the way, `[USER@]HOST[:PORT]`, with commas between them; `none` goes straight. Only with `openssh`. Default: what ssh's configuration says.",
    ),
    sshConfigFile: field(
      plainText(4096).optional(),
      "A configuration file of ssh's (ssh_config(5)) on this machine. Only with `openssh`. Default: `~/.ssh/config` and `/etc/ssh/ssh_config`.",
      { localPath: true },
    ),
    certificateFile: field(
      plainText(4096).optional(),
      'A certificate for the private key, signed by an authority that the host trusts, as a file on this machine. Only with `openssh`. Default: the one beside the private key file, `…-cert.pub`.',
      { localPath: true },
    ),
    sudo: field(
      z.boolean().default(false),
      'Run everything through `sudo -n`, for a login user that is not root. Default: false.',
    ),
    hostKey: field(
      publicKeys().optional(),
      "The host's public key in OpenSSH form, `ssh-ed25519 AAAA…`; several stand on a line each. One of `host_key` and `known_hosts_file` is required with `ssh2`; with `openssh` the default is what ssh's configuration says.",
    ),
    knownHostsFile: field(
      plainText(4096).optional(),
      "A file in OpenSSH's known_hosts format that lists the host, and with `openssh` its jump hosts.",
      { localPath: true },
    ),
    privateKeyFile: field(plainText(4096).optional(), 'A private key file on this machine.', {
      localPath: true,
    }),
    privateKey: field(z.string().min(1).max(65536).optional(), 'A private key, as text.', {
      sensitive: true,
    }),
    passphrase: field(z.string().max(4096).optional(), 'The passphrase of the private key.', {
      sensitive: true,
    }),
    agent: field(
      z.boolean().default(false),
      'Use the SSH agent at `agent_socket`, or at SSH_AUTH_SOCK. Default: false.',
    ),
    agentSocket: field(hostPath().optional(), "Path of the SSH agent's socket. Default: SSH_AUTH_SOCK."),
    connectTimeoutSeconds: field(
      z.int().min(1).max(600).default(15),
      'How long connecting and logging in may take. Unit: seconds. Default: 15.',
    ),
  })
  .superRefine((entry, context) => {
    for (const [path, message] of faultsOf(entry)) {
      context.addIssue({ code: 'custom', path: [path], message });
    }
  });

type Entry = {
  readonly [Name in
    | 'address'
    | 'user'
    | 'proxyJump'
    | 'sshConfigFile'
    | 'certificateFile'
    | 'hostKey'
    | 'knownHostsFile'
    | 'privateKey'
    | 'privateKeyFile']?: string | undefined;
} & { readonly connection: 'ssh2' | 'openssh' | 'local'; readonly agent: boolean };

/** What is wrong with an entry's fields taken together: the field, and what it must be. */
function faultsOf(entry: Entry): readonly (readonly [keyof Entry, string])[] {
  const { connection, address } = entry;
  const foreign = (['proxyJump', 'sshConfigFile', 'certificateFile'] as const)
    .filter((name) => connection !== 'openssh' && entry[name] !== undefined)
    .map((name) => [name, 'belongs to connection "openssh"'] as const);
  if (connection === 'local') return foreign;
  const missing =
    address === undefined ? [['address', 'is required unless connection is "local"'] as const] : [];
  return [...foreign, ...missing, ...(connection === 'openssh' ? opensshFaults(entry) : ssh2Faults(entry))];
}

/** The built-in client knows no configuration: all it needs stands in the entry. */
function ssh2Faults(entry: Entry): readonly (readonly [keyof Entry, string])[] {
  const isKnown = entry.hostKey !== undefined || entry.knownHostsFile !== undefined;
  const canLogIn = entry.privateKey !== undefined || entry.privateKeyFile !== undefined || entry.agent;
  return [
    ...(isKnown
      ? []
      : [
          [
            'hostKey',
            "is required (or known_hosts_file): a host's key is always verified. `ssh-keyscan` shows it; check it out of band",
          ] as const,
        ]),
    ...(canLogIn
      ? []
      : [
          [
            'privateKeyFile',
            'is required (or private_key, or agent = true): there is no way to log in',
          ] as const,
        ]),
  ];
}

/** What the program could take for an option, or give to a shell. */
function opensshFaults({ address, user, proxyJump }: Entry): readonly (readonly [keyof Entry, string])[] {
  return [
    ...(address === undefined || isSshHost(address) ? [] : [['address', sshHostRule] as const]),
    ...(user === undefined || isSshUser(user) ? [] : [['user', sshUserRule] as const]),
    ...(proxyJump === undefined || isSshJump(proxyJump) ? [] : [['proxyJump', sshJumpRule] as const]),
  ];
}

/** The provider's configuration: who we are, and the hosts. */
export const fleetSchema = z.strictObject({
  fleet: field(
    nameSchema,
    'Name of the owner written on everything made on hosts. Objects of another owner are never touched. Keep it the same over runs.',
  ),
  hosts: field(z.record(nameSchema, hostEntrySchema), 'The inventory: hosts by name.'),
  unreachable: field(
    z.enum(['error', 'keep']).default('error'),
    'What a plan does about a host that does not answer: `error`, or `keep` its last known state with a warning. Default: `error`.',
  ),
  eventsFile: field(
    plainText(4096).optional(),
    'File that every apply appends its events to, as JSON lines. Default: `stockade-events.jsonl` in the working directory.',
    { localPath: true },
  ),
});

export type HostEntry = z.output<typeof hostEntrySchema>;
export type FleetSpec = z.output<typeof fleetSchema>;
export type FleetInput = z.input<typeof fleetSchema>;
