import { type HelperLook, serving } from './helper-processes.ts';
import type { Findings } from './judge.ts';
import type { HelperShare } from './launch-share.ts';
import { isSameDevice } from './node-evidence.ts';
import type { HelperObservation, MountObservation } from './observation.ts';
import { isExport } from './share-open-files.ts';
import { exportPlace } from './share-places.ts';
import { hostFiles, programDirectories, viewSource } from './view.ts';

/** Single files of the host in a helper's root. Of /proc virtiofsd asks how many files it may have open, before it has one of its own. */
export const helperFiles = [...hostFiles, '/proc/sys/fs/file-max', '/proc/sys/fs/nr_open'] as const;
/** What a helper's root holds: nothing there can be a device. */
const viewNames = [
  ...programDirectories.map((path) => path.slice(1)),
  'usr',
  'etc',
  'proc',
  'host',
  'export',
  'dev',
];

/**
 * The view of the unit's main process is that of the whole unit: the export is the only thing of the host in it but programs. What each other
 * process sees beside it must be the export too, wherever it has mounted that.
 */
export function helperMountFindings(
  helper: HelperObservation,
  share: HelperShare,
): { readonly findings: Findings; readonly raw: readonly string[] } {
  const [wrong, unknown]: [string[], string[]] = [[], []];
  const parent = helper.processes.find(({ role }) => role === 'namespace-parent');
  const view = parent === undefined ? undefined : helper.mounts.get(parent.pid);
  if (view === undefined) unknown.push('mounts of the helper could not be read');
  else {
    viewFaults(view, share, wrong);
    const exports = view.filter(({ mountPoint }) => isExport(mountPoint));
    for (const { pid } of serving(helper)) {
      const seen = helper.mounts.get(pid);
      if (seen === undefined) unknown.push('mounts of the helper could not be read');
      else processFaults(seen, { view, exports, share }, wrong);
    }
  }
  const raw = [...helper.mounts].flatMap(([pid, mounts]) =>
    mounts.map(
      (mount) =>
        `${pid} ${mount.id} ${mount.device} ${mount.mountPoint} ${mount.options} ${mount.fileSystem}`,
    ),
  );
  return { findings: { wrong, unknown }, raw };
}

function viewFaults(view: readonly MountObservation[], share: HelperShare, wrong: string[]): void {
  const root = view.filter(({ mountPoint }) => mountPoint === '/').at(-1);
  if (root?.fileSystem !== 'tmpfs' || root.source !== viewSource) {
    wrong.push("its root is the host's");
    return;
  }
  if (!view.some(({ mountPoint }) => mountPoint === exportPlace)) wrong.push('the export is not mounted');
  for (const mount of view) {
    const place = JSON.stringify(mount.mountPoint);
    const seen = isExport(mount.mountPoint) ? mayBeExported(mount, share) : isOfView(mount, share);
    if (!seen) wrong.push(`it shows ${place}`);
    else wrong.push(...optionFaults(mount, share));
  }
}

/** What is mounted below the export is seen where that is announced alone. */
function mayBeExported({ mountPoint }: MountObservation, { driver }: HelperShare): boolean {
  return mountPoint === exportPlace || (driver.kind === 'virtiofs' && driver.announceSubmounts);
}

function isOfView({ mountPoint, fileSystem }: MountObservation, { driver }: HelperShare): boolean {
  if (mountPoint === '/proc') return fileSystem === 'proc' && driver.kind === 'virtiofs';
  return ['/', '/usr', ...programDirectories, ...helperFiles].includes(mountPoint);
}

function optionFaults(
  { mountPoint, options, propagation }: MountObservation,
  share: HelperShare,
): readonly string[] {
  const place = JSON.stringify(mountPoint);
  const found = options.split(',');
  const written = isExport(mountPoint) && !share.readonly;
  const asked = ['nosuid', 'nodev', ...(written ? [] : ['ro'])];
  const propagates = propagation.some((tag) => tag.startsWith('shared:') || tag.startsWith('master:'));
  return [
    ...asked.filter((option) => !found.includes(option)).map((option) => `${place} is not ${option}`),
    ...(propagates ? [`${place} propagates`] : []),
  ];
}

interface View {
  readonly view: readonly MountObservation[];
  readonly exports: readonly MountObservation[];
  readonly share: HelperShare;
}

/** A process that entered the export sees that mount alone; one in a namespace of its own sees another of the same directory. */
function processFaults(
  seen: readonly MountObservation[],
  { view, exports, share }: View,
  wrong: string[],
): void {
  for (const mount of seen) {
    if (view.some(({ id, mountPoint }) => id === mount.id && !isExport(mountPoint))) {
      // not in the export yet, or never
      wrong.push(`a process sees ${JSON.stringify(mount.mountPoint)} beside the export`);
      continue;
    }
    if (!exports.some(({ device, root }) => device === mount.device && root === mount.root)) {
      wrong.push(`a process sees ${JSON.stringify(mount.mountPoint)}, which is not of the export`);
    } else wrong.push(...optionFaults({ ...mount, mountPoint: exportPlace }, share));
  }
}

/** No /dev at all, or null in it. Nodes elsewhere are of no use: no mount lets devices be opened (`mount-namespace`). */
export function helperDevFindings({ rootNames, deviceNodes }: HelperObservation): HelperLook {
  const [wrong, unknown]: [string[], string[]] = [[], []];
  if (rootNames === undefined) unknown.push('the root of its view could not be listed');
  for (const name of rootNames ?? []) {
    if (!viewNames.includes(name)) wrong.push(`unexpected ${JSON.stringify(`/${name}`)}`);
  }
  if (rootNames?.includes('dev') === true && deviceNodes === undefined)
    unknown.push('its /dev could not be listed');
  for (const [name, { isLink, file }] of deviceNodes ?? []) {
    if (name !== 'null' || isLink) wrong.push(`unexpected ${JSON.stringify(`/dev/${name}`)}`);
    else if (file === undefined) unknown.push('/dev/null could not be read');
    else if (!isSameDevice(file, nullDevice)) wrong.push('/dev/null is another device');
  }
  const raw = [
    ...(rootNames ?? []).map((name) => `/${name}`),
    ...[...(deviceNodes ?? [])].map(([name]) => `/dev/${name}`),
  ];
  return { requested: 'no /dev, or one with null alone', findings: { wrong, unknown }, raw };
}

/** Linux, admin-guide/devices.txt. */
export const nullDevice = {
  device: 0,
  inode: 0,
  mode: 0o020666,
  uid: 0,
  gid: 0,
  deviceMajor: 1,
  deviceMinor: 3,
};
