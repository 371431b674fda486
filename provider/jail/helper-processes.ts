import { type Findings, unreadThreads } from './judge.ts';
import type { HelperShare } from './launch-share.ts';
import {
  type CapabilitySet,
  capabilitySets,
  type HelperObservation,
  type NamespaceKind,
  type ProcessObservation,
  type ThreadObservation,
} from './observation.ts';
import { limitFaults } from './rlimits.ts';
import { capabilityMask, helperBounding, helperCapabilities } from './share-limits.ts';

/** What was found about one layer of a helper, and what it rests on. */
export interface HelperLook {
  readonly requested: string;
  readonly findings: Findings;
  readonly raw: readonly string[];
}

/** Every process of the unit but its main one, which holds the namespaces. */
export function serving({ processes }: HelperObservation): readonly ProcessObservation[] {
  return processes.filter(({ role }) => role === 'share-helper');
}

/** The one of them that no other came from: virtiofsd's first process waits for the second, which serves. */
export function server(helper: HelperObservation): ProcessObservation | undefined {
  const processes = serving(helper);
  return processes.find(({ pid }) => !processes.some(({ parentPid }) => parentPid === pid));
}

/** Root and working directory of every process are the directory that is shared. */
export function rootFindings(helper: HelperObservation, { source }: HelperShare): HelperLook {
  const [wrong, unknown]: [string[], string[]] = [[], []];
  if (helper.source === undefined) unknown.push('the record of the directory could not be read');
  const places = serving(helper).flatMap((process) => [
    ['root', process.root] as const,
    ['working directory', process.directory] as const,
  ]);
  for (const [name, file] of places) {
    if (file === undefined) unknown.push(`the ${name} of the helper could not be read`);
    else if (
      helper.source !== undefined &&
      (file.device !== helper.source.device || file.inode !== helper.source.inode)
    )
      wrong.push(`the ${name} of the helper is another directory`);
  }
  const raw = [
    `${source} ${helper.source === undefined ? '?' : `${helper.source.device}:${helper.source.inode}`}`,
    ...places.map(([name, file]) => `${name} ${file === undefined ? '?' : `${file.device}:${file.inode}`}`),
  ];
  return { requested: `the directory ${source} itself`, findings: { wrong, unknown }, raw };
}

/** Each process is in a namespace that is neither the host's, nor the guest's, nor another helper's. */
export function namespaceFindings(kind: NamespaceKind, helper: HelperObservation): HelperLook {
  const [wrong, unknown]: [string[], string[]] = [[], []];
  const host = helper.hostNamespaces[kind];
  if (host === undefined) unknown.push("the host's own could not be read");
  for (const { namespaces } of serving(helper)) {
    const own = namespaces[kind];
    if (own === undefined) unknown.push('the namespace of the helper could not be read');
    else if (own === host) wrong.push("it is the host's");
  }
  const other = helper.sharedNamespaces[kind];
  if (other !== undefined) wrong.push(`${other} is in it too`);
  const raw = helper.processes.map(
    ({ pid, role, namespaces }) => `${pid} ${role} ${namespaces[kind] ?? '?'}, host ${host ?? '?'}`,
  );
  return { requested: 'its own', findings: { wrong, unknown }, raw };
}

export function bothCapabilities(share: HelperShare): string {
  const names = helperCapabilities(share);
  const more = helperBounding(share).filter((name) => !(names as readonly string[]).includes(name));
  return `at most ${names.join(' ')}; threads of the helper's libraries, and the bounding set, also ${more.join(' ')}`;
}

/**
 * The first thread of a process dropped what it does not need; one of a library's (RCU of QEMU's) began before that and holds at most
 * what the helper was started with. Nothing can be inherited, nothing is ambient.
 */
export function capabilityFindings(
  helper: HelperObservation,
  share: HelperShare,
): Omit<HelperLook, 'requested'> {
  const own = capabilityMask(helperCapabilities(share));
  // the Rust virtiofsd has no thread before it has dropped what it does not need
  const early = share.driver.kind === 'proxy' || share.driver.implementation === 'c';
  const start = early ? capabilityMask(helperBounding(share)) : own;
  const allowed = (set: CapabilitySet, first: boolean): bigint => {
    if (set === 'CapInh' || set === 'CapAmb') return 0n;
    return first && set !== 'CapBnd' ? own : start;
  };
  const [wrong, unknown]: [string[], string[]] = [[], [...unreadThreads(serving(helper))]];
  for (const [process, thread] of threadsOf(helper)) {
    for (const set of capabilitySets) {
      const held = thread.capabilities[set];
      if (held === undefined) unknown.push(`${set} of the helper could not be read`);
      else if ((BigInt(`0x${held}`) & ~allowed(set, thread.tid === process.pid)) !== 0n) {
        wrong.push(`the helper has ${set} ${held}`);
      }
    }
  }
  const raw = threadsOf(helper).map(
    ([{ pid }, thread]) =>
      `${pid}/${thread.tid} ${capabilitySets.map((set) => `${set} ${thread.capabilities[set] ?? '?'}`).join(' ')}`,
  );
  return { findings: { wrong, unknown }, raw };
}

function threadsOf(helper: HelperObservation): readonly (readonly [ProcessObservation, ThreadObservation])[] {
  return serving(helper).flatMap((process) => process.threads.map((thread) => [process, thread] as const));
}

export function privilegeFindings(helper: HelperObservation): HelperLook {
  const [wrong, unknown]: [string[], string[]] = [[], [...unreadThreads(serving(helper))]];
  for (const [, { noNewPrivs }] of threadsOf(helper)) {
    if (noNewPrivs === undefined) unknown.push('NoNewPrivs of the helper could not be read');
    else if (noNewPrivs !== 1) wrong.push(`the helper has NoNewPrivs ${noNewPrivs}`);
  }
  const raw = threadsOf(helper).map(
    ([{ pid }, { tid, noNewPrivs }]) => `${pid}/${tid} NoNewPrivs ${noNewPrivs ?? '?'}`,
  );
  return { requested: 'set on every thread', findings: { wrong, unknown }, raw };
}

/** The unit's filter is on everything in it. virtiofsd has one of its own where it serves. */
export function filterFindings(helper: HelperObservation, share: HelperShare): HelperLook {
  const [wrong, unknown]: [string[], string[]] = [[], [...unreadThreads(helper.processes)]];
  const parents = helper.processes.filter(({ role }) => role === 'namespace-parent');
  const counts = parents.flatMap(({ threads }) => threads.map(({ seccompFilters }) => seccompFilters ?? 0));
  const filters = Math.max(1, ...counts);
  if (parents.length === 0) wrong.push("no process above the helper shows which filters are the unit's");
  for (const { role, threads } of helper.processes) {
    for (const { seccomp, seccompFilters } of threads) {
      if (seccomp === undefined || seccompFilters === undefined)
        unknown.push(`filters of the ${role} could not be read`);
      else if (seccomp !== 2) wrong.push(`a thread of the ${role} has Seccomp ${seccomp}`);
      else if (seccompFilters < filters) wrong.push(`the ${role} has not the filters of the unit`);
    }
  }
  const virtiofs = share.driver.kind === 'virtiofs' ? share.driver : undefined;
  if (virtiofs !== undefined) {
    const early = virtiofs.implementation === 'c' ? 1 : 0;
    const own = ownFilterFindings(server(helper), filters, early);
    wrong.push(...own.wrong);
    unknown.push(...own.unknown);
  }
  const raw = helper.processes.flatMap(({ pid, threads }) =>
    threads.map(
      ({ tid, seccomp, seccompFilters }) =>
        `${pid}/${tid} Seccomp ${seccomp ?? '?'} Seccomp_filters ${seccompFilters ?? '?'}`,
    ),
  );
  const requested = `a filter of the unit's on every process${virtiofs === undefined ? '' : `, and one of its own on each thread of what serves${virtiofs.implementation === 'c' ? " but one, of QEMU's library" : ''}`}`;
  return { requested, findings: { wrong, unknown }, raw };
}

/**
 * virtiofsd filters itself where it serves. That reaches the first thread and all that come from it; the C one has one that was there
 * before (RCU of QEMU's library) and does not serve: seen on 7.2.
 */
function ownFilterFindings(
  serves: ProcessObservation | undefined,
  filtersOfUnit: number,
  earlyThreads: number,
): Findings {
  if (serves === undefined) return { wrong: [], unknown: ['no process of virtiofsd that serves was found'] };
  const without = serves.threads.filter(
    ({ seccompFilters }) => seccompFilters !== undefined && seccompFilters <= filtersOfUnit,
  );
  const allowed = without.some(({ tid }) => tid === serves.pid) ? 0 : earlyThreads;
  return {
    wrong: without.length > allowed ? ["a thread of virtiofsd has no filter but the unit's"] : [],
    unknown: [],
  };
}

/** The number of open files may be lower: the kernel has a highest one. */
export function limitFindings(
  helper: HelperObservation,
  limits: Readonly<Record<string, number>>,
): HelperLook {
  const [wrong, unknown]: [string[], string[]] = [[], []];
  const { nofile = 0, ...exact } = limits;
  for (const process of serving(helper)) {
    limitFaults(process, exact, wrong, unknown);
    const files = process.limits?.['Max open files'];
    if (files === undefined) unknown.push('nofile of the helper could not be read');
    else if (files.soft > nofile || files.hard > nofile)
      wrong.push(`the helper has nofile ${files.soft}/${files.hard}`);
  }
  const requested = Object.entries(limits).map(([name, value]) => `${name} ${value}`);
  const raw = serving(helper).flatMap(({ pid, limits: found }) =>
    Object.entries(found ?? {}).map(([label, { soft, hard }]) => `${pid} ${label} ${soft} ${hard}`),
  );
  return { requested: `${requested.join(', ')} at most`, findings: { wrong, unknown }, raw };
}
