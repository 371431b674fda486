import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Assembler } from '../../../provider/jail/probes/assembler.ts';
import { headerOffsets, notRun, rowBytes } from '../../../provider/jail/probes/interpreter.ts';
import { parseProbeResults, type ProbeResult } from '../../../provider/jail/probes/judge.ts';
import type { Probe } from '../../../provider/jail/probes/probe.ts';
import { canaryProgram } from '../../../provider/jail/probes/program.ts';
import { planProbes, type ProbePlan } from '../../../provider/jail/probes/runs.ts';
import { canaryName } from '../../../provider/jail/probes/step.ts';
import { probeTable } from '../../../provider/jail/probes/table.ts';
import { layerNames } from '../../../provider/model/evidence.ts';
import { namePattern } from '../../../provider/model/names.ts';
import { hostProbes, probeDiagnostics } from '../../../provider/resources/host/probes.ts';
import { sampleHost } from '../../samples.ts';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const table = probeTable({ memoryMib: 240 });

describe('the assembler', () => {
  // each checked with objdump -D -b binary -m i386:x86-64
  it.each([
    ['mov rdi, [rbx+0x10]', (code: Assembler) => code.load('rdi', 'rbx', 16), '488bbb10000000'],
    ['mov r10, [r12+0x48]', (code: Assembler) => code.load('r10', 'r12', 72), '4d8b942448000000'],
    ['mov [r14], rax', (code: Assembler) => code.store('r14', 0, 'rax'), '49898600000000'],
    ['movsxd rax, [rdi]', (code: Assembler) => code.loadSigned32('rax', 'rdi'), '48638700000000'],
    ['cmp byte [r12+9], 1', (code: Assembler) => code.compareByte('r12', 9, 1), '4180bc240900000001'],
    ['mov byte [rdi], 1', (code: Assembler) => code.storeByte('rdi', 1), 'c6870000000001'],
    ['add r13, -1', (code: Assembler) => code.addNumber('r13', -1), '4981c5ffffffff'],
    ['cmp r12, rax', (code: Assembler) => code.compare('r12', 'rax'), '4939c4'],
    ['mov r12, rbx', (code: Assembler) => code.move('r12', 'rbx'), '4989dc'],
  ])('encodes %s', (_, emit, expected) => {
    expect(hex(emit(new Assembler()).bytes())).toBe(expected);
  });

  it('jumps forwards and backwards by distance, and only to what is there', () => {
    const code = new Assembler().label('start').jump('end').jumpIf('equal', 'start').label('end');
    expect(hex(code.bytes())).toBe('e9060000000f84f5ffffff');
    expect(() => new Assembler().jump('nowhere').bytes()).toThrow('nowhere');
    expect(() => new Assembler().label('twice').label('twice')).toThrow('twice');
  });
});

describe('the table', () => {
  it('has each name once, a layer, and for each probe something that stops it or a reason why not', () => {
    expect(new Set(table.map(({ name }) => name)).size).toBe(table.length);
    for (const { name, layer, stoppedBy, accepted, steps, decides = 0 } of table) {
      expect(name).toMatch(/^[a-z0-9_-]+$/);
      expect(layerNames).toContain(layer);
      expect(Object.keys(stoppedBy).length > 0 || accepted !== undefined).toBe(true);
      expect(decides).toBeLessThan(steps.length);
    }
  });

  it('uses canaries that no user can name a guest after', () => {
    expect(canaryName(0)).not.toMatch(namePattern);
  });

  it('takes what an old QEMU does not deny as known', () => {
    const accepted = (version: string) => {
      const capabilities = { ...sampleHost, qemu: { ...sampleHost.qemu, version } };
      const { plan } = hostProbes({ host: 'hv1', capabilities, control: false });
      return plan.probes.filter((probe) => probe.accepted !== undefined).map(({ name }) => name);
    };
    const always = ['setpgid', 'setsid'];
    expect(accepted('7.0.0').sort()).toEqual(always);
    expect(accepted('6.2.0').sort()).toEqual(
      [...always, 'syscall-clone3', 'syscall-execveat', 'syscall-setns', 'syscall-unshare'].sort(),
    );
  });
});

const asked: Probe = {
  name: 'asked',
  tries: 'asks',
  layer: 'chroot',
  steps: [{ call: 'getpid' }, { call: 'open', arguments: [{ at: '/x' }, { result: 0 }, 7] }],
  stoppedBy: { EACCES: 'chroot', ENOENT: 'mount-namespace' },
  through: ['EFAULT'],
};
const killed: Probe = {
  ...asked,
  name: 'killed',
  layer: 'seccomp',
  steps: [{ call: 'fork' }],
  stoppedBy: { SIGSYS: 'seccomp' },
  through: 'any',
  alone: true,
};
const limited: Probe = { ...killed, name: 'limited', controller: 'memory' };

describe('the program', () => {
  it('has a row for each step, arguments resolved, and results that start as not run', () => {
    const { data, places, answerBytes } = canaryProgram([killed, asked]);
    const view = new DataView(data.buffer, data.byteOffset);
    const [first, second] = places;
    expect(second?.firstRow).toBe(first?.endOfRows);
    expect((second?.endOfRows ?? 0) - (second?.firstRow ?? 0)).toBe(2 * rowBytes);
    expect(view.getBigInt64(second?.decides ?? 0, true)).toBe(notRun);
    const row = (second?.firstRow ?? 0) + rowBytes;
    expect([...data.subarray(row + 8, row + 11)]).toEqual([1, 2, 0]);
    const [path, result, flags] = [48, 56, 64].map((at) => Number(view.getBigInt64(row + at, true)));
    expect(Buffer.from(data.subarray(path, (path ?? 0) + 3)).toString()).toBe('/x\0');
    expect(result).toBe((second?.decides ?? 0) - 8);
    expect(flags).toBe(7);
    expect(answerBytes).toBe(first?.firstRow);
  });

  it('is the same each time, for every probe', () => {
    expect(hex(canaryProgram(table).data)).toBe(hex(canaryProgram(table).data));
  });
});

describe('a plan of runs', () => {
  it('gives each run the rows of its probes, all in one stretch', () => {
    const plan = planProbes(table, { control: true, controllers: ['memory'] });
    const place = (name: string) =>
      plan.program.places[plan.probes.findIndex((probe) => probe.name === name)];
    for (const { probes, firstRow, endOfRows } of plan.runs) {
      let at = firstRow;
      for (const name of probes) {
        expect(place(name)?.firstRow).toBe(at);
        at = place(name)?.endOfRows ?? -1;
      }
      expect(at).toBe(endOfRows);
    }
    const jailed = plan.runs.filter((run) => run.jailed).flatMap(({ probes }) => probes);
    const free = plan.runs.filter((run) => !run.jailed).flatMap(({ probes }) => probes);
    expect(jailed.sort()).toEqual(table.map(({ name }) => name).sort());
    expect(free.sort()).toEqual([...jailed, 'setup'].sort());
  });

  it('never lets a canary do what the control prepares', () => {
    const plan = planProbes(table, { control: false, controllers: [] });
    expect(plan.runs.every(({ jailed }) => jailed)).toBe(true);
    expect(plan.runs.flatMap(({ probes }) => probes)).not.toContain('setup');
    expect(plan.runs.flatMap(({ probes }) => probes)).not.toContain('use-memory');
  });
});

const withControl = planProbes([killed, asked, limited], { control: true, controllers: [] });
const withoutControl = planProbes([killed, asked, limited], { control: false, controllers: [] });
const errors = { EACCES: -13n, ENOENT: -2n, EFAULT: -14n, EPERM: -1n, EINVAL: -22n } as const;

/** What a run gives that came to its end. */
function answers(plan: ProbePlan, run: string, results: Readonly<Record<string, bigint>>) {
  const view = new DataView(new ArrayBuffer(plan.program.answerBytes));
  view.setBigInt64(headerOffsets.done, 1n, true);
  plan.probes.forEach(({ name }, index) => {
    view.setBigInt64(plan.program.places[index]?.decides ?? 0, results[name] ?? notRun, true);
  });
  return {
    [`${run}.end`]: 'done',
    [`${run}.answers`]: Buffer.from(view.buffer).toString('base64'),
  };
}

const find = (results: readonly ProbeResult[], name: string) =>
  results.find((result) => result.name === name);
const judged = (jail: bigint, free: bigint) =>
  find(
    parseProbeResults(withControl, {
      ...answers(withControl, 'shared', { asked: jail }),
      ...answers(withControl, 'control', { asked: free, killed: errors.EINVAL }),
    }),
    'asked',
  );

describe('a result', () => {
  it('is stopped where the control gets through and the jail does not', () => {
    expect(judged(errors.EACCES, 3n)).toMatchObject({
      outcome: 'stopped',
      stoppedBy: 'chroot',
      control: 'success',
    });
    expect(judged(errors.ENOENT, 3n)).toMatchObject({ outcome: 'stopped', stoppedBy: 'mount-namespace' });
    expect(judged(errors.EACCES, errors.EFAULT)).toMatchObject({ outcome: 'stopped', control: 'EFAULT' });
  });

  it('got through whatever the control did', () => {
    expect(judged(3n, 3n)).toMatchObject({ outcome: 'got-through', observed: 'success' });
    expect(judged(errors.EFAULT, errors.EACCES)).toMatchObject({
      outcome: 'got-through',
      observed: 'EFAULT',
    });
  });

  it('is unproven where the control fares no better, or the error says nothing', () => {
    expect(judged(errors.EACCES, errors.ENOENT)).toMatchObject({
      outcome: 'unproven',
      reason: 'it does not get through without the jail either (ENOENT)',
    });
    expect(judged(errors.EPERM, 3n)).toMatchObject({
      outcome: 'unproven',
      reason: 'EPERM says nothing about a layer',
    });
    expect(judged(notRun, 3n)).toMatchObject({ outcome: 'unproven', reason: 'it was not run' });
    expect(judged(errors.EACCES, notRun)).toMatchObject({
      outcome: 'unproven',
      reason: /control told nothing/,
    });
  });

  it('of a canary of its own is the signal that ended it; of a shared one that is no result', () => {
    const one = (end: string) => find(parseProbeResults(withoutControl, { 'own-1.end': end }), 'killed');
    expect(one('signal 31')).toMatchObject({ outcome: 'stopped', stoppedBy: 'seccomp', observed: 'SIGSYS' });
    expect(one('signal 11')).toMatchObject({ outcome: 'unproven', observed: 'SIGSEGV' });
    expect(one('exit 1')).toMatchObject({ outcome: 'unproven' });
    const shared = find(parseProbeResults(withoutControl, { 'shared.end': 'signal 31' }), 'asked');
    expect(shared).toMatchObject({
      outcome: 'unproven',
      reason: 'the process was ended by SIGSYS meanwhile',
    });
  });

  it('proves nothing by an error that may mean there is nothing, where no control says otherwise', () => {
    const alone = (value: bigint) =>
      find(parseProbeResults(withoutControl, answers(withoutControl, 'shared', { asked: value })), 'asked');
    expect(alone(errors.EACCES)).toMatchObject({ outcome: 'stopped', stoppedBy: 'chroot' });
    expect(alone(errors.ENOENT)).toMatchObject({ outcome: 'unproven', observed: 'ENOENT' });
  });

  it('is there for what was left out, with the reason', () => {
    expect(find(parseProbeResults(withControl, {}), 'limited')).toMatchObject({
      outcome: 'unproven',
      reason: 'this host does not enforce such limits: it has no cgroup controller memory',
    });
  });

  it('is never stopped or through by what cannot be read', () => {
    const good = answers(withoutControl, 'shared', { asked: errors.EACCES })['shared.answers'] ?? '';
    const unfinished = Buffer.from(good, 'base64').fill(0, 0, 8).toString('base64');
    for (const text of ['', '!', good.slice(4), `${good}AAAA`, unfinished]) {
      const results = parseProbeResults(withoutControl, { 'shared.end': 'done', 'shared.answers': text });
      expect(find(results, 'asked')).toMatchObject({
        outcome: 'unproven',
        reason: 'its answers could not be read',
      });
    }
  });

  it('says nothing for sure whatever a host gives instead of answers', () => {
    const keys = ['machine', ...withControl.runs.flatMap(({ name }) => [`${name}.end`, `${name}.answers`])];
    const value = fc.oneof(
      fc.string(),
      fc.base64String(),
      fc.constantFrom('done', 'stuck', 'busy', 'sealed x\x1b', '__proto__'),
    );
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...keys), value), (values) => {
        const results = parseProbeResults(withControl, values);
        expect(results.map(({ name }) => name).sort()).toEqual(['asked', 'killed', 'limited']);
        for (const { outcome, reason } of results) {
          expect(outcome).toBe('unproven');
          expect(reason).toMatch(/^[\x20-\x7e]+$/);
        }
      }),
    );
  });
});

describe('diagnostics', () => {
  const result = (more: Partial<ProbeResult>): ProbeResult => ({
    name: 'asked',
    tries: 'asks',
    layer: 'chroot',
    outcome: 'stopped',
    observed: 'EACCES',
    ...more,
  });

  it('name the layer of each that got through, and are warnings for the rest', () => {
    const found = probeDiagnostics('hv1', [
      result({}),
      result({ outcome: 'got-through' }),
      result({ name: 'known', outcome: 'got-through', accepted: 'harmless' }),
      result({ name: 'doubt', outcome: 'unproven', reason: 'no idea' }),
    ]);
    expect(found.map(({ severity, code, summary }) => `${severity} ${code}: ${summary}`)).toEqual([
      'error probe-got-through: chroot: a probe got through on hv1: asked',
      'warning probe-accepted: 1 probes get through, as is known on hv1: known',
      'warning probe-unproven: 1 probes prove nothing on hv1: doubt',
    ]);
  });
});

describe('the step', () => {
  it('is a program that sh can read', () => {
    const { operations } = hostProbes({ host: 'hv1', capabilities: sampleHost, control: true });
    for (const { step } of operations) {
      execFileSync('sh', ['-n'], { input: `step() {\n${step.body.text}\n}\n` });
    }
  });
});
