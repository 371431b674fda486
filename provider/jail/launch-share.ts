/**
 * A directory of the host that a guest sees, as it will be on its host. What a definition leaves open (`driver = auto`) is
 * decided here: two equal values render the same helper, byte for byte.
 */
export interface LaunchShare {
  /** The name by which the guest mounts it; unique in the guest, part of the names of its units. */
  readonly tag: string;
  /** Absolute path of the directory on the host. */
  readonly source: string;
  readonly readonly: boolean;
  /** No other guest of this host may write to the same directory meanwhile; only of shares that are written to. */
  readonly onlyWriter: boolean;
  /** The largest file the guest may make in it. Unit: MiB. */
  readonly maxFileMib: number;
  readonly driver: LaunchShareDriver;
}

/** Who serves a share: a helper of its own (`proxy`, `virtiofs`), or QEMU itself (`local`). */
export type LaunchShareDriver =
  | {
      readonly kind: 'proxy';
      /** Absolute path of virtfs-proxy-helper. */
      readonly helper: string;
    }
  | {
      readonly kind: 'virtiofs';
      /** Absolute path of virtiofsd. */
      readonly helper: string;
      /** QEMU's own in C (until 8.0), or the Rust one: their options differ. */
      readonly implementation: 'c' | 'rust';
      readonly cache: 'auto' | 'always' | 'metadata' | 'never';
      /** What is mounted below the source is seen too, and the guest is told where. */
      readonly announceSubmounts: boolean;
      readonly uidMap: readonly ShareIdRange[];
      readonly gidMap: readonly ShareIdRange[];
    }
  | {
      readonly kind: 'local';
      readonly securityModel: 'mapped-xattr' | 'mapped-file' | 'none';
    };

/** `count` ids of the guest from `guest` on are those of the host from `host` on. */
export interface ShareIdRange {
  readonly guest: number;
  readonly host: number;
  readonly count: number;
}

/**
 * Whether what the guest makes there is on the host what the guest says it is, set-user-id programs among it: root's by a helper, those of the
 * guest's own user by `none`. A mapped model keeps owner and mode elsewhere.
 */
export function makesRealFiles({ readonly, driver }: Pick<LaunchShare, 'readonly' | 'driver'>): boolean {
  return !readonly && (driver.kind !== 'local' || driver.securityModel === 'none');
}

/** A share with a process of its own beside QEMU. */
export type HelperShare = LaunchShare & {
  readonly driver: Exclude<LaunchShareDriver, { readonly kind: 'local' }>;
};

export function helperShares(shares: readonly LaunchShare[]): readonly HelperShare[] {
  return shares.filter((share): share is HelperShare => share.driver.kind !== 'local');
}
