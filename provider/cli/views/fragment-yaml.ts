import { stringify } from 'yaml';
import { printable } from '../../model/printable.ts';
import type { Fragment } from '../importing.ts';

/** Invisible characters beyond those that `\u` can name in YAML. */
const beyond = /[\u{e0000}-\u{e01ef}]/gu;

/**
 * A part of definitions as YAML, with no character that a terminal or an editor would not show as it is: all texts are in double quotes, where
 * such a one is written by its number. It reads back as it was.
 */
export function fragmentYaml(fragment: Fragment): string {
  const yaml = stringify(fragment, { defaultStringType: 'QUOTE_DOUBLE', defaultKeyType: 'PLAIN' });
  return printable(
    yaml.replaceAll(beyond, (one) => `\\U${(one.codePointAt(0) ?? 0).toString(16).padStart(8, '0')}`),
  );
}
