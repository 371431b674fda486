import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files whose tests take minutes, by name, the longest first: begun last, one of them would hold up the whole run alone. */
const longest: readonly string[] = [
  ...['xen-diagnostics', 'vm-host', 'xen-example', 'xen', 'xen-reboot', 'lsm', 'xen-range'],
  ...['shares-escape', 'cli-interrupt', 'shares', 'terraform-isolation', 'terraform-failures'],
  ...[
    'terraform-departures',
    'terraform-gates',
    'share-guest',
    'shares-options',
    'disks',
    'cli',
    'command-gate',
  ],
  ...['terraform-probes', 'terraform-hosts', 'terraform-safety', 'terraform-shares', 'terraform-example'],
  ...['terraform-owners', 'demo', 'quickstart', 'shares-life', 'probes', 'cli-terraform'],
];

function rank({ moduleId }: TestSpecification): number {
  const name = /([^/]+)\.test\.ts$/.exec(moduleId)?.[1] ?? '';
  const found = longest.indexOf(name);
  return found < 0 ? longest.length : found;
}

/** The order in which files of tests begin; the rest as vitest has it. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return [...sorted].sort((one, other) => rank(one) - rank(other));
  }
}
