import { defaultRoots, type HostRoots } from '../../model/paths.ts';
import { firstOf, plainWords } from '../shared/words.ts';
import { profileState } from './apparmor.ts';
import { runDirectories, stateDirectories, unitTemplateSha256 } from './desired.ts';
import type { FileFacts, HostFacts } from './facts.ts';

/** Whether a host is as it was prepared, part by part: `ok`, or what is wrong in a few words. */
export interface HostIntegrity {
  /** Directories of the state and run roots: there, root's, closed to all others. */
  readonly directories: string;
  /** The unit that guests are instances of: as we wrote it, without additions, known to systemd. */
  readonly unitTemplate: string;
  /** The unprivileged user that writes logs. */
  readonly loggerUser: string;
  /** The AppArmor profile of guests: as we wrote it, loaded, enforced; `ok` where the host has no AppArmor. */
  readonly apparmorProfile: string;
}

export const hostIntegrityParts = ['directories', 'unitTemplate', 'loggerUser', 'apparmorProfile'] as const;
export const intactHost = Object.fromEntries(
  hostIntegrityParts.map((part) => [part, 'ok']),
) as unknown as HostIntegrity;

export function hostIntegrity(facts: HostFacts, roots: HostRoots = defaultRoots): HostIntegrity {
  return {
    directories: directoriesState(facts, roots),
    unitTemplate: templateState(facts, roots),
    loggerUser: loggerState(facts),
    apparmorProfile: profileState(facts, roots),
  };
}

function directoriesState({ directories, record }: HostFacts, roots: HostRoots): string {
  const wrong: string[] = record === undefined ? [`${roots.state}/host is missing or damaged`] : [];
  for (const path of stateDirectories(roots)) {
    const found = directories.get(path);
    const text = found === undefined ? 'is missing' : directoryState(found);
    if (text !== undefined) wrong.push(`${path} ${text}`);
  }
  for (const path of runDirectories(roots)) {
    const found = directories.get(path);
    const text = found === undefined ? undefined : directoryState(found);
    if (text !== undefined) wrong.push(`${path} ${text}`);
  }
  return wrong[0] === undefined ? 'ok' : firstOf(wrong[0], wrong.length);
}

function directoryState({ type, mode, uid, gid }: FileFacts): string | undefined {
  if (type !== 'directory') return 'is no directory';
  if (uid !== 0 || gid !== 0) return `is owned by ${uid}:${gid}, not 0:0`;
  return mode === 0o700 ? undefined : `has mode ${octal(mode)}, not 0700`;
}

function templateState(
  { unitTemplate, foreignUnitFiles, reloadPending }: HostFacts,
  roots: HostRoots,
): string {
  const wrong: string[] = [];
  if (unitTemplate === undefined) wrong.push('missing');
  else if (unitTemplate.type !== 'file' || unitTemplate.sha256 !== unitTemplateSha256(roots)) {
    wrong.push('was edited');
  } else if (unitTemplate.uid !== 0 || unitTemplate.gid !== 0 || unitTemplate.mode !== 0o644) {
    wrong.push(`has owner ${unitTemplate.uid}:${unitTemplate.gid} and mode ${octal(unitTemplate.mode)}`);
  }
  const [addition] = foreignUnitFiles;
  if (addition !== undefined) {
    wrong.push(`has an addition: ${firstOf(plainWords(addition), foreignUnitFiles.length)}`);
  }
  if (reloadPending) wrong.push('systemd has not read it yet');
  return wrong.length === 0 ? 'ok' : wrong.join('; ');
}

function loggerState({ logger }: HostFacts): string {
  if (logger === undefined) return 'missing';
  const { uid, gid, home, shell, locked, groupGid } = logger;
  const wrong: string[] = [];
  if (uid === undefined || uid === 0) wrong.push(`uid ${uid ?? '?'}`);
  if (gid !== uid || groupGid !== uid) wrong.push('no group of its own');
  if (home !== '/nonexistent') wrong.push(`home ${home}`);
  if (!/^(\/usr)?\/s?bin\/(nologin|false)$/.test(shell)) wrong.push(`shell ${shell}`);
  if (!locked) wrong.push('a password');
  return wrong.length === 0 ? 'ok' : `has ${plainWords(wrong.join(', '))}`;
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0');
}
