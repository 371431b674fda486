import type { LayerEvidence } from '../../model/evidence.ts';
import type { GuestProof, HostEvidence } from '../evidence.ts';
import { cut, terminalLine } from './escape.ts';
import type { Style } from './style.ts';

/** What guests show of their isolation: a line each; with `details` a line for each layer, and the processes it was seen on. */
export function humanEvidence(
  hosts: readonly HostEvidence[],
  style: Style,
  { details }: { readonly details: boolean },
): string {
  const guests = hosts.flatMap(({ host, guests: all }) => all.map((proof) => ({ host, proof })));
  const good = guests.filter(({ proof }) => proof.isolated).length;
  const lines = guests.flatMap(({ host, proof }) => guestLines(host, proof, style, details));
  return `${[...lines, `${good} of ${guests.length} guests run isolated as asked for.`].join('\n')}\n`;
}

function guestLines(host: string, proof: GuestProof, style: Style, details: boolean): readonly string[] {
  const { guest, evidence, isolated, proven, defined } = proof;
  const state = isolated ? style.green(proven ? 'proven' : 'isolated') : style.red('NOT ISOLATED');
  const more = defined ? '' : ' (not in the definitions)';
  const head = `${terminalLine(`${host}/${guest}`)}: ${state}${more}`;
  if (evidence === undefined) return [`${head}: no such guest of this fleet was seen`];
  const layers = [
    ...evidence.layers.map((layer) => ({ whose: '', layer })),
    ...evidence.helpers.flatMap((helper) =>
      helper.layers.map((layer) => ({ whose: `share ${helper.tag}: `, layer })),
    ),
  ];
  const shown = layers.filter(({ layer }) => details || layer.state !== 'effective');
  return [
    `${head}, ${evidence.running ? 'runs' : 'does not run'}, looked at ${terminalLine(evidence.takenAt)}`,
    ...shown.map(({ whose, layer }) => `  ${layerLine(whose, layer, style)}`),
    ...(details ? evidence.processes.map(processLine) : []),
  ];
}

function layerLine(
  whose: string,
  { layer, state, requested, observed }: LayerEvidence,
  style: Style,
): string {
  const colour = state === 'effective' ? style.green : state === 'ineffective' ? style.red : style.yellow;
  const seen = cut(observed, 160);
  return `${terminalLine(`${whose}${layer}`).padEnd(18)} ${colour(state.padEnd(11))} ${terminalLine(`${requested}: ${seen}`)}`;
}

function processLine({
  role,
  pid,
  startTimeTicks,
  bootId,
}: {
  readonly role: string;
  readonly pid: number;
  readonly startTimeTicks: number;
  readonly bootId: string;
}): string {
  return terminalLine(`  process ${pid} (${role}), started at tick ${startTimeTicks} of boot ${bootId}`);
}
