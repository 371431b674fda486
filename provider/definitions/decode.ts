import { isUtf8 } from 'node:buffer';
import { homedir } from 'node:os';
import { type Diagnostic, problem } from '../model/diagnostic.ts';
import { quoted } from '../model/printable.ts';
import type { DefinitionText } from '../spec/definitions.ts';

/** Definitions are UTF-8: in anything else names would be read as other names. */
export function decodeText(name: string, bytes: Buffer): DefinitionText | Diagnostic {
  if (isUtf8(bytes)) return { name, text: bytes.toString('utf8'), home: homedir() };
  const before = textBeforeFault(bytes).split('\n');
  return problem('definition-encoding', `${quoted(name)} is not UTF-8 here`, {
    source: { file: name, line: before.length, column: (before.at(-1)?.length ?? 0) + 1 },
    hint: 'Save it as UTF-8.',
  });
}

const replacement = '\ufffd';

/** Decoding puts U+FFFD in the place of what is none; where it does not stand in the bytes themselves, they are at fault. */
function textBeforeFault(bytes: Buffer): string {
  const text = bytes.toString('utf8');
  const own = Buffer.from(replacement);
  let offset = 0;
  let from = 0;
  for (;;) {
    const at = text.indexOf(replacement, from);
    if (at < 0) return text;
    offset += Buffer.byteLength(text.slice(from, at));
    if (!bytes.subarray(offset, offset + own.length).equals(own)) return text.slice(0, at);
    offset += own.length;
    from = at + 1;
  }
}
