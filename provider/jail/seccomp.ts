import type { LayerEvidence } from '../model/evidence.ts';
import { sh, type ShellText } from '../model/shell.ts';
import { deviceModel, judge, namespaceParent } from './judge.ts';
import type { IsolationExpectation, LaunchPlan } from './launch-plan.ts';
import type { GuestObservation } from './observation.ts';

/** Without elevateprivileges: QEMU drops its privileges itself, and dies of SIGSYS when that is denied (QEMU 7.2). */
export const sandboxOption = 'on,obsolete=deny,spawn=deny,resourcecontrol=deny';

export function seccompArguments(plan: Pick<LaunchPlan, 'requests'>): ShellText {
  return plan.requests.seccomp === 'on'
    ? sh`-sandbox on,obsolete=deny,spawn=deny,resourcecontrol=deny`
    : sh``;
}

/**
 * Families of sockets that launcher and QEMU need: names of users (nscd, sssd, LDAP), interfaces, and QEMU playing the network.
 * QEMU's own filter denies none, and vsock, for one, knows no namespaces.
 */
const socketFamilies = ['AF_UNIX', 'AF_NETLINK', 'AF_INET', 'AF_INET6'] as const;

/**
 * The lines of the unit that put a filter on everything in it before the launcher starts; none where the layer is not on. An
 * io_uring makes sockets too (IORING_OP_SOCKET, Linux 5.19), and no filter sees what is asked of one: there are none.
 * The entry of 32-bit programs, whose socketcall hides the family (systemd.exec(5)), is closed by QEMU's own filter.
 */
export function unitFilter({ requests }: Pick<LaunchPlan, 'requests'>): string {
  if (requests.seccomp !== 'on') return '';
  return `RestrictAddressFamilies=${socketFamilies.join(' ')}
SystemCallFilter=~io_uring_setup
SystemCallErrorNumber=EPERM
`;
}

/**
 * QEMU has a filter of its own beyond those of its unit, which the namespaces' parent, root's own, has alone. How many systemd
 * makes of one setting differs with its version.
 */
export function proveSeccomp(
  observation: GuestObservation,
  _expectation: IsolationExpectation,
): LayerEvidence {
  const { wrong, unknown, filters } = unitFindings(observation);
  const process = deviceModel(observation);
  if (process === undefined || process.threads.length === 0) unknown.push('threads could not be read');
  for (const thread of process?.threads ?? []) {
    if (thread.seccomp === undefined) unknown.push('Seccomp could not be read');
    else if (thread.seccomp !== 2) wrong.push(`a thread has Seccomp ${thread.seccomp}`);
    if (thread.seccompFilters === undefined) unknown.push('Seccomp_filters could not be read');
    else if (thread.seccompFilters <= filters) wrong.push(`a thread of QEMU has no filter but the unit's`);
  }
  const raw = observation.processes.flatMap(({ pid, threads }) =>
    threads.map(
      (thread) =>
        `${pid}/${thread.tid} Seccomp ${thread.seccomp ?? '?'} Seccomp_filters ${thread.seccompFilters ?? '?'}`,
    ),
  );
  return judge(
    'seccomp',
    `filter on every thread of QEMU (${sandboxOption}), and one of the unit's on every process`,
    observation,
    { wrong, unknown },
    raw,
  );
}

/** Every process has the unit's filters. `filters`: how many they are; 0 where that is not known. */
function unitFindings(observation: GuestObservation) {
  const [wrong, unknown]: [string[], string[]] = [[], []];
  const parent = namespaceParent(observation);
  const counted = parent?.threads.map(({ seccompFilters }) => seccompFilters ?? 0) ?? [];
  const filters = counted.length === 0 ? 0 : Math.max(...counted);
  if (parent === undefined) {
    const alone = deviceModel(observation)?.pid === observation.unit?.mainPid;
    const text = "no process above QEMU shows which filters are the unit's alone";
    (alone ? wrong : unknown).push(text);
  }
  for (const { role, threads } of observation.processes) {
    for (const { seccomp, seccompFilters } of threads) {
      if (seccomp === undefined || seccompFilters === undefined)
        unknown.push(`filters of the ${role} could not be read`);
      else if (seccompFilters < Math.max(filters, 1))
        wrong.push(`the ${role} has not the filters of the unit`);
    }
  }
  return { wrong, unknown, filters };
}
