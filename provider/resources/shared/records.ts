import { type HostRecord, parseRecord } from '../../model/record.ts';
import { lines, type ShellText, sh } from '../../model/shell.ts';

/** Prints every line of the files that match the patterns, as `PATH:LINE`, by one process. Leaves the patterns' matches in "$@". */
export function grepRecords(patterns: readonly ShellText[]): ShellText {
  return lines([
    sh`set --`,
    ...patterns.map(
      (pattern) => sh`for record_file in ${pattern}; do
  case $record_file in *.new) continue ;; esac
  if [ -f "$record_file" ] && [ ! -L "$record_file" ]; then set -- "$@" "$record_file"; fi
done`,
    ),
    sh`[ $# -eq 0 ] || grep -as '' /dev/null "$@"`,
  ]);
}

export interface GreppedRecords {
  /** By path below the prefix. */
  readonly records: ReadonlyMap<string, HostRecord>;
  /** Why the others cannot be read. */
  readonly damaged: ReadonlyMap<string, string>;
}

/** Reads what `grepRecords` printed; lines of files outside `prefix` are passed over. */
export function parseGrepped(text: string, prefix: string): GreppedRecords {
  const files = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const match = line.startsWith(prefix) ? /^([^:]+):(.*)$/.exec(line.slice(prefix.length)) : null;
    if (match === null) continue;
    const [, path = '', content = ''] = match;
    const rows = files.get(path);
    if (rows === undefined) files.set(path, [content]);
    else rows.push(content);
  }
  const records = new Map<string, HostRecord>();
  const damaged = new Map<string, string>();
  for (const [path, rows] of files) {
    const parsed = parseRecord(Buffer.from(`${rows.join('\n')}\n`, 'latin1'), path);
    if (parsed.ok) records.set(path, parsed.value);
    else damaged.set(path, parsed.diagnostics[0]?.summary ?? 'not readable');
  }
  return { records, damaged };
}
