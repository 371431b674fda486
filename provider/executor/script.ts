import type { CollectiveStep, ReadSection, Upload } from '../model/operation.ts';
import type { HostRoots } from '../model/paths.ts';
import { lines, sh, word, words, type ShellText } from '../model/shell.ts';
import { endMarker } from './bootstrap.ts';
import type { Order, Placed, Turn } from './order.ts';
import { lockPrelude, runPrelude, stepPrelude } from './prelude-write.ts';
import { sectionTrailer } from './results.ts';
import { protocolPrelude, recordPrelude, recordWritePrelude } from './prelude.ts';
import { uploadPrelude } from './prelude-uploads.ts';

export interface ScriptSettings {
  /** Fresh for every batch; lower-case hex digits. Result lines begin with it. */
  readonly nonce: string;
  readonly roots: HostRoots;
  /** Who is at work, for others who find the host locked: one line. */
  readonly holder: string;
  /** How long to wait for the host's lock. */
  readonly lockWaitSeconds: number;
  /** A section that prints more is cut, and its readers get a diagnostic. */
  readonly sectionLimitBytes: number;
}

/** The script of a batch that only reads. Pure, so that it can be shown before it is sent. */
export function renderReadScript(sections: readonly ReadSection[], settings: ScriptSettings): ShellText {
  return assemble(
    sh`reading`,
    settings,
    [protocolPrelude, recordPrelude, ...sections.map(sectionFunction)],
    [
      sh`  stockade_share_lock ${settings.lockWaitSeconds}`,
      sh`  stockade_line begin`,
      ...sections.map(sectionCall),
    ],
  );
}

/** The script of a batch that writes, then reads. Pure, so that it can be shown before it is sent. */
export function renderWriteScript(
  order: Order,
  sections: readonly ReadSection[],
  settings: ScriptSettings,
): ShellText {
  const uploads = uploadsOf(order);
  return assemble(
    sh`writing`,
    settings,
    [
      protocolPrelude,
      recordPrelude,
      recordWritePrelude,
      stepPrelude,
      runPrelude,
      lockPrelude,
      ...(uploads.length > 0 ? [uploadPrelude, uploadTable(uploads)] : []),
      sh`# --- the steps`,
      ...order.turns.map(turnFunctions),
      ...sections.map(sectionFunction),
    ],
    [
      sh`  stockade_enter ${settings.lockWaitSeconds}`,
      sh`  stockade_line begin`,
      ...order.turns.map(turnCall),
      ...sections.map(sectionCall),
    ],
  );
}

/** All uploads of a batch, in the order in which the script expects them on its stdin. */
export function uploadsOf(order: Order): readonly Upload[] {
  return order.turns.flatMap((turn) => (turn.kind === 'own' ? (turn.member.step.uploads ?? []) : []));
}

function assemble(
  purpose: ShellText,
  settings: ScriptSettings,
  functions: readonly ShellText[],
  calls: readonly ShellText[],
): ShellText {
  const { nonce, roots, holder, sectionLimitBytes } = settings;
  return lines([
    sh`# Stockade, ${purpose}. Nothing runs before the last line; it must be followed by the end marker.`,
    sh`stockade_nonce=${word(nonce)}`,
    sh`stockade_run=${word(roots.run)}`,
    sh`stockade_state=${word(roots.state)}`,
    sh`stockade_holder=${word(printable(holder))}`,
    // the trailer must find room behind a section of just this size
    sh`stockade_section_limit=${sectionLimitBytes + sectionTrailer(nonce, 0).length}`,
    ...functions,
    sh`stockade_main() {\n  stockade_begin`,
    ...calls,
    sh`  [ -n "$stockade_gone" ] || stockade_line end\n}\nstockade_main\n${endMarker}\n`,
  ]);
}

/** Text for a comment: one line, no control characters. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 200);
}

// The closing `:` makes a body that ends with `[ test ] && command` end well; what fails before it ends the step (set -e).
function functionOf(name: ShellText, body: ShellText): ShellText {
  return sh`${name}() {\n${body}\n:\n}`;
}

function sectionFunction(section: ReadSection, index: number): ShellText {
  return lines([
    sh`# reads ${word(printable(section.name))}`,
    functionOf(sh`section_${index}`, section.body),
  ]);
}

function sectionCall(section: ReadSection, index: number): ShellText {
  const kind = section.packed === true ? 'packed' : 'section';
  return sh`  stockade_section ${word(kind)} ${index} ${words(section.arguments)}`;
}

function turnFunctions(turn: Turn): ShellText {
  if (turn.kind === 'own') {
    const { index, operation, step } = turn.member;
    return lines([sh`# ${word(printable(operation.id))}`, functionOf(sh`step_${index}`, step.body)]);
  }
  const [first] = turn.members;
  if (first === undefined) return sh`:`;
  return lines([
    ...turn.members.map(({ operation }) => sh`# ${word(printable(operation.id))}`),
    functionOf(sh`together_${first.index}`, first.step.body),
    sh`together_${first.index}_members() {\n  case $1 in`,
    ...membersByArgument(turn.members),
    sh`  esac\n}`,
  ]);
}

function membersByArgument(members: readonly Placed<CollectiveStep>[]): ShellText[] {
  const indexes = new Map<string, number[]>();
  for (const { index, step } of members) {
    indexes.set(step.argument, [...(indexes.get(step.argument) ?? []), index]);
  }
  return [...indexes].map(
    ([argument, found]) => sh`    ${quoted(argument)}) stockade_members_of=${numbers(found)} ;;`,
  );
}

/** A word that is quoted whatever it holds: a case pattern must not be a pattern, nor the word esac. */
function quoted(text: string): ShellText {
  return sh`''${word(text)}`;
}

function numbers(values: readonly number[]): ShellText {
  return sh`'${words(values.map(String))}'`;
}

function turnCall(turn: Turn): ShellText {
  if (turn.kind === 'own') {
    const { index, needs, step } = turn.member;
    const count = step.uploads?.length ?? 0;
    const uploads = count > 0 ? sh` ${turn.firstUpload} ${count}` : sh``;
    return sh`  stockade_own ${index} ${numbers(needs)}${uploads}`;
  }
  const first = turn.members[0]?.index ?? 0;
  return lines([
    sh`  stockade_members=\n  set --`,
    ...turn.members.map(
      ({ index, needs, step }) =>
        sh`  if stockade_join ${index} ${numbers(needs)}; then set -- "$@" ${word(step.argument)}; fi`,
    ),
    sh`  stockade_together together_${first} "$@"`,
  ]);
}

function uploadTable(uploads: readonly Upload[]): ShellText {
  return lines([
    sh`stockade_upload() {\n  case $1 in`,
    ...uploads.map(
      ({ bytes, sha256 }, index) =>
        sh`    ${index}) stockade_bytes=${bytes} stockade_sha256=${word(sha256)} ;;`,
    ),
    sh`  esac\n}`,
  ]);
}
