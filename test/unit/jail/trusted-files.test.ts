import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { trustFunction } from '../../../provider/jail/trusted-files.ts';
import { sh, words } from '../../../provider/model/shell.ts';
import { requireQemu } from '../../../provider/toolstacks/qemu/probe.ts';

let room: string;
beforeEach(() => {
  room = realpathSync(mkdtempSync(`${tmpdir()}/stockade trust-`));
});
afterEach(() => rmSync(room, { recursive: true, force: true }));

function untrusted(...paths: readonly string[]): string {
  const script = sh`set -eu
${trustFunction}
stockade_untrusted ${words(paths)}`;
  const ran = spawnSync('dash', ['-c', script.text]);
  expect([ran.status, ran.stderr.toString()]).toEqual([0, '']);
  return ran.stdout.toString();
}

describe('files used as root', () => {
  const ours = ['/usr/bin/env', '/usr/bin/dash'].map((path) => realpathSync(path));

  it("are root's alone", () => {
    expect(untrusted(...ours)).toBe('');
  });
  it('are refused where somebody else may write to them or above them', () => {
    mkdirSync(`${room}/a`);
    writeFileSync(`${room}/a/kernel`, '');
    chmodSync(`${room}/a/kernel`, 0o664);
    expect(untrusted(...ours, `${room}/a/kernel`)).toContain(' belongs to uid ');
    chmodSync(`${room}/a/kernel`, 0o644);
    chmodSync(`${room}/a`, 0o777);
    expect(untrusted(`${room}/a/kernel`)).toContain(' belongs to uid ');
  });
  it('are regular files', () => {
    expect(untrusted(...ours, room)).toBe(`${room} is no regular file`);
    expect(untrusted('/dev/null')).toBe('/dev/null is no regular file');
  });
  it('are not run to be asked whether they are QEMU', () => {
    const binary = `${room}/qemu`;
    writeFileSync(binary, `#!/bin/sh\n: >'${room}/ran'\n`);
    chmodSync(binary, 0o777);
    const script = sh`set -u
refuse() { printf '%s: %s' "$1" "$2"; exit 3; }
${requireQemu(binary)}`;
    const ran = spawnSync('dash', ['-c', script.text]);
    expect([ran.status, ran.stdout.toString()]).toEqual([
      3,
      expect.stringMatching(
        /^qemu-untrusted: QEMU runs as root at first, and \/.* belongs to uid \d+ with mode/,
      ),
    ]);
    expect(spawnSync('test', ['-e', `${room}/ran`]).status).toBe(1);
  });
});
