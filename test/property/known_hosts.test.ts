import { execFileSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hostKeyAlgorithms } from '../../provider/connect/algorithms.ts';
import {
  fingerprint,
  keyLine,
  parseBlob,
  parsePublicKeyLine,
  type PublicKey,
} from '../../provider/connect/keys.ts';
import {
  judgeHostKey,
  knownHostsName,
  knownKeyTypes,
  matchesGlob,
  parseKnownHosts,
} from '../../provider/connect/known_hosts.ts';

const directory = mkdtempSync(join(tmpdir(), 'stockade-known-hosts-'));
const keys = {} as Record<'ed25519' | 'other' | 'rsa' | 'ecdsa', PublicKey>;

beforeAll(() => {
  for (const [name, type] of [
    ['ed25519', 'ed25519'],
    ['other', 'ed25519'],
    ['rsa', 'rsa'],
    ['ecdsa', 'ecdsa'],
  ] as const) {
    const path = join(directory, name);
    execFileSync('ssh-keygen', ['-q', '-t', type, '-N', '', '-f', path]);
    const parsed = parsePublicKeyLine(readFileSync(`${path}.pub`, 'utf8'));
    if (!parsed.ok) throw new Error(parsed.reason);
    keys[name] = parsed.key;
  }
});
afterAll(() => rmSync(directory, { recursive: true }));

function judge(lines: string, host: string, port: number, key: PublicKey) {
  return judgeHostKey(parseKnownHosts('kh', lines), host, port, key);
}

function hashed(name: string, salt = Buffer.alloc(20, 7)): string {
  const hash = createHmac('sha1', salt).update(name).digest('base64');
  return `|1|${salt.toString('base64')}|${hash}`;
}

/** What `ssh-keygen -F` finds: the numbers of the lines. */
function linesFoundBySshKeygen(text: string, name: string): number[] {
  const file = join(directory, 'known_hosts');
  writeFileSync(file, text);
  try {
    const out = execFileSync('ssh-keygen', ['-F', name, '-f', file], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return [...out.matchAll(/found: line (\d+)/g)].map((match) => Number(match[1]));
  } catch {
    return [];
  }
}

const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,6}[a-z0-9])?$/);
const host = fc.array(label, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('.'));
const port = fc.constantFrom(22, 2222, 65_535);

describe('known_hosts', () => {
  it('trusts a key under its name, plain or hashed, at its port, in any case of letters', () => {
    fc.assert(
      fc.property(host, port, fc.boolean(), fc.boolean(), (name, at, hash, upper) => {
        const written = knownHostsName(name, at);
        const line = `${hash ? hashed(written) : written} ${keyLine(keys.ed25519)} a comment\n`;
        expect(judge(line, upper ? name.toUpperCase() : name, at, keys.ed25519).kind).toBe('trusted');
        expect(judge(line, `x${name}`, at, keys.ed25519).kind).toBe('unknown');
      }),
    );
  });

  it('finds the same lines as ssh-keygen -F, whatever the patterns', () => {
    const piece = fc.constantFrom('a', 'b', 'hv', '.', '*', '?', '1', '[', ']:2222', 'hv1', 'example');
    const glob = fc.array(piece, { minLength: 1, maxLength: 4 }).map((parts) => parts.join(''));
    const item = fc.tuple(fc.boolean(), glob).map(([negated, text]) => (negated ? `!${text}` : text));
    const list = fc.array(item, { minLength: 1, maxLength: 3 }).map((items) => items.join(','));
    const name = fc.constantFrom('hv1', 'hv1.example', 'a.b', '[hv1]:2222', 'ab1');
    fc.assert(
      fc.property(fc.array(list, { minLength: 1, maxLength: 6 }), name, (patterns, wanted) => {
        const text = patterns.map((pattern) => `${pattern} ${keyLine(keys.ed25519)}\n`).join('');
        const bracketed = /^\[(.*)\]:(\d+)$/.exec(wanted);
        const known = parseKnownHosts('kh', text);
        const ours = known.entries
          .filter((entry) => {
            const alone = { entries: [entry], malformed: [] };
            const [, address = wanted, at = '22'] = bracketed ?? [];
            // Only the name as written: ssh itself also looks under the plain name, ssh-keygen does not.
            if (bracketed && judgeHostKey(alone, address, 22, keys.ed25519).kind === 'trusted') return false;
            return judgeHostKey(alone, address, Number(at), keys.ed25519).kind === 'trusted';
          })
          .map((entry) => entry.line);
        const plainToo = bracketed
          ? new Set(linesFoundBySshKeygen(text, bracketed[1] ?? ''))
          : new Set<number>();
        expect(ours).toEqual(linesFoundBySshKeygen(text, wanted).filter((line) => !plainToo.has(line)));
      }),
      { numRuns: 60 },
    );
  });

  it('reads what ssh-keygen -H hashed', () => {
    fc.assert(
      fc.property(fc.uniqueArray(host, { minLength: 1, maxLength: 4 }), port, (names, at) => {
        const file = join(directory, 'to-hash');
        writeFileSync(
          file,
          names.map((name) => `${knownHostsName(name, at)} ${keyLine(keys.rsa)}\n`).join(''),
        );
        execFileSync('ssh-keygen', ['-q', '-H', '-f', file], { stdio: 'ignore' });
        const text = readFileSync(file, 'utf8');
        expect(text).toContain('|1|');
        for (const name of names) expect(judge(text, name, at, keys.rsa).kind).toBe('trusted');
        expect(judge(text, 'somewhere-else.invalid', at, keys.rsa).kind).toBe('unknown');
      }),
      { numRuns: 15 },
    );
  });

  it('matches globs as a regular expression would', () => {
    const letters = fc.array(fc.constantFrom('a', 'b', '.'), { maxLength: 8 }).map((all) => all.join(''));
    const globs = fc
      .array(fc.constantFrom('a', 'b', '.', '*', '?'), { maxLength: 8 })
      .map((all) => all.join(''));
    fc.assert(
      fc.property(globs, letters, (glob, text) => {
        const pattern = glob.replaceAll('.', '\\.').replaceAll('*', '.*').replaceAll('?', '.');
        expect(matchesGlob(glob, text)).toBe(new RegExp(`^${pattern}$`).test(text));
      }),
      { numRuns: 1000 },
    );
  });

  it('is not slowed down by many stars', () => {
    expect(matchesGlob('*a'.repeat(2000), 'b'.repeat(5000))).toBe(false);
  });

  it('says changed, with the line, only for another key of the same type', () => {
    const lines = `# a comment\n\nhv1 ${keyLine(keys.other)}\n`;
    expect(judge(lines, 'hv1', 22, keys.ed25519)).toMatchObject({
      kind: 'changed',
      entries: [{ file: 'kh', line: 3 }],
    });
    expect(judge(lines, 'hv1', 22, keys.rsa)).toMatchObject({ kind: 'unknown', others: [{ line: 3 }] });
    expect(judge(`${lines}hv1 ${keyLine(keys.ed25519)}\n`, 'hv1', 22, keys.ed25519).kind).toBe('trusted');
  });

  it('lets a negated pattern rule a line out', () => {
    const line = `*.example,!bad.example ${keyLine(keys.ed25519)}\n`;
    expect(judge(line, 'good.example', 22, keys.ed25519).kind).toBe('trusted');
    expect(judge(line, 'bad.example', 22, keys.ed25519).kind).toBe('unknown');
    expect(judge(`!bad.example ${keyLine(keys.ed25519)}\n`, 'good.example', 22, keys.ed25519).kind).toBe(
      'unknown',
    );
  });

  it('puts a revocation above every trust, before or after it, under the plain name too', () => {
    const trust = `[hv1]:2222 ${keyLine(keys.ed25519)}\n`;
    const revoke = `@revoked hv1 ${keyLine(keys.ed25519)}\n`;
    expect(judge(trust + revoke, 'hv1', 2222, keys.ed25519)).toMatchObject({
      kind: 'revoked',
      entry: { line: 2 },
    });
    expect(judge(revoke + trust, 'hv1', 2222, keys.ed25519)).toMatchObject({
      kind: 'revoked',
      entry: { line: 1 },
    });
    expect(judge(trust + revoke.replace('hv1', 'hv2'), 'hv1', 2222, keys.ed25519).kind).toBe('trusted');
    expect(judge(`@revoked\t*\t${keyLine(keys.other)}\n${trust}`, 'hv1', 2222, keys.ed25519).kind).toBe(
      'trusted',
    );
  });

  it('does not take a certificate authority for a host key', () => {
    const line = `@cert-authority *.example ${keyLine(keys.ed25519)}\n`;
    expect(judge(line, 'hv1.example', 22, keys.ed25519)).toMatchObject({
      kind: 'unknown',
      others: [{ marker: 'cert-authority' }],
    });
    expect(knownKeyTypes(parseKnownHosts('kh', line), 'hv1.example', 22).size).toBe(0);
  });

  it('accepts a key of the plain name at another port, as ssh does, and not the other way round', () => {
    expect(judge(`hv1 ${keyLine(keys.ed25519)}\n`, 'hv1', 2222, keys.ed25519).kind).toBe('trusted');
    expect(judge(`[hv1]:2222 ${keyLine(keys.ed25519)}\n`, 'hv1', 22, keys.ed25519).kind).toBe('unknown');
    // Another key under the plain name is no statement about this port.
    expect(judge(`hv1 ${keyLine(keys.other)}\n`, 'hv1', 2222, keys.ed25519).kind).toBe('unknown');
  });

  it('reports malformed lines with their number, and goes on', () => {
    const [type, base64] = keyLine(keys.ed25519).split(' ') as [string, string];
    const lines = [
      'hv1',
      `hv1 ${type}`,
      `hv1 ${type} not*base64`,
      `hv1 ssh-rsa ${base64}`,
      `@trusted hv1 ${type} ${base64}`,
      `|1|AAAA|BBBB ${type} ${base64}`,
      `|2|x|y ${type} ${base64}`,
      `hv1 ${type} ${base64.slice(0, -4)}`,
      `hv1 ${type} ${base64}\r`,
    ];
    const known = parseKnownHosts('kh', lines.join('\n'));
    expect(known.malformed.map(({ line }) => line)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(known.entries.map(({ line }) => line)).toEqual([9]);
  });

  it('never trusts and never throws on text that is none', () => {
    const noise = fc.string({ unit: 'binary', maxLength: 200 });
    const spice = fc.array(
      fc.oneof(noise, fc.constantFrom('hv1', ' ', '@revoked', '|1|', ',', '!', '*', '\n', 'ssh-rsa')),
    );
    fc.assert(
      fc.property(spice, (pieces) => {
        expect(judge(pieces.join(''), 'hv1', 22, keys.ed25519).kind).toBe('unknown');
      }),
      { numRuns: 500 },
    );
  });
});

describe('public keys', () => {
  it("come back from the line they are written as, with ssh-keygen's fingerprint", () => {
    for (const name of ['ed25519', 'rsa', 'ecdsa'] as const) {
      expect(parsePublicKeyLine(`${keyLine(keys[name])} me@here`)).toEqual({ ok: true, key: keys[name] });
      const shown = execFileSync('ssh-keygen', ['-lf', join(directory, `${name}.pub`)], { encoding: 'utf8' });
      expect(shown.split(' ')[1]).toBe(fingerprint(keys[name]));
    }
  });

  it('are refused with a byte missing, added, or a length changed', () => {
    fc.assert(
      fc.property(fc.constantFrom('ed25519', 'rsa', 'ecdsa'), fc.nat(3000), (name, seed) => {
        const { blob } = keys[name];
        expect(parseBlob(blob.subarray(0, seed % blob.length)).ok).toBe(false);
        expect(parseBlob(Buffer.concat([blob, Buffer.alloc(1 + (seed % 9))])).ok).toBe(false);
        const bent = Buffer.from(blob);
        const at = seed % 4;
        bent[at] = (bent[at] ?? 0) ^ 0x11;
        expect(parseBlob(bent).ok).toBe(false);
      }),
    );
  });
});

describe('host key algorithms', () => {
  it('ask for the types that are known first, and never for SHA-1 or DSA', () => {
    const types = fc.subarray(['ssh-ed25519', 'ecdsa-sha2-nistp256', 'ssh-rsa'], { minLength: 1 });
    fc.assert(
      fc.property(types, (known) => {
        const asked = hostKeyAlgorithms(new Set(known));
        const keyTypes = asked.map((one) => (one.startsWith('rsa-') ? 'ssh-rsa' : one));
        const firstOther = keyTypes.findIndex((type) => !known.includes(type));
        expect(new Set(keyTypes.slice(0, firstOther))).toEqual(new Set(known));
        expect(keyTypes.slice(firstOther).some((type) => known.includes(type))).toBe(false);
        expect(asked).not.toContain('ssh-rsa');
        expect(asked).not.toContain('ssh-dss');
      }),
    );
  });
});
