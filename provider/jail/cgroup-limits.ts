import type { LayerEvidence } from '../model/evidence.ts';
import { guestUnit } from '../model/paths.ts';
import { deviceRuleFindings, deviceRuleOf, deviceRuleRaw } from './device-rule.ts';
import { ioFindings } from './io-limits.ts';
import { type Findings, judge, together } from './judge.ts';
import {
  deviceNodesOf,
  type IsolationExpectation,
  type LaunchLimits,
  type LaunchPlan,
} from './launch-plan.ts';
import type { CgroupObservation, GuestObservation } from './observation.ts';

const bytesPerMib = 1024 * 1024;

/**
 * The lines of the unit that limit everything in it: QEMU, the loggers, the launcher itself. Empty where the layer is not on.
 * Nothing of the guest's memory goes to swap. What is opened or made below /dev is what the private /dev holds, and disks that
 * are devices (systemd.resource-control(5); on cgroups of version 2 a BPF program of the kernel's decides at each open).
 */
export function unitLimits(
  plan: Pick<LaunchPlan, 'requests' | 'limits' | 'disks' | 'devices' | 'usesKvm'>,
): string {
  if (plan.requests['cgroup-limits'] !== 'on') return '';
  const { limits, disks } = plan;
  const images = disks.flatMap((disk) => [
    { path: disk.path, access: disk.readonly ? 'r' : 'rw' },
    ...disk.backing.map(({ path }) => ({ path, access: 'r' })),
  ]);
  const bandwidth = (setting: string, mib: number | undefined) =>
    mib === undefined ? [] : images.map(({ path }) => `${setting}=${quoted(path)} ${mib * bytesPerMib}`);
  const lines = [
    `MemoryMax=${limits.memoryMib}M`,
    'MemorySwapMax=0',
    `CPUQuota=${limits.cpuPercent}%`,
    `TasksMax=${limits.tasks}`,
    ...bandwidth('IOReadBandwidthMax', limits.ioReadMibPerSecond),
    ...bandwidth('IOWriteBandwidthMax', limits.ioWriteMibPerSecond),
    'DevicePolicy=strict',
    // m: the launcher makes the nodes of the private /dev
    ...deviceNodesOf(plan).map((name) => `DeviceAllow=${quoted(`/dev/${name}`)} rwm`),
    ...images
      .filter(({ path }) => path.startsWith('/dev/'))
      .map(({ path, access }) => `DeviceAllow=${quoted(path)} ${access}`),
  ];
  return `${[...new Set(lines)].join('\n')}\n`;
}

/** A path as a unit file takes it (systemd.syntax(7)): `%` begins a specifier, a backslash an escape. */
function quoted(path: string): string {
  if (/^[A-Za-z0-9_/:=.,@+-]+$/.test(path)) return path;
  return `"${path.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('%', '%%')}"`;
}

/**
 * Evidence of memory, processor, process, device and bandwidth limits. What counts is what the kernel has of the cgroup that
 * each process says it is in, and that this is the unit's: a process in another one is under none of them.
 */
export function proveCgroupLimits(
  observation: GuestObservation,
  expectation: IsolationExpectation,
): LayerEvidence {
  const findings = together(
    placeFindings(observation, observation.unit?.controlGroup),
    valueFindings(observation.cgroup, expectation.limits),
    ioFindings(observation, expectation),
    deviceRuleFindings(observation.cgroup.trials, deviceRuleOf(observation, expectation)),
  );
  const { limits } = expectation;
  const requested = `${guestUnit(expectation.guest)}: ${limits.memoryMib} MiB and no swap, ${limits.cpuPercent} % of a processor, ${limits.tasks} tasks, devices of the private /dev${bandwidthText(limits)}`;
  return judge('cgroup-limits', requested, observation, findings, cgroupRaw(observation, observation.guest));
}

function bandwidthText({ ioReadMibPerSecond, ioWriteMibPerSecond }: IsolationExpectation['limits']): string {
  const read = ioReadMibPerSecond === undefined ? '' : `, ${ioReadMibPerSecond} MiB/s read`;
  return ioWriteMibPerSecond === undefined ? read : `${read}, ${ioWriteMibPerSecond} MiB/s written`;
}

type Confined = Pick<GuestObservation, 'cgroup' | 'processes'>;

/** Every process, the namespaces' parent too, is in the unit's cgroup itself. */
export function placeFindings({ cgroup, processes }: Confined, controlGroup: string | undefined): Findings {
  const wrong: string[] = [];
  const unknown: string[] = [];
  if (!cgroup.sameNamespace) unknown.push('cgroups are not seen as the host sees them');
  for (const process of processes) {
    if (process.cgroup === undefined) unknown.push(`the cgroup of the ${process.role} could not be read`);
    else if (process.cgroup !== controlGroup) {
      wrong.push(
        `the ${process.role} runs outside its unit, in the cgroup ${JSON.stringify(process.cgroup)}`,
      );
    }
  }
  return { wrong, unknown };
}

export function valueFindings(
  cgroup: CgroupObservation,
  limits: Pick<LaunchLimits, 'memoryMib' | 'cpuPercent' | 'tasks'>,
): Findings {
  const wrong: string[] = [];
  const unknown: string[] = [];
  const expected = {
    'memory.max': String(limits.memoryMib * bytesPerMib),
    'memory.swap.max': '0',
    'pids.max': String(limits.tasks),
  } as const;
  const names = Object.keys(expected) as (keyof typeof expected)[];
  const absent = [...names, 'cpu.max' as const].filter((name) => cgroup.files[name] === undefined);
  if (absent.length > 0) unknown.push(`the cgroup has no ${absent.join(', ')}`);
  for (const name of names) {
    const found = cgroup.files[name];
    if (found !== undefined && found !== expected[name])
      wrong.push(`${name} is ${found}, not ${expected[name]}`);
  }
  const cpu = cgroup.files['cpu.max'];
  if (cpu !== undefined && percentOf(cpu) !== limits.cpuPercent) {
    wrong.push(`cpu.max is ${cpu}, not ${limits.cpuPercent} %`);
  }
  return { wrong, unknown };
}

/** `QUOTA PERIOD` in microseconds; `max` is no limit. */
function percentOf(text: string): number | undefined {
  const [, quota, period] = /^(\d{1,15}) (\d{1,15})$/.exec(text) ?? [];
  return quota === undefined || period === undefined ? undefined : (Number(quota) * 100) / Number(period);
}

/** @param name of the trials: a guest's name, or that of a helper's unit */
export function cgroupRaw({ cgroup, processes }: Confined, name: string): readonly string[] {
  return [
    ...processes.map((process) => `${process.pid} ${process.role} cgroup ${process.cgroup ?? '?'}`),
    ...Object.entries(cgroup.files).map(([file, value]) => `${file} ${value ?? '?'}`),
    ...deviceRuleRaw(cgroup.trials, name),
  ];
}
