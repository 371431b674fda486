import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findChecker } from '../../../provider/toolstacks/xl/fd-checker.ts';

/** The function's own text under the real sh, in a tree made for the test; who may write there is looked at elsewhere. */
let base: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'stockade-checker-'));
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

function checker(place: string): void {
  mkdirSync(join(base, place), { recursive: true });
  writeFileSync(join(base, place, 'depriv-fd-checker'), '');
  chmodSync(join(base, place, 'depriv-fd-checker'), 0o755);
}

function found(version: string | undefined, untrusted = ''): string {
  if (version !== undefined) {
    mkdirSync(join(base, 'sys/hypervisor/version'), { recursive: true });
    const [major = '', minor = ''] = version.split('.');
    writeFileSync(join(base, 'sys/hypervisor/version/major'), `${major}\n`);
    writeFileSync(join(base, 'sys/hypervisor/version/minor'), `${minor}\n`);
  }
  const here = findChecker.text.replaceAll(/(?<=[" <])\/(?=usr|sys)/g, `${base}/`);
  const script = `set -eu\nstockade_untrusted() { case $1 in *${untrusted}*) printf '%s' "${untrusted}" ;; esac; }\n${here}\nxen_checker\necho "$checker"`;
  const { stdout, stderr } = spawnSync('dash', ['-c', script]);
  expect(stderr.toString()).toBe('');
  return stdout.toString().trim().replace(base, '');
}

describe("Xen's checker of handles", () => {
  it('is that of the Xen that runs, of several that are installed', () => {
    for (const version of ['4.16', '4.17', '4.18']) checker(`usr/lib/xen-${version}/bin`);
    checker('usr/lib/xen/bin');
    expect(found('4.17')).toBe('/usr/lib/xen-4.17/bin/depriv-fd-checker');
    expect(found('4.19')).toBe('/usr/lib/xen/bin/depriv-fd-checker');
  });

  it('is what Xen itself installs where no version is said', () => {
    checker('usr/local/lib/xen/bin');
    expect(found(undefined)).toBe('/usr/local/lib/xen/bin/depriv-fd-checker');
  });

  it('is none that others than root may write to, and none where there is none', () => {
    expect(found('4.17')).toBe('');
    checker('usr/lib/xen-4.17/bin');
    expect(found('4.17', 'xen-4.17')).toBe('');
  });
});
