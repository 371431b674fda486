import { z } from 'zod';
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
      z.enum(['ssh2', 'local']).default('ssh2'),
      'How the host is reached: `ssh2` (built-in SSH client) or `local` (this very machine). Default: `ssh2`.',
    ),
    address: field(
      plainText(255).optional(),
      'DNS name or IP address. Required unless `connection` is `local`.',
    ),
    port: field(z.int().min(1).max(65535).default(22), 'TCP port of sshd. Default: 22.'),
    user: field(plainText(255).default('root'), 'Login user. Default: `root`.'),
    sudo: field(
      z.boolean().default(false),
      'Run everything through `sudo -n`, for a login user that is not root. Default: false.',
    ),
    hostKey: field(
      publicKeys().optional(),
      "The host's public key in OpenSSH form, `ssh-ed25519 AAAA…`; several stand on a line each. One of `host_key` and `known_hosts_file` is required.",
    ),
    knownHostsFile: field(
      plainText(4096).optional(),
      "A file in OpenSSH's known_hosts format that lists the host.",
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
    if (entry.connection === 'local') return;
    if (entry.address === undefined) {
      context.addIssue({
        code: 'custom',
        path: ['address'],
        message: 'is required unless connection is "local"',
      });
    }
    if (entry.hostKey === undefined && entry.knownHostsFile === undefined) {
      context.addIssue({
        code: 'custom',
        path: ['hostKey'],
        message:
          "is required (or known_hosts_file): a host's key is always verified. `ssh-keyscan` shows it; check it out of band",
      });
    }
    if (entry.privateKey === undefined && entry.privateKeyFile === undefined && !entry.agent) {
      context.addIssue({
        code: 'custom',
        path: ['privateKeyFile'],
        message: 'is required (or private_key, or agent = true): there is no way to log in',
      });
    }
  });

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
