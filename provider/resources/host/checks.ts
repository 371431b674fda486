import { describeAddress } from '../../model/address.ts';
import { type Diagnostic, problem } from '../../model/diagnostic.ts';
import { unknownVersion } from '../../toolstacks/qemu/capabilities.ts';
import type { QemuCapabilities } from '../../toolstacks/qemu/capabilities.types.ts';
import { noQemuText, qemuSearchPaths } from '../../toolstacks/qemu/probe.ts';
import { type HostDesired, hostAddress } from './desired.ts';
import { capabilitiesWith, type HostFacts, type OperatingSystem } from './facts.ts';
import { packagesOf } from './programs.ts';
import { toolstackObstacles, xenObstacles } from './xen-checks.ts';

/** What this host lacks, found before anything is touched. */
export function hostObstacles(desired: HostDesired, facts: HostFacts): readonly Diagnostic[] {
  const at = { host: desired.host, resource: describeAddress(hostAddress(desired)) };
  const { supervisor, missingPrograms } = facts.capabilities;
  const found: Diagnostic[] = [];
  if (supervisor.kind === 'none') {
    found.push(
      problem('no-supervisor', 'systemd does not run on this host, and guests need it', {
        hint: 'Boot the host with systemd as its init; other supervisors are not supported.',
      }),
    );
  }
  if (missingPrograms.length > 0) {
    found.push(
      problem('missing-program', `programs are missing on this host: ${missingPrograms.join(', ')}`, {
        hint: installHint(facts.operatingSystem, packagesOf(missingPrograms)),
      }),
    );
  }
  const damaged = facts.damaged.get(`owners/${desired.fleet}`);
  if (damaged !== undefined) {
    found.push(
      problem('record-damaged', damaged, {
        hint: 'Look at the file below /var/lib/stockade on the host; delete it to prepare the host anew.',
      }),
    );
  }
  const ofToolstack = desired.toolstack === 'xl' ? xenObstacles : qemuObstacles;
  return [
    ...found,
    ...ofToolstack(desired, facts),
    ...silentQemu(desired, facts),
    ...toolstackObstacles(desired, facts),
  ].map((diagnostic) => ({ ...at, ...diagnostic }));
}

/** One that is named has been asked by then: one that is not there, or does not say what it is, is none. */
function silentQemu(desired: HostDesired, { qemus }: HostFacts): readonly Diagnostic[] {
  const { qemuBinary } = desired;
  const found = qemuBinary === undefined ? undefined : qemus.get(qemuBinary);
  if (qemuBinary === undefined || (found !== undefined && isTold(found))) return [];
  const resource = describeAddress(hostAddress(desired));
  return [
    problem('no-qemu', `${resource}: no QEMU answers at ${qemuBinary}`, {
      path: ['qemuBinary'],
      hint: 'Give the path of a qemu-system-x86_64 on the host, or leave qemu_binary out to have it found.',
    }),
  ];
}

/** Layers that a QEMU cannot give are for each guest's definition to weigh. */
function qemuObstacles(desired: HostDesired, facts: HostFacts): readonly Diagnostic[] {
  const { qemuBinary } = desired;
  const { qemu } = capabilitiesWith(facts, qemuBinary);
  if (qemu !== undefined || qemuBinary !== undefined) return [];
  return [
    problem('no-qemu', noQemuText(qemuSearchPaths), {
      hint: `${installHint(facts.operatingSystem, ['qemu-system-x86'])} Or set qemu_binary to where it is.`,
    }),
  ];
}

function isTold({ version, machines }: QemuCapabilities): boolean {
  return version !== unknownVersion || machines.length > 0;
}

/** The host's own package manager's words. */
export function installHint(system: OperatingSystem, packages: readonly string[]): string {
  const family = `${system.id} ${system.like}`.split(' ');
  if (family.includes('debian') || family.includes('ubuntu')) {
    return `On the host: apt-get install ${packages.join(' ')}.`;
  }
  return `Install them on the host; on Debian they come with ${packages.join(', ')}.`;
}
