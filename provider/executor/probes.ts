import type { Target } from '../connect/target.ts';
import type { HostSnapshot } from '../engine/snapshot.ts';
import { parseProbeResults, type ProbeResult } from '../jail/probes/judge.ts';
import { type Diagnostic, failure, problem, type Result, success } from '../model/diagnostic.ts';
import type { Operation } from '../model/operation.ts';
import type { HostRoots } from '../model/paths.ts';
import type { StoredGuest } from '../resources/guest/desired.ts';
import { withQemu } from '../resources/guest/render.ts';
import { capabilitiesFor } from '../resources/host/facts.ts';
import { hostProbes, probeDiagnostics } from '../resources/host/probes.ts';
import type { Fleet, Written } from './fleet.ts';

export interface ProbeOptions {
  /** The fleet whose choice of QEMU counts. */
  readonly fleet: string;
  /** Runs the same probes without the jail as well, which alone shows that it is the jail that stops them. @default true */
  readonly control?: boolean;
  /** What the guests that the canaries stand for ask for. @default every layer on */
  readonly isolation?: StoredGuest['isolation'];
  readonly roots?: HostRoots;
}

export interface ProbeReport {
  readonly host: string;
  /** What was probed: the version of its QEMU and the release of its kernel. */
  readonly qemuVersion: string;
  readonly kernel: string;
  readonly results: readonly ProbeResult[];
  /** An error for each layer that a probe got through, a warning for those that prove nothing. */
  readonly diagnostics: readonly Diagnostic[];
  readonly milliseconds: number;
}

/**
 * Makes every probe on a prepared host: canaries are started as guests are, try what an attacker in their place would try, and
 * are gone when it returns. Fails where they could not be run at all; that one got through is no failure but a finding.
 */
export function runProbes(fleet: Fleet, target: Target, options: ProbeOptions): Promise<Result<ProbeReport>> {
  const access: ProbedHost = {
    host: target.host,
    observe: () => fleet.observe(target),
    write: (operations) => fleet.write(target, operations),
  };
  return probeHost(access, options);
}

/** A host as whoever probes it reaches it. */
export interface ProbedHost {
  readonly host: string;
  readonly observe: () => Promise<Result<HostSnapshot>>;
  readonly write: (operations: readonly Operation[]) => Promise<Result<Written>>;
}

/** `runProbes`, by whatever way there is to the host. */
export async function probeHost(access: ProbedHost, options: ProbeOptions): Promise<Result<ProbeReport>> {
  const seen = await access.observe();
  if (!seen.ok) return seen;
  const { host } = access;
  const { facts } = seen.value;
  const shown = capabilitiesFor(facts, options.fleet);
  if (shown.toolstack === 'xl') {
    const text = `the guests of ${host} are xl's: what probes start is QEMU in the jail of the other toolstack`;
    return failure(
      problem('probes-not-on-xl', text, { host, hint: 'Probe a host with toolstack = "qemu".' }),
    );
  }
  const capabilities = withQemu(shown);
  if (capabilities === undefined || facts.unitTemplate === undefined) {
    return failure(
      problem('host-not-prepared', `${host} is not prepared for guests, so there is nothing to probe`, {
        host,
        hint: 'Apply the host first.',
      }),
    );
  }
  const { control = true, isolation, roots } = options;
  const probes = hostProbes({
    host,
    capabilities,
    control,
    ...(isolation === undefined ? {} : { isolation }),
    ...(roots === undefined ? {} : { roots }),
  });
  const written = await access.write(probes.operations);
  if (!written.ok) return written;
  const bad = written.value.results.find(({ status }) => status !== 'same' && status !== 'changed');
  if (bad !== undefined) {
    const { code = 'probes-failed', message = bad.output } = bad;
    return failure(
      problem(code, `${bad.id} did not work: ${message}`, { host, step: bad.id, hint: 'Run it again.' }),
    );
  }
  const answer = written.value.results.find(({ id }) => id === probes.stepId);
  const results = parseProbeResults(probes.plan, answer?.values ?? {});
  return success({
    host,
    qemuVersion: capabilities.qemu.version,
    kernel: capabilities.kernel,
    results,
    diagnostics: probeDiagnostics(host, results),
    milliseconds: answer?.milliseconds ?? 0,
  });
}
