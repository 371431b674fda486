import { asciiJson } from './json.ts';
import type { PlanReport } from './report.ts';
import { diagnosticJson } from './diagnostics-json.ts';

/** A plan for programs: one JSON object, its shape named by `format`. */
export function jsonPlan(report: PlanReport): string {
  const { fleet, hosts, counts, isolation, objects, warnings, failures } = report;
  const news = (lines: typeof isolation.losses) =>
    lines.map(({ address, what, meaning, path, reason }) => ({ ...address, what, meaning, path, reason }));
  return asciiJson({
    format: 'stockade-plan-view 1',
    ...{ fleet, hosts, counts, changes: report.changes },
    isolation: {
      losses: news(isolation.losses),
      gains: news(isolation.gains),
      regained: news(isolation.regained),
      dropped: news(isolation.dropped),
    },
    objects: objects.map(({ address, action, disruption, reasons }) => ({
      ...address,
      ...{ action, disruption, reasons },
    })),
    warnings: warnings.map(diagnosticJson),
    failures: failures.map(diagnosticJson),
  });
}
