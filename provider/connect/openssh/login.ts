import { resolve } from 'node:path';
import type { ParsedKey } from 'ssh2';
import type { Diagnostic } from '../../model/diagnostic.ts';
import { agentLabel, agentSocket, type KeyParser, openKey, readKeyFile } from '../identities.ts';
import { expandHome } from '../paths.ts';
import type { Identity } from '../target.ts';

/** What the ssh program can be given to log in with. */
export type Means =
  /** Held by this process alone: the program gets at it through an agent of ours. */
  | { readonly kind: 'key'; readonly key: ParsedKey; readonly certificate?: string }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'agent'; readonly socket: string };

/** What became of each identity, in their order: what to log in with, or the reason why not. */
export type Prepared = Means | Diagnostic;

export function isMeans(prepared: Prepared): prepared is Means {
  return 'kind' in prepared;
}

/** Opens keys that come as text or with a passphrase; other files are left to the program, which knows more kinds of them. */
export async function prepareMeans(
  host: string,
  identities: readonly Identity[],
  loadParser: () => Promise<KeyParser>,
): Promise<readonly Prepared[]> {
  return await Promise.all(
    identities.map(async (identity): Promise<Prepared> => {
      if (identity.kind === 'agent') {
        const socket = await agentSocket(host, identity.socket);
        return typeof socket === 'string' ? { kind: 'agent', socket } : socket;
      }
      if (identity.kind === 'key-file' && identity.passphrase === undefined) {
        const text = await readKeyFile(host, identity.path);
        return typeof text === 'string' ? { kind: 'file', path: resolve(expandHome(identity.path)) } : text;
      }
      const opened = await openKey(host, identity, await loadParser());
      if (!('key' in opened)) return opened;
      if (identity.kind === 'key') return { kind: 'key', key: opened.key };
      return { kind: 'key', key: opened.key, certificate: `${resolve(expandHome(identity.path))}-cert.pub` };
    }),
  );
}

/** What one run of the program offers the host. */
export interface Round {
  readonly keys: readonly ParsedKey[];
  /** Where certificates for `keys` may lie. */
  readonly certificates: readonly string[];
  readonly files: readonly string[];
  /** Asked for the keys of `files` alone, or for all that it has where there are none. */
  readonly agent?: string;
  /** Identities that should have come before, and cannot be used. */
  readonly passedOver: readonly Diagnostic[];
}

/** In which order keys of files and of agents are offered is the program's own affair, so ours is kept by several runs. */
export function roundsOf(prepared: readonly Prepared[]): readonly Round[] {
  const rounds: Round[] = [];
  const passedOver: Diagnostic[] = [];
  let keys: ParsedKey[] = [];
  let certificates: string[] = [];
  let files: string[] = [];
  const flush = (agent?: string) => {
    // Keys of ours come by an agent of ours, and the program asks only one.
    const asked = keys.length > 0 ? undefined : agent;
    if (keys.length > 0 || files.length > 0) {
      rounds.push({
        keys,
        certificates,
        files,
        ...(asked === undefined ? {} : { agent: asked }),
        passedOver: [...passedOver],
      });
    }
    [keys, certificates, files] = [[], [], []];
  };
  for (const one of prepared) {
    if (!isMeans(one)) passedOver.push(one);
    else if (one.kind === 'file') files.push(one.path);
    else if (one.kind === 'key') {
      if (files.length > 0) flush();
      keys.push(one.key);
      if (one.certificate !== undefined) certificates.push(one.certificate);
    } else {
      flush(one.socket);
      rounds.push({
        keys: [],
        certificates: [],
        files: [],
        agent: one.socket,
        passedOver: [...passedOver],
      });
    }
  }
  flush();
  return rounds;
}

/** What was offered to a host that took none of it, and what could not be. */
export interface Offered {
  readonly tried: readonly string[];
  readonly unusable: readonly Diagnostic[];
}

/** Looks into the files as well, which the program does without saying what is wrong with them. */
export async function describeOffers(
  host: string,
  identities: readonly Identity[],
  parseKey: KeyParser,
): Promise<Offered> {
  const described = await Promise.all(identities.map((one) => describe(host, one, parseKey)));
  return {
    tried: described.filter((one) => typeof one === 'string'),
    unusable: described.filter((one) => typeof one !== 'string'),
  };
}

async function describe(host: string, identity: Identity, parseKey: KeyParser): Promise<string | Diagnostic> {
  if (identity.kind === 'agent') {
    const socket = await agentSocket(host, identity.socket);
    return typeof socket === 'string' ? agentLabel(socket) : socket;
  }
  const opened = await openKey(host, identity, parseKey);
  if ('key' in opened) return opened.label;
  if (identity.kind === 'key') return opened;
  const text = await readKeyFile(host, identity.path);
  return typeof text === 'string' && isHardwareKey(text) ? `key ${identity.path}` : opened;
}

/** The key of a security token (FIDO), which only the program can use. */
function isHardwareKey(text: string): boolean {
  const [, body] = /-----BEGIN OPENSSH PRIVATE KEY-----([^-]*)/.exec(text) ?? [];
  return body !== undefined && /sk-(?:ssh|ecdsa)-/.test(Buffer.from(body, 'base64').toString('latin1'));
}
