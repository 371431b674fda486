import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { htmlLine, markdownLine } from '../../provider/cli/views/escape.ts';
import { humanDiagnostic } from '../../provider/cli/views/diagnostics.ts';
import { humanDefinition } from '../../provider/cli/views/definition-human.ts';
import { humanEvidence } from '../../provider/cli/views/evidence-human.ts';
import { fragmentYaml } from '../../provider/cli/views/fragment-yaml.ts';
import { humanHosts } from '../../provider/cli/views/hosts.ts';
import { humanOutcome } from '../../provider/cli/views/outcome-human.ts';
import { humanProbes } from '../../provider/cli/views/probes-human.ts';
import { humanPlan } from '../../provider/cli/views/plan-human.ts';
import { jsonPlan } from '../../provider/cli/views/plan-json.ts';
import { commentCharacters, markdownPlan } from '../../provider/cli/views/plan-markdown.ts';
import { dotGraph, textGraph } from '../../provider/cli/views/graph.ts';
import { reportOf } from '../../provider/cli/views/report.ts';
import { plain } from '../../provider/cli/views/style.ts';
import { problem } from '../../provider/model/diagnostic.ts';
import type { ProbeResult } from '../../provider/jail/probes/judge.ts';
import { plainTexts, samplePlan } from '../cli-plans.ts';
import { sampleEvidence, sampleGuest, sampleHost, sampleQemu } from '../samples.ts';

const nasty = fc
  .array(
    fc.oneof(
      fc.string({ unit: 'binary', maxLength: 8 }),
      fc.constantFrom(
        ...[
          '\u001b[2J',
          '\u001b]8;;http://x\u0007',
          '\r',
          '\n',
          '\n\n',
          '\u202e',
          '\u2066',
          '\u0085',
          '\u2028',
        ],
        ...[
          '`',
          '```',
          '|',
          '<',
          '>',
          '</details>',
          '<script>',
          '&lt;',
          '@team',
          '#1',
          '[a](b)',
          '![a](b)',
          '**',
          '\\',
        ],
        ...[
          '\n# big',
          '\n- item',
          '\n  to do: ',
          'error: ',
          'http://a.b',
          'www.a.b',
          'a@b.c',
          '\ud800',
          '\u{e0041}',
        ],
      ),
    ),
    { maxLength: 8 },
  )
  .map((parts) => parts.join(''));
const texts = fc.record({ name: nasty, value: nasty, field: nasty, message: nasty });

/** What no terminal may get but line feeds: controls, direction marks, invisible characters, halves of characters. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it looks for
const harmful =
  /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]|\p{Cs}|[\u{e0000}-\u{e007f}]/u;

const lineCount = (text: string) => text.split('\n').length;
const tags = (text: string) => text.match(/<[^>]*>?/g);

describe('whatever is in a plan', () => {
  it('moves no cursor, hides nothing, and adds no line to what people see', () => {
    const usual = humanPlan(reportOf(samplePlan()), plain, { details: true });
    fc.assert(
      fc.property(texts, (hostile) => {
        const shown = humanPlan(reportOf(samplePlan(hostile)), plain, { details: true });
        expect(shown).not.toMatch(harmful);
        expect(lineCount(shown)).toBe(lineCount(usual));
      }),
    );
  });

  it('adds neither line, tag nor markup to Markdown, and fits into a comment', () => {
    const usual = markdownPlan(reportOf(samplePlan()));
    fc.assert(
      fc.property(texts, (hostile) => {
        const shown = markdownPlan(reportOf(samplePlan(hostile)));
        expect(shown).not.toMatch(harmful);
        expect(lineCount(shown)).toBe(lineCount(usual));
        expect(tags(shown)).toEqual(tags(usual));
        expect(shown.length).toBeLessThan(commentCharacters);
      }),
    );
  });

  it('is one line of ASCII as JSON, and comes back as it was', () => {
    fc.assert(
      fc.property(texts, (hostile) => {
        const report = reportOf(samplePlan(hostile));
        const shown = jsonPlan(report);
        expect(shown).toMatch(/^[\x20-\x7e]*\n$/);
        const back = JSON.parse(shown) as { isolation: { losses: { what: string }[] } };
        expect(back.isolation.losses[0]?.what).toBe(`share ${hostile.value}`);
      }),
    );
  });
});

/** What is shown beside plans, all of it made of the same texts. */
function views({ name, value, field, message }: typeof plainTexts): Readonly<Record<string, string>> {
  const layer = { layer: 'seccomp', state: 'ineffective', requested: value, observed: message } as const;
  const layers = [{ ...layer, raw: [message] }];
  const identity = { pid: 1, executableDevice: 1, executableInode: 1, startTimeTicks: 1, bootId: value };
  const evidence = sampleEvidence(sampleGuest(), {
    ...{ takenAt: value, layers, processes: [{ role: 'device-model', ...identity }], lostHelpers: [message] },
    helpers: [{ tag: name, driver: 'proxy', source: value, running: true, processes: [], layers }],
  });
  const proof = { guest: name, defined: false, evidence, isolated: false, proven: false, problems: [] };
  const facts = {
    operatingSystem: value,
    capabilities: {
      ...{
        ...sampleHost,
        kernel: value,
        missingPrograms: [message],
        cgroupControllers: [value],
        lsm: [value],
      },
      qemu: { ...sampleQemu, version: value, binary: value, accelerators: { built: [], working: [value] } },
      xen: {
        ...{
          version: value,
          major: 4,
          minor: 17,
          isControlDomain: true,
          totalMemoryMib: 2,
          freeMemoryMib: 1,
        },
        ...{ deviceModel: { path: value, device: 1, inode: 1 }, untrusted: undefined, complaint: message },
        ...{ handleChecker: undefined, python: undefined },
      },
    },
    fleets: [value],
    guests: [{ guest: name, owner: value, running: true }],
  };
  const result: ProbeResult = {
    ...{ name: value, layer: 'seccomp', tries: message, outcome: 'got-through', observed: value },
    reason: message,
  };
  const report = { host: name, qemuVersion: value, kernel: value, results: [result], diagnostics: [] };
  const address = { kind: 'guest', host: value, name } as const;
  const states = ['failed', 'unproven', 'interrupted', 'not-begun'] as const;
  const objects = states.map((state) => ({ address, state }));
  const source = () => ({ file: value, line: 1, column: 1 });
  const outcome = { host: value, objects, evidence: [evidence], diagnostics: [] };
  return {
    evidence: humanEvidence([{ host: value, guests: [proof], diagnostics: [] }], plain, { details: true }),
    hosts: humanHosts([{ host: name, facts, diagnostics: [] }], plain),
    silent: humanHosts([{ host: name, facts: undefined, diagnostics: [] }], plain),
    probes: humanProbes([{ host: name, report: { ...report, milliseconds: 1 }, diagnostics: [] }], plain, {
      details: true,
    }),
    definition: humanDefinition(address, { [`x${field}`]: value, more: { [field]: message } }, source, plain),
    outcome: humanOutcome({ ok: false, stopped: true, hosts: [outcome] }, plain),
  };
}

describe('whatever hosts, guests and files say', () => {
  it('moves no cursor, hides nothing, and adds no line to evidence, hosts, probes, definitions and outcomes', () => {
    const usual = views(plainTexts);
    fc.assert(
      fc.property(texts, (hostile) => {
        for (const [view, shown] of Object.entries(views(hostile))) {
          expect(shown).not.toMatch(harmful);
          expect(`${view}: ${lineCount(shown)}`).toBe(`${view}: ${lineCount(usual[view] ?? '')}`);
        }
      }),
    );
  });

  it('is imported as YAML that shows all there is of it, into a pipe too, and reads back as it was', () => {
    fc.assert(
      fc.property(texts, ({ value, message }) => {
        const fragment = {
          guests: { web1: { kernel: { hostFile: value }, commandLine: message, list: [value] } },
        };
        const shown = fragmentYaml(fragment);
        expect(shown).not.toMatch(harmful);
        expect(parse(shown)).toEqual(fragment);
      }),
    );
  });
});

describe('one text', () => {
  it('is nothing but text in Markdown and HTML', () => {
    fc.assert(
      fc.property(nasty, (text) => {
        expect(markdownLine(text)).not.toMatch(/[<>`|*_[\]\\~@\n\r"']|#(?!\d+;)|!|https?:|www\.|&(?!#\d+;)/);
        // the sign of a mention or a reference never stands next to a name
        expect(markdownLine(text)).not.toMatch(/&#(?:64|35|33);(?!&#8203;)/);
        expect(htmlLine(text)).not.toMatch(/[<>"'\n]|&(?!#\d+;)/);
      }),
    );
  });

  it('cannot pass for a line of ours in a diagnostic', () => {
    fc.assert(
      fc.property(nasty, nasty, (said, name) => {
        const shown = humanDiagnostic(
          problem('code', `it said ${said}`, { detail: said, hint: 'Do this.', host: name, resource: name }),
          plain,
        );
        expect(shown).not.toMatch(harmful);
        const lines = shown.split('\n');
        expect(lines.filter((line) => line.startsWith('  to do: '))).toEqual(['  to do: Do this.']);
        expect(lines.filter((line) => line.startsWith('error: ')).length).toBe(1);
      }),
    );
  });

  it('adds no line to what is to be done, nor to what is to be copied', () => {
    const shownOf = (hint: string, copy: string) =>
      humanDiagnostic(problem('code', 'it said so', { hint, copy }), plain);
    expect(shownOf('Add this:', 'ssh-ed25519 AAAA')).toBe(
      'error: it said so\n  to do: Add this:\n         ssh-ed25519 AAAA\n',
    );
    fc.assert(
      fc.property(nasty, (said) => {
        const shown = shownOf(`Look at ${said}.`, `key ${said}.`);
        expect(shown).not.toMatch(harmful);
        expect(shown.split('\n')).toHaveLength(4);
      }),
    );
  });

  it('stays inside its quotes in a graph', () => {
    fc.assert(
      fc.property(nasty, (path) => {
        const definitions = {
          fleet: { fleet: 'prod', hosts: {}, unreachable: 'error' },
          hosts: [{ name: 'hv1' }],
          users: [{ host: 'hv1', scheme: 'per-domain' }],
          guests: [{ host: 'hv1', name: 'web1', users: 'hv1/per-domain', devices: [path] }],
        } as unknown as Parameters<typeof dotGraph>[0];
        const rows = dotGraph(definitions).trimEnd().split('\n').slice(2, -1);
        expect(rows.length).toBe(3);
        for (const row of rows) expect(row).toMatch(/^ {2}"([^"\\]|\\["\\])*" -> "([^"\\]|\\["\\])*";$/);
        expect(textGraph(definitions)).not.toMatch(harmful);
      }),
    );
  });
});

it('a plan of thousands of changes still fits into a comment, and says what was left out', () => {
  const [host] = samplePlan(plainTexts).hosts;
  const change = host?.changes[2];
  if (host === undefined || change === undefined) throw new Error('the sample has a guest');
  const changes = Array.from({ length: 3000 }, (_, index) => ({
    ...change,
    address: { ...change.address, name: `web${index}` },
  }));
  const shown = markdownPlan(reportOf({ ...samplePlan(), hosts: [{ ...host, changes }] }));
  expect(shown.length).toBeLessThan(commentCharacters);
  expect(shown).toContain('3000 to restart');
  expect(shown.match(/and \d+ more/g)?.length).toBeGreaterThan(3);
  expect(shown.match(/<details>/g)?.length).toBe(shown.match(/<\/details>/g)?.length);
  expect(shown).toContain('Isolation lost');
  expect(shown).toContain('Disrupted');
});
