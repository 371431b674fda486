import { createHash } from 'node:crypto';

/** A public key as SSH sends it. Two keys are the same exactly when their blobs are. */
export interface PublicKey {
  /** `ssh-ed25519`, `ecdsa-sha2-nistp256`, `ssh-rsa`, … */
  readonly type: string;
  readonly blob: Buffer;
}

export type KeyParse =
  | { readonly ok: true; readonly key: PublicKey }
  | { readonly ok: false; readonly reason: string };

const curves: Readonly<Record<string, { readonly name: string; readonly pointBytes: number }>> = {
  'ecdsa-sha2-nistp256': { name: 'nistp256', pointBytes: 65 },
  'ecdsa-sha2-nistp384': { name: 'nistp384', pointBytes: 97 },
  'ecdsa-sha2-nistp521': { name: 'nistp521', pointBytes: 133 },
};

/** Key types OpenSSH knows that no host shows to us: kept out of trust, but no reason to call a line malformed. */
const foreignTypes = new Set(['ssh-dss', 'sk-ssh-ed25519@openssh.com', 'sk-ecdsa-sha2-nistp256@openssh.com']);

/** No key of any type comes near this. */
const maximumBlobBytes = 8192;

/** Reads `TYPE BASE64`, the type given apart as known_hosts has it. Strict: anything left over or out of range is refused. */
export function parseKeyWords(type: string, base64: string): KeyParse {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64) || base64.length % 4 !== 0) return no('the key is not base64');
  const blob = Buffer.from(base64, 'base64');
  if (blob.toString('base64') !== base64) return no('the key is not canonical base64');
  const parsed = parseBlob(blob);
  if (!parsed.ok) return parsed;
  if (parsed.key.type !== type)
    return no(`the line says ${quote(type)}, the key says ${quote(parsed.key.type)}`);
  return parsed;
}

/** Reads a line as in `id_ed25519.pub`: type, key and perhaps a comment. */
export function parsePublicKeyLine(line: string): KeyParse {
  const [type, base64] = line.trim().split(/[ \t]+/);
  if (type === undefined || base64 === undefined || /[\r\n]/.test(line.trim())) {
    return no('expected one line `TYPE BASE64`, such as `ssh-ed25519 AAAA…`');
  }
  return parseKeyWords(type, base64);
}

/** Reads a key as it comes over the wire. */
export function parseBlob(blob: Buffer): KeyParse {
  if (blob.length > maximumBlobBytes) return no(`the key has ${blob.length} bytes`);
  const fields = splitFields(blob);
  if (fields === undefined) return no('the key is cut short or has bytes left over');
  const [typeField, ...rest] = fields;
  const type = typeField?.toString('latin1') ?? '';
  const reason = checkFields(type, rest);
  return reason === undefined ? { ok: true, key: { type, blob } } : no(reason);
}

/** Why the fields do not make a key of this type, if they do not. */
function checkFields(type: string, fields: readonly Buffer[]): string | undefined {
  const [first, second] = fields;
  if (type === 'ssh-ed25519') {
    return fields.length === 1 && first?.length === 32 ? undefined : 'an ed25519 key has 32 bytes';
  }
  const curve = Object.hasOwn(curves, type) ? curves[type] : undefined;
  if (curve !== undefined) {
    const fits =
      first?.toString('latin1') === curve.name && second?.length === curve.pointBytes && second[0] === 4;
    return fits && fields.length === 2 ? undefined : `not an uncompressed point on ${curve.name}`;
  }
  if (type === 'ssh-rsa') {
    if (fields.length !== 2 || !first || !second) return 'an RSA key has an exponent and a modulus';
    if (!isPositive(first) || !isPositive(second)) return "an RSA key's numbers are positive and minimal";
    return second.length >= 128 ? undefined : 'an RSA key needs a modulus of at least 1024 bits';
  }
  if (foreignTypes.has(type)) return undefined;
  return `unknown key type ${quote(type)}`;
}

function splitFields(blob: Buffer): Buffer[] | undefined {
  const fields: Buffer[] = [];
  let at = 0;
  while (at < blob.length) {
    if (blob.length - at < 4) return undefined;
    const length = blob.readUInt32BE(at);
    at += 4;
    if (length > blob.length - at) return undefined;
    fields.push(blob.subarray(at, at + length));
    at += length;
  }
  return fields.length > 0 ? fields : undefined;
}

function isPositive(number: Buffer): boolean {
  const [high, next] = number;
  if (high === undefined || high >= 0x80) return false;
  return high !== 0 || (next ?? 0) >= 0x80;
}

function no(reason: string): KeyParse {
  return { ok: false, reason };
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 60));
}

export function sameKey(left: PublicKey, right: PublicKey): boolean {
  return left.blob.equals(right.blob);
}

/** `SHA256:…`, as ssh-keygen -l shows it. */
export function fingerprint(key: PublicKey): string {
  return `SHA256:${createHash('sha256').update(key.blob).digest('base64').replace(/=+$/, '')}`;
}

/** `TYPE BASE64`, as known_hosts and .pub files have it. */
export function keyLine(key: PublicKey): string {
  return `${key.type} ${key.blob.toString('base64')}`;
}
