import { failure, success, type Diagnostic, type Result } from '../../model/diagnostic.ts';
import { keyLine, parsePublicKeyLine } from '../keys.ts';
import type { Link } from '../link.ts';
import { messageOf } from '../paths.ts';
import { serveAgent } from './agent.ts';
import { destination } from './destination.ts';
import { type Failure, judge, notMultiplexed, programMissing } from './diagnose.ts';
import { explainHostKey } from './host-key.ts';
import { lastWordsOf, readLog, type Told } from './log.ts';
import { LogFile } from './log-file.ts';
import { linkOver } from './master.ts';
import { openProxy } from './mux.ts';
import { runSsh } from './program.ts';
import { environmentOf, files, masterArguments, type Program, type Run, sshConfig } from './settings.ts';

/** An answer for the caller. */
export interface Done {
  readonly kind: 'done';
  readonly result: Result<Link>;
}

/** The host took none of what was offered. */
export interface Refused {
  readonly kind: 'refused';
  readonly told: Told;
  readonly reason: string;
}

/** What was learnt of the installed program. */
let program: Program = { hasKnownHostsCommand: true };

/** Runs the program once, and makes a link of what it brings about. `warnings`: to be told with the link. */
export async function attempt(
  wish: Omit<Run, 'program'>,
  warnings: readonly Diagnostic[],
  deadline: AbortSignal,
): Promise<Done | Refused> {
  const run: Run = { ...wish, program };
  const { target, place } = run;
  const log = new LogFile(place.path(files.log));
  const finished = await started(run, deadline);
  if (finished.kind === 'not-started') {
    log.close();
    return done(failure(programMissing(target.host, finished.reason)));
  }
  const { exitCode, isLate, stderr, release } = finished;
  const link =
    exitCode === 0 && !isLate ? await linkTo(run, { release, log, warnings, deadline }) : undefined;
  if (link?.ok) return done(link);
  release();
  const { words } = readLog(place.named(stderr()));
  const told = readLog(place.named(log.head()));
  log.close();
  if (link !== undefined && !deadline.aborted) return done(link);
  if (
    program.hasKnownHostsCommand &&
    /option: knownhostscommand/i.test([...words, ...told.words].join('\n'))
  ) {
    program = { hasKnownHostsCommand: false };
    return await attempt(wish, warnings, deadline);
  }
  return await judged(run, { told, onTheWay: words, isLate: isLate || link !== undefined });
}

async function started(run: Run, deadline: AbortSignal) {
  const { target, place, round } = run;
  place.write(files.config, sshConfig(run));
  if (target.trust.kind === 'pinned') place.write(files.pinned, pinnedHosts(target.trust.publicKeys));
  const keys = round?.keys ?? [];
  const endAgent = keys.length === 0 ? () => undefined : await serveAgent(place.path(files.agent), keys);
  try {
    return await runSsh(masterArguments(run), environmentOf(run), deadline);
  } finally {
    endAgent();
  }
}

/** known_hosts of a host whose keys are given; they were read once already. */
function pinnedHosts(publicKeys: readonly string[]): string {
  return publicKeys
    .map((line) => parsePublicKeyLine(line))
    .map((parsed) => (parsed.ok ? `stockade ${keyLine(parsed.key)}\n` : ''))
    .join('');
}

interface Standing {
  readonly release: () => void;
  readonly log: LogFile;
  readonly warnings: readonly Diagnostic[];
  readonly deadline: AbortSignal;
}

async function linkTo(run: Run, { release, log, warnings, deadline }: Standing): Promise<Result<Link>> {
  const { target, place, round } = run;
  try {
    const proxy = await openProxy(place.path(files.socket), deadline);
    const passedOver = (round?.passedOver ?? []).map((one) => ({ ...one, severity: 'warning' as const }));
    return success(
      linkOver(proxy, {
        warnings: [...warnings, ...passedOver],
        lastWords: () => lastWordsOf(log.tail()),
        onGone: () => {
          log.close();
          release();
        },
      }),
    );
  } catch (error) {
    return failure(notMultiplexed(target.host, messageOf(error)));
  }
}

async function judged(run: Run, what: Failure): Promise<Done | Refused> {
  const to = destination(run.target, what.told);
  const verdict = judge(to, run.target.connectTimeoutSeconds, what);
  switch (verdict.kind) {
    case 'login-refused':
      return { kind: 'refused', told: what.told, reason: verdict.reason };
    case 'host-key':
      return done(failure(await explainHostKey(run, to, what.told)));
    case 'told':
      return done(failure(verdict.diagnostic));
  }
}

function done(result: Result<Link>): Done {
  return { kind: 'done', result };
}
