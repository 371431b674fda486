import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { launcherScript } from '../../../provider/jail/launcher.ts';
import { trustFunction } from '../../../provider/jail/trusted-files.ts';
import { sh, words } from '../../../provider/model/shell.ts';
import { renderXlGuest } from '../../../provider/resources/guest/render-xl.ts';
import { requireQemu } from '../../../provider/toolstacks/qemu/probe.ts';
import { samplePlan } from '../../samples.ts';
import { sampleXenHost, xlGuest } from '../../xl-samples.ts';

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
  it("are reached by nobody else's links", () => {
    symlinkSync('/usr/bin/env', `${room}/link`);
    expect(untrusted(`${room}/link`)).toContain(' belongs to uid ');
    expect(untrusted('/bin/sh')).toBe('');
    symlinkSync('/usr/../usr/./bin//env', `${room}/dots`);
    expect(untrusted(`${room}/dots`)).toContain(' belongs to uid ');
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

describe.each(['qemu', 'xl'] as const)('what root opens for a guest of %s', (toolstack) => {
  const program = '/usr/bin/env';
  function launcher(kernel: string, initrd: string): string {
    const roots = { state: room, run: room };
    if (toolstack === 'qemu') {
      const qemuArguments = ['-kernel', kernel, '-initrd', initrd];
      return launcherScript(samplePlan({ qemuBinary: program, qemuArguments }), roots);
    }
    const guest = xlGuest({ kernel: { kind: 'host', path: kernel }, initrd: { kind: 'host', path: initrd } });
    const deviceModel = { path: program, device: 1, inode: 1 };
    return renderXlGuest(guest, { ...sampleXenHost, xen: { ...sampleXenHost.xen, deviceModel } }, roots)
      .launcher;
  }
  function opened(kernel: string, initrd: string): string {
    const script = launcher(kernel, initrd);
    const functions = script.slice(0, script.lastIndexOf('\ncase '));
    const ran = spawnSync('dash', [
      '-c',
      `${functions}\nstep_trusted_files\necho "$guest_kernel $guest_initrd"`,
    ]);
    return `${ran.stdout.toString()}${ran.stderr.toString()}`.trim();
  }

  it("is root's alone, by the name that its links lead to", () => {
    const shell = realpathSync('/bin/sh');
    expect(opened('/bin/sh', program)).toBe(`${shell} ${realpathSync(program)}`);
  });

  it("is no initial RAM disk of a user's, nor a file of root's that such a user links to", () => {
    writeFileSync(`${room}/initrd`, '');
    expect(opened(program, `${room}/initrd`)).toMatch(/^stockade-launch: trusted-files: .* belongs to uid /);
    symlinkSync(program, `${room}/link`);
    expect(opened(program, `${room}/link`)).toMatch(/^stockade-launch: trusted-files: .* belongs to uid /);
  });
});
