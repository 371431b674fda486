import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { departures, escapeCounts, figures, readShareReport } from '../lab/guest/share-report.ts';

const read = (...said: readonly string[]) =>
  readShareReport(Buffer.from(said.map((each) => `${each}\r\n`).join('')));
const steps = ['mount', 'create', 'unmount'];
const whole = ['SHARE a mount ok 9p rw', 'SHARE a create ok ', 'SHARE a unmount ok ', 'SHARE-DONE 3'];

describe('the report of a share guest', () => {
  it('is complete when the guest counted what is there', () => {
    const report = read('[ 0.1] kernel', ...whole, '[ 9.9] reboot: Power down');
    expect(report.problem).toBe('');
    expect(report.steps[0]).toEqual({ tag: 'a', step: 'mount', passed: true, detail: '9p rw' });
    expect(departures(report, 'a', steps)).toEqual([]);
  });

  it.each([
    ['a line is missing', [whole[0], ...whole.slice(2)], '3 lines, 2 are there'],
    ['the last line is missing', whole.slice(0, -1), 'did not say that it was done'],
    ['a line is there twice', [whole[0], ...whole], 'more than once'],
    ['a line follows the last', [...whole, 'SHARE b mount ok '], 'follow the last'],
    ['the end is there twice', [...whole, 'SHARE-DONE 3'], 'more than once'],
    ['another line cuts into one', ['SHARE a mou[ 1.2] kernelnt ok ', ...whole.slice(1)], '2 are there'],
  ] as const)('is a failure when %s', (_, said, problem) => {
    const report = read(...(said as readonly string[]));
    expect(report).toMatchObject({ complete: false, problem: expect.stringContaining(problem) as string });
    expect(departures(report, 'a', steps)).not.toEqual([]);
  });

  it('does not believe a line without an end', () => {
    expect(readShareReport(Buffer.from('SHARE a mount ok \nSHARE-DONE 1')).complete).toBe(false);
  });

  it('takes the worse of two words on one step', () => {
    const report = read('SHARE a create fail EPERM', 'SHARE a create ok ', 'SHARE-DONE 2');
    expect(report.steps).toEqual([
      { tag: 'a', step: 'create', passed: false, detail: 'said more than once' },
    ]);
  });

  it('is not read beyond a limit', () => {
    const flood = Buffer.alloc(5 * 1024 * 1024, 'SHARE a x ok \n');
    expect(readShareReport(flood)).toMatchObject({ complete: false });
    expect(readShareReport(flood).steps).toHaveLength(1);
  });

  it('bears whatever a console holds', () => {
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
      fc
        .constantFrom(...whole, 'SHARE', 'SHARE __proto__ constructor ok x')
        .map((text) => Buffer.from(`${text}\n`)),
    );
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        const report = readShareReport(Buffer.concat(pieces));
        for (const { detail } of report.steps) expect(detail).toMatch(/^[\x20-\x7e]*$/);
        departures(report, '__proto__', ['constructor'], {});
        expect(report.complete).toBe(report.problem === '');
      }),
    );
  });
});

describe('what departs from the expectation', () => {
  const report = read(
    'SHARE a mount ok ',
    'SHARE a create fail EPERM create',
    'SHARE a odd ok ',
    'SHARE-DONE 3',
  );

  it('is a step that is missing, that fails, or that nobody expected', () => {
    expect(departures(report, 'a', steps)).toEqual([
      { step: 'create', expected: 'ok', seen: 'fail EPERM create ' },
      { step: 'unmount', expected: 'ok', seen: 'not there' },
      { step: 'odd', expected: 'not there', seen: 'ok' },
    ]);
  });

  it('is not a failure that was expected; another error is, and so is its passing', () => {
    const seen = ['mount', 'create', 'odd'];
    expect(departures(report, 'a', seen, { create: 'EPERM' })).toEqual([]);
    expect(departures(report, 'a', seen, { create: 'EPER' })).toHaveLength(1);
    expect(departures(report, 'a', seen, { create: 'EPERM', mount: 'EPERM' })).toHaveLength(1);
  });

  it('is every step of a share that said nothing', () => {
    expect(departures(report, 'b', steps)).toHaveLength(3);
  });
});

describe('figures', () => {
  it('are decimal numbers, each a word of its own', () => {
    const report = read(
      'SHARE a escape-x fail tries=12 hits=1 nothits=x hits-=2 seconds=1.25 n=1e9',
      'SHARE-DONE 1',
    );
    expect([...figures(report.steps[0])]).toEqual([
      ['tries', 12],
      ['hits', 1],
      ['seconds', 1.25],
    ]);
    expect(escapeCounts(report, 'a')).toEqual([{ step: 'escape-x', tries: 12, hits: 1 }]);
  });

  it('are not counted where one is missing', () => {
    expect(escapeCounts(read('SHARE a escape-x ok tries=12', 'SHARE-DONE 1'), 'a')).toEqual([]);
  });
});
