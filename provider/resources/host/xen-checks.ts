import { type Diagnostic, problem } from '../../model/diagnostic.ts';
import { isOldXen, noDeviceModelText, oldestXen } from '../../toolstacks/xl/probe.ts';
import { plainWords } from '../shared/words.ts';
import type { HostDesired } from './desired.ts';
import { capabilitiesWith, type HostFacts } from './facts.ts';

const path = ['toolstack'];

/** What stands against making guests by xl on this host; whether a chosen QEMU answers is looked at elsewhere. */
export function xenObstacles(desired: HostDesired, facts: HostFacts): readonly Diagnostic[] {
  const { xen } = capabilitiesWith(facts, desired.qemuBinary, 'xl');
  if (xen === undefined) {
    return [
      problem('no-xl', 'there is no xl on this host', {
        path,
        hint: 'Install Xen (on Debian: apt-get install xen-system-amd64 qemu-system-xen) and boot the host with it; or leave toolstack out for QEMU alone.',
      }),
    ];
  }
  const complaint = xen.complaint === '' ? {} : { detail: `xl says: ${plainWords(xen.complaint)}` };
  if (!xen.isControlDomain) {
    return [
      problem('not-on-xen', 'the host has xl, but it does not run as control domain of Xen', {
        path,
        ...complaint,
        hint: 'Boot the host with Xen (on Debian, GRUB lists it once xen-hypervisor is installed), and see that its services run: systemctl status xen.service.',
      }),
    ];
  }
  if (xen.version === '') {
    return [
      problem('xl-no-answer', 'the host runs on Xen, but its xl gives no answer about it', {
        path,
        ...complaint,
        hint: 'The tools must be of the version of Xen that runs: install them (on Debian: xen-utils-VERSION), or reboot the host into the Xen that they are of.',
      }),
    ];
  }
  if (isOldXen(xen)) {
    return [
      problem('xen-too-old', `Xen ${xen.version} does not shut its device models in`, {
        path,
        detail: `Its libxl gives them no root, namespaces and limits of their own; that came with ${oldestXen.major}.${oldestXen.minor}.`,
        hint: 'Upgrade Xen on the host.',
      }),
    ];
  }
  return xen.deviceModel === undefined && desired.qemuBinary === undefined
    ? [withoutDeviceModel(xen.untrusted)]
    : [];
}

function withoutDeviceModel(untrusted: string | undefined): Diagnostic {
  if (untrusted !== undefined) {
    return problem('qemu-untrusted', `QEMU runs as root at first, and ${plainWords(untrusted)}`, {
      hint: 'Make root the owner of it and of all directories above it, and let nobody else write there.',
    });
  }
  return problem('no-qemu', noDeviceModelText(), {
    hint: 'Install it on the host (on Debian: apt-get install qemu-system-xen). Or set qemu_binary to where it is.',
  });
}

/** Guests stay with what runs them: another toolstack would leave theirs running and start others. */
export function toolstackObstacles(desired: HostDesired, facts: HostFacts): readonly Diagnostic[] {
  const owner = facts.owners.get(desired.fleet);
  if (owner === undefined || owner.toolstack === desired.toolstack) return [];
  const guests = facts.guests.filter(({ owner: fleet }) => fleet === desired.fleet);
  if (guests.length === 0) return [];
  return [
    problem('toolstack-in-use', `${owner.toolstack} runs guests of the fleet on this host`, {
      path,
      detail: `They are: ${plainWords(guests.map(({ guest }) => guest).join(', '))}`,
      hint: `Remove these guests first, or leave toolstack at ${JSON.stringify(owner.toolstack)}.`,
    }),
  ];
}
