import { expect, it } from 'vitest';
import { completionScript } from '../../provider/cli/views/completion.ts';
import { humanDiagnostic } from '../../provider/cli/views/diagnostics.ts';
import { dotGraph, textGraph } from '../../provider/cli/views/graph.ts';
import { humanOutcome } from '../../provider/cli/views/outcome-human.ts';
import { humanPlan } from '../../provider/cli/views/plan-human.ts';
import { jsonPlan } from '../../provider/cli/views/plan-json.ts';
import { markdownPlan } from '../../provider/cli/views/plan-markdown.ts';
import { reportOf } from '../../provider/cli/views/report.ts';
import { starterDefinition, starterIgnores } from '../../provider/cli/starter.ts';
import { plain } from '../../provider/cli/views/style.ts';
import { problem } from '../../provider/model/diagnostic.ts';
import { readDefinitions } from '../../provider/spec/yaml/read.ts';
import { plainTexts, samplePlan } from '../cli-plans.ts';

const report = reportOf(samplePlan());
const hostile = reportOf(
  samplePlan({
    ...plainTexts,
    value: '\u001b[2J`rm -rf` <img src=x> | @team #12 \u202etxt.exe',
    message: '**bold**\n</details> [link](http://example.org) www.example.org',
  }),
);

const starter = {
  ...{ fleet: 'prod', host: 'hv1', address: 'hv1.example.org', port: 22, user: 'root', sudo: false },
  ...{ hostKey: undefined, knownHosts: '/home/ada/.ssh/known_hosts', key: '/home/ada/.ssh/id_ed25519' },
  ...{ guest: 'web1', memoryMib: 256, kernel: 'vmlinuz', initrd: undefined, accelerator: 'kvm' as const },
};

const outcome = {
  ok: false,
  stopped: true,
  hosts: [
    {
      host: 'hv1',
      objects: (['done', 'failed', 'unproven', 'interrupted', 'not-begun'] as const).map((state) => ({
        address: { kind: 'guest' as const, host: 'hv1', name: state },
        state,
      })),
      evidence: [],
      diagnostics: [],
    },
  ],
};

const diagnostic = problem('not-as-planned', 'guest web1 on hv1: isolation = { may_be_missing = ["lsm"] }', {
  host: 'hv1',
  resource: 'guest web1 on hv1',
  step: 'guest web1 on hv1: start',
  detail: 'what it said\nerror: forged\u001b[31m',
  hint: 'Raise last_domid of its stockade_qemu_users.',
  source: { file: 'fleet.yaml', line: 12, column: 3 },
});

const read = readDefinitions([
  {
    name: 'stockade.yaml',
    text: starterDefinition({ ...starter, initrd: 'initrd.img' }).replace(
      'commandLine: "console=ttyS0"',
      'disks: [{ name: data, path: /srv/data.img, format: raw, sizeMib: 64 }]',
    ),
  },
]);
const definitions = read.ok ? read.value : undefined;

const rendered: Readonly<Record<string, string>> = {
  'plan.txt': humanPlan(report, plain, { details: false }),
  'plan-details.txt': humanPlan(report, plain, { details: true }),
  'plan-hostile.txt': humanPlan(hostile, plain, { details: true }),
  'plan.json': jsonPlan(report),
  'plan.md': markdownPlan(report),
  'plan-hostile.md': markdownPlan(hostile),
  'diagnostic.txt': humanDiagnostic(diagnostic, plain),
  'outcome.txt': humanOutcome(outcome, plain),
  'stockade.yaml': starterDefinition(starter),
  gitignore: starterIgnores,
  'graph.txt': definitions === undefined ? '' : textGraph(definitions),
  'graph.dot': definitions === undefined ? '' : dotGraph(definitions),
  ...Object.fromEntries(
    (['bash', 'zsh', 'fish'] as const).map((shell) => [
      `completion.${shell}`,
      completionScript(shell, [
        {
          name: 'plan',
          description: "show what's to be done: all",
          options: [{ name: '--out', description: 'a file' }],
        },
      ]),
    ]),
  ),
};

it.each(Object.entries(rendered))('%s', async (file, text) => {
  await expect(text).toMatchFileSnapshot(`cli/${file}`);
});

it('the starter is a definition without faults', () => {
  expect(readDefinitions([{ name: 'stockade.yaml', text: starterDefinition(starter) }])).toMatchObject({
    ok: true,
  });
});

it.each(['123', 'null', '1e3', '0x1', 'true', '007', '1-2', 'on'])(
  'a host or guest that is called %s stays a name in the starter',
  (name) => {
    const text = starterDefinition({ ...starter, fleet: name, host: name, guest: name });
    expect(readDefinitions([{ name: 'stockade.yaml', text }])).toMatchObject({
      ok: true,
      value: { hosts: [{ name }], users: [{ host: name }], guests: [{ host: name, name }] },
    });
  },
);
