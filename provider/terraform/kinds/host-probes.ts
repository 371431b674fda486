import { probeHost, type ProbeReport } from '../../executor/probes.ts';
import type { ProbeResult } from '../../jail/probes/judge.ts';
import { assertNever } from '../../model/assert.ts';
import {
  attribute,
  isObject,
  isUnknown,
  type ObjectValue,
  type TerraformValue,
  UNKNOWN,
} from '../../tfplugin/types.ts';
import { printableLine } from '../../model/printable.ts';
import type { Trial } from '../kind.ts';
import { isSame } from '../lifecycle/settle.ts';
import type { HostAccess } from '../reach.ts';

const text = (description: string) => attribute.string({ computed: true, description });
const texts = (description: string) => attribute.list('string', { computed: true, description });

/** What the last run of the probes has shown. */
export const probeReportAttribute = attribute.nested(
  'single',
  {
    qemu_version: text('The QEMU that was probed.'),
    kernel: text('The release of the kernel that was probed.'),
    got_through: texts('Probes that no layer stopped: an error of the apply.'),
    accepted: texts('Probes that no layer stops, and that are no fault; `results` has the reasons.'),
    unproven: texts('Probes that prove nothing on this host; `results` has the reasons.'),
    results: attribute.map('string', {
      computed: true,
      description:
        'By name of the probe: `stopped by LAYER: ERROR (without the jail: …)`, or how it got through, or why it is accepted or unproven.',
    }),
  },
  {
    computed: true,
    description: 'What the last run of the probes has shown. Null where none was asked for.',
  },
);

/**
 * The report of the last run for as long as nothing else is asked for; probes run again with another QEMU, and where the last
 * run failed or proved nothing.
 */
export function plannedReport(
  planned: ObjectValue,
  prior: ObjectValue | null,
  sameQemu: boolean,
): TerraformValue {
  const asked = planned['probes'] ?? null;
  if (asked === null) return null;
  const before = prior?.['probe_report'] ?? null;
  const asBefore = sameQemu && isSame(asked, prior?.['probes'] ?? null);
  return asBefore && isGood(before) ? before : UNKNOWN;
}

function isGood(report: TerraformValue): boolean {
  if (!isObject(report) || !isObject(report['results'])) return false;
  const results = Object.values(report['results']).map((one) => (typeof one === 'string' ? one : ''));
  return isSame(report['got_through'] ?? null, []) && results.some((one) => one.startsWith('stopped'));
}

/** Runs the probes where the plan says that their report will be another one. */
export function tryProbes(access: HostAccess, planned: ObjectValue): Promise<Trial> | undefined {
  return isUnknown(planned['probe_report'] ?? null) ? report(access, planned['probes'] ?? null) : undefined;
}

async function report(access: HostAccess, asked: TerraformValue): Promise<Trial> {
  // it was not known while planning that none are asked for
  if (!isObject(asked)) return { found: { probe_report: null }, diagnostics: [] };
  const probed = await probeHost(access, { fleet: access.fleet, control: asked['control'] !== false });
  if (!probed.ok) return { found: { probe_report: null }, diagnostics: probed.diagnostics };
  return { found: { probe_report: reportValue(probed.value) }, diagnostics: probed.value.diagnostics };
}

function reportValue({ qemuVersion, kernel, results }: ProbeReport): ObjectValue {
  const named = (kind: Kind) =>
    results
      .filter((result) => kindOf(result) === kind)
      .map(({ name }) => name)
      .sort();
  return {
    qemu_version: qemuVersion,
    kernel: printableLine(kernel),
    got_through: named('got through'),
    accepted: named('accepted'),
    unproven: named('unproven'),
    results: Object.fromEntries(results.map((result) => [result.name, resultLine(result)])),
  };
}

type Kind = 'stopped' | 'got through' | 'accepted' | 'unproven';

function kindOf({ outcome, accepted }: ProbeResult): Kind {
  if (outcome !== 'got-through') return outcome;
  return accepted === undefined ? 'got through' : 'accepted';
}

/** One line, since a plan to run probes again prints all that was there before. */
function resultLine(result: ProbeResult): string {
  const { layer, stoppedBy, observed, control, reason, accepted } = result;
  const seen = `${observed}${control === undefined ? '' : ` (without the jail: ${control})`}`;
  const kind = kindOf(result);
  switch (kind) {
    case 'stopped':
      return `stopped by ${stoppedBy ?? layer}: ${seen}`;
    case 'got through':
      return `got through ${layer}: ${seen}`;
    case 'accepted':
      return `accepted: ${accepted ?? seen}`;
    case 'unproven':
      return `unproven: ${reason ?? seen}`;
    default:
      return assertNever(kind);
  }
}
