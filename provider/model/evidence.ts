/** The layers of a guest's isolation. A file per layer in `jail/` says what is asked, how it is applied, how it is proven. */
export const layerNames = [
  'user',
  'chroot',
  'mount-namespace',
  'private-dev',
  'ipc-namespace',
  'uts-namespace',
  'net-namespace',
  'pid-namespace',
  'cgroup-namespace',
  'capabilities',
  'no-new-privs',
  'seccomp',
  'rlimits',
  'cgroup-limits',
  'open-files',
  'lsm',
] as const;
export type LayerName = (typeof layerNames)[number];

/** What Xen's guests have beside those: handles on Xen that are restricted to their own domain. */
export const xenLayer = 'xen-handles';

/** Layers a definition may switch off. A guest never runs as root, with privileges, or with files open that it does not need. */
export const switchableLayers = [
  'chroot',
  'mount-namespace',
  'private-dev',
  'ipc-namespace',
  'uts-namespace',
  'net-namespace',
  'pid-namespace',
  'cgroup-namespace',
  'no-new-privs',
  'seccomp',
  'rlimits',
  'cgroup-limits',
  'lsm',
] as const satisfies readonly LayerName[];
export type SwitchableLayer = (typeof switchableLayers)[number];

/** Layers that Xen's libxl does not give its device models: a definition for both toolstacks lets them be missing. */
export const layersWithoutXl = [
  'private-dev',
  'uts-namespace',
  'net-namespace',
  'pid-namespace',
  'cgroup-namespace',
  'capabilities',
  'no-new-privs',
  'seccomp',
] as const satisfies readonly LayerName[];

/** What is to be done about a layer. `missing`: the host cannot give it, and the definition allows that. */
export type LayerRequest = 'on' | 'off' | 'missing';
export type LayerRequests = Readonly<Record<LayerName, LayerRequest>>;

/** Only `effective` ever shows as good. `missing`: the host cannot, and the definition allows that. `off`: switched off. */
export type LayerState = 'effective' | 'ineffective' | 'unproven' | 'missing' | 'off';

/** What one layer shows on the live processes. */
export interface LayerEvidence {
  readonly layer: LayerName | typeof xenLayer;
  readonly state: LayerState;
  readonly requested: string;
  readonly observed: string;
  /** Why this host can never show it (`state` is then `unproven`, and that is as expected); `undefined` everywhere else. */
  readonly unprovable?: string;
  /** `state` is `unproven` only because something changed while it was looked at, as on a guest at work: no reason to restart it. */
  readonly passing?: true;
  /** The raw lines it rests on, as read; hostile until escaped by a view. */
  readonly raw: readonly string[];
}

/** `toolstack`: xl and the launcher above it, root's by design. */
export type ProcessRole = 'device-model' | 'namespace-parent' | 'toolstack' | 'logger' | 'share-helper';

/** Which process was looked at: names and command lines can be faked, these cannot. */
export interface ProcessIdentity {
  readonly role: ProcessRole;
  /** As the host sees it. */
  readonly pid: number;
  readonly executableDevice: number;
  readonly executableInode: number;
  /** Field 22 of /proc/PID/stat, in clock ticks after boot. */
  readonly startTimeTicks: number;
  readonly bootId: string;
}

/** Everything known about one guest's isolation at one moment. */
export interface GuestEvidence {
  readonly host: string;
  readonly guest: string;
  /** RFC 3339, the host's clock. */
  readonly takenAt: string;
  readonly running: boolean;
  readonly processes: readonly ProcessIdentity[];
  /** Helpers that have ended while the device model runs: `logger of serial`. It may stand still, or its last words be lost. */
  readonly lostHelpers: readonly string[];
  readonly layers: readonly LayerEvidence[];
  /** Of each share with a helper of its own, and of what bears the name of one without being asked for. */
  readonly helpers: readonly HelperEvidence[];
}

/** The layers of a share's helper. It is root by design, it makes files of any owner: there is no `user`. */
export const helperLayerNames = layerNames.filter((layer) => layer !== 'user');

/** What is known of the isolation of one share's helper. */
export interface HelperEvidence {
  readonly tag: string;
  readonly driver: 'proxy' | 'virtiofs';
  /** The directory of the host that it serves. */
  readonly source: string;
  readonly running: boolean;
  readonly processes: readonly ProcessIdentity[];
  readonly layers: readonly LayerEvidence[];
}
