import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { recordPrelude, recordWritePrelude } from '../../provider/executor/prelude.ts';
import type { Operation } from '../../provider/model/operation.ts';
import { accountsFunctions } from '../../provider/resources/accounts/rewrite.ts';
import { hostRemoval } from '../../provider/resources/host/operations.ts';
import { qemuUsersDesired } from '../../provider/resources/qemu-users/desired.ts';
import { qemuUsersOperations, qemuUsersRemoval } from '../../provider/resources/qemu-users/operations.ts';
import { qemuUsersSchema, type UserScheme } from '../../provider/spec/qemu-users.ts';

/** The steps' own shell text under the real sh; the password files of the machine that runs the tests are left alone. */
let base: string;
let roots: { state: string; run: string };
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'stockade-users-'));
  roots = { state: join(base, 'state'), run: join(base, 'run') };
  record('owners/test', 'owner test\ngeneration 1\n');
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

function record(path: string, content: string, first = 'stockade-record 1\n') {
  const file = join(roots.state, path);
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, `${first}${content}`);
}

function run(operation: Operation | undefined): string {
  const body = operation?.step.body.text.replace(accountsFunctions.text, 'accounts_rewrite() { :; }');
  const script = `set -eu
refuse() { echo "refused $1: $2"; exit 90; }
fail() { echo "failed $1: $2"; exit 91; }
changed() { echo changed; }
give() { :; }
${recordPrelude.text}
${recordWritePrelude.text}
body() {
${body ?? ''}
}
body`;
  const { stdout, stderr } = spawnSync('/bin/sh', ['-c', script]);
  expect(stderr.toString()).toBe('');
  return stdout.toString().trim();
}

const change = {
  address: { kind: 'qemu-users', host: 'hv1', name: 'x' },
  action: 'create',
  disruption: 'none',
  reasons: [],
} as const;
function make(scheme: UserScheme, uidBase: number): string {
  const desired = qemuUsersDesired(qemuUsersSchema.parse({ host: 'hv1', scheme, uidBase }), 'test');
  const facts = { owners: new Map<string, never>() };
  const ids = { uidBase, reaperUid: 4711 };
  return run(qemuUsersOperations({ change, desired, ids, facts, roots })[0]);
}

describe('making users beside those of another scheme', () => {
  const theirs = (scheme: UserScheme, uidBase: number) =>
    record(`users/${scheme}`, `owner test\ngeneration 1\nuid_base ${uidBase}\nreaper_uid 4711\n`);

  it.each<[UserScheme, number, UserScheme, number]>([
    ['per-domain', 200_000, 'range', 200_000],
    ['per-domain', 232_750, 'range', 200_000],
    ['per-domain', 199_936, 'range', 200_000],
    ['range', 232_751, 'per-domain', 200_000],
    ['shared', 200_001, 'per-domain', 200_000],
    ['per-domain', 199_990, 'shared', 200_000],
  ])('refuses %s at %d beside %s at %d', (scheme, uidBase, other, otherBase) => {
    theirs(other, otherBase);
    expect(make(scheme, uidBase)).toMatch(
      new RegExp(`^refused user-clash: .* overlap those of scheme ${other}, from ${otherBase} on$`),
    );
    expect(existsSync(join(roots.state, `users/${scheme}`))).toBe(false);
  });

  it.each<[UserScheme, number, UserScheme, number]>([
    ['per-domain', 232_751, 'range', 200_000],
    ['per-domain', 199_935, 'range', 200_000],
    ['shared', 200_000, 'per-domain', 200_000],
    ['per-domain', 200_000, 'shared', 200_000],
  ])('makes %s at %d beside %s at %d', (scheme, uidBase, other, otherBase) => {
    theirs(other, otherBase);
    expect(make(scheme, uidBase)).toBe('changed');
  });
});

describe('a damaged record of a guest', () => {
  const damages: [string, () => void][] = [
    ['cut off', () => record('guests/web1/record', '', '')],
    [
      'a link',
      () => {
        mkdirSync(join(roots.state, 'guests/web1'), { recursive: true });
        symlinkSync('/nowhere', join(roots.state, 'guests/web1/record'));
      },
    ],
  ];

  it.each(damages)('(%s) keeps users from being removed', (_how, damage) => {
    expect(make('per-domain', 200_000)).toBe('changed');
    damage();
    const removal = () =>
      run(qemuUsersRemoval({ host: 'hv1', scheme: 'per-domain' }, 'test', 'any', roots)[0]);
    expect(removal()).toMatch(/^refused record-damaged: .*guests\/web1\/record is not a readable record$/);
    rmSync(join(roots.state, 'guests'), { recursive: true });
    expect(removal()).toBe('changed');
  });

  it.each(damages)('(%s) keeps a host from being let go, also where another fleet stays', (_how, damage) => {
    record('owners/other', 'owner other\ngeneration 1\n');
    const release = () => run(hostRemoval({ host: 'hv1' }, 'test', 'any', roots)[0]);
    expect(release()).toBe('');
    damage();
    expect(release()).toMatch(/^refused record-damaged: .*guests\/web1\/record is not a readable record$/);
  });
});
