/** What proxy-client.pl tries, by its own names, in its order. */
export const proxyAttacks = [
  'symlink-absolute',
  'symlink-relative',
  'dotdot',
  'race',
  'renamed-parent',
  'hard-link',
  'device',
  'long',
  'nul',
  'kernel-paths',
  'flags',
  'descriptor',
  'malformed',
] as const;
export type ProxyAttack = (typeof proxyAttacks)[number];

export interface AttackResult {
  readonly tries: number;
  /** How often the canary, or a directory above it or above the export, was reached or changed. */
  readonly hits: number;
  /** `ended`: how often the helper ended or fell silent; `swaps`, `inside` and `refused` show that a race was one; `above`: steps
   *  from a passed directory to one above the export. */
  readonly details: Readonly<Record<string, number>>;
}

export interface ProxyReport {
  readonly attacks: ReadonlyMap<string, AttackResult>;
  /** What it could leave inside the export: `set-uid`, `disk`, `zero`, `file-capabilities` (1: yes), `memory` (bytes of the helper's). */
  readonly inside: Readonly<Record<string, number>>;
}

/**
 * Reads what proxy-client.pl said. Anything that is missing, twice there or not of its form is an error, as is an attack without
 * a single try: a client that was stopped half-way has proven nothing.
 */
export function proxyReport(said: string, expected: readonly ProxyAttack[] = proxyAttacks): ProxyReport {
  const lines = said.split('\n');
  if (lines.at(-2) !== 'PROXY-DONE' || lines.at(-1) !== '')
    throw new Error(`it did not finish: ${tail(said)}`);
  const attacks = new Map<string, AttackResult>();
  let inside: Readonly<Record<string, number>> | undefined;
  for (const line of lines.slice(0, -2)) {
    const [kind, ...words] = line.split(' ').filter((word) => word !== '');
    if (kind === 'PROXY-INSIDE' && inside === undefined) inside = numbers(line, words);
    else if (kind === 'PROXY') {
      const [name = '', ...rest] = words;
      if (attacks.has(name)) throw new Error(`attack ${name} is there twice`);
      attacks.set(name, result(line, numbers(line, rest)));
    } else throw new Error(`not a line of its report: ${JSON.stringify(line)}`);
  }
  const missing = expected.filter((name) => !attacks.has(name));
  if (missing.length > 0) throw new Error(`attacks are missing: ${missing.join(', ')}`);
  if (inside === undefined) throw new Error('what it left inside is missing');
  return { attacks, inside };
}

function result(line: string, all: Readonly<Record<string, number>>): AttackResult {
  const { tries, hits, ...details } = all;
  if (tries === undefined || hits === undefined) throw new Error(`no tries or hits: ${JSON.stringify(line)}`);
  if (tries === 0) throw new Error(`nothing was tried: ${JSON.stringify(line)}`);
  return { tries, hits, details };
}

function numbers(line: string, words: readonly string[]): Readonly<Record<string, number>> {
  const pairs = words.map((word) => {
    const [, name, value] = /^([a-z-]+)=(\d{1,15})$/.exec(word) ?? [];
    if (name === undefined)
      throw new Error(`not NAME=NUMBER: ${JSON.stringify(word)} in ${JSON.stringify(line)}`);
    return [name, Number(value)] as const;
  });
  if (new Set(pairs.map(([name]) => name)).size < pairs.length)
    throw new Error(`a name twice: ${JSON.stringify(line)}`);
  return Object.fromEntries(pairs);
}

function tail(said: string): string {
  return JSON.stringify(said.slice(-300));
}
