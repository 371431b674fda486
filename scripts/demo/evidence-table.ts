import { z } from 'zod';
import { type LayerName, layerNames } from '../../provider/model/evidence.ts';
import { printable } from '../../provider/model/printable.ts';

const evidenceSchema = z.object({
  layers: z.record(
    z.string(),
    z.object({ state: z.string(), requested: z.string(), observed: z.string(), raw: z.array(z.string()) }),
  ),
  processes: z.array(z.object({ role: z.string(), pid: z.number() })),
});
const stateSchema = z.object({
  values: z.object({
    root_module: z.object({
      resources: z.array(z.object({ type: z.string(), values: z.record(z.string(), z.unknown()) })),
    }),
  }),
});

/** One layer of a guest's isolation. */
export interface LayerRow {
  readonly layer: string;
  readonly state: string;
  readonly requested: string;
  /** What differs from what was asked for; else one of the lines it rests on, of QEMU itself where there is one. */
  readonly proof: string;
}

/** Which of many lines says most to a reader. */
const tellingLines: Partial<Record<LayerName, RegExp>> = {
  'private-dev': /^\/dev tmpfs .*size=64k/,
  rlimits: /Max open files/,
  'open-files': /qmp\.in$/,
};

/** Takes the evidence out of what `terraform show -json` prints, in the order the layers are built in. */
export function layersOf(state: unknown): readonly LayerRow[] {
  const { resources } = stateSchema.parse(state).values.root_module;
  const found = resources.find(({ type }) => type === 'stockade_guest_evidence');
  if (found === undefined) throw new Error('the state holds no stockade_guest_evidence');
  const { layers, processes } = evidenceSchema.parse(found.values);
  const deviceModel = processes.find(({ role }) => role === 'device-model')?.pid;
  return layerNames.flatMap((layer) => {
    const row = layers[layer];
    if (row === undefined) return [];
    const { state: shown, requested, observed, raw } = row;
    const own = raw.filter((line) => new RegExp(`^(${deviceModel}[ /]|/)`).test(line));
    const telling = own.find((line) => tellingLines[layer]?.test(line)) ?? own[0] ?? observed;
    return [{ layer, state: shown, requested, proof: shown === 'effective' ? telling : observed }];
  });
}

const columns = [
  { title: 'layer', width: 16 },
  { title: 'state', width: 11 },
  { title: 'asked for', width: 36 },
  { title: 'a line it rests on', width: 64 },
] as const;

/** A table for a terminal; what hosts said is escaped and cut. */
export function renderLayers(rows: readonly LayerRow[]): readonly string[] {
  const line = (cells: readonly string[]) =>
    columns
      .map(({ width }, index) =>
        cut(printable(cells[index] ?? '').replaceAll('\n', ' '), width).padEnd(width),
      )
      .join('  ')
      .trimEnd();
  return [
    line(columns.map(({ title }) => title)),
    line(columns.map(({ width }) => '-'.repeat(width))),
    ...rows.map(({ layer, state, requested, proof }) => line([layer, state, requested, proof])),
  ];
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`;
}
