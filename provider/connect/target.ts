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

/** How to reach a host by the ssh program. What is left out, the program's own configuration says. */
export interface OpensshTarget {
  readonly connection: 'openssh';
  readonly host: string;
  /** DNS name, IP address, or a `Host` of the configuration. */
  readonly address: string;
  readonly port?: number;
  /** @default the configuration's, or else `root` */
  readonly user?: string;
  /** `[USER@]HOST[:PORT]`, several with commas between them. */
  readonly proxyJump?: string;
  /** A file in ssh_config(5)'s format. @default `~/.ssh/config` and `/etc/ssh/ssh_config` */
  readonly configFile?: string;
  /** A certificate for one of the identities, signed by an authority the host trusts. */
  readonly certificateFile?: string;
  /** The host's key is always verified, and so are those of jump hosts. */
  readonly trust: OpensshTrust;
  /** Tried in this order; none: those of the program's own configuration. */
  readonly identities: readonly Identity[];
  /** Run everything through `sudo -n`. */
  readonly sudo: boolean;
  readonly connectTimeoutSeconds: number;
}

/** Keys of jump hosts are looked for in `files`, or where the configuration says. */
export type OpensshTrust =
  | { readonly kind: 'pinned'; readonly publicKeys: readonly string[]; readonly files?: readonly string[] }
  | { readonly kind: 'known-hosts'; readonly files: readonly string[] }
  /** The files that the program's own configuration names. */
  | { readonly kind: 'ssh-config' };

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

export type Target = SshTarget | OpensshTarget | LocalTarget;
