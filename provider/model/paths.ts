/** Where things are on a host. Everything below both roots is readable by root alone. */
export interface HostRoots {
  /** Survives a reboot: records, leases, launchers, files by digest, logs. */
  readonly state: string;
  /** Does not: lock, FIFOs, chroots. */
  readonly run: string;
}

export const defaultRoots: HostRoots = { state: '/var/lib/stockade', run: '/run/stockade' };

/**
 * Layout below the roots:
 *   state/host                 record of the prepared host
 *   state/owners/FLEET         one per fleet that prepared it
 *   state/capabilities/        the capability record, by identity of the QEMU binary
 *   state/users/SCHEME         record of a user set; state/users/SCHEME.owners/FLEET one per fleet, with its range
 *   state/leases/domid/N       who holds domid N (guest name and fleet); the last one given is in state/leases/last
 *   state/leases/quarantine/N  a domid that rests: since when, its uid, why
 *   state/files/SHA256         uploaded kernels and initrds
 *   state/apparmor             what was last loaded of AppArmor profiles: digest of the text, kernel, the kernel's own hashes
 *   state/guests/NAME/record   the guest's record; launch (the launcher), lease (domid, uid, gid), log/ (serial, stderr)
 *   run/lock                   the host's lock
 *   run/uids/UID              the guest that was started as this uid in this boot; its lock
 *   run/root/NAME              the guest's chroot, mode 0000
 *   run/guests/NAME/           FIFOs (qmp.in, qmp.out, …), pid files
 *   run/tampered/              chroots that were found filled, kept for a look
 */
export const guestUnit = (name: string): string => `stockade-guest@${name}.service`;
/** The slice systemd makes for the template's instances; it stays when the last of them is gone. */
export const guestSlice = 'system-stockade\\x2dguest.slice';
export const unitDirectory = '/etc/systemd/system';
export const unitTemplatePath = `${unitDirectory}/stockade-guest@.service`;
export const loggerUser = 'stockade-logger';
export const reaperUser = 'xen-qemuuser-reaper';
/**
 * Whose uid the canaries of probes run as: one that no guest ever leases, since it has a name. The launcher takes a named uid
 * only from `xen-qemuuser-*`, Xen's names for those who run device models.
 */
export const canaryUser = 'xen-qemuuser-canary';

/** Where systemd looks for unit files and drop-ins, the strongest first. */
export const unitPlaces = [
  '/etc/systemd/system.control',
  '/run/systemd/system.control',
  '/run/systemd/transient',
  '/etc/systemd/system',
  '/run/systemd/system',
  '/usr/local/lib/systemd/system',
  '/usr/lib/systemd/system',
];
