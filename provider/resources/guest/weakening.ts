import type { IsolationChange, IsolationLine } from '../../model/change.ts';
import { deviceNodesOf, type LaunchLimits, usesVfio } from '../../jail/launch-plan.ts';
import { type LayerName, layerNames } from '../../model/evidence.ts';
import type { LimitsSpec } from '../../spec/guest.ts';
import { plainGuest, type StoredGuest } from './desired.ts';
import { layerWords } from './layer-words.ts';
import { launchLimits } from './limits.ts';
import { whereTheHostHasIt } from './requests.ts';
import { driverOf, type ShareDrivers, shareLine } from './share-words.ts';

/** The part of a definition that its isolation depends on. */
export type IsolationDefinition = Pick<
  StoredGuest,
  | 'memoryMib'
  | 'vcpus'
  | 'accelerator'
  | 'sharedMemory'
  | 'shares'
  | 'network'
  | 'devices'
  | 'limits'
  | 'isolation'
>;

/** A definition on its host. */
export interface Standing {
  readonly definition: IsolationDefinition;
  /** Layers that are asked for as far as the host has them, and that it has not. */
  readonly missing: readonly LayerName[];
  /** Who serves its shares, as far as that is known. */
  readonly drivers: ShareDrivers;
}

/**
 * What becomes of a guest's isolation; `undefined` where nothing does. A writable disk is no gain: it is what a guest is for. Limits that
 * follow from another size of the guest are no change: only what was set is weighed.
 * @param before `full`: there was none, it is compared with a guest that has every layer its host can give
 * @param why what the host lacks for a layer
 */
export function isolationChange(
  before: Standing | 'full',
  after: Standing,
  why: (layer: LayerName) => string | undefined = () => undefined,
): IsolationChange | undefined {
  const prior = before === 'full' ? fullyIsolated(after) : before;
  const was = layersLost(prior);
  const will = layersLost(after);
  const { lost, won } = limitLines(prior, after);
  const mounts = [prior, after].map(({ definition }) => definition.isolation.hostDevMounts);
  const had = giftsOf(prior);
  const has = giftsOf(after);
  const change: IsolationChange = {
    losses: [
      ...will.filter((layer) => !was.includes(layer)).map((layer) => layerLine(layer, after, why)),
      ...(mounts[1] === true && mounts[0] === false ? [devMounts] : []),
      ...lost,
    ],
    gains: withoutThose(has, had),
    regained: [
      ...was
        .filter((layer) => !will.includes(layer))
        .map((layer) => layerLine(layer, prior, () => undefined)),
      ...(mounts[0] === true && mounts[1] === false ? [devMounts] : []),
      ...won,
    ],
    dropped: withoutThose(had, has),
  };
  return Object.values(change).every((lines: readonly IsolationLine[]) => lines.length === 0)
    ? undefined
    : change;
}

/** A guest of the same size with everything on; what no definition has to allow to be missing may be so here too. */
function fullyIsolated({ definition, missing }: Standing): Standing {
  return {
    definition: { ...definition, ...plainGuest },
    missing: missing.filter((layer) => whereTheHostHasIt.includes(layer)),
    drivers: new Map(),
  };
}

function layersLost({ definition, missing }: Standing): readonly LayerName[] {
  const off: readonly LayerName[] = definition.isolation.off;
  return layerNames.filter((layer) => off.includes(layer) || missing.includes(layer));
}

function layerLine(
  layer: LayerName,
  { definition, missing }: Standing,
  why: (layer: LayerName) => string | undefined,
): IsolationLine {
  const { name, without } = layerWords[layer];
  const isOff = (definition.isolation.off as readonly LayerName[]).includes(layer);
  const path = ['isolation', isOff ? 'off' : 'mayBeMissing'];
  const reason = !isOff && missing.includes(layer) ? (why(layer) ?? 'the host cannot give it') : undefined;
  return { what: name, meaning: without, path, ...(reason === undefined ? {} : { reason }) };
}

const devMounts: IsolationLine = {
  what: 'mounts of its own below /dev',
  meaning:
    "QEMU shares /dev/shm, /dev/mqueue and /dev/pts with the host's processes: its ipc namespace no longer keeps them apart.",
  path: ['isolation', 'hostDevMounts'],
};

/** What a definition lets QEMU use of its host, beyond what every guest has. */
function giftsOf({ definition, drivers }: Standing): readonly IsolationLine[] {
  // virtiofsd reads and writes the guest's memory
  const virtiofs = definition.shares.some((share) => driverOf(share, drivers) === 'virtiofs');
  const onHostNetwork = (definition.isolation.off as readonly LayerName[]).includes('net-namespace');
  return [
    ...givenDevices(definition).map((path) => ({
      what: path,
      meaning: `QEMU may open this device of the host; what the device can do to the host, a guest that took over QEMU can do.${usesVfio([nameOf(path)]) ? lockedMemory : ''}`,
      path: ['devices'],
    })),
    ...definition.shares.map((share) => shareLine(share, drivers)),
    ...(definition.sharedMemory || virtiofs
      ? [
          {
            what: 'a shared memory file',
            meaning:
              "The guest's memory is a file, as large as it: whoever is handed it reads and writes all of the guest.",
            path: [definition.sharedMemory ? 'sharedMemory' : 'shares'],
          },
        ]
      : []),
    ...(definition.network === 'user'
      ? [
          {
            what: 'user-mode network',
            meaning: onHostNetwork
              ? "QEMU interprets the guest's packets itself, and reaches whatever the host reaches."
              : "QEMU interprets the guest's packets itself: more of its code that a guest can attack.",
            path: ['network'],
          },
        ]
      : []),
  ];
}

const lockedMemory = " The guest's memory may be locked, and 1 GiB more.";

function nameOf(path: string): string {
  return path.slice('/dev/'.length);
}

/** What every guest of its kind has is no gain. */
function givenDevices({ devices, accelerator }: IsolationDefinition): readonly string[] {
  const always = deviceNodesOf({ usesKvm: accelerator === 'kvm', devices: [] });
  return devices.filter((path) => !always.includes(nameOf(path)));
}

function withoutThose(lines: readonly IsolationLine[], others: readonly IsolationLine[]) {
  return lines.filter(({ what }) => !others.some((other) => other.what === what));
}

interface LimitWords {
  readonly name: string;
  readonly unit: string;
  readonly value: (limits: LaunchLimits) => number | undefined;
}

const limitWords: Readonly<Record<keyof LimitsSpec, LimitWords>> = {
  memoryOverheadMib: { name: 'memory limit', unit: ' MiB', value: ({ memoryMib }) => memoryMib },
  cpuPercent: { name: 'processor limit', unit: ' %', value: ({ cpuPercent }) => cpuPercent },
  tasks: { name: 'task limit', unit: '', value: ({ tasks }) => tasks },
  openFiles: { name: 'open files limit', unit: '', value: ({ openFiles }) => openFiles },
  ioReadMibPerSecond: {
    name: 'disk read limit',
    unit: ' MiB per second',
    value: ({ ioReadMibPerSecond }) => ioReadMibPerSecond,
  },
  ioWriteMibPerSecond: {
    name: 'disk write limit',
    unit: ' MiB per second',
    value: ({ ioWriteMibPerSecond }) => ioWriteMibPerSecond,
  },
};

/** Limits as they were set before and are set now, both for the guest as it will be. Lowered ones count where they were raised before. */
function limitLines(before: Standing, after: Standing) {
  const sized = (limits: StoredGuest['limits']) => launchLimits({ ...after.definition, limits });
  const [was, will, plain] = [before.definition.limits, after.definition.limits, {}].map(sized);
  const lost: IsolationLine[] = [];
  const won: IsolationLine[] = [];
  if (was === undefined || will === undefined || plain === undefined) return { lost, won };
  for (const [key, { name, unit, value }] of Object.entries(limitWords)) {
    const [old, now, usual] = [value(was), value(will), value(plain)];
    const shown = (one: number | undefined) => (one === undefined ? 'none' : `${one}${unit}`);
    const path = ['limits', key];
    const meaning = 'It may take more of its host from others than before, or than guests of its size do.';
    if (above(now, old)) {
      lost.push({ what: `${name} of ${shown(old)} (becomes ${shown(now)})`, meaning, path });
    } else if (above(old, now) && above(old, usual)) {
      won.push({ what: `${name} of ${shown(now)} (was ${shown(old)})`, meaning, path });
    }
  }
  return { lost, won };
}

/** No limit is above every limit. */
function above(one: number | undefined, other: number | undefined): boolean {
  return (one ?? Number.POSITIVE_INFINITY) > (other ?? Number.POSITIVE_INFINITY);
}
