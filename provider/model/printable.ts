/**
 * What hosts, guests and files said may be in it: control characters, and those that turn or break lines, are shown and not sent to
 * the terminal. Line feeds stay.
 */
export function printable(text: string): string {
  return text.replaceAll(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it looks for
    /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
    (character) => (character === '\t' ? '  ' : escaped(character)),
  );
}

/** Like `printable`, for what has to stay on one line. */
export function printableLine(text: string): string {
  return printable(text).replaceAll('\n', escaped('\n'));
}

/** A value somebody gave, as JSON without non-ASCII and control characters, cut at 80 characters. */
export function quoted(value: unknown): string {
  const text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value));
  const shown = text.length > 400 ? text.slice(0, 400) : text;
  const plain = shown.replaceAll(/[^\x20-\x7e]/g, escaped);
  return plain.length > 80 ? `${plain.slice(0, 80)}…` : plain;
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
