import { expect, it } from 'vitest';
import { hostKind } from '../../../provider/terraform/kinds/host.ts';
import { isUnknown, type ObjectValue, UNKNOWN } from '../../../provider/tfplugin/types.ts';

const integrity = { directories: 'ok', unit_template: 'ok', logger_user: 'ok', apparmor_profile: 'ok' };
const facts = { kernel: '6.1.0', supervisor: 'systemd 252', operating_system: 'Debian' };
const prior: ObjectValue = { id: 'xen1', name: 'xen1', toolstack: 'xl', qemu: null, integrity, ...facts };
const planned: ObjectValue = { name: 'xen1', toolstack: 'xl' };

it('plans nothing new for a host whose state says that it has no QEMU of its own', () => {
  expect(hostKind.plan(planned, prior, undefined)).toMatchObject({ qemu: null, ...facts });
});

it.each([
  ['a new host', planned, null],
  ['another toolstack', { ...planned, toolstack: 'qemu' }, prior],
])('leaves open what %s is like', (_, wanted, before) => {
  const { qemu = null, kernel = null } = hostKind.plan(wanted, before, undefined);
  expect([isUnknown(qemu), isUnknown(kernel)]).toEqual([true, true]);
});

it('leaves open what an older state does not say', () => {
  const older = { ...prior, kernel: null };
  expect(hostKind.plan(planned, older, undefined)).toMatchObject({ qemu: null, kernel: UNKNOWN });
  const ofQemu = { ...prior, toolstack: 'qemu' };
  expect(hostKind.plan({ ...planned, toolstack: 'qemu' }, ofQemu, undefined)['qemu']).toBe(UNKNOWN);
});
