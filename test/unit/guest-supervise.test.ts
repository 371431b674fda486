import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { recordPrelude, recordWritePrelude } from '../../provider/executor/prelude.ts';
import type { CollectiveStep, Operation } from '../../provider/model/operation.ts';
import { guestStop } from '../../provider/resources/guest/operations.ts';
import { startStep, stopStep } from '../../provider/resources/guest/supervise.ts';
import { startDomainStep } from '../../provider/resources/guest/supervise-xl.ts';

/** The steps' own shell text under the real sh; `systemctl` is a function of the test's own that writes down what it is asked. */
let base: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'stockade-supervise-'));
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

function run(body: string, systemctl: string, guests: readonly string[] = []): string[] {
  const script = `set -eu
said() { echo "$*" >>${base}/said; }
refuse() { said "refused $1"; exit 90; }
fail() { said "failed $1"; exit 91; }
changed() { said changed; }
member_changed() { said "changed $1"; }
member_fail() { said "failed $1 $2"; }
sleep() { :; }
systemctl() { case $1 in show) ;; *) said "systemctl $*" ;; esac; case $1 in ${systemctl} *) ;; esac; }
${recordPrelude.text}
${recordWritePrelude.text}
body() {
${body.replaceAll('/sys/fs/cgroup', `${base}/cgroup`).replaceAll('/etc/systemd/system', `${base}/units`)}
}
body "$@"`;
  const { stderr } = spawnSync('/bin/sh', ['-c', script, 'sh', ...guests]);
  expect(stderr.toString()).toBe('');
  return readFileSync(join(base, 'said'), 'utf8').trim().split('\n');
}

const unit = (guest: string) => `stockade-guest@${guest}.service`;
const shows = (blocks: readonly string[]) =>
  `show) printf '%s\\n' ${blocks.map((b) => `'${b}'`).join(" '' ")} ;;`;
const state = (guest: string, active: string, group = '') =>
  `Id=${unit(guest)}\nActiveState=${active}\nControlGroup=${group}`;
const stop = (systemctl: string, guests: readonly string[]) =>
  run(stopStep(guests[0] ?? '').body.text, systemctl, guests);

describe('starting guests', () => {
  it('stops one that is not ready in time, before it says so', () => {
    const roots = { state: join(base, 'state'), run: join(base, 'run') };
    mkdirSync(join(roots.state, 'guests/web1/log'), { recursive: true });
    writeFileSync(join(roots.state, 'guests/web1/lease'), 'domid 1\nuid 4000000\ngid 4000000\nshared no\n');
    const running = `show) printf 'Id=${unit('web1')}\\nMainPID=%s\\nActiveState=active\\n\\n' $$ ;;`;
    const said = run(startStep('web1', roots).body.text, running, ['web1']);
    expect(said.slice(-2)).toEqual([`systemctl stop -- ${unit('web1')}`, 'failed web1 guest-not-ready']);
  });
});

describe("starting guests of xl's", () => {
  it('asks once which are up, and stops those that are not together', () => {
    const roots = { state: join(base, 'state'), run: join(base, 'run') };
    mkdirSync(join(roots.run, 'guests/c'), { recursive: true });
    writeFileSync(join(roots.run, 'guests/c/launch-error'), 'launch: no memory\n');
    const shown = shows([state('a', 'failed'), state('b', 'active'), state('c', 'activating')]);
    const said = run(startDomainStep('a', roots).body.text, shown, ['a', 'b', 'c', 'd']);
    const units = ['a', 'b', 'c', 'd'].map(unit).join(' ');
    expect(said).toEqual([
      `systemctl reset-failed -- ${units}`,
      // none of them shows a drop-in
      'systemctl daemon-reload',
      `systemctl start -- ${units}`,
      `systemctl stop -- ${unit('a')} ${unit('c')} ${unit('d')}`,
      'failed a domain-died',
      'changed b',
      'failed c domain-died',
      'failed d domain-died',
    ]);
  });

  it('stops none where all are up', () => {
    const said = run(startDomainStep('a').body.text, shows([state('a', 'active')]), ['a']);
    expect(said.slice(-1)).toEqual(['changed a']);
    expect(said.join()).not.toContain(' stop ');
  });
});

describe('stopping guests', () => {
  it('believes systemd when the unit is over and its cgroup gone', () => {
    const said = stop(shows([state('a', 'inactive'), state('b', 'failed', '/gone')]), ['a', 'b']);
    expect(said).toContain('changed a');
    expect(said).toContain('changed b');
  });

  it.each(['active', 'activating', 'deactivating', 'reloading'])('does not take %s for stopped', (active) => {
    const said = stop(shows([state('a', active), state('b', 'inactive')]), ['a', 'b']);
    expect(said).toContain('failed a guest-still-runs');
    expect(said).toContain('changed b');
  });

  it('does not take silence for stopped', () => {
    expect(stop('show) ;;', ['a'])).toContain('failed a guest-still-runs');
  });

  it('ends what is left in the cgroup, and fails where that does not help', () => {
    const group = join(base, 'cgroup/slice/a');
    mkdirSync(group, { recursive: true });
    writeFileSync(join(group, 'cgroup.procs'), '4711\n');
    writeFileSync(join(group, 'cgroup.kill'), '');
    expect(stop(shows([state('a', 'inactive', '/slice/a')]), ['a'])).toContain('failed a guest-still-runs');
    expect(readFileSync(join(group, 'cgroup.kill'), 'utf8')).toBe('1\n');
    writeFileSync(join(group, 'cgroup.procs'), '');
    writeFileSync(join(group, 'cgroup.events'), 'populated 1\nfrozen 0\n');
    expect(stop(shows([state('a', 'inactive', '/slice/a')]), ['a']).at(-2)).toBe('failed a guest-still-runs');
    writeFileSync(join(group, 'cgroup.events'), 'populated 0\nfrozen 0\n');
    expect(stop(shows([state('a', 'inactive', '/slice/a')]), ['a']).at(-2)).toBe('changed a');
  });
});

describe('ending a guest whose isolation does not hold', () => {
  const roots = () => ({ state: join(base, 'state'), run: join(base, 'run') });
  const steps = (): readonly Operation['step'][] =>
    guestStop({ host: 'hv1', name: 'web1' }, 'mine', 3, roots()).map(({ step }) => step);
  const wants = () => join(base, 'units/multi-user.target.wants');
  beforeEach(() => {
    mkdirSync(wants(), { recursive: true });
    mkdirSync(join(base, 'state/guests/web1'), { recursive: true });
    writeFileSync(join(wants(), unit('web1')), '');
  });
  const record = (owner: string, generation: number) =>
    writeFileSync(
      join(base, 'state/guests/web1/record'),
      `stockade-record 1\nowner ${owner}\ngeneration ${generation}\ndigest d\n`,
    );
  const first = () => run(steps()[0]?.body.text ?? '', '');

  it('keeps it from starting at boot', () => {
    record('mine', 3);
    expect(first()).toEqual(['changed']);
    expect(() => readFileSync(join(wants(), unit('web1')))).toThrow();
    const [, second] = steps();
    expect((second as CollectiveStep).name).toBe('stop-guests');
  });

  it.each([
    ['theirs', 3, 'refused record-foreign'],
    ['mine', 4, 'refused record-moved'],
  ])('leaves it alone where it is of %s, generation %d', (owner, generation, refusal) => {
    record(owner, generation);
    expect(first()).toEqual([refusal]);
    expect(readFileSync(join(wants(), unit('web1')), 'utf8')).toBe('');
  });

  it('leaves it alone where there is no record', () => {
    expect(first()).toEqual(['refused record-gone']);
  });
});
