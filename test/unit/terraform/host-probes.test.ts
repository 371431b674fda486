import { describe, expect, it } from 'vitest';
import { plannedReport } from '../../../provider/terraform/kinds/host-probes.ts';
import type { ObjectValue } from '../../../provider/tfplugin/types.ts';
import { isUnknown, UNKNOWN } from '../../../provider/tfplugin/types.ts';

const probes: ObjectValue = { run: 'first', control: true };
const good: ObjectValue = {
  got_through: [],
  accepted: ['setsid'],
  unproven: ['iopl'],
  results: { 'syscall-fork': 'stopped by seccomp: SIGSYS', iopl: 'unproven: ENOSYS', setsid: 'accepted: no' },
};
const runs = (planned: ObjectValue, prior: ObjectValue | null, sameQemu = true) =>
  isUnknown(plannedReport(planned, prior, sameQemu));

describe('the report of probes that a plan has', () => {
  it('is the one before, where that is good and nothing else is asked for', () => {
    expect(plannedReport({ probes }, { probes, probe_report: good }, true)).toBe(good);
  });

  it('is none where no probes are asked for', () => {
    expect(plannedReport({ probes: null }, { probes, probe_report: good }, true)).toBeNull();
    expect(plannedReport({}, null, false)).toBeNull();
  });

  it.each([
    ['a new host', null, true],
    ['probes that are new', { probes: null, probe_report: null }, true],
    ['another word', { probes: { ...probes, run: 'zeroth' }, probe_report: good }, true],
    ['a control where there was none', { probes: { ...probes, control: false }, probe_report: good }, true],
    ['another QEMU', { probes, probe_report: good }, false],
    ['a run that came to no end', { probes, probe_report: null }, true],
    ['a probe that got through', { probes, probe_report: { ...good, got_through: ['threads'] } }, true],
    ['a run that proved nothing', { probes, probe_report: { ...good, results: { a: 'unproven: b' } } }, true],
  ] as const)('is to be found out by %s', (_, prior, sameQemu) => {
    expect(runs({ probes }, prior, sameQemu)).toBe(true);
  });

  it('is to be found out where it is not known yet what is asked for', () => {
    expect(runs({ probes: UNKNOWN }, { probes, probe_report: good })).toBe(true);
    expect(runs({ probes: { ...probes, run: UNKNOWN } }, { probes, probe_report: good })).toBe(true);
  });
});
