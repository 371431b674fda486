import { assertNever } from '../model/assert.ts';
import {
  type HelperEvidence,
  helperLayerNames,
  type LayerEvidence,
  type LayerName,
} from '../model/evidence.ts';
import { cgroupRaw, placeFindings, valueFindings } from './cgroup-limits.ts';
import { deviceRuleFindings } from './device-rule.ts';
import { helperFilesFindings } from './helper-files.ts';
import { helperDevFindings, helperMountFindings } from './helper-mounts.ts';
import {
  bothCapabilities,
  capabilityFindings,
  filterFindings,
  limitFindings,
  namespaceFindings,
  privilegeFindings,
  rootFindings,
  serving,
} from './helper-processes.ts';
import { doubted, type Findings, identity, judge, together } from './judge.ts';
import type { IsolationExpectation } from './launch-plan.ts';
import { type HelperShare, helperShares } from './launch-share.ts';
import { labelFindings } from './lsm.ts';
import { helperProfileOf } from './lsm-profile.ts';
import type { GuestObservation, HelperObservation, ProcessObservation } from './observation.ts';
import { helperCgroupLimits, helperRlimits } from './share-limits.ts';

/** The evidence of each share's helper, and of what bears the name of one. */
export function proveHelpers(
  observation: GuestObservation,
  expectation: IsolationExpectation,
): readonly HelperEvidence[] {
  const shares = helperShares(expectation.shares);
  return observation.helpers.map((helper) => {
    const share = shares.find(({ tag }) => tag === helper.tag);
    return share === undefined ? stranger(helper) : proveHelper(helper, share, observation, expectation);
  });
}

function proveHelper(
  helper: HelperObservation,
  share: HelperShare,
  observation: GuestObservation,
  expectation: IsolationExpectation,
): HelperEvidence {
  const running = serving(helper).length > 0;
  const prove = (layer: LayerName): LayerEvidence => {
    if (expectation.requests[layer] !== 'on' && layer === 'lsm') return notLabelled(expectation);
    if (!running) {
      return {
        layer,
        state: 'unproven',
        requested: 'a helper',
        observed: 'its helper does not run',
        raw: [],
      };
    }
    const { requested, findings, raw } = layerOf(layer, { helper, share, observation, expectation });
    const shown = doubted(judge(layer, requested, { running }, findings, raw), strange(helper, share));
    const unprovable = expectation.unprovable[layer];
    return shown.state === 'unproven' && unprovable !== undefined ? { ...shown, unprovable } : shown;
  };
  return {
    tag: helper.tag,
    driver: share.driver.kind,
    source: share.source,
    running,
    processes: helper.processes.map(identity),
    layers: helperLayerNames.map(prove),
  };
}

interface Look {
  readonly requested: string;
  readonly findings: Findings;
  readonly raw: readonly string[];
}

interface Case {
  readonly helper: HelperObservation;
  readonly share: HelperShare;
  readonly observation: GuestObservation;
  readonly expectation: IsolationExpectation;
}

function layerOf(layer: LayerName, { helper, share, observation, expectation }: Case): Look {
  switch (layer) {
    case 'user':
      return { requested: 'root: it makes files of any owner', findings: together(), raw: [] };
    case 'chroot':
      return rootFindings(helper, share);
    case 'mount-namespace':
      return mountLayer(helper, share);
    case 'private-dev':
      return helperDevFindings(helper);
    case 'ipc-namespace':
      return namespaceFindings('ipc', helper);
    case 'uts-namespace':
      return namespaceFindings('uts', helper);
    case 'net-namespace':
      return namespaceFindings('net', helper);
    case 'pid-namespace':
      return namespaceFindings('pid', helper);
    case 'cgroup-namespace':
      return namespaceFindings('cgroup', helper);
    case 'capabilities':
      return { ...capabilityFindings(helper, share), requested: bothCapabilities(share) };
    case 'no-new-privs':
      return privilegeFindings(helper);
    case 'seccomp':
      return filterFindings(helper, share);
    case 'rlimits':
      return limitFindings(helper, helperRlimits(share));
    case 'cgroup-limits':
      return cgroupLayer(helper, share);
    case 'open-files':
      return helperFilesFindings(helper, share, observation);
    case 'lsm':
      return labelLayer(helper, share, observation, expectation);
    default:
      return assertNever(layer);
  }
}

function mountLayer(helper: HelperObservation, share: HelperShare): Look {
  const own = namespaceFindings('mnt', helper);
  const mounts = helperMountFindings(helper, share);
  const access = share.readonly ? 'read-only, ' : '';
  return {
    requested: `its own, with a root that shows programs and the export (${access}nosuid, nodev) alone; nothing propagates`,
    findings: together(own.findings, mounts.findings),
    raw: [...own.raw, ...mounts.raw],
  };
}

function cgroupLayer(helper: HelperObservation, share: HelperShare): Look {
  const limits = helperCgroupLimits(share);
  const name = helper.units[0] ?? '';
  const rule = { name, deviceNodes: ['null'], hasDevices: false };
  return {
    requested: `its unit: ${limits.memoryMib} MiB and no swap, ${limits.cpuPercent} % of a processor, ${limits.tasks} tasks, no device but null`,
    findings: together(
      placeFindings(helper, helper.controlGroup),
      valueFindings(helper.cgroup, limits),
      deviceRuleFindings(helper.cgroup.trials, rule),
    ),
    raw: cgroupRaw(helper, name),
  };
}

function labelLayer(
  { processes }: HelperObservation,
  { driver }: HelperShare,
  { profiles }: GuestObservation,
  expectation: IsolationExpectation,
): Look {
  const profile = helperProfileOf(driver);
  return {
    requested: `AppArmor profile ${profile}, enforced, on every thread`,
    ...labelFindings({ processes, profiles }, [profile], () => profile, expectation),
  };
}

/** Switched off with the guest's, or nothing that this host has. */
function notLabelled({ requests }: IsolationExpectation): LayerEvidence {
  return {
    layer: 'lsm',
    state: requests.lsm === 'off' ? 'off' : 'missing',
    requested: 'nothing',
    observed: 'not asked for, or not on this host',
    raw: [],
  };
}

/** Why what was seen may not be the helper at all: then nothing counts as effective, while a hole still counts as one. */
function strange(helper: HelperObservation, share: HelperShare): string | undefined {
  const { units, program } = helper;
  if (units.length > 1)
    return `more than one unit serves it: ${units.map((unit) => JSON.stringify(unit)).join(', ')}`;
  if (program === undefined) return `the host has no ${share.driver.helper} any more to compare with`;
  const isHelper = (each: ProcessObservation) =>
    each.executableDevice === program.device && each.executableInode === program.inode;
  return serving(helper).every(isHelper)
    ? undefined
    : `what serves it is not ${share.driver.helper} (replaced since the guest's start?)`;
}

/** Root's own, and bears the name of a share that the guest does not have. */
function stranger(helper: HelperObservation): HelperEvidence {
  const observed = `no share of the guest, and yet ${helper.units.map((unit) => JSON.stringify(unit)).join(', ')} runs`;
  return {
    tag: helper.tag,
    driver: helper.units.some((unit) => unit.includes('@')) ? 'proxy' : 'virtiofs',
    source: '',
    running: helper.processes.length > 0,
    processes: helper.processes.map(identity),
    layers: helperLayerNames.map((layer) => {
      return { layer, state: 'ineffective', requested: 'no such helper', observed, raw: [] };
    }),
  };
}
