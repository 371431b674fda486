/**
 * What hosts, guests and files said may be in it: control characters, and those that turn, break or hide text, are shown and not
 * sent to the terminal. Line feeds stay.
 */
export function printable(text: string): string {
  return text.replaceAll(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it looks for
    /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]|\udb40[\udc00-\uddef]/g,
    (found) => (found === '\t' ? '  ' : escaped(found)),
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

function escaped(text: string): string {
  return [...Array(text.length).keys()]
    .map((index) => `\\u${text.charCodeAt(index).toString(16).padStart(4, '0')}`)
    .join('');
}
