import type { LayerName } from '../../model/evidence.ts';

/** How people call a layer, and what it means to be without it. */
export interface LayerWords {
  readonly name: string;
  readonly without: string;
}

/** Sources: the layers' own files in `jail/`, and the manual pages of unshare, capabilities, prlimit and QEMU. */
export const layerWords: Readonly<Record<LayerName, LayerWords>> = {
  user: { name: 'user', without: 'QEMU does not run as a user of its own.' },
  chroot: {
    name: 'chroot',
    without: 'QEMU has a root directory with files in it, those that its mount namespace shows.',
  },
  'mount-namespace': {
    name: 'mount namespace',
    without: "QEMU sees the host's file systems: what is readable by all can be read, until a chroot.",
  },
  'private-dev': {
    name: 'private /dev',
    without: "QEMU sees the host's /dev; only file permissions and the unit's device rules stand in between.",
  },
  'ipc-namespace': {
    name: 'ipc namespace',
    without: 'QEMU shares System V IPC objects and POSIX message queues with the host.',
  },
  'uts-namespace': {
    name: 'uts namespace',
    without: "QEMU shares the host's name; it sees when that changes.",
  },
  'net-namespace': {
    name: 'network namespace',
    without:
      "QEMU uses the host's own network: its interfaces, abstract sockets, and all that listens on its loopback.",
  },
  'pid-namespace': {
    name: 'pid namespace',
    without: "QEMU sees the host's processes and may signal those of its own user.",
  },
  'cgroup-namespace': {
    name: 'cgroup namespace',
    without: "QEMU sees where it stands in the host's control groups, and their names.",
  },
  capabilities: { name: 'empty capability sets', without: 'QEMU keeps privileges of root.' },
  'no-new-privs': {
    name: 'no_new_privs',
    without: 'A program that QEMU executes may gain privileges by its setuid bit or file capabilities.',
  },
  seccomp: {
    name: 'seccomp filter',
    without: 'Every system call of the kernel can be reached from QEMU, those to start programs included.',
  },
  rlimits: {
    name: 'resource limits of its processes',
    without:
      'QEMU may write files of any size, dump core, lock memory and open as many files as the host allows.',
  },
  'cgroup-limits': {
    name: 'limits of its unit',
    without:
      "The guest may take the host's memory, processors, process numbers and disk bandwidth from others.",
  },
  'open-files': { name: 'check of open files', without: 'QEMU may hold files that it does not need.' },
  lsm: {
    name: 'security module label',
    without: 'No AppArmor profile stands behind the other layers.',
  },
};
