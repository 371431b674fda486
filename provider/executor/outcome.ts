import { describeAddress } from '../model/address.ts';
import { caution, type Diagnostic, problem } from '../model/diagnostic.ts';
import type { Operation, OperationResult } from '../model/operation.ts';
import { remedies, runAgain } from './remedies.ts';

/** Codes by which a host says that something else was written since it was looked at: looking again may help. */
const moved: ReadonlySet<string> = new Set(['record-moved', 'record-exists', 'record-gone']);

/** True where the plan was overtaken by somebody else's batch before it did anything. */
export function wasOvertaken(results: readonly OperationResult[]): boolean {
  const bad = results.filter((result) => result.status !== 'same' && result.status !== 'skipped');
  return bad.length > 0 && bad.every((result) => result.status === 'refused' && moved.has(result.code ?? ''));
}

/** What went wrong, each with the step it went wrong in. What was skipped because of it is not told again. */
export function failures(
  operations: readonly Operation[],
  results: readonly OperationResult[],
): readonly Diagnostic[] {
  const byId = new Map(operations.map((operation) => [operation.id, operation]));
  return results.flatMap((result) => {
    const address = byId.get(result.id)?.address;
    if (address === undefined || result.status === 'same' || result.status === 'changed') return [];
    if (result.status === 'skipped') return [];
    const resource = describeAddress(address);
    return [
      problem(result.code ?? 'step-failed', `${resource}: ${summaryOf(result)}`, {
        ...detailOf(result),
        hint: remedyFor(result),
        host: address.host,
        resource,
        step: result.id,
      }),
    ];
  });
}

const removeByHand =
  'See on the host what it is (`ps`, `ls -l`, `ipcs`), and end or remove it by hand: until then nobody gets that uid.';

/** What people should know although all went well. */
export function remarks(
  operations: readonly Operation[],
  results: readonly OperationResult[],
): readonly Diagnostic[] {
  const byId = new Map(operations.map((operation) => [operation.id, operation]));
  return results.flatMap((result) => {
    const address = byId.get(result.id)?.address;
    if (address === undefined) return [];
    const { tampered, leftovers, passed_over: passedOver } = result.values;
    const about = (code: string, summary: string, detail: string, hint: string) =>
      caution(code, summary, { detail, hint, host: address.host });
    const resource = describeAddress(address);
    return [
      ...(tampered === undefined
        ? []
        : [
            about(
              'chroot-tampered',
              `the chroot of ${resource} was filled by somebody`,
              `What lay in it was kept on the host, in ${tampered}.`,
              'Look at what it is and find out who put it there; then remove it.',
            ),
          ]),
      ...(leftovers === undefined
        ? []
        : [
            about(
              'leftovers',
              `${resource} is removed and has left something behind`,
              leftovers,
              removeByHand,
            ),
          ]),
      ...(passedOver === undefined
        ? []
        : [
            about(
              'leftovers',
              `a uid was not given to ${resource}, for what is left of it`,
              passedOver,
              removeByHand,
            ),
          ]),
    ];
  });
}

/** One line of ours: what a guest or a program said is told in the detail. */
function summaryOf(result: OperationResult): string {
  const said = own(result);
  switch (result.status) {
    case 'unknown':
      return 'the connection ended before the result came';
    case 'refused':
      return said === '' ? 'refused' : said;
    default:
      return said === '' ? 'a step failed' : said;
  }
}

/** Codes whose message is a word of ours, a colon, and then whatever the guest's device model has printed. */
const quoting: ReadonlySet<string> = new Set(['guest-died', 'guest-not-ready']);

function own({ code = '', message = '' }: OperationResult): string {
  const [line = ''] = message.trim().split('\n', 1);
  return quoting.has(code) ? line.replace(/: .*$/, '') : line;
}

function detailOf(result: OperationResult): { readonly detail?: string } {
  const message = result.message?.trim() ?? '';
  const rest = message.slice(own(result).length).replace(/^:/, '').trim();
  const parts = [
    ...(rest === ''
      ? []
      : [`${quoting.has(result.code ?? '') ? 'Its last words' : 'In full'}:\n${indented(rest)}`]),
    ...(result.output.trim() === '' ? [] : [`The step said:\n${indented(result.output.trim())}`]),
  ];
  return parts.length === 0 ? {} : { detail: parts.join('\n') };
}

/** Set off from our own lines, which nothing that is quoted can look like. */
function indented(text: string): string {
  return text.replaceAll(/^/gm, '    ');
}

/** How shells and coreutils say that a disk is full or failing; dash does not say which. */
const diskTrouble = /No space left on device|Disk quota exceeded|: I\/O error|write error/;

function remedyFor({ code = 'step-failed', status, output, message = '' }: OperationResult): string {
  const said = quoting.has(code) ? output : `${output}\n${message}`;
  if (status === 'failed' && code !== 'no-space' && diskTrouble.test(said)) {
    return 'Make room on the host, or see what is wrong with its disk (`df`, `dmesg`); then apply again.';
  }
  return remedies[code] ?? runAgain;
}
