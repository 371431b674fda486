import { describe, expect, it } from 'vitest';
import { layersOf, renderLayers } from '../../../scripts/demo/evidence-table.ts';
import { Output, quieter, withoutAttributes } from '../../../scripts/demo/output.ts';

const layer = {
  requested: 'its own',
  observed: 'as requested',
  raw: ['450 namespace-parent', '465 device-model net:[1]'],
};
const stateWith = (layers: Readonly<Record<string, unknown>>) => ({
  values: {
    root_module: {
      resources: [
        { type: 'stockade_host', values: {} },
        {
          type: 'stockade_guest_evidence',
          values: {
            layers,
            processes: [
              { role: 'logger', pid: 4 },
              { role: 'device-model', pid: 465 },
            ],
          },
        },
      ],
    },
  },
});

describe('the table of evidence', () => {
  it("shows a line of QEMU's own process where the layer is effective, else what is wrong", () => {
    const rows = layersOf(
      stateWith({
        'net-namespace': { ...layer, state: 'effective' },
        user: { ...layer, state: 'ineffective', observed: 'runs as root' },
      }),
    );
    expect(rows).toEqual([
      { layer: 'user', state: 'ineffective', requested: 'its own', proof: 'runs as root' },
      { layer: 'net-namespace', state: 'effective', requested: 'its own', proof: '465 device-model net:[1]' },
    ]);
  });

  it('escapes and cuts what a host said', () => {
    const hostile = { ...layer, state: 'off\u001b[2J', observed: `a\nb\u202e${'x'.repeat(500)}` };
    const lines = renderLayers(layersOf(stateWith({ user: hostile })));
    expect(lines).toHaveLength(3);
    for (const line of lines) expect(line).toMatch(/^[\x20-\x7e…]{1,140}$/);
  });

  it('is an error without evidence', () => {
    expect(() => layersOf({ values: { root_module: { resources: [] } } })).toThrow(
      /no stockade_guest_evidence/,
    );
    expect(() => layersOf({})).toThrow();
  });
});

describe('lines of cdktf', () => {
  const shown = (lines: readonly string[], filter = quieter('quickstart')) =>
    lines.map(filter).filter((line) => line !== undefined);

  it("come without the stack's name, repeated empty lines and boilerplate", () => {
    const lines = [
      'quickstart  Initializing the backend...',
      '',
      'quickstart',
      '',
      '            should now work.',
      'quickstart  Error: no host "x"',
      '              on cdk.tf.json line 3',
      'Error without a stack',
    ];
    expect(shown(lines)).toEqual([
      'Initializing the backend...',
      '',
      'Error: no host "x"',
      '  on cdk.tf.json line 3',
      'Error without a stack',
    ]);
  });

  it('end before cdktf repeats the outputs', () => {
    expect(shown(['quickstart  a = 1', '', '  quickstart', '  a = 1'])).toEqual(['a = 1', '']);
  });

  it('of a destroy name objects, not attributes, and keep errors', () => {
    const lines = [
      '# stockade_guest.web1 will be destroyed',
      '- resource "stockade_guest" "web1" {',
      '    - id = "a" -> null',
      '}',
      'Error: no',
    ];
    expect(shown(lines, withoutAttributes(quieter('quickstart')))).toEqual([
      '# stockade_guest.web1 will be destroyed',
      'Error: no',
    ]);
  });
});

it('nothing printed can control the terminal', () => {
  let printed = '';
  const output = new Output((text) => (printed += text), true);
  output.line('\u001b]0;title\u0007\u009b2J\rover\u202e');
  output.strong('\u001b[2J');
  expect(printed.replaceAll('\u001b[1m', '').replaceAll('\u001b[0m', '')).toMatch(/^[\x20-\x7e\n]*$/);
});
