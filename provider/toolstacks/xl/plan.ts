import type { LaunchPlan } from '../../jail/launch-plan.ts';
import type { UserScheme } from '../../spec/qemu-users.ts';

/** Everything the launcher of one xl guest is made from. Two equal plans render the same launcher, byte for byte. */
export interface XlPlan
  extends Pick<
    LaunchPlan,
    | 'guest'
    | 'vcpus'
    | 'requests'
    | 'disks'
    | 'shares'
    | 'limits'
    | 'serialLogMaxKib'
    | 'shutdownTimeoutSeconds'
    | 'restartPolicy'
  > {
  readonly uuid: string;
  /** As xl reads it, but for its files and who the device model runs as. */
  readonly config: string;
  /** Absolute paths on the host. */
  readonly kernel: string;
  readonly initrd: string | undefined;
  /** The QEMU that libxl starts. */
  readonly deviceModel: { readonly path: string; readonly device: number; readonly inode: number };
  /** libxl looks users up by itself but for those of a domain, and takes a range's before the shared one. */
  readonly scheme: UserScheme;
}

/** Below /dev, what xl and a device model of Xen's open beside what every guest's has. */
export const xenDeviceNodes = ['evtchn', 'gntalloc', 'gntdev', 'hypercall', 'privcmd', 'xenbus'].map(
  (name) => `xen/${name}`,
);

/** A guest that crashes or starts again more often than this is left down. The window is wide: a slow host needs a minute to make a domain. */
export const restartLimit = 5;
export const restartWindowSeconds = 600;
