import type { Redacted } from '../model/redacted.ts';

/** How to reach a host and how to know that it is the right one. */
export interface SshTarget {
  readonly connection: 'ssh2';
  readonly host: string;
  readonly address: string;
  readonly port: number;
  readonly user: string;
  /** At least one; the host's key is always verified. */
  readonly trust: HostTrust;
  /** Tried in this order. */
  readonly identities: readonly Identity[];
  /** Run everything through `sudo -n`. */
  readonly sudo: boolean;
  readonly connectTimeoutSeconds: number;
}

export type HostTrust =
  /** The host's public key(s) in OpenSSH form, `ssh-ed25519 AAAA…`; any of them will do. */
  | { readonly kind: 'pinned'; readonly publicKeys: readonly string[] }
  /** Files in OpenSSH's known_hosts format. */
  | { readonly kind: 'known-hosts'; readonly files: readonly string[] };

export type Identity =
  | { readonly kind: 'key-file'; readonly path: string; readonly passphrase?: Redacted }
  | { readonly kind: 'key'; readonly privateKey: Redacted; readonly passphrase?: Redacted }
  /** `socket` defaults to SSH_AUTH_SOCK. */
  | { readonly kind: 'agent'; readonly socket?: string };

/** This very machine. */
export interface LocalTarget {
  readonly connection: 'local';
  readonly host: string;
  readonly sudo: boolean;
}

export type Target = SshTarget | LocalTarget;
