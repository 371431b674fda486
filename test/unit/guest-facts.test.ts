import { createHash } from 'node:crypto';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { HostRoots } from '../../provider/model/paths.ts';
import { guestsSection } from '../../provider/resources/guest/facts.ts';
import { parseGuests } from '../../provider/resources/guest/facts-parse.ts';
import { guestDigest, storeGuest } from '../../provider/resources/guest/desired.ts';
import { sampleGuest } from '../samples.ts';

const launcherSum = createHash('sha256').update('#!/bin/sh\n').digest('hex');

/** The section's own shell text, run by the real sh on a directory tree made for the test. */
let base: string;
let roots: HostRoots;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'stockade-facts-'));
  roots = { state: join(base, 'state'), run: join(base, 'run') };
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

function observe() {
  const { status, stdout, stderr } = spawnSync('/bin/sh', ['-u', '-c', guestsSection(roots).body.text]);
  expect(stderr.toString()).toBe('');
  expect(status).toBe(0);
  return parseGuests(stdout, roots);
}

function addGuest(name: string, definition = storeGuest(sampleGuest({ name }))) {
  const directory = join(roots.state, 'guests', name);
  mkdirSync(directory, { recursive: true });
  writeFileSync(
    join(directory, 'record'),
    `stockade-record 1\nowner fleet-1\ngeneration 3\ndigest ${guestDigest(sampleGuest({ name }))}\nfiles none\nlauncher ${launcherSum}\ndropin odd\ndefinition ${definition}\n`,
  );
  writeFileSync(join(directory, 'lease'), 'domid 7\nuid 200007\ngid 200007\nshared no\n');
  writeFileSync(join(directory, 'launch'), '#!/bin/sh\n');
}

describe('observing guests', () => {
  it('sees nothing on a host that was never prepared', () => {
    const result = observe();
    expect(result).toMatchObject({ ok: true, value: { guests: new Map(), files: new Set() } });
  });

  it('reads record, lease, launcher, chroot and uploaded files', () => {
    addGuest('web1');
    addGuest('web2');
    mkdirSync(join(roots.run, 'root', 'web1'), { recursive: true });
    writeFileSync(join(roots.run, 'root', 'web1', '.hidden\nname'), '');
    chmodSync(join(roots.run, 'root', 'web1'), 0o751);
    const digest = createHash('sha256').update('x').digest('hex');
    mkdirSync(join(roots.state, 'files'));
    writeFileSync(join(roots.state, 'files', digest), 'x');
    const result = observe();
    if (!result.ok) throw new Error(JSON.stringify(result.diagnostics));
    expect([...result.value.guests.keys()].sort()).toEqual(['web1', 'web2']);
    expect(result.value.files).toEqual(new Set([digest]));
    expect(result.value.guests.get('web1')).toMatchObject({
      owner: 'fleet-1',
      generation: 3,
      digest: guestDigest(sampleGuest({ name: 'web1' })),
      lease: { domid: 7, uid: 200007, gid: 200007, shared: false },
      launcherSha256: launcherSum,
      dropInSha256: undefined,
      written: { launcherSha256: launcherSum, dropInSha256: undefined },
      enabled: false,
      foreignUnitFiles: [],
      chroot: { mode: '751', entries: ['.hidden\nname'] },
    });
    expect(result.value.guests.get('web1')?.stored).toMatchObject({ memoryMib: 256, scheme: 'per-domain' });
    expect(result.value.guests.get('web2')?.chroot).toBeUndefined();
  });

  it('believes the content of an uploaded file, not its name, and hashes it once', () => {
    const content = 'kernel';
    const digest = createHash('sha256').update(content).digest('hex');
    const kernel = { kind: 'digest' as const, sha256: digest, bytes: content.length };
    addGuest('web1', storeGuest(sampleGuest({ name: 'web1', kernel, initrd: undefined })));
    const file = join(roots.state, 'files', digest);
    const see = () => {
      const result = observe();
      if (!result.ok) throw new Error('not observed');
      return { files: [...result.value.files], changed: result.value.guests.get('web1')?.changedFiles };
    };
    mkdirSync(join(roots.state, 'files'));
    expect(see()).toEqual({ files: [], changed: [digest] });
    writeFileSync(file, content);
    const right = { files: [digest], changed: [] };
    expect(see()).toEqual(right);
    const kept = readFileSync(join(roots.state, 'verified-files'), 'utf8');
    expect(kept).toMatch(new RegExp(`^\\d+ 6 \\d+\\.\\d{9} ${file}\\n$`));
    const { mtime } = statSync(file);
    writeFileSync(file, 'KERNEL');
    utimesSync(file, mtime, mtime);
    expect(see()).toEqual({ files: [], changed: [digest] });
    expect(see()).toEqual({ files: [], changed: [digest] });
    writeFileSync(file, content);
    expect(see()).toEqual(right);
    expect(see()).toEqual(right);
    rmSync(file);
    symlinkSync('/etc/passwd', file);
    expect(see()).toEqual({ files: [], changed: [digest] });
  });

  it('passes over directories whose names are not names', () => {
    addGuest('web1');
    mkdirSync(join(roots.state, 'guests', '$(touch pwned) x'), { recursive: true });
    writeFileSync(join(roots.state, 'guests', '$(touch pwned) x', 'record'), 'owner x\n');
    const result = observe();
    expect(result.ok && [...result.value.guests.keys()]).toEqual(['web1']);
  });

  it('shows a damaged definition as unreadable, not as a crash', () => {
    addGuest('web1', Buffer.from('{"memoryMib":"much"}').toString('base64'));
    const result = observe();
    expect(result.ok && result.value.guests.get('web1')?.stored).toBeUndefined();
    expect(result.ok && result.value.guests.get('web1')?.owner).toBe('fleet-1');
  });

  it('refuses a cut observation at every byte', () => {
    addGuest('web1');
    const { stdout } = spawnSync('/bin/sh', ['-u', '-c', guestsSection(roots).body.text]);
    const whole = parseGuests(stdout, roots);
    for (let length = 0; length < stdout.length; length++) {
      const cut = parseGuests(stdout.subarray(0, length), roots);
      if (cut.ok) expect(cut).toEqual(whole);
    }
    expect(parseGuests(stdout.subarray(0, 20), roots)).toMatchObject({
      ok: false,
      diagnostics: [{ code: 'observation-malformed' }],
    });
  });
});
