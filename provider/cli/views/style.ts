/** Where people read: lines, and colours where the terminal shows them. Texts must have been escaped. */
export interface Style {
  readonly bold: (text: string) => string;
  readonly red: (text: string) => string;
  readonly yellow: (text: string) => string;
  readonly green: (text: string) => string;
  readonly faint: (text: string) => string;
}

const code = (start: number, end: number) => (text: string) => `\u001b[${start}m${text}\u001b[${end}m`;

export const coloured: Style = {
  bold: code(1, 22),
  red: code(31, 39),
  yellow: code(33, 39),
  green: code(32, 39),
  faint: code(2, 22),
};

const same = (text: string) => text;
export const plain: Style = { bold: same, red: same, yellow: same, green: same, faint: same };

/** NO_COLOR (no-color.org) switches colours off, whatever the terminal. */
export function styleFor(stream: { readonly isTTY?: boolean }, environment: NodeJS.ProcessEnv): Style {
  const off = (environment['NO_COLOR'] ?? '') !== '' || environment['TERM'] === 'dumb';
  return stream.isTTY === true && !off ? coloured : plain;
}
