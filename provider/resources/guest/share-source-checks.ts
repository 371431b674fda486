import { type LaunchShare, makesRealFiles } from '../../jail/launch-share.ts';
import { describeAddress } from '../../model/address.ts';
import { caution, type Diagnostic, problem } from '../../model/diagnostic.ts';
import { defaultRoots, type HostRoots } from '../../model/paths.ts';
import { type GuestDesired, guestAddress } from './desired.ts';
import { isWithin, plainPath } from '../../spec/plain-path.ts';
import type { PathPart, ShareSourceFacts } from './share-sources.ts';

type Sharing = Pick<GuestDesired, 'host' | 'name' | 'shares'>;

/** The directories that these shares name. */
export function sharedSources(shares: readonly { readonly source: string }[]): readonly string[] {
  return shares.map(({ source }) => source);
}

/** The file systems of which other hosts are masters, by the kernel's names (`fuse.` and a name: that of the program). */
const networkTypes: ReadonlySet<string> = new Set([
  ...['nfs', 'nfs4', 'cifs', 'smb3', 'smbfs', 'ncpfs', 'afs', 'coda', '9p'],
  ...['ceph', 'lustre', 'glusterfs', 'gpfs', 'beegfs', 'pvfs2', 'ocfs2', 'gfs2'],
  ...[
    ...['sshfs', 'glusterfs', 'ceph', 'ceph-fuse', 's3fs', 'goofys', 'gcsfuse', 'blobfuse', 'blobfuse2'],
    ...['rclone', 'juicefs', 'mfs', 'lizardfs', 'seaweedfs', 'curlftpfs', 'davfs', 'smbnetfs', 'nfs'],
  ].map((program) => `fuse.${program}`),
]);

/** What the kernel makes up, wherever it is mounted. */
const kernelTypes: ReadonlySet<string> = new Set([
  ...['proc', 'sysfs', 'devtmpfs', 'devpts', 'mqueue', 'cgroup', 'cgroup2', 'securityfs', 'selinuxfs'],
  ...['debugfs', 'tracefs', 'configfs', 'bpf', 'pstore', 'efivarfs', 'binfmt_misc', 'nsfs', 'rpc_pipefs'],
]);

/** What is written to so that users of the host must not get at it, and why. */
interface Written {
  readonly by: string;
  readonly why: string;
}

function writtenTo(share: LaunchShare | undefined): Written | undefined {
  if (share === undefined || !makesRealFiles(share)) return undefined;
  return share.driver.kind === 'local'
    ? {
        by: "by the guest's user",
        why: "By security_model none what the root of a guest makes there is its user's on the host, also programs that run as that user for whoever starts them; users of the host who get at the directory could use them to get hold of the guest.",
      }
    : {
        by: 'by root for the guest',
        why: "Whoever speaks the helper's protocol, and the root of a guest, make files there that are root's, also programs that run as root for whoever starts them and device nodes; users of the host who get at the directory could use them.",
      };
}

/**
 * What speaks against the directories that a guest shares, as far as the host was looked at: what is not known is not spoken of, the
 * start of the guest looks again. `served`: its shares as the host would serve them.
 */
export function shareSourceObstacles(
  guest: Sharing,
  sources: ReadonlyMap<string, ShareSourceFacts>,
  served: readonly LaunchShare[],
  roots: HostRoots = defaultRoots,
): readonly Diagnostic[] {
  const resource = describeAddress(guestAddress(guest));
  return guest.shares.flatMap(({ tag, source, readonly }, index) => {
    const written = writtenTo(served.find((share) => share.tag === tag));
    const facts = sources.get(plainPath(source));
    const fault =
      placeFault(source, roots, readonly) ??
      (facts && (mountFault(source, facts) ?? pathFault(source, facts))) ??
      spellingFault(source) ??
      (facts && written ? exposure(source, facts, written) : undefined);
    if (fault === undefined) return [];
    const { code, says, ...more } = fault;
    const at = { host: guest.host, resource, path: ['shares', index, 'source'] };
    return [problem(code, `${resource}: ${says}`, { ...at, ...more })];
  });
}

/**
 * Directories that are written to, and seen at another place without what keeps users of the host from what a guest makes there. Who
 * may enter the directories above that place was not looked at: the start of the guest does.
 */
export function shareSourceCautions(
  guest: Sharing,
  sources: ReadonlyMap<string, ShareSourceFacts>,
  served: readonly LaunchShare[],
): readonly Diagnostic[] {
  const resource = describeAddress(guestAddress(guest));
  return guest.shares.flatMap(({ tag, source }, index) => {
    const facts = sources.get(plainPath(source));
    const written = writtenTo(served.find((share) => share.tag === tag));
    if (facts === undefined || written === undefined) return [];
    const first = facts.elsewhere.find(
      ({ options, common }) =>
        missingOptions(options).length > 0 && !(facts.parts ?? []).slice(-1 - common, -1).some(isRootsAlone),
    );
    if (first === undefined) return [];
    const says = `${source} is written to ${written.by}, and is seen at ${first.path} too, on a mount without ${missingOptions(first.options).join(' and ')}`;
    return [
      caution('share-source-elsewhere', `${resource}: ${says}`, {
        ...{ host: guest.host, resource, path: ['shares', index, 'source'] },
        detail: `${written.why} The guest does not start unless only root may enter a directory above that place.`,
        hint: `Unmount it there, mount it there with nosuid and nodev, or let only root enter a directory above ${first.path} (chmod 0700).`,
      }),
    ];
  });
}

interface Fault {
  readonly code: string;
  readonly says: string;
  readonly detail?: string;
  readonly hint: string;
}

/** What the host itself is made of: whoever writes there is its root. */
const systemPlaces = ['/bin', '/boot', '/etc', '/lib', '/lib64', '/root/.ssh', '/sbin', '/usr'];

/** Places that are never shared; for this nothing has to be looked at. */
function placeFault(source: string, roots: HostRoots, readonly: boolean): Fault | undefined {
  const path = plainPath(source);
  const written = readonly ? [] : systemPlaces;
  const places = ['/proc', '/sys', '/dev', roots.run, roots.state, ...written];
  const place = places.find((kept) => isWithin(path, kept) || isWithin(kept, path));
  if (place === undefined) return undefined;
  return {
    code: 'share-source-place',
    says: isWithin(path, place)
      ? `${source} is never shared: it is part of ${place}`
      : `${source} is never shared: ${place} is in it`,
    hint: 'Give the guest a directory of its own, such as /srv/shares/NAME.',
  };
}

function mountFault(source: string, { mount }: ShareSourceFacts): Fault | undefined {
  if (mount === undefined) return undefined;
  const { type, point } = mount;
  if (kernelTypes.has(type)) {
    return {
      code: 'share-source-place',
      says: `${source} is never shared: it is on ${type}, mounted on ${point}`,
      hint: 'Give the guest a directory of its own, such as /srv/shares/NAME.',
    };
  }
  if (!networkTypes.has(type)) return undefined;
  return {
    code: 'share-source-network',
    says: `${source} is on a network file system: ${type}, mounted on ${point}`,
    detail: "What another host can change or withhold is not this host's to give.",
    hint: 'Share a directory on a disk of the host, or let the guest mount the network file system itself.',
  };
}

/** It is there, is a directory, and no link leads to it. */
function pathFault(source: string, { parts, resolved, mount }: ShareSourceFacts): Fault | undefined {
  const path = plainPath(source);
  const last = parts?.at(-1);
  if (parts === undefined || last === undefined) return undefined;
  const link = parts.find(({ type }) => type === 'link');
  if (link !== undefined) {
    const itself = link.path === path;
    return {
      code: 'share-source-link',
      says: itself ? `${source} is a symbolic link` : `${source} leads over a symbolic link: ${link.path}`,
      hint:
        resolved === undefined
          ? "Give the directory's own path; this one leads to no directory."
          : `Give the directory's own path: ${resolved}`,
    };
  }
  if (last.type !== 'directory') {
    return {
      code: 'share-source-not-directory',
      says: `${last.path} is no directory`,
      hint: 'Only directories are shared. Give the path of one.',
    };
  }
  // a program that is the file system may hide from root what is there
  if (last.path === path || mount?.type.startsWith('fuse') === true) return undefined;
  return {
    code: 'share-source-missing',
    says: `${source} is not there${last.path === '/' ? '' : `: nothing of that name is in ${last.path}`}`,
    hint: `Make it on the host (mkdir -p ${path}), with the owner and mode that the guest is to find.`,
  };
}

/** The helper's start compares the path with that of the directory it has entered. */
function spellingFault(source: string): Fault | undefined {
  const path = plainPath(source);
  if (source === path) return undefined;
  return {
    code: 'share-source-spelling',
    says: `${source} is another spelling of ${path}`,
    hint: `Write ${path}: what is in use by whom is told by the paths.`,
  };
}

/** Nobody but root gets at what a guest's root makes there, or it has no effect there. */
function exposure(
  source: string,
  { parts, mount }: ShareSourceFacts,
  { by, why }: Written,
): Fault | undefined {
  if (parts === undefined || mount === undefined) return undefined;
  const missing = missingOptions(mount.options);
  if (missing.length === 0) return undefined;
  // its own mode is the guest's to change: only what is above it counts
  if (parts.some((part) => part.path !== plainPath(source) && isRootsAlone(part))) return undefined;
  return {
    code: 'share-source-exposed',
    says: `${source} is written to ${by}, and users of the host can get at it`,
    detail: `${why} Its mount (${mount.type} on ${mount.point}) is without ${missing.join(' and ')}, and no directory above it is root's alone.`,
    hint: 'Put it on a mount with nosuid and nodev (of a file system that is mounted nowhere else without them), or below a directory of root that only root may enter (mkdir -m 0700 /srv/closed); or share it read-only.',
  };
}

/** What keeps set-user-id programs and device nodes on a mount from having any effect. */
function missingOptions(options: ReadonlySet<string>): readonly string[] {
  return ['nosuid', 'nodev'].filter((option) => !options.has(option));
}

function isRootsAlone({ path, type, mode, uid }: PathPart): boolean {
  return path !== '/' && type === 'directory' && uid === 0 && (mode & 0o077) === 0;
}
