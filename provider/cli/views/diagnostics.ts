import type { Diagnostic } from '../../model/diagnostic.ts';
import { inYamlWords } from '../../spec/yaml/words.ts';
import { terminalLine, terminalText } from './escape.ts';
import type { Style } from './style.ts';

/**
 * A diagnostic for people: `fleet.yaml:12:3: error: what is wrong`, where it is, and what to do. What hosts and guests said is in the detail, and
 * set off: it cannot pass for a line of ours.
 */
export function humanDiagnostic(one: Diagnostic, style: Style): string {
  const { severity, summary, detail, hint, copy, source, host, resource, step } = one;
  const place = source === undefined ? '' : `${source.file}:${source.line}:${source.column}: `;
  const mark = severity === 'error' ? style.red('error') : style.yellow('warning');
  const where = [
    ...(host === undefined || summary.includes(host) ? [] : [`host ${host}`]),
    ...(resource === undefined || summary.includes(resource) ? [] : [resource]),
    ...(step === undefined || step === resource ? [] : [`step ${step}`]),
  ];
  return [
    `${terminalLine(place)}${mark}: ${terminalLine(inOurWords(summary))}`,
    ...(where.length === 0 ? [] : [`  at: ${terminalLine(where.join(', '))}`]),
    ...(detail === undefined || detail === ''
      ? []
      : terminalText(detail)
          .split('\n')
          .map((line) => `  | ${line}`)),
    ...(hint === undefined || hint === '' ? [] : [`  to do: ${terminalLine(inOurWords(hint))}`]),
    ...(copy === undefined ? [] : [`         ${terminalLine(copy)}`]),
    '',
  ].join('\n');
}

/** Texts that name resources and fields as Terraform does. */
function inOurWords(text: string): string {
  return inYamlWords(
    text
      .replaceAll('`host = stockade_host.x.id`', '`hosts`')
      .replaceAll('`users = stockade_qemu_users.x.id`', '`users`')
      .replaceAll(/\bstockade_qemu_users\b/g, 'entry of `users`')
      .replaceAll(/\bstockade_host\b/g, 'entry of `hosts`')
      .replaceAll(/\bstockade_guest\b/g, 'entry of `guests`'),
  );
}
