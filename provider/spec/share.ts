import { z } from 'zod';
import { field, hostPath } from './field.ts';

export const shareDrivers = ['auto', 'proxy', 'virtiofs', 'local'] as const;
const shareSecurityModels = ['mapped-xattr', 'mapped-file', 'none'] as const;
/** Of virtiofsd: `metadata` is the Rust one's alone. */
const shareCaches = ['auto', 'always', 'metadata', 'never'] as const;

/** QEMU refuses a mount tag of 32 bytes and more (MAX_TAG_LEN of its 9p device); virtiofs has room for 36. */
const tagPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,30}$/;

/** Ids of the guest that are others on the host. */
const shareIdRangeSchema = z.strictObject({
  guest: field(z.int().min(0).max(4_294_967_293), 'The first id in the guest.'),
  host: field(z.int().min(0).max(4_294_967_293), 'The first id on the host.'),
  count: field(z.int().min(1).max(4_294_967_294), 'How many there are.'),
});

/** A directory of the host that the guest may mount. */
export const shareSchema = z.strictObject({
  tag: field(
    z
      .string()
      .regex(
        tagPattern,
        'must be a tag: letters, digits, dots, underscores and dashes, 31 at most (QEMU has no room for more), a letter or digit first',
      ),
    'The name by which the guest mounts it (`mount -t virtiofs TAG …`, `mount -t 9p -o trans=virtio TAG …`), unique in the guest. At most 31 characters.',
  ),
  source: field(
    hostPath(),
    "The directory: an absolute path on the host, no symbolic link, not on a network file system, not inside what another guest writes to. One that is written to lies on a mount with nosuid and nodev, or below a directory that only root may enter (but with `local` of a mapped model): a guest's root makes files there that are root's.",
  ),
  readonly: field(z.boolean().default(true), 'The guest cannot write to it. Default: true.'),
  driver: field(
    z.enum(shareDrivers).default('auto'),
    'Who serves it: `virtiofs` (virtiofsd), `proxy` (9p by virtfs-proxy-helper, until QEMU 9.1), `local` (9p by QEMU itself, which then holds the directory open) or `auto`: the first of these that the host has. The plan says which, and why. Default: `auto`.',
  ),
  writers: field(
    z.enum(['one', 'many']).default('one'),
    '`one`: no other guest of the host may write to the same directory. `many`: others that say so too may. Default: `one`.',
  ),
  maxFileMib: field(
    z.int().min(1).max(1_073_741_824).default(65_536),
    'The largest file that the guest may make in it, of whoever serves it. Unit: MiB. Default: 65536.',
  ),
  securityModel: field(
    z.enum(shareSecurityModels).optional(),
    "Of `local` alone: where owner and mode that the guest gives a file are kept. `mapped-file` in files beside it (the guest has no extended attributes then), `mapped-xattr` in extended attributes, `none` nowhere (the files are simply those of QEMU's user). The last two need a /proc in QEMU's root, which an empty chroot has not: they go with `isolation.off` of `chroot`. Default: `mapped-file`.",
  ),
  cache: field(
    z.enum(shareCaches).optional(),
    'Of `virtiofs` alone: what the guest may keep of it. `metadata` is known to the Rust virtiofsd alone. Default: `auto`.',
  ),
  announceSubmounts: field(
    z.boolean().optional(),
    'Of `virtiofs` alone: what the host has mounted below the directory is seen too, and the guest is told where it begins. Default: false, the guest sees the empty directories below those mounts.',
  ),
  uidMap: field(
    z.array(shareIdRangeSchema).min(1).max(16).optional(),
    'Of the Rust virtiofsd alone: users of the guest that are others on the host; all others are refused. Default: the same numbers.',
  ),
  gidMap: field(
    z.array(shareIdRangeSchema).min(1).max(16).optional(),
    'Of the Rust virtiofsd alone: the same of groups. Default: the same numbers.',
  ),
});

export type ShareSpec = z.output<typeof shareSchema>;
export type ShareDriverName = Exclude<(typeof shareDrivers)[number], 'auto'>;
