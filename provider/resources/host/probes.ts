import { describeAddress } from '../../model/address.ts';
import { caution, type Diagnostic, problem } from '../../model/diagnostic.ts';
import type { Operation } from '../../model/operation.ts';
import { canaryUser, defaultRoots, type HostRoots } from '../../model/paths.ts';
import { sh, word } from '../../model/shell.ts';
import { launcherScript } from '../../jail/launcher.ts';
import type { ProbeResult } from '../../jail/probes/judge.ts';
import type { Probe } from '../../jail/probes/probe.ts';
import { deniedSince7 } from '../../jail/probes/deny-list.ts';
import { planProbes, type ProbePlan } from '../../jail/probes/runs.ts';
import {
  canaryCount,
  type CanaryGuest,
  canaryKernel,
  canaryName,
  probeStep,
} from '../../jail/probes/step.ts';
import { probeTable } from '../../jail/probes/table.ts';
import { accountsFunctions } from '../accounts/rewrite.ts';
import { plainGuest, type StoredGuest } from '../guest/desired.ts';
import { type HostWithQemu, renderGuest } from '../guest/render.ts';
import { hostAddress } from './desired.ts';

/** A guest of the plainest kind. */
const canaryDefinition = (isolation: StoredGuest['isolation'], roots: HostRoots): StoredGuest => ({
  scheme: 'per-domain',
  memoryMib: 64,
  vcpus: 1,
  machine: 'q35',
  accelerator: 'tcg',
  kernel: { kind: 'host', path: canaryKernel(roots) },
  initrd: undefined,
  commandLine: '',
  ...plainGuest,
  isolation,
  serialLogMaxKib: 64,
  restartPolicy: 'never',
  shutdownTimeoutSeconds: 0,
});

export interface HostProbesInput {
  readonly host: string;
  readonly capabilities: HostWithQemu;
  /** Runs the same probes without the jail as well: QEMU as root, in the host's namespaces, for a second. */
  readonly control: boolean;
  /** What guests it stands for ask for. @default every layer on */
  readonly isolation?: StoredGuest['isolation'];
  readonly roots?: HostRoots;
}

export interface HostProbes {
  readonly plan: ProbePlan;
  readonly operations: readonly Operation[];
  /** The operation that gives the answers. */
  readonly stepId: string;
}

/** The operations that make every probe on one host; `parseProbeResults` reads what the last one gave. */
export function hostProbes(input: HostProbesInput): HostProbes {
  const roots = input.roots ?? defaultRoots;
  const { capabilities, control, isolation = plainGuest.isolation } = input;
  const definition = canaryDefinition(isolation, roots);
  const canaries = Array.from({ length: canaryCount }, (_, index) =>
    canary({ ...definition, name: canaryName(index) }, capabilities, roots),
  );
  const memoryMib = canaries[0]?.memoryMib ?? 0;
  const probes = probeTable({ memoryMib }).map((probe) => asDenied(probe, capabilities.qemu.version));
  const plan = planProbes(probes, { control, controllers: capabilities.cgroupControllers });
  const address = hostAddress(input);
  const [userId, stepId] = ['canary user', 'probes'].map((name) => `${describeAddress(address)}: ${name}`);
  const machine = ['-nodefaults', '-no-user-config', '-display', 'none', '-machine', 'q35,accel=tcg'];
  const body = probeStep({
    plan,
    canaries,
    qemuBinary: capabilities.qemu.binary,
    controlArguments: [...machine, '-m', 'size=64M', '-S'],
    roots,
  });
  return {
    plan,
    stepId: stepId ?? '',
    operations: [
      {
        id: userId ?? '',
        address,
        needs: [],
        step: {
          kind: 'own',
          body: sh`${accountsFunctions}\naccounts_rewrite ${word(`keep ${canaryUser} auto`)}`,
        },
      },
      { id: stepId ?? '', address, needs: [userId ?? ''], step: { kind: 'own', body } },
    ],
  };
}

/** Rendered as any guest is; its processor stands still (-S), since what is tried is tried by the device model. */
function canary(
  guest: StoredGuest & { readonly name: string },
  capabilities: HostWithQemu,
  roots: HostRoots,
): CanaryGuest & { readonly memoryMib: number } {
  const { plan, dropIn } = renderGuest(guest, capabilities, roots);
  const launcher = launcherScript({ ...plan, qemuArguments: [...plan.qemuArguments, '-S'] }, roots);
  return { name: guest.name, launcher, dropIn, memoryMib: plan.limits.memoryMib };
}

/** A QEMU before 7.0 does not deny all ways to make a process. */
function asDenied(probe: Probe, version: string): Probe {
  if (Number.parseInt(version, 10) >= 7 || !deniedSince7.includes(probe.name)) return probe;
  return { ...probe, accepted: `QEMU ${version} does not deny it; from 7.0 on it does` };
}

/**
 * What is to be said of the results: an error for each layer that was to stop something and did not, or one where nothing at all
 * was proven; a warning for all that got through and are no fault, and one for those that prove nothing.
 */
export function probeDiagnostics(host: string, results: readonly ProbeResult[]): readonly Diagnostic[] {
  const at = { host, resource: describeAddress(hostAddress({ host })), step: 'probes' };
  const through = results.filter(({ outcome }) => outcome === 'got-through');
  const faults = through.filter(({ accepted }) => accepted === undefined);
  const accepted = through.filter((result) => result.accepted !== undefined);
  const unproven = results.filter(({ outcome }) => outcome === 'unproven');
  if (unproven.length === results.length) return [nothingProven(results, at)];
  return [
    ...[...new Set(faults.map(({ layer }) => layer))].map((layer) =>
      brokenThrough(
        layer,
        faults.filter((fault) => fault.layer === layer),
        at,
      ),
    ),
    ...about(accepted, (result) => result.accepted, 'probe-accepted', 'get through, as is known', at),
    ...about(unproven, (result) => result.reason, 'probe-unproven', 'prove nothing', at),
  ];
}

interface Place {
  readonly host: string;
  readonly resource: string;
  readonly step: string;
}

function brokenThrough(layer: string, faults: readonly ProbeResult[], at: Place): Diagnostic {
  const names = faults.map(({ name }) => name).join(', ');
  const what = faults.length === 1 ? 'a probe' : `${faults.length} probes`;
  return problem('probe-got-through', `${layer}: ${what} got through on ${at.host}: ${names}`, {
    ...at,
    detail: [
      `A device model is to be stopped by ${layer} where it:`,
      ...faults.map(({ name, tries, observed }) => `${tries} (${name}; observed: ${observed})`),
    ].join('\n'),
    hint: 'Run no guest on this host that you do not trust, until it is known what undoes this layer: evidence of a guest there (stockade_guest_evidence) and changed programs, kernels and mounts of the host tell. Then apply again: the probes run again.',
  });
}

function nothingProven(results: readonly ProbeResult[], at: Place): Diagnostic {
  const reasons = [...new Set(results.map(({ reason }) => reason ?? 'it was not run'))];
  return problem('probes-prove-nothing', `no probe proves anything on ${at.host}`, {
    ...at,
    detail: reasons.join('\n'),
    hint: 'Mend what is said above and apply again: the probes run again. Where it cannot be mended, leave out `probes`: this host cannot be probed.',
  });
}

function about(
  results: readonly ProbeResult[],
  why: (result: ProbeResult) => string | undefined,
  code: string,
  what: string,
  at: Place,
): readonly Diagnostic[] {
  if (results.length === 0) return [];
  const names = results.map(({ name }) => name).join(', ');
  const detail = results.map((result) => `${result.name}: ${why(result) ?? ''}`).join('; ');
  return [caution(code, `${results.length} probes ${what} on ${at.host}: ${names}`, { ...at, detail })];
}
