import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { domainFunctions } from '../../../provider/toolstacks/xl/domain.ts';

/** The launcher's own functions under the real sh, with an `xl` of the test's own. */
let base: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'stockade-domain-'));
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

const uuid = '000b3d50-3e67-82bf-810b-ea880c64da29';
const heading = 'Name ID Mem VCPUs State Time(s) UUID Reason-Code Security Label';
const listed = (...domains: readonly string[]) => `printf '%s\\n' '${[heading, ...domains].join("' '")}'`;
const ours = `web1 7 128 1 -b---- 1.0 ${uuid} - -`;

/** Whether the domain, as `xl list` shows it, counts as left by its device model. */
function isAbandoned(listing: string, deviceModel: string): boolean {
  const script = `set -eu
guest=web1 uuid=${uuid}
timeout() { shift; "$@"; }
xl() { ${listing}; }
${domainFunctions.text}
is_abandoned '${deviceModel}'`;
  const { status, stderr } = spawnSync('dash', ['-c', script]);
  expect(stderr.toString()).toBe('');
  return status === 0;
}

/** What end_domain returns and says of the domain, and what it asked of xl. `lists`: what `xl list` runs, first to last. */
function end(...lists: readonly string[]): readonly string[] {
  writeFileSync(join(base, 'said'), '');
  const answers = lists.map((list, index) => `${index + 1}) ${list} ;;`).join(' ');
  const script = `set -eu
guest=web1 uuid=${uuid}
sleep() { :; }
timeout() { shift; "$@"; }
xl() {
  echo "$1" >>${base}/said
  [ "$1" = list ] || return 0
  case $(grep -c list ${base}/said) in ${answers} *) return 1 ;; esac
}
${domainFunctions.text}
ended=0
end_domain || ended=$?
echo "$ended: $domid"`;
  const { stdout, stderr } = spawnSync('dash', ['-c', script]);
  expect(stderr.toString()).toBe('');
  return [stdout.toString().trim(), readFileSync(join(base, 'said'), 'utf8').trim().split('\n').join(' ')];
}

describe('ending the domain of a guest', () => {
  it('is over when xl lists it no more, and where it never did', () => {
    expect(end(listed(ours), listed())).toEqual(['0: 7', 'list destroy list']);
    expect(end(listed('web1 8 1 1 r 1 other - -'))[0]).toBe('0:');
  });

  it('is not over where xl gives no answer', () => {
    expect(end('return 1')).toEqual(['1: not known', 'list']);
    expect(end(listed(ours), 'return 1')).toEqual(['1: 7', 'list destroy list']);
  });

  it('is not over where it stays', () => {
    expect(end(...Array<string>(30).fill(listed(ours)))[0]).toBe('1: 7');
  });
});

describe('a domain whose device model is gone', () => {
  const gone = '4194305';
  const inState = (state: string) => listed(`web1 7 128 1 ${state} 1.0 ${uuid} - -`);

  it('is left by it where it goes on all the same', () => {
    expect(isAbandoned(inState('-b----'), gone)).toBe(true);
    expect(isAbandoned(inState('r-----'), gone)).toBe(true);
  });

  it.each([
    ['it runs', inState('-b----'), String(process.pid)],
    ['nobody knows which it was', inState('-b----'), ''],
    ['the domain powers off', inState('---s--'), gone],
    ['the domain has crashed', inState('---sc-'), gone],
    ['xl destroys the domain', inState('--p--d'), gone],
    ['the domain is gone too', listed(), gone],
    ['xl gives no answer', 'return 1', gone],
  ])('is not where %s', (_, listing, deviceModel) => {
    expect(isAbandoned(listing, deviceModel)).toBe(false);
  });
});
