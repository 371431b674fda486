import { launcherScript } from '../../jail/launcher.ts';
import type { LaunchPlan } from '../../jail/launch-plan.ts';
import { describeAddress } from '../../model/address.ts';
import { type Diagnostic, problem } from '../../model/diagnostic.ts';
import { defaultRoots, type HostRoots } from '../../model/paths.ts';
import { sha256 } from '../../model/sha256.ts';
import { shareArguments } from '../../shares/qemu.ts';
import { qemuArguments, qemuConfinement } from '../../toolstacks/qemu/argv.ts';
import type { HostCapabilities, QemuCapabilities } from '../../toolstacks/qemu/capabilities.types.ts';
import { unitDropIn } from '../../toolstacks/qemu/supervisor.ts';
import { type GuestDesired, type GuestFile, guestAddress, type StoredGuest } from './desired.ts';
import { launchLimits } from './limits.ts';
import { deviceObstacles } from './qemu-obstacles.ts';
import { layerObstacles, layerRequests } from './requests.ts';
import { launchShares, shareObstacles } from './shares.ts';
import { xlObstacles } from './xl-obstacles.ts';
import { type ShareFile, shareFiles } from './share-files.ts';

/** The files a guest has on its host, as they should be. */
export interface RenderedGuest {
  readonly toolstack: 'qemu';
  readonly plan: LaunchPlan;
  readonly launcher: string;
  readonly launcherSha256: string;
  readonly dropIn: string;
  readonly dropInSha256: string;
  /** Script and unit files of the helpers of its shares, in the order of their paths; none for a guest without. */
  readonly shareFiles: readonly ShareFile[];
}

/** A host whose QEMU is known. */
export type HostWithQemu = HostCapabilities & { readonly qemu: QemuCapabilities };

/** The host, where it has a QEMU. */
export function withQemu(host: HostCapabilities): HostWithQemu | undefined {
  const { qemu } = host;
  return qemu === undefined ? undefined : { ...host, qemu };
}

/** Renders a guest for the QEMU its host has. Equal input, equal bytes. */
export function renderGuest(
  guest: StoredGuest & { readonly name: string },
  host: HostWithQemu,
  roots: HostRoots = defaultRoots,
): RenderedGuest {
  const plan = launchPlan(guest, host, roots);
  const launcher = launcherScript(plan, roots);
  const dropIn = unitDropIn(plan);
  return {
    toolstack: 'qemu',
    ...{ plan, launcher, launcherSha256: sha256(launcher), dropIn, dropInSha256: sha256(dropIn) },
    shareFiles: shareFiles(plan, roots),
  };
}

/** How a guest is to be started, without the files that say so: all that its evidence is measured against. */
export function launchPlan(
  guest: StoredGuest & { readonly name: string },
  host: HostWithQemu,
  roots: HostRoots = defaultRoots,
): LaunchPlan {
  const { qemu } = host;
  const files = {
    kernel: pathOnHost(guest.kernel, roots),
    initrd: guest.initrd === undefined ? undefined : pathOnHost(guest.initrd, roots),
  };
  const shares = launchShares(guest, host);
  const requests = layerRequests(guest.isolation, host);
  // virtiofsd reads and writes the guest's memory
  const sharedMemory = guest.sharedMemory || shares.some(({ driver }) => driver.kind === 'virtiofs');
  return {
    guest: guest.name,
    qemuBinary: qemu.binary,
    qemuArguments: [
      ...qemuArguments({ ...guest, sharedMemory }, files, qemu, roots),
      ...shareArguments(guest.name, { shares }, guest.machine, roots),
    ],
    confinement: qemuConfinement(qemu),
    vcpus: guest.vcpus,
    usesKvm: guest.accelerator === 'kvm',
    requests,
    disks: guest.disks,
    sharedMemoryMib: sharedMemory ? guest.memoryMib : 0,
    shares,
    network: guest.network,
    devices: guest.devices.map((path) => path.slice('/dev/'.length)),
    hostDevMounts: guest.isolation.hostDevMounts,
    limits: launchLimits(guest),
    serialLogMaxKib: guest.serialLogMaxKib,
    shutdownTimeoutSeconds: guest.shutdownTimeoutSeconds,
    restartPolicy: guest.restartPolicy,
  };
}

export function pathOnHost(file: GuestFile, roots: HostRoots = defaultRoots): string {
  return file.kind === 'host' ? file.path : `${roots.state}/files/${file.sha256}`;
}

/** What speaks against running this guest on this host; found at plan time where the host is known, else before Apply touches anything. */
export function guestObstacles(guest: GuestDesired, capabilities: HostCapabilities): readonly Diagnostic[] {
  const resource = describeAddress(guestAddress(guest));
  const at = { host: guest.host, resource };
  if (capabilities.toolstack === 'xl')
    return [...layerObstacles(guest, capabilities), ...xlObstacles(guest, capabilities)];
  const { qemu } = capabilities;
  if (qemu === undefined) {
    return [
      problem('no-qemu', `${resource}: the host has no QEMU`, {
        ...at,
        hint: 'Install it on the host: apt-get install qemu-system-x86.',
      }),
    ];
  }
  const obstacles: Diagnostic[] = [
    ...layerObstacles(guest, capabilities),
    ...deviceObstacles(guest, qemu),
    ...shareObstacles(guest, capabilities),
  ];
  if (!qemu.machines.includes(guest.machine)) {
    obstacles.push(
      problem('machine-unknown', `${resource}: this QEMU has no machine type ${guest.machine}`, {
        ...at,
        path: ['machine'],
        hint: `QEMU ${qemu.version} of ${guest.host} lists its machine types with: ${qemu.binary} -machine help`,
      }),
    );
  }
  if (!qemu.accelerators.working.includes(guest.accelerator)) {
    obstacles.push(
      problem('accelerator-not-working', `${resource}: ${guest.accelerator} does not work on the host`, {
        ...at,
        path: ['accelerator'],
        detail: `A probe found these to work: ${qemu.accelerators.working.join(', ') || 'none'}.`,
        hint:
          guest.accelerator === 'kvm'
            ? 'Load the kvm module and turn virtualisation on in the firmware; or set accelerator = "tcg" (slow; QEMU gives no security guarantee for it).'
            : 'Use a QEMU that is built with it.',
      }),
    );
  }
  return obstacles;
}
