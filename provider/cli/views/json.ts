/** JSON on one line, of printable ASCII alone: nothing in it can move a terminal's cursor or end the line. */
export function asciiJson(value: unknown): string {
  const json = JSON.stringify(value);
  const escaped = json.replace(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return `${escaped}\n`;
}
