import type { LayerEvidence, LayerName } from '../model/evidence.ts';
import { sh, type ShellText, words } from '../model/shell.ts';
import { confinedProcesses, deviceModel, judge, namespaceParent } from './judge.ts';
import type { IsolationExpectation, LaunchPlan } from './launch-plan.ts';
import type { GuestObservation, NamespaceKind } from './observation.ts';
import type { LauncherStep } from './step.ts';
import { viewFindings } from './view.ts';

/**
 * Mount, ipc, net, uts and cgroup namespaces are entered by the launcher itself, so that the loggers have them too. Everything
 * is made private before anything else happens there. No private /proc: QEMU's root is an empty directory, it sees none.
 */
export function namespacesStep(plan: Pick<LaunchPlan, 'requests'>): LauncherStep {
  const entered = enteredFirst.filter(([layer]) => plan.requests[layer] === 'on').map(([, option]) => option);
  return {
    name: 'namespaces',
    comment: sh`A view of mounts, ipc, network, host name and cgroups of its own, private before anything else; no variable comes along`,
    body: sh`  exec env -i PATH="$PATH" LC_ALL=C \\
    unshare ${words(entered)} \\
    /bin/sh "$launcher" inside "$uid" "$gid" "$shared" "$logger_uid" "$logger_gid"`,
  };
}

/** Options of unshare(1), each a layer's; what it does not enter stays the host's. */
const enteredFirst: readonly (readonly [LayerName, string])[] = [
  ['mount-namespace', '--mount'],
  ['mount-namespace', '--propagation'],
  ['mount-namespace', 'private'],
  ['ipc-namespace', '--ipc'],
  ['net-namespace', '--net'],
  ['uts-namespace', '--uts'],
  ['cgroup-namespace', '--cgroup'],
];

/**
 * Part of the last command: QEMU is process 1 of a namespace of its own. Its parent waits for it and is the unit's main
 * process. When the parent dies, systemd ends the unit's other processes; --kill-child covers the time until QEMU has changed
 * its user (the kernel forgets the parent's death signal then).
 */
export function pidNamespaceCommand(plan: Pick<LaunchPlan, 'requests'>): ShellText {
  // without the namespace there is a parent all the same: evidence sees QEMU's mounts through it
  return plan.requests['pid-namespace'] === 'on'
    ? sh`unshare --pid --fork --kill-child`
    : sh`unshare --fork --kill-child`;
}

export const layerOfNamespace: Readonly<Record<NamespaceKind, LayerName>> = {
  mnt: 'mount-namespace',
  ipc: 'ipc-namespace',
  uts: 'uts-namespace',
  net: 'net-namespace',
  pid: 'pid-namespace',
  cgroup: 'cgroup-namespace',
};

/** Evidence of one namespace: the device model's (and, but for pid, the loggers') differs from the host's process 1. */
export function proveNamespace(
  kind: NamespaceKind,
  observation: GuestObservation,
  expectation: IsolationExpectation,
): LayerEvidence {
  const wrong: string[] = [];
  const unknown: string[] = [];
  const host = observation.hostNamespaces[kind];
  if (host === undefined) unknown.push("the host's own could not be read");
  const processes = confinedProcesses(observation).filter(
    (each) => kind !== 'pid' || each.role === 'device-model',
  );
  for (const process of processes) {
    const own = process.namespaces[kind];
    if (own === undefined) unknown.push(`the namespace of the ${process.role} could not be read`);
    else if (own === host) wrong.push(`the ${process.role} is in the host's`);
  }
  const other = observation.sharedNamespaces[kind];
  if (other !== undefined) wrong.push(`${other} is in it too`);
  if (kind === 'mnt') mountFaults(observation, expectation, wrong, unknown);
  const raw = observation.processes.map(
    (process) => `${process.pid} ${process.role} ${process.namespaces[kind] ?? '?'}, host ${host ?? '?'}`,
  );
  const requested =
    kind === 'mnt' ? 'its own, with a root that shows what QEMU needs alone; nothing propagates' : 'its own';
  return judge(layerOfNamespace[kind], requested, observation, { wrong, unknown }, raw);
}

function mountFaults(
  observation: GuestObservation,
  expectation: IsolationExpectation,
  wrong: string[],
  unknown: string[],
): void {
  const parent = namespaceParent(observation);
  const own = deviceModel(observation)?.namespaces.mnt;
  if (parent === undefined || own === undefined || parent.namespaces.mnt !== own) {
    unknown.push('mounts could not be read: no process beside the device model is in its namespace');
    return;
  }
  if (observation.mounts === undefined) {
    unknown.push('mounts could not be read');
    return;
  }
  const view = viewFindings(observation, expectation);
  wrong.push(...view.wrong);
  unknown.push(...view.unknown);
  const shared = observation.mounts.filter((mount) =>
    mount.propagation.some((tag) => tag.startsWith('shared:') || tag.startsWith('master:')),
  );
  if (shared.length > 0) {
    wrong.push(`${shared.length} mounts propagate, e.g. ${JSON.stringify(shared[0]?.mountPoint ?? '')}`);
  }
}
