import type { Findings } from './judge.ts';
import { deviceModel } from './judge.ts';
import type { IsolationExpectation } from './launch-plan.ts';
import type { FileObservation, GuestObservation } from './observation.ts';

/** Bandwidth of the devices that the open images lie on, or are. systemd sets it on the whole disk below them. */
export function ioFindings(observation: GuestObservation, expectation: IsolationExpectation): Findings {
  const { ioReadMibPerSecond, ioWriteMibPerSecond } = expectation.limits;
  const wanted = { rbps: ioReadMibPerSecond, wbps: ioWriteMibPerSecond };
  if (expectation.images === 0 || Object.values(wanted).every((mib) => mib === undefined)) {
    return { wrong: [], unknown: [] };
  }
  const { files, diskParts } = observation.cgroup;
  const text = files['io.max'];
  if (text === undefined) return { wrong: [], unknown: ['the cgroup has no io.max'] };
  const devices = imageDevices(observation);
  if (devices === undefined) return { wrong: [], unknown: ['the devices of its disks could not be read'] };
  const limits = parseIoMax(text);
  const wrong: string[] = [];
  for (const device of devices) {
    const [, own] = [...limits].find(([disk]) => disk === device || diskParts[disk]?.includes(device)) ?? [];
    for (const [key, mib] of Object.entries(wanted)) {
      const expected = mib === undefined ? undefined : String(mib * 1024 * 1024);
      if (expected !== undefined && own?.get(key) !== expected) {
        wrong.push(`io.max has ${key} ${own?.get(key) ?? 'max'} for ${device}, not ${expected}`);
      }
    }
  }
  return { wrong, unknown: [] };
}

/** `MAJOR:MINOR` of what each image is or lies on, by QEMU's open files; `undefined`: not all were found. */
function imageDevices(observation: GuestObservation): ReadonlySet<string> | undefined {
  const open = (deviceModel(observation)?.openFiles ?? []).flatMap(({ file }) => file ?? []);
  const devices = new Set<string>();
  for (const image of observation.images ?? []) {
    const found = open.find(({ device, inode }) => device === image.device && inode === image.inode);
    if (found === undefined) return undefined;
    devices.add(deviceOf(found));
  }
  return devices.size === 0 ? undefined : devices;
}

function deviceOf(file: FileObservation): string {
  if ((file.mode & 0o170000) === 0o060000) return `${file.deviceMajor}:${file.deviceMinor}`;
  // st_dev as the C library packs it (makedev(3)): 12 bits of the major number between 8 and 12 of the minor one
  const low = file.device % 2 ** 32;
  const major = ((low >>> 8) & 0xfff) + Math.floor(file.device / 2 ** 44) * 0x1000;
  const minor = (low & 0xff) + (Math.floor(file.device / 2 ** 12) & 0xffffff00);
  return `${major}:${minor}`;
}

/** `MAJOR:MINOR rbps=N wbps=N riops=max wiops=max` a line. */
function parseIoMax(text: string): ReadonlyMap<string, ReadonlyMap<string, string>> {
  const limits = new Map<string, Map<string, string>>();
  for (const line of text.split('\n')) {
    const [disk, ...pairs] = line.trim().split(' ');
    if (disk === undefined || disk === '') continue;
    limits.set(disk, new Map(pairs.map((pair) => pair.split('=', 2) as [string, string])));
  }
  return limits;
}
