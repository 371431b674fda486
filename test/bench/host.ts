import { writeFileSync } from 'node:fs';
import { sh } from '../../provider/model/shell.ts';
import { standstillKernel } from '../lab/guest/standstill.ts';
import type { LabHost } from '../lab/lab.ts';

/** The host everything is measured on, side by side. */
export interface BenchHost {
  readonly lab: LabHost;
  /** On the host. */
  readonly kernel: string;
  readonly initrd: string;
  /** For the ssh program: no option of the user's counts. */
  readonly sshArguments: readonly string[];
}

/** The same for every way of starting guests. */
export const guestMemoryMib = 64;
export const commandLine = 'console=ttyS0 panic=0';

/**
 * Puts kernel and initrd on the host, where every way of starting guests takes them from. `linux` boots and so competes with
 * those that are still to be started, on this machine's few processors; `still` stands still after the firmware.
 */
export async function prepareBenchHost(
  lab: LabHost,
  image: { readonly kernel: string; readonly initrd: string },
): Promise<{ readonly still: BenchHost; readonly linux: BenchHost }> {
  const [linux, still, initrd] = ['/srv/bench/vmlinuz', '/srv/bench/still', '/srv/bench/initrd.img'];
  await lab.run(sh`mkdir -p /srv/bench`);
  lab.copyIn(image.kernel, linux);
  lab.copyIn(image.initrd, initrd);
  writeFileSync(lab.pathFromHere(still), standstillKernel());
  const sshArguments = [
    ...['-F', 'none', '-i', lab.keyFile, '-o', 'IdentitiesOnly=yes'],
    ...['-o', `UserKnownHostsFile=${lab.knownHostsFile}`, '-o', 'BatchMode=yes', `root@${lab.address}`],
  ];
  const common = { lab, initrd, sshArguments };
  return { still: { ...common, kernel: still }, linux: { ...common, kernel: linux } };
}
