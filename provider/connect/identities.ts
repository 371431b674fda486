import { readFile, stat } from 'node:fs/promises';
import type { AnyAuthMethod, ParsedKey } from 'ssh2';
import type { Diagnostic } from '../model/diagnostic.ts';
import type { Redacted } from '../model/redacted.ts';
import { identityUnreadable } from './diagnostics.ts';
import { fingerprint } from './keys.ts';
import { expandHome, systemCode, systemReason } from './paths.ts';
import type { Identity, SshTarget } from './target.ts';

/** An identity that can be offered to a server. */
export interface Offer {
  /** For people: `key ~/.ssh/id_ed25519 (ssh-ed25519 SHA256:…)`. */
  readonly label: string;
  readonly method: AnyAuthMethod;
}

/** What became of each identity of a target, in its order: something to offer, or the reason why not. */
export type PreparedIdentity = Offer | Diagnostic;

export function isOffer(prepared: PreparedIdentity): prepared is Offer {
  return 'method' in prepared;
}

/** ssh2's key parser, passed in because the package is loaded late. */
export type KeyParser = (data: string, passphrase?: string) => ParsedKey | Error;

const maximumKeyBytes = 64 * 1024;

/** Reads and decrypts what the target lists. */
export async function prepareIdentities(
  target: Pick<SshTarget, 'host' | 'user' | 'identities'>,
  parseKey: KeyParser,
): Promise<readonly PreparedIdentity[]> {
  return await Promise.all(target.identities.map((identity) => prepare(target, identity, parseKey)));
}

async function prepare(
  { host, user }: Pick<SshTarget, 'host' | 'user'>,
  identity: Identity,
  parseKey: KeyParser,
): Promise<PreparedIdentity> {
  if (identity.kind === 'agent') {
    const socket = await agentSocket(host, identity.socket);
    if (typeof socket !== 'string') return socket;
    return { label: agentLabel(socket), method: { type: 'agent', username: user, agent: socket } };
  }
  const opened = await openKey(host, identity, parseKey);
  if (!('key' in opened)) return opened;
  return { label: opened.label, method: { type: 'publickey', username: user, key: opened.key } };
}

/** A private key that can sign. */
export interface OpenedKey {
  /** As in `Offer`. */
  readonly label: string;
  readonly key: ParsedKey;
}

/** Reads and decrypts a key. */
export async function openKey(
  host: string,
  identity: Exclude<Identity, { readonly kind: 'agent' }>,
  parseKey: KeyParser,
): Promise<OpenedKey | Diagnostic> {
  if (identity.kind === 'key') {
    const what = 'the given private key';
    return decrypt(host, what, identity.privateKey.reveal(), identity.passphrase, parseKey);
  }
  const what = `key ${identity.path}`;
  const text = await readKeyFile(host, identity.path);
  return typeof text === 'string' ? decrypt(host, what, text, identity.passphrase, parseKey) : text;
}

/** The text of a private key file, unless others may read it too. */
export async function readKeyFile(host: string, file: string): Promise<string | Diagnostic> {
  const what = `key ${file}`;
  const path = expandHome(file);
  try {
    const status = await stat(path);
    if (status.size > maximumKeyBytes) {
      return identityUnreadable(host, what, `it has ${status.size} bytes`, 'Name a private key file.');
    }
    // ssh's own rule: a key of ours that others may read is not secret any more.
    if (status.uid === process.getuid?.() && (status.mode & 0o077) !== 0) {
      const mode = (status.mode & 0o777).toString(8).padStart(4, '0');
      return identityUnreadable(
        host,
        what,
        `others may read it (mode ${mode})`,
        `Make it private with \`chmod 600\`; if others could have read it, make a new key.`,
      );
    }
    return await readFile(path, 'utf8');
  } catch (error) {
    return identityUnreadable(host, what, systemReason(error), 'Name a private key file that you may read.');
  }
}

function decrypt(
  host: string,
  what: string,
  text: string,
  passphrase: Redacted | undefined,
  parseKey: KeyParser,
): OpenedKey | Diagnostic {
  const parsed = parseKey(text, passphrase?.reveal());
  if (parsed instanceof Error) {
    const [reason, hint] = keyTrouble(text, parsed.message, passphrase !== undefined);
    return identityUnreadable(host, what, reason, hint);
  }
  if (!parsed.isPrivateKey()) {
    return identityUnreadable(host, what, 'it is a public key', 'Name the private key beside it.');
  }
  const shown = fingerprint({ type: parsed.type, blob: parsed.getPublicSSH() });
  return { label: `${what} (${parsed.type} ${shown})`, key: parsed };
}

function keyTrouble(
  text: string,
  message: string,
  hasPassphrase: boolean,
): readonly [reason: string, hint: string] {
  if (/no passphrase/i.test(message)) {
    return ['it is encrypted and no passphrase is given', 'Give its passphrase, or load it into an agent.'];
  }
  if (hasPassphrase && /PRIVATE KEY/.test(text) && /passphrase|decrypt|integrity|malformed/i.test(message)) {
    return ['the passphrase does not open it', 'Give the right passphrase, or load the key into an agent.'];
  }
  return ['it is not a private key in a known format', 'Give a key made by `ssh-keygen -t ed25519`.'];
}

/** How messages name what an agent holds. */
export function agentLabel(socket: string): string {
  return `the keys of agent ${socket}`;
}

/** Where the agent listens. @param given - Left out: SSH_AUTH_SOCK */
export async function agentSocket(host: string, given: string | undefined): Promise<string | Diagnostic> {
  const socket = given === undefined ? process.env['SSH_AUTH_SOCK'] : expandHome(given);
  const startAgent = 'Start one (`eval $(ssh-agent)`), add a key (`ssh-add`), or name its socket.';
  if (socket === undefined || socket === '') {
    return identityUnreadable(host, 'the agent', 'SSH_AUTH_SOCK is not set', startAgent);
  }
  try {
    if (!(await stat(socket)).isSocket()) {
      return identityUnreadable(host, `agent ${socket}`, 'it is not a socket', startAgent);
    }
  } catch (error) {
    const reason = systemCode(error) === 'ENOENT' ? 'there is no such socket' : systemReason(error);
    return identityUnreadable(host, `agent ${socket}`, reason, startAgent);
  }
  return socket;
}
