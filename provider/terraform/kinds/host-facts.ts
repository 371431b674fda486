import { capabilitiesFor, type HostFacts } from '../../resources/host/facts.ts';
import type { QemuCapabilities } from '../../toolstacks/qemu/capabilities.types.ts';
import type { XenCapabilities } from '../../toolstacks/xl/capabilities.types.ts';
import { type Attributes, attribute, type ObjectValue } from '../../tfplugin/types.ts';

const text = (description: string) => attribute.string({ computed: true, description });
const flag = (description: string) => attribute.bool({ computed: true, description });
const texts = (description: string) => attribute.list('string', { computed: true, description });

const qemuSummary: Attributes = {
  binary: text('Absolute path, symbolic links resolved.'),
  version: text('As QEMU prints it.'),
  seccomp: flag('It was built with seccomp: `-sandbox` works.'),
  accelerators: texts(
    'Accelerators that a probe showed to work; `kvm` may be built in and not be among them.',
  ),
};

const qemuAttribute = (attributes: Attributes) =>
  attribute.nested('single', attributes, {
    computed: true,
    description: "What the host's own QEMU answers about itself. Null where there is none.",
  });

/** What a host is like, as the resource shows it: short, as every plan that makes or changes a host prints it. */
export const hostSummaryAttributes: Attributes = {
  qemu: qemuAttribute(qemuSummary),
  kernel: text("The running kernel's release."),
  supervisor: text('What supervises guests: `systemd 252`, or `none`.'),
  operating_system: text('As /etc/os-release names it.'),
};

const megabytes = (description: string) => attribute.number({ computed: true, description });

const xenAttributes: Attributes = {
  version: text('As `xl info` says it; empty where xl gives no answer.'),
  control_domain: flag('The host is the control domain: guests of `xl` can be made on it.'),
  total_memory_mib: megabytes('All memory of the machine. Unit: MiB.'),
  free_memory_mib: megabytes('What no domain has now. Unit: MiB.'),
  device_model: text("The QEMU that libxl starts; null where none was found that is root's alone."),
};

/** The same in full, for the data source. */
export const hostFactsAttributes: Attributes = {
  ...hostSummaryAttributes,
  qemu: qemuAttribute({ ...qemuSummary, machines: texts('Machine types it knows.') }),
  xen: attribute.nested('single', xenAttributes, {
    computed: true,
    description: "What the host's Xen answers about itself. Null where there is no xl.",
  }),
};

export function hostFactsValues(facts: HostFacts, fleet: string): ObjectValue {
  const { qemu, xen } = capabilitiesFor(facts, fleet);
  return {
    ...hostSummaryValues(facts, fleet),
    qemu: qemu === undefined ? null : { ...qemuValue(qemu), machines: qemu.machines },
    xen: xen === undefined ? null : xenValue(xen),
  };
}

export function hostSummaryValues(facts: HostFacts, fleet: string): ObjectValue {
  const { qemu, kernel, supervisor } = capabilitiesFor(facts, fleet);
  return {
    qemu: qemu === undefined ? null : qemuValue(qemu),
    kernel,
    supervisor: supervisor.kind === 'none' ? 'none' : `${supervisor.kind} ${supervisor.version}`,
    operating_system: facts.operatingSystem.name,
  };
}

function xenValue(xen: XenCapabilities): ObjectValue {
  return {
    version: xen.version,
    control_domain: xen.isControlDomain,
    total_memory_mib: xen.totalMemoryMib,
    free_memory_mib: xen.freeMemoryMib,
    device_model: xen.deviceModel?.path ?? null,
  };
}

function qemuValue(qemu: QemuCapabilities): ObjectValue {
  return {
    binary: qemu.binary,
    version: qemu.version,
    seccomp: qemu.seccomp,
    accelerators: qemu.accelerators.working,
  };
}
