import { describe, expect, test } from 'vitest';
import { proxyAttacks, proxyReport } from '../../lab/hostile/proxy-report.ts';

const inside = 'PROXY-INSIDE disk=1 set-uid=1 memory=0';
const line = (name: string) => `PROXY ${name} tries=3 hits=0 ended=0`;
const whole = `${[...proxyAttacks.map(line), inside, 'PROXY-DONE'].join('\n')}\n`;

describe('what the hostile client says', () => {
  test('is read: tries, hits and what else it counted', () => {
    const said = `PROXY race tries=20000 hits=2 ended=0 swaps=7\n${inside}\nPROXY-DONE\n`;
    const report = proxyReport(said, ['race']);
    expect(report.attacks.get('race')).toEqual({ tries: 20000, hits: 2, details: { ended: 0, swaps: 7 } });
    expect(report.inside).toEqual({ disk: 1, 'set-uid': 1, memory: 0 });
    expect([...proxyReport(whole).attacks.keys()]).toEqual([...proxyAttacks]);
  });

  test.each([
    ['nothing at all', '', 'did not finish'],
    ['an end before its last line', whole.replace('PROXY-DONE\n', ''), 'did not finish'],
    ['a last line cut off', whole.slice(0, -1), 'did not finish'],
    ['more after its last line', `${whole}PROXY-DONE\n`, 'not a line of its report'],
    ['an attack missing', whole.replace(`${line('race')}\n`, ''), 'attacks are missing: race'],
    ['an attack twice', `${line('race')}\n${whole}`, 'race is there twice'],
    ['nothing said of the inside', whole.replace(`${inside}\n`, ''), 'what it left inside is missing'],
    ['no tries', whole.replace('race tries=3', 'race tries=0'), 'nothing was tried'],
    ['hits not counted', whole.replace('race tries=3 hits=0', 'race tries=3'), 'no tries or hits'],
    ['a count that is none', whole.replace('race tries=3', 'race tries=3e9'), 'not NAME=NUMBER'],
    ['a negative count', whole.replace('race tries=3 hits=0', 'race tries=3 hits=-1'), 'not NAME=NUMBER'],
    ['a count twice', whole.replace('race tries=3', 'race tries=3 tries=4'), 'a name twice'],
    ['something else', `hello\n${whole}`, 'not a line of its report'],
  ])('is an error with %s', (_, said, problem) => {
    expect(() => proxyReport(said)).toThrow(problem);
  });
});
