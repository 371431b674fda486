import { printable, printableLine } from '../../model/printable.ts';

/** One line for a terminal, whatever it came from. */
export const terminalLine = printableLine;

/** Several lines for a terminal. */
export const terminalText = printable;

/**
 * One line of text inside Markdown that GitHub and GitLab show as it is: no markup, no HTML, no link, no row or fold that is not ours. What
 * means something to Markdown is written as an HTML entity. Mentions and references are made from the text as shown, entities
 * or not: an invisible space keeps their sign apart from the name.
 */
export function markdownLine(text: string): string {
  return htmlLine(text)
    .replaceAll(/&#\d+;|[\\`*_{}[\]()+|~^:@#!$%]|www(?=\.)|\bGH(?=-)/gi, (found) => {
      if (found.startsWith('&')) return found;
      return found.length > 1 ? `${found}&#8203;` : entity(found);
    })
    .replaceAll(/&#(?:64|35|33|126|36|37|38);/g, (sign) => `${sign}&#8203;`);
}

/** One line of text inside HTML, also inside an attribute. */
export function htmlLine(text: string): string {
  return printableLine(text).replaceAll(/[&<>"']/g, entity);
}

function entity(character: string): string {
  return `&#${character.codePointAt(0) ?? 63};`;
}

/** Text cut to so many characters, with a sign that it was. */
export function cut(text: string, length: number): string {
  const characters = [...text];
  return characters.length > length ? `${characters.slice(0, length - 1).join('')}…` : text;
}
