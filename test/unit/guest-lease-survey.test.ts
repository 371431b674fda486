import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { surveyFunctions } from '../../provider/resources/guest/lease-survey.ts';

/** The survey's own text under the real sh and awk; what the host would show comes from the test. */
let room: string;
beforeEach(() => {
  room = mkdtempSync(`${tmpdir()}/stockade-survey-`);
  mkdirSync(`${room}/run`);
  mkdirSync(`${room}/state`);
});
afterEach(() => rmSync(room, { recursive: true, force: true }));

interface Shown {
  /** What grep prints of /proc. */
  readonly processes?: string;
  /** Pairs of uid and path. */
  readonly files?: readonly (readonly [number, string])[];
  readonly processesEnd?: number;
  readonly filesEnd?: number;
}

function survey(shown: Shown, questions: string): readonly [number | null, string] {
  const { processes = '', files = [], processesEnd = 0, filesEnd = 0 } = shown;
  const roots = { state: `${room}/state`, run: `${room}/run` };
  const script = `set -eu
${surveyFunctions(roots).text}
xargs() { cat >/dev/null; printf '%s' "$PROCESSES"; return ${processesEnd}; }
timeout() { printf '%b' "$FILES"; return ${filesEnd}; }
stockade_survey 300000 300099 300000 '' || exit 7
${questions}`;
  const env = {
    ...process.env,
    PROCESSES: processes,
    FILES: files.map(([uid, path]) => `${uid} ${path.replaceAll('\n', '\\n')}\\0000`).join(''),
  };
  const ran = spawnSync('dash', ['-c', script], { env });
  expect(ran.stderr.toString()).toBe('');
  return [ran.status, ran.stdout.toString()];
}

const status = (pid: number, name: string, state: string, threads: number, uids: string) =>
  [
    `/proc/${pid}/status:Name:\t${name}`,
    `/proc/${pid}/status:State:\t${state}`,
    `/proc/${pid}/status:Threads:\t${threads}`,
    `/proc/${pid}/status:Uid:\t${uids}`,
    '',
  ].join('\n');
const left = (uid: number) => `stockade_left ${uid}; printf '[%s]' "$left"`;

describe('what is left of a uid', () => {
  it('is its processes by any of the four ids, but none that are dead, and none of others', () => {
    const processes = [
      status(11, 'sleep', 'S (sleeping)', 1, '300001\t300001\t300001\t300001'),
      status(12, 'x:y z', 'R (running)', 1, '0\t0\t300001\t0'),
      status(13, 'dead', 'Z (zombie)', 1, '300001\t300001\t300001\t300001'),
      status(14, 'headless', 'Z (zombie)', 2, '300002\t300002\t300002\t300002'),
      status(15, 'other', 'S (sleeping)', 1, '300100\t300100\t300100\t300100'),
    ].join('');
    expect(survey({ processes }, [300001, 300002, 300003, 300100].map(left).join('\n'))).toEqual([
      0,
      '[2 processes: 11 (sleep), 12 (x:y z)][1 process: 14 (headless)][][]',
    ]);
  });

  it('is its files, named by a few, cut short, and without what a terminal or a list takes for its own', () => {
    const files = [
      [300001, '/tmp/a\n300002 /tmp/forged'],
      [300001, `/tmp/\u001b[2J${'x'.repeat(200)}`],
      [300001, '/tmp/left 300003 x'],
      [300001, '/tmp/fourth'],
      [300004, '/dev/shm/y'],
    ] as const;
    const [code, text] = survey({ files }, [300001, 300002, 300003, 300004].map(left).join('\n'));
    expect(code).toBe(0);
    expect(text).toBe(
      `[4 files: /tmp/a?300002 /tmp/forged, /tmp/?[2J${'x'.repeat(51)}, /tmp/left 300003 x, ...][][][1 file: /dev/shm/y]`,
    );
  });

  it.each([
    [{ processesEnd: 123, filesEnd: 1 }, 0],
    [{ processesEnd: 127 }, 7],
    [{ filesEnd: 124 }, 7],
    [{ filesEnd: 127 }, 7],
  ])('is not known where it could not be looked for: %o', (shown, expected) => {
    expect(survey(shown, 'echo looked')[0]).toBe(expected);
  });

  it('is found on this machine', () => {
    const own = process.getuid?.() ?? 0;
    const functions = surveyFunctions({ state: `${room}/state`, run: `${room}/run` }).text;
    const ran = spawnSync('dash', ['-c', `${functions}\nstockade_survey ${own} ${own} 0 ''\n${left(own)}`]);
    expect(ran.stdout.toString()).toMatch(/^\[\d+ process(es)?: \d+ \(/);
  });
});
