import type { Address } from '../model/address.ts';
import { caution, type Diagnostic, failure, problem, type Result, success } from '../model/diagnostic.ts';
import { quoted } from '../model/printable.ts';
import type { Definitions } from '../spec/definitions.ts';

/** Which part of a fleet a command is about. */
export interface Selection {
  /** The host as a whole: what it was prepared with, its users and all its guests. */
  readonly wantsHost: (host: string) => boolean;
  readonly wantsGuest: (host: string, guest: string) => boolean;
  /** Whether the host is looked at though no guest that is defined there is selected. A pattern for guests alone names no host. */
  readonly looksAt: (host: string) => boolean;
}

export const everything: Selection = {
  wantsHost: () => true,
  wantsGuest: () => true,
  looksAt: () => true,
};

/** `hv*`, `web?`, `hv1/*`: letters, digits, hyphens, `*` for any text and `?` for one character; one `/` between host and guest. */
const patternShape = /^[a-z0-9*?-]{1,63}(\/[a-z0-9*?-]{1,63})?$/;

/**
 * `limit`: only what one of these patterns names (all, if there is none); `exclude`: without what one of these names. A pattern with a `/` is
 * HOST/GUEST; another one names hosts, with all that is on them, and guests by their name on any host.
 */
export function selectionOf(limit: readonly string[], exclude: readonly string[]): Result<Selection> {
  const bad = [...limit, ...exclude].filter((pattern) => !patternShape.test(pattern));
  if (bad.length > 0) {
    return failure(
      ...bad.map((pattern) =>
        problem('bad-pattern', `${quoted(pattern)} is no pattern for hosts or guests`, {
          hint: 'Patterns are like hv1, hv*, web?, hv1/web*: lower-case letters, digits, hyphens, * and ?.',
        }),
      ),
    );
  }
  const [only, without] = [limit.map(parsePattern), exclude.map(parsePattern)];
  const limited = only.length > 0;
  const hostIn = (patterns: readonly Pattern[], host: string) =>
    patterns.some(({ whole, name }) => whole && name.test(host));
  const guestIn = (patterns: readonly Pattern[], host: string, guest: string) =>
    patterns.some((pattern) =>
      pattern.whole
        ? pattern.name.test(host) || pattern.name.test(guest)
        : pattern.host.test(host) && pattern.name.test(guest),
    );
  return success({
    wantsHost: (host) => !hostIn(without, host) && (!limited || hostIn(only, host)),
    wantsGuest: (host, guest) => !guestIn(without, host, guest) && (!limited || guestIn(only, host, guest)),
    looksAt: (host) =>
      !hostIn(without, host) &&
      (!limited || only.some((pattern) => (pattern.whole ? pattern.name : pattern.host).test(host))),
  });
}

interface Pattern {
  /** Without a `/`: it names hosts and guests alike. */
  readonly whole: boolean;
  readonly host: RegExp;
  readonly name: RegExp;
}

function parsePattern(pattern: string): Pattern {
  const [first = '', second] = pattern.split('/');
  return { whole: second === undefined, host: glob(first), name: glob(second ?? first) };
}

function glob(text: string): RegExp {
  return new RegExp(`^${text.replaceAll('*', '.*').replaceAll('?', '.')}$`);
}

/** Patterns that name nothing that is defined: most likely they are misspelt. */
export function idlePatterns(
  patterns: readonly string[],
  { hosts, guests }: Pick<Definitions, 'hosts' | 'guests'>,
): readonly Diagnostic[] {
  return patterns.flatMap((pattern) => {
    const { whole, host, name } = parsePattern(pattern);
    // guests that are no longer defined may be named by their host
    const named =
      hosts.some((one) => host.test(one.name)) || (whole && guests.some((one) => name.test(one.name)));
    if (named) return [];
    return [
      caution('pattern-idle', `${pattern} names no host and no guest that is defined`, {
        hint: 'See `stockade graph` for what there is.',
      }),
    ];
  });
}

/**
 * The hosts that a command is about: those a pattern names, and those of the guests it names. On all of them what is selected and no longer
 * defined is looked for too.
 */
export function hostsConcerned(
  { hosts, guests }: Pick<Definitions, 'hosts' | 'guests'>,
  selection: Selection,
): ReadonlySet<string> {
  const ofGuests = new Set(
    guests.filter(({ host, name }) => selection.wantsGuest(host, name)).map(({ host }) => host),
  );
  return new Set(
    hosts.map(({ name }) => name).filter((name) => ofGuests.has(name) || selection.looksAt(name)),
  );
}

/** Whether an object is this command's business. */
export function wants(selection: Selection, { kind, host, name }: Address): boolean {
  return kind === 'guest' ? selection.wantsGuest(host, name) : selection.wantsHost(host);
}
