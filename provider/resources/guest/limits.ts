import type { LaunchLimits } from '../../jail/launch-plan.ts';
import type { StoredGuest } from './desired.ts';

/** What QEMU needs beside the guest's memory: its code, its heap, the emulated devices. Unit: MiB. */
const qemuOverheadMib = 160;
/** Translated code of an emulated guest: a quarter of its memory, as QEMU's own default, to this at most. Unit: MiB. */
const maxTranslationMib = 1024;
/** QEMU's thread pool (64 by itself). */
const threadPool = 64;

/** The limits of a guest: what was set, else what follows from the guest. */
export function launchLimits(
  guest: Pick<StoredGuest, 'memoryMib' | 'vcpus' | 'accelerator' | 'limits'>,
): LaunchLimits {
  const { limits, memoryMib, vcpus, accelerator } = guest;
  const translation = accelerator === 'tcg' ? Math.min(maxTranslationMib, Math.ceil(memoryMib / 4)) : 0;
  return {
    memoryMib: memoryMib + (limits.memoryOverheadMib ?? qemuOverheadMib + translation),
    cpuPercent: limits.cpuPercent ?? 100 * vcpus + 50,
    tasks: limits.tasks ?? threadPool + vcpus + 32,
    openFiles: limits.openFiles ?? 2048,
    ioReadMibPerSecond: limits.ioReadMibPerSecond,
    ioWriteMibPerSecond: limits.ioWriteMibPerSecond,
  };
}
