import type { ParsedKey } from 'ssh2';
import { describe, expect, it } from 'vitest';
import { type Prepared, roundsOf } from '../../../provider/connect/openssh/login.ts';
import { problem } from '../../../provider/model/diagnostic.ts';

const key = (comment: string): Prepared => ({ kind: 'key', key: { comment } as ParsedKey });
const file = (path: string): Prepared => ({ kind: 'file', path });
const agent: Prepared = { kind: 'agent', socket: '/agent' };
const unusable = problem('identity-unreadable', 'gone');

/** As `key:a file:/b agent:/c` a round. */
function shown(prepared: readonly Prepared[]): readonly string[] {
  return roundsOf(prepared).map(({ keys, files, agent: asked, passedOver }) =>
    [
      ...keys.map(({ comment }) => `key:${comment}`),
      ...files.map((path) => `file:${path}`),
      ...(asked === undefined ? [] : [`agent:${asked}`]),
      ...passedOver.map(() => 'passed-over'),
    ].join(' '),
  );
}

describe('identities are offered in their order', () => {
  it.each<readonly [string, readonly Prepared[], readonly string[]]>([
    ['none', [], []],
    ['files at once', [file('a'), file('b')], ['file:a file:b']],
    ['keys of ours before files, at once', [key('k'), file('a')], ['key:k file:a']],
    ['files before keys of ours, one after the other', [file('a'), key('k')], ['file:a', 'key:k']],
    [
      'an agent first knows the keys of the files',
      [file('a'), agent],
      ['file:a agent:/agent', 'agent:/agent'],
    ],
    ['an agent before files', [agent, file('a')], ['agent:/agent', 'file:a']],
    ['our agent or the other', [key('k'), file('a'), agent], ['key:k file:a', 'agent:/agent']],
    [
      'what cannot be used is told with those after it',
      [file('a'), unusable, agent, unusable],
      ['file:a agent:/agent passed-over', 'agent:/agent passed-over'],
    ],
    ['nothing usable', [unusable], []],
  ])('%s', (_name, prepared, rounds) => {
    expect(shown(prepared)).toEqual(rounds);
  });
});
