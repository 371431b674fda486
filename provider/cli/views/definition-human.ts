import { type Address, describeAddress } from '../../model/address.ts';
import type { Definitions } from '../../spec/definitions.ts';
import { cut, terminalLine } from './escape.ts';
import type { Style } from './style.ts';

/** One object as it is defined, a line per field: its value, and where that stands. */
export function humanDefinition(
  address: Address,
  spec: object,
  source: Definitions['source'],
  style: Style,
): string {
  const own = placeText(source(address));
  const lines = Object.entries(spec)
    .filter(([, value]) => value !== undefined)
    .map(([field, value]) => {
      const place = placeText(source(address, [field]));
      const from = place === own ? '' : style.faint(`  ${terminalLine(place)}`);
      return `  ${terminalLine(`${field}: ${cut(JSON.stringify(value), 200)}`)}${from}`;
    });
  return `${[`${style.bold(terminalLine(describeAddress(address)))}, ${terminalLine(own)}`, ...lines].join('\n')}\n`;
}

function placeText(position: ReturnType<Definitions['source']>): string {
  return position === undefined ? 'by default' : `${position.file}:${position.line}:${position.column}`;
}
