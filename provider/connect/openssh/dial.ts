import { failure, success, type Diagnostic, type Result } from '../../model/diagnostic.ts';
import { type Destination, loginRefused } from '../diagnostics.ts';
import { keyParser } from '../dial.ts';
import type { Link } from '../link.ts';
import type { OpensshTarget } from '../target.ts';
import { loadTrust } from '../trust.ts';
import { argumentFault } from './arguments.ts';
import { atExit } from './at-exit.ts';
import { attempt, type Refused } from './attempt.ts';
import { destination } from './destination.ts';
import { certificateNotes, fileFaults } from './given-files.ts';
import { describeOffers, isMeans, prepareMeans, roundsOf } from './login.ts';
import { makePlace } from './place.ts';

/**
 * Connects by the ssh program: one in the background for the whole connection, which verifies the host's key, logs in, and then carries
 * our channels. docs/design/0005-openssh.md says why so.
 */
export async function dialOpenssh(target: OpensshTarget): Promise<Result<Link>> {
  const checked = await check(target);
  if (!checked.ok) return checked;
  const prepared = await prepareMeans(target.host, target.identities, keyParser);
  const rounds = target.identities.length === 0 ? [undefined] : roundsOf(prepared);
  if (rounds.length === 0) {
    const unusable = prepared.flatMap((one) => (isMeans(one) ? [] : [one]));
    return failure(...unusable, loginRefused(destination(target), [], ['The host was not asked.']));
  }
  const place = makePlace(target.host);
  if (!('directory' in place)) return failure(place);
  const forget = atExit(() => place.remove());
  try {
    const deadline = AbortSignal.timeout(target.connectTimeoutSeconds * 1000);
    let refusal: Refused | undefined;
    for (const round of rounds) {
      const tried = await attempt({ target, place, round }, checked.value, deadline);
      if (tried.kind === 'done') return tried.result;
      refusal = tried;
    }
    return failure(...(refusal === undefined ? [] : await explain(target, refusal)));
  } finally {
    forget();
    place.remove();
  }
}

/** What can be judged without the program. Gives warnings about known hosts. */
async function check(target: OpensshTarget): Promise<Result<readonly Diagnostic[]>> {
  const fault = argumentFault(target);
  if (fault !== undefined) return failure(fault);
  const faults = await fileFaults(target);
  if (faults.length > 0) return failure(...faults);
  if (target.trust.kind === 'ssh-config') return success([]);
  const trust = await loadTrust(destination(target), target.trust);
  return trust.ok ? success(trust.value.warnings) : trust;
}

/** What was offered, what could not be, and why the host may have refused it. */
async function explain(target: OpensshTarget, { told, reason }: Refused): Promise<readonly Diagnostic[]> {
  const to: Destination = destination(target, told);
  const given = await describeOffers(target.host, target.identities, await keyParser());
  const notes = [
    ...(target.certificateFile === undefined ? [] : await certificateNotes(target.certificateFile)),
    `The host says: ${reason}.`,
  ];
  const tried = target.identities.length === 0 ? told.offered : given.tried;
  const refused = loginRefused(to, tried, notes);
  return tried.length === 0 ? [...given.unusable, refused] : [refused, ...given.unusable];
}
