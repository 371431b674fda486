import { describeAddress } from '../../model/address.ts';
import { caution, type Diagnostic } from '../../model/diagnostic.ts';
import { securityBoundaryMachines } from '../../spec/guest.ts';
import { type GuestDesired, guestAddress } from './desired.ts';
import type { ShareDrivers } from './share-words.ts';

type Questionable = Pick<GuestDesired, 'host' | 'name' | 'accelerator' | 'machine' | 'network'>;

/**
 * What QEMU itself says against a definition, in its words. They are the same in each plan: to be shown where the guest is made or changed.
 * @param drivers who serves the guest's shares
 */
export function qemuCautions(guest: Questionable, drivers: ShareDrivers = new Map()): readonly Diagnostic[] {
  const resource = describeAddress(guestAddress(guest));
  const at = { host: guest.host, resource };
  const found: Diagnostic[] = [];
  if (guest.accelerator === 'tcg') {
    found.push(
      caution('tcg-no-guarantee', `${resource}: QEMU gives no security guarantee for emulation (tcg)`, {
        ...at,
        path: ['accelerator'],
        detail: said(
          'Users with non-virtualization use cases must not rely on QEMU to provide guest isolation or any security guarantees.',
          'docs/system/security.rst, on the Tiny Code Generator (TCG)',
        ),
        hint: 'Set accelerator = "kvm" where the host has it; else only the layers around QEMU stand between guest and host.',
      }),
    );
  }
  if (!securityBoundaryMachines.includes(guest.machine)) {
    found.push(
      caution(
        'machine-no-boundary',
        `${resource}: QEMU does not support machine ${guest.machine} as a security boundary`,
        {
          ...at,
          path: ['machine'],
          detail: said(
            'any machine type not listed here should not be considered to be providing guest isolation or security guarantees',
            `docs/system/security.rst; its list for x86: ${securityBoundaryMachines.join(', ')}`,
          ),
          hint: 'Choose q35, pc or microvm.',
        },
      ),
    );
  }
  if (guest.network === 'user') {
    found.push(
      caution('user-network', `${resource}: QEMU plays its network itself (user-mode networking)`, {
        ...at,
        path: ['network'],
        detail: said(
          "better security as it's a daemon that is not executed in QEMU context",
          'docs/system/devices/net.rst, of passt in comparison to user-mode networking, which is',
        ),
        hint: 'Leave the network out where the guest needs none.',
      }),
    );
  }
  const proxied = [...drivers].filter(([, driver]) => driver === 'proxy').map(([tag]) => tag);
  if (proxied.length > 0) found.push(proxyCaution(guest, proxied));
  return found;
}

function proxyCaution(guest: Questionable, tags: readonly string[]): Diagnostic {
  const resource = describeAddress(guestAddress(guest));
  const which = `${tags.length === 1 ? 'share' : 'shares'} ${tags.join(', ')}`;
  return caution('proxy-deprecated', `${resource}: QEMU has deprecated the driver proxy of ${which}`, {
    ...{ host: guest.host, resource, path: ['shares'] },
    detail: said(
      'The 9p proxy filesystem backend driver has been deprecated and will be removed (along with its proxy helper daemon) in a future version of QEMU.',
      'docs/about/deprecated.rst, since 8.1; it is gone in 9.2',
    ),
    hint: 'Install virtiofsd on the host; the guest mounts the share with "-t virtiofs" then.',
  });
}

function said(words: string, source: string): string {
  return `QEMU's documentation says: "${words}" (${source})`;
}
