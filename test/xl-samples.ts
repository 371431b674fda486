import { layersWithoutXl } from '../provider/model/evidence.ts';
import { plainGuest, type GuestDesired } from '../provider/resources/guest/desired.ts';
import type { HostWithXen } from '../provider/resources/guest/render-xl.ts';
import type { XenCapabilities } from '../provider/toolstacks/xl/capabilities.types.ts';
import { sampleHost } from './samples.ts';

export const sampleXen: XenCapabilities & Pick<HostWithXen['xen'], 'deviceModel'> = {
  version: '4.17.5',
  major: 4,
  minor: 17,
  isControlDomain: true,
  totalMemoryMib: 2048,
  freeMemoryMib: 1024,
  deviceModel: { path: '/usr/libexec/xen-qemu-system-i386', device: 40, inode: 50 },
  untrusted: undefined,
  handleChecker: '/usr/lib/xen-4.17/bin/depriv-fd-checker',
  python: '/usr/bin/python3',
  complaint: '',
};

export const sampleXenHost: HostWithXen = {
  ...sampleHost,
  qemu: undefined,
  toolstack: 'xl',
  xen: sampleXen,
};

/** A guest as xl can have it. */
export function xlGuest(change: Partial<GuestDesired> = {}): GuestDesired {
  return {
    host: 'xen1',
    name: 'web1',
    fleet: 'prod',
    scheme: 'per-domain',
    memoryMib: 128,
    vcpus: 1,
    machine: 'q35',
    accelerator: 'kvm',
    kernel: { kind: 'host', path: '/boot/vmlinuz' },
    initrd: undefined,
    commandLine: 'console=ttyS0',
    ...plainGuest,
    isolation: { off: [], mayBeMissing: [...layersWithoutXl].sort(), hostDevMounts: false },
    serialLogMaxKib: 64,
    restartPolicy: 'never',
    shutdownTimeoutSeconds: 20,
    ...change,
  };
}
