/**
 * A certificate for one run of the provider: self-signed, ECDSA P-256, for `localhost`. Terraform reads it from the
 * handshake line and trusts nothing else. Written here as the libraries for it take longer to load than all the rest.
 */
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { bits, boolean, der, integer, octets, oid, sequence, set, tagged, time, utf8 } from './der.ts';

export interface TlsIdentity {
  /** PEM. */
  readonly key: string;
  /** PEM. */
  readonly certificate: string;
}

const ECDSA_SHA256 = sequence(oid('1.2.840.10045.4.3.2'));
const COMMON_NAME = oid('2.5.4.3');
const LIFETIME_DAYS = 365;
const DAY_MS = 24 * 60 * 60 * 1000;

/** @param now the start of its validity is a day before, for clocks that differ */
export function createIdentity(now: Date): TlsIdentity & { readonly der: Buffer } {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const name = sequence(set(sequence(COMMON_NAME, utf8('localhost'))));
  const body = sequence(
    tagged(0, integer(Buffer.from([2]))),
    integer(serialNumber()),
    ECDSA_SHA256,
    name,
    sequence(time(new Date(now.getTime() - DAY_MS)), time(new Date(now.getTime() + LIFETIME_DAYS * DAY_MS))),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    tagged(3, extensions()),
  );
  const certificate = sequence(body, ECDSA_SHA256, bits(sign('sha256', body, privateKey)));
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    certificate: `-----BEGIN CERTIFICATE-----\n${certificate.toString('base64')}\n-----END CERTIFICATE-----\n`,
    der: certificate,
  };
}

/** Positive and without a leading zero byte, as DER demands. */
function serialNumber(): Buffer {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes;
}

function extensions(): Buffer {
  const basicConstraints = sequence(boolean(true));
  const digitalSignatureAndCertSign = bits(Buffer.from([0x84]), 2);
  const serverAuth = sequence(oid('1.3.6.1.5.5.7.3.1'));
  const dnsName = sequence(der(0x82, Buffer.from('localhost')));
  return sequence(
    sequence(oid('2.5.29.19'), boolean(true), octets(basicConstraints)),
    sequence(oid('2.5.29.15'), boolean(true), octets(digitalSignatureAndCertSign)),
    sequence(oid('2.5.29.37'), octets(serverAuth)),
    sequence(oid('2.5.29.17'), octets(dnsName)),
  );
}
