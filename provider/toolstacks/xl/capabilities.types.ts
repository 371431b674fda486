/** What a host's Xen answers about itself. */
export interface XenCapabilities {
  /** As `xl info` says it: `4.17.5`; empty where it gave no answer. */
  readonly version: string;
  /** Of the version; 0 and 0 where there was no answer. */
  readonly major: number;
  readonly minor: number;
  /** The host is Xen's control domain (dom0): domains are made here. */
  readonly isControlDomain: boolean;
  readonly totalMemoryMib: number;
  /** What no domain has now; dom0 may give more. */
  readonly freeMemoryMib: number;
  /** The QEMU that libxl starts, symbolic links resolved; `undefined`: none was found, or none that is root's alone. */
  readonly deviceModel: XenDeviceModel | undefined;
  /** Why a QEMU that is there is not taken. */
  readonly untrusted: string | undefined;
  /** Xen's own checker of restricted handles, and the Python it is fed by; without both, handles are never proven. */
  readonly handleChecker: string | undefined;
  readonly python: string | undefined;
  /** What `xl info` said in place of an answer; hostile until shown. */
  readonly complaint: string;
}

export interface XenDeviceModel {
  readonly path: string;
  readonly device: number;
  readonly inode: number;
}
