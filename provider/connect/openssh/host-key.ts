import { readFileSync } from 'node:fs';
import { problem, type Diagnostic } from '../../model/diagnostic.ts';
import { bounded, describeTarget, type Destination, hostKeyChanged, hostKeyUnknown } from '../diagnostics.ts';
import { fingerprint, parsePublicKeyLine, type PublicKey } from '../keys.ts';
import { loadTrust } from '../trust.ts';
import type { Told } from './log.ts';
import { runSsh } from './program.ts';
import { environmentOf, files, keyArguments, type Run } from './settings.ts';

const longestSeconds = 10;

/**
 * Says what is wrong with the key that a host presents, after ssh has refused it. ssh tells only its fingerprint: to show the line that
 * would make it known, the host is asked for its key once more, without a login.
 */
export async function explainHostKey(run: Run, to: Destination, told: Told): Promise<Diagnostic> {
  const key = await presentedKey(run, told);
  const { trust } = run.target;
  if (key !== undefined && trust.kind !== 'ssh-config') {
    const loaded = await loadTrust(to, trust);
    const wrong = loaded.ok ? loaded.value.judge(key) : loaded.diagnostics[0];
    if (wrong !== undefined) return wrong;
  }
  return bySsh(to, told, key);
}

async function presentedKey(run: Run, { hostKey }: Told): Promise<PublicKey | undefined> {
  if (hostKey === undefined) return undefined;
  const algorithms = hostKey.type === 'ssh-rsa' ? 'rsa-sha2-512,rsa-sha2-256' : hostKey.type;
  if (!/^[a-z0-9@.,-]+$/.test(algorithms)) return undefined;
  const seconds = Math.min(run.target.connectTimeoutSeconds, longestSeconds);
  const deadline = AbortSignal.timeout(seconds * 1000);
  const asked = await runSsh(keyArguments(run, algorithms), environmentOf(run), deadline);
  if (asked.kind === 'ended') asked.release();
  const key = readKey(run.place.path(files.presented));
  return key !== undefined && fingerprint(key) === hostKey.fingerprint ? key : undefined;
}

function readKey(path: string): PublicKey | undefined {
  try {
    const parsed = parsePublicKeyLine(readFileSync(path, 'utf8').replace(/^presented /, ''));
    return parsed.ok ? parsed.key : undefined;
  } catch {
    return undefined;
  }
}

/** As ssh itself sees it: it reads files we do not know of, and knows certificates. */
function bySsh(to: Destination, { words, hostKey }: Told, key: PublicKey | undefined): Diagnostic {
  const said = words.join('\n');
  const more = { detail: bounded(said), host: to.host };
  if (/revoked/i.test(said)) {
    return problem('host-key-revoked', `host ${describeTarget(to)} presents a revoked key`, {
      ...more,
      hint: 'Whoever holds that key may be posing as the host: do not connect. Give the host a new key, and record it.',
    });
  }
  if (/IDENTIFICATION HAS CHANGED|has changed/.test(said)) {
    const offending = words.filter((line) => line.startsWith('Offending '));
    if (key !== undefined) return hostKeyChanged(to, key, offending);
    return problem(
      'host-key-changed',
      `host ${describeTarget(to)} presents another key than the one on record`,
      {
        ...more,
        hint: 'Either someone stands between you and the host, or it was installed anew: compare its fingerprint on its console.',
      },
    );
  }
  if (key !== undefined) return hostKeyUnknown(to, key, ['~/.ssh/known_hosts'], [], []);
  return problem('host-key-unknown', `the key of host ${describeTarget(to)} is not known`, {
    ...more,
    detail: bounded(
      hostKey === undefined ? said : `It presents ${hostKey.type} ${hostKey.fingerprint}.\n${said}`,
    ),
    hint: "Compare it with the host's own; if it is the same, put the host's key, or the authority that signs it, into known_hosts.",
  });
}
