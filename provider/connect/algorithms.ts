import type {
  CipherAlgorithm,
  CompressionAlgorithm,
  KexAlgorithm,
  MacAlgorithm,
  ServerHostKeyAlgorithm,
} from 'ssh2';

/** What we offer a server, best first. Nothing with SHA-1, CBC or RC4. */
export interface OfferedAlgorithms {
  kex: KexAlgorithm[];
  cipher: CipherAlgorithm[];
  hmac: MacAlgorithm[];
  compress: CompressionAlgorithm[];
  serverHostKey: ServerHostKeyAlgorithm[];
}

/** Signature algorithms per key type; the order is ours where nothing is known of the host. */
const signatures: readonly {
  readonly type: string;
  readonly algorithms: readonly ServerHostKeyAlgorithm[];
}[] = [
  { type: 'ssh-ed25519', algorithms: ['ssh-ed25519'] },
  { type: 'ecdsa-sha2-nistp256', algorithms: ['ecdsa-sha2-nistp256'] },
  { type: 'ecdsa-sha2-nistp384', algorithms: ['ecdsa-sha2-nistp384'] },
  { type: 'ecdsa-sha2-nistp521', algorithms: ['ecdsa-sha2-nistp521'] },
  { type: 'ssh-rsa', algorithms: ['rsa-sha2-512', 'rsa-sha2-256'] },
];

/**
 * Host key algorithms in the order to ask for: types we know a key of come first, or a server with several keys might show
 * one that we cannot check. The others stay on the list: a host whose key type changed is then reported with its key.
 */
export function hostKeyAlgorithms(knownTypes: ReadonlySet<string>): ServerHostKeyAlgorithm[] {
  const known = signatures.filter(({ type }) => knownTypes.has(type));
  const others = signatures.filter(({ type }) => !knownTypes.has(type));
  return [...known, ...others].flatMap(({ algorithms }) => algorithms);
}

/** docs/design/0004-connections.md has the measurements behind the order. */
export function offeredAlgorithms(knownTypes: ReadonlySet<string>): OfferedAlgorithms {
  return {
    kex: [
      'curve25519-sha256',
      'curve25519-sha256@libssh.org',
      'ecdh-sha2-nistp256',
      'ecdh-sha2-nistp384',
      'ecdh-sha2-nistp521',
      'diffie-hellman-group16-sha512',
      'diffie-hellman-group18-sha512',
      'diffie-hellman-group14-sha256',
      'diffie-hellman-group-exchange-sha256',
    ],
    cipher: [
      'aes128-gcm@openssh.com',
      'aes256-gcm@openssh.com',
      'chacha20-poly1305@openssh.com',
      'aes128-ctr',
      'aes192-ctr',
      'aes256-ctr',
    ],
    hmac: [
      'hmac-sha2-256-etm@openssh.com',
      'hmac-sha2-512-etm@openssh.com',
      'hmac-sha2-256',
      'hmac-sha2-512',
    ],
    compress: ['none'],
    serverHostKey: hostKeyAlgorithms(knownTypes),
  };
}
