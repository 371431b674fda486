import { defaultRoots, type HostRoots } from '../model/paths.ts';

/** Where one guest's things are on its host (model/paths.ts has the whole layout). */
export interface GuestPlaces {
  /** Root only, 0700. */
  readonly stateDirectory: string;
  /** The launcher script, 0700. */
  readonly launcher: string;
  /** Lines `domid N`, `uid N`, `gid N`, `shared yes` for a shared user, and the name of the `user`; nothing else. */
  readonly lease: string;
  /** serial.0 serial.1 stderr.0 stderr.1: two segments per log, the newer by modification time is the later one. */
  readonly logDirectory: string;
  /** FIFOs, and `launch-error` with the step and text of a launch that failed (empty while all is well). */
  readonly runDirectory: string;
  readonly launchError: string;
  /** Path of QEMU's monitor FIFOs without `.in` and `.out`. */
  readonly qmp: string;
  readonly chroot: string;
  /** Where the guest's root is put together; empty outside the guest's mount namespace. */
  readonly view: string;
}

export function guestPlaces(guest: string, roots: HostRoots = defaultRoots): GuestPlaces {
  const stateDirectory = `${roots.state}/guests/${guest}`;
  const runDirectory = `${roots.run}/guests/${guest}`;
  return {
    stateDirectory,
    launcher: `${stateDirectory}/launch`,
    lease: `${stateDirectory}/lease`,
    logDirectory: `${stateDirectory}/log`,
    runDirectory,
    launchError: `${runDirectory}/launch-error`,
    qmp: `${runDirectory}/qmp`,
    chroot: `${roots.run}/root/${guest}`,
    view: `${runDirectory}/view`,
  };
}
