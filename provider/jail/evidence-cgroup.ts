import type { Indexed } from './evidence-index.ts';
import { type CgroupFile, cgroupFiles, type CgroupObservation, type DeviceTrials } from './observation.ts';

/** Where a hierarchy is that systemd manages: version 2 on all of a host, or beside version 1. */
const cgroupMounts = ['/sys/fs/cgroup', '/sys/fs/cgroup/unified'];

/** What the kernel has of a unit's cgroup. */
export function cgroupOf(group: string | undefined, raw: Indexed, trials: DeviceTrials): CgroupObservation {
  const own = namespaceOf('self', raw);
  const fileOf = (name: CgroupFile) =>
    group === undefined || group === ''
      ? undefined
      : cgroupMounts
          .map((mount) => raw.files.get(`${mount}${group}/${name}`))
          .find((text) => text !== undefined);
  const files = Object.fromEntries(cgroupFiles.map((name) => [name, fileOf(name)?.trim()]));
  return {
    sameNamespace: own !== undefined && own === namespaceOf('1', raw),
    files: files as CgroupObservation['files'],
    diskParts: raw.diskParts,
    trials,
  };
}

function namespaceOf(process: string, raw: Indexed): string | undefined {
  return raw.links.get(`/proc/${process}/ns/cgroup`)?.target;
}
