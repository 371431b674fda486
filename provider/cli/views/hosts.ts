import type { XenCapabilities } from '../../toolstacks/xl/capabilities.types.ts';
import type { HostSummary, SeenHost } from '../facts.ts';
import { diagnosticJson } from './diagnostics-json.ts';
import { terminalLine } from './escape.ts';
import { asciiJson } from './json.ts';
import type { Style } from './style.ts';

/** What hosts are like, a short block for each. */
export function humanHosts(hosts: readonly SeenHost[], style: Style): string {
  return hosts
    .map(({ host, facts }) => {
      const head = style.bold(terminalLine(host));
      if (facts === undefined) return `${head}: ${style.red('gave no answer')}\n`;
      return [
        `${head}:`,
        ...rows(facts).map(([name, text]) => `  ${name.padEnd(10)} ${terminalLine(text)}`),
        '',
      ].join('\n');
    })
    .join('');
}

function rows({
  operatingSystem,
  capabilities,
  fleets,
  guests,
}: HostSummary): readonly (readonly [string, string])[] {
  const { qemu, kernel, supervisor, missingPrograms, cgroupVersion, cgroupControllers, lsm } = capabilities;
  const { toolstack = 'qemu', xen } = capabilities;
  const limits =
    cgroupVersion === undefined
      ? 'no control groups'
      : `version ${cgroupVersion}, ${cgroupControllers.length === 0 ? 'limits are not enforced' : cgroupControllers.join(' ')}`;
  return [
    ['system', `${operatingSystem}, kernel ${kernel}`],
    [
      'QEMU',
      qemu === undefined
        ? 'none found'
        : `${qemu.version} (${qemu.binary}), ${qemu.accelerators.working.join(' and ') || 'no accelerator'} works${qemu.seccomp ? '' : ', built without seccomp'}`,
    ],
    ...(xen === undefined ? [] : [['Xen', xenText(xen)] as const]),
    ...(fleets.length === 0 ? [] : [['toolstack', toolstack] as const]),
    ['supervisor', supervisor.kind === 'none' ? 'none' : `${supervisor.kind} ${supervisor.version}`],
    ['limits', limits],
    ['security', lsm.length === 0 ? 'no security module' : lsm.join(' ')],
    ...(missingPrograms.length === 0 ? [] : [['missing', missingPrograms.join(' ')] as const]),
    ['fleets', fleets.length === 0 ? 'none has prepared it' : fleets.join(' ')],
    ...guests.map(
      ({ guest, owner, running }) =>
        [
          'guest',
          `${guest} of ${owner === '' ? 'a record that cannot be read' : owner}, ${running ? 'runs' : 'does not run'}`,
        ] as const,
    ),
  ];
}

function xenText({ version, isControlDomain, freeMemoryMib, totalMemoryMib, deviceModel }: XenCapabilities) {
  if (!isControlDomain || version === '') return 'xl is there, and does not run as control domain';
  const model = deviceModel === undefined ? 'no device model' : `device model ${deviceModel.path}`;
  return `${version}, ${freeMemoryMib} of ${totalMemoryMib} MiB free, ${model}`;
}

export function hostsJson(hosts: readonly SeenHost[]): string {
  return asciiJson({
    format: 'stockade-hosts 1',
    hosts: hosts.map(({ diagnostics, ...rest }) => ({
      ...rest,
      diagnostics: diagnostics.map(diagnosticJson),
    })),
  });
}
