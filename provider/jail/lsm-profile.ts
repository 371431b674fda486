import { defaultRoots, type HostRoots } from '../model/paths.ts';
import type { LaunchShareDriver } from './launch-share.ts';
import { exportPlace } from './share-places.ts';
import { sha256 } from '../model/sha256.ts';

/** What a guest's processes are labelled: QEMU, the programs that start it and its namespaces' parent; its loggers. */
export const guestProfile = 'stockade-guest';
export const loggerProfile = 'stockade-guest-logger';
/** Helpers that serve a share, with the programs that start them and their namespaces' parents. */
export const helperProfile = 'stockade-guest-share';
/** The same for the virtiofsd that makes the export the root of namespaces of its own (the Rust one): files there have no other names. */
export const namespaceHelperProfile = 'stockade-guest-share-namespace';
export const profileNames = [guestProfile, loggerProfile, helperProfile, namespaceHelperProfile] as const;

/** The profile of the helper that serves a share by this driver. */
export function helperProfileOf(driver: LaunchShareDriver): string {
  return driver.kind === 'virtiofs' && driver.implementation === 'rust'
    ? namespaceHelperProfile
    : helperProfile;
}

export const apparmorDirectory = '/etc/apparmor.d';
/** Where AppArmor's own unit finds it at boot. */
export const profilePath = `${apparmorDirectory}/${guestProfile}`;
/** The features that the profiles are written for; AppArmor 3.0 and later bring it. */
export const profileAbiPath = `${apparmorDirectory}/abi/3.0`;
/** The kernel's own list of the profiles that are loaded, with the mode of each. */
export const loadedProfilesPath = '/sys/kernel/security/apparmor/profiles';

/**
 * The profiles of all guests of a host (apparmor.d(5)): a second wall behind the other layers, for all of them alike, so what
 * differs from guest to guest is left to their mounts, nodes and users. `owner` does most of it: root's files are open to
 * QEMU while it starts as root, and none but the libraries once it is the guest's user.
 */
export function profileText(roots: HostRoots = defaultRoots): string {
  return `# Made by Stockade: edits show as drift and are undone.
# What every guest's processes are confined by, whatever else a guest's definition leaves out.
abi <abi/3.0>,

# QEMU, the programs that a launch ends with, and the parent of QEMU's pid namespace. Disks were opened where the host's
# files still were in sight: attach_disconnected lets the kernel call them by the names that they have there
profile ${guestProfile} flags=(attach_disconnected) {
  # unshare: the pid namespace; prlimit: memory locked for a passed-through device; setpriv: the bounding set
  capability sys_admin,
  capability sys_resource,
  capability setpcap,
  # QEMU's own way from root to the guest's user in its empty directory; it has no others to start with
  capability setuid,
  capability setgid,
  capability sys_chroot,
  capability dac_read_search,

  # while it is root: programs, libraries, kernel, images that are only read, wherever they lie; all of them root's
  owner /** mrixk,
  # as the guest's user: libraries that are loaded late
  /usr/** mr,
  /{,usr/}lib{,32,64,x32}/** mr,
  # what is opened as root and held: the monitor, the devices that its /dev has
  owner ${rule(roots.run, '/guests/*/qmp.{in,out}')} rw,
  owner ${rule(roots.run, '/guests/*/share-{[0-9],1[0-5]}')} rw,
  owner /dev/** rw,
  /dev/{null,zero,full} rw,
  /dev/{random,urandom} r,
  # directories that it serves to its guest itself, files that a share's helper hands it, and a /proc of its pid namespace where that takes one
  /share/[0-9]*/{,**} rwkl,
  ${exportPlace}/{,**} rwk,
  mount fstype=proc options=(rw,nosuid,nodev,noexec) stockade-proc -> /proc/,

  # nobody's to read, not even while it is root
  deny /etc/{,g}shadow{,-} mrwklx,
  deny /etc/ssh/** mrwklx,
  deny ${rule(roots.state, '/{owners,leases,users,guests}/**')} mrwklx,
  deny /dev/{mem,kmem,port,kmsg} mrwklx,
  deny /proc/{kcore,kmsg,sysrq-trigger} mrwklx,

  # names of users, interfaces, and QEMU playing the network; the guest's namespace says where they lead
  network unix,
  network netlink raw,
  network inet stream,
  network inet dgram,
  network inet6 stream,
  network inet6 dgram,

  # its own threads; the host ends it
  signal (send, receive) peer=${guestProfile},
  signal (receive) peer=unconfined,
}

# Readers of what QEMU prints
profile ${loggerProfile} {
  capability setpcap,
  capability setuid,
  capability setgid,

  /{,usr/}{,s}bin/* mrix,
  /usr/** mr,
  /{,usr/}lib{,32,64,x32}/** mr,
  # what setpriv looks at, as far as the guest's root shows it
  /etc/{ld.so.cache,nsswitch.conf,passwd,group} r,
  /proc/sys/kernel/cap_last_cap r,
  owner /proc/[0-9]*/status r,
  /dev/null rw,
  owner ${rule(roots.state, '/guests/*/log/{serial,stderr}.[01]')} rw,

  # setpriv asks for a name service, of which there is none in sight: denied without a line in the log
  deny network unix,

  signal (send, receive) peer=${loggerProfile},
  signal (receive) peer=unconfined,
}

# Helpers that serve a share, in a root that shows programs and the export alone: outside the export nothing is written
profile ${helperProfile} flags=(attach_disconnected) {
${helperRules(helperProfile)}
}

# virtiofsd where it makes namespaces of its own: its root is the export then, so files there bear any name
profile ${namespaceHelperProfile} flags=(attach_disconnected) {
${helperRules(namespaceHelperProfile)}

  /{,**} rwkl,
  mount options=(rw,rslave) -> /,
  mount fstype=proc -> /proc/,
  mount options=(rw,bind) /proc/[0-9]*/fd/ -> /proc/,
  mount options in (rw,bind,rbind) ${exportPlace}/ -> ${exportPlace}/,
  pivot_root,
  umount,
}
`;
}

/** What both kinds of helpers may: the privileges of a file server, programs, the export, connections that were handed to them. */
function helperRules(profile: string): string {
  return `  # setpriv: the bounding set; prlimit; the pid namespace and a /proc in it
  capability setpcap,
  capability sys_resource,
  capability sys_admin,
  # what it serves is done as the guest's users, on files of any owner
  capability chown,
  capability dac_override,
  capability dac_read_search,
  capability fowner,
  capability fsetid,
  capability mknod,
  capability setfcap,
  capability setgid,
  capability setuid,
  capability sys_chroot,

  /{,usr/}{,s}bin/* mrix,
  /usr/** mrix,
  /{,usr/}lib{,32,64,x32}/** mrix,
  /etc/{ld.so.cache,nsswitch.conf,passwd,group} r,
  /proc/{,**} r,
  /dev/null rw,
  ${exportPlace}/{,**} rwkl,
  mount fstype=proc options=(ro,nosuid,nodev,noexec) stockade-proc -> /proc/,

  network unix,

  signal (send, receive) peer=${profile},
  signal (receive) peer=unconfined,`;
}

export function profileSha256(roots: HostRoots = defaultRoots): string {
  return sha256(profileText(roots));
}

/** A directory as it is, and a pattern below it. */
function rule(directory: string, pattern: string): string {
  const plain = /^[A-Za-z0-9_/.+-]*$/.test(directory);
  return plain
    ? `${directory}${pattern}`
    : `"${directory.replaceAll(/[\\"?*[\]{}^@,]/g, String.raw`\$&`)}${pattern}"`;
}
