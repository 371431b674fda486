import type { Argument, Probe } from './probe.ts';
import type { ErrorName, SyscallName } from './syscalls.ts';

/**
 * Every system call on QEMU's deny list that x86-64 has (softmmu/qemu-seccomp.c, later system/qemu-seccomp.c), with arguments
 * that do no harm where the filter is missing: the kernel then refuses them as wrong, or has no such call any more.
 * Names without a number on x86-64 (umount, break, ftime, gtty, lock, mpx, prof, profil, stty, ulimit, readdir, bdflush, sgetmask,
 * ssetmask) are no calls here; umount2, which is one, is not on the list.
 */
const bad = 1;
const one = new Uint8Array(8).fill(1, 0, 1);
const zeros = new Uint8Array(8);

/** Group `default`, always denied: the process is killed. */
const always: Readonly<Partial<Record<SyscallName, readonly Argument[]>>> = {
  reboot: [0, 0, 0, 0],
  swapon: [bad, 0],
  swapoff: [bad],
  // the size of the kernel's log
  syslog: [10, 0, 0],
  mount: [bad, bad, bad, 0, 0],
  // flags that do not exist: no image is loaded, none unloaded
  kexec_load: [0, 0, 0, 0xffff],
  afs_syscall: [],
  getpmsg: [],
  putpmsg: [],
  security: [],
  tuxcall: [],
  vserver: [],
};

const obsolete: Readonly<Partial<Record<SyscallName, readonly Argument[]>>> = {
  _sysctl: [bad],
  create_module: [],
  get_kernel_syms: [],
  query_module: [],
  // how many kinds of file systems there are
  sysfs: [3],
  uselib: [bad],
  ustat: [0, bad],
};

/**
 * Group `spawn`: death, or EPERM in newer ones (seen in 10.0), which these calls give for no other reason. What comes back as
 * a new process ends at once.
 */
const spawn: readonly Probe[] = [
  denied('fork', [], { kind: 'process' }),
  denied('vfork', [], { kind: 'process' }),
  // SIGCHLD alone: what fork of a C library does
  { ...denied('clone', [17, 0, 0, 0, 0], { kind: 'process' }), tries: 'makes a process by clone' },
  denied('execve', [bad, 0, 0]),
].map((probe) => ({ ...probe, stoppedBy: { ...probe.stoppedBy, EPERM: 'seccomp' as const } }));

/** Denied by QEMU since 7.0: they were left out of the group `spawn` before. */
const spawnSince7: readonly Probe[] = [
  denied('execveat', [-1, bad, 0, 0, 0]),
  denied('setns', [-1, 0]),
  // CLONE_NEWUSER: the way to capabilities of its own
  denied('unshare', [0x10000000]),
  answered('clone3', [bad, 0], 'ENOSYS'),
];

const resourceControl: readonly Probe[] = [
  answered('setpriority', [0, 0, 1], 'EPERM'),
  answered('sched_setparam', [0, { at: zeros }], 'EPERM'),
  answered('sched_setscheduler', [0, 0, { at: zeros }], 'EPERM'),
  answered('sched_setaffinity', [0, 8, { at: one }], 'EPERM'),
];

/** Ways around a filter by number: it has to know the other two entries of the kernel too. */
const otherEntries: readonly Probe[] = [
  {
    ...denied('getpid', []),
    name: 'syscall-x32',
    tries: 'makes a system call of the x32 kind',
    steps: [{ call: 0x40000000 + 39 }],
  },
  {
    ...denied('getpid', []),
    name: 'syscall-32-bit',
    tries: 'makes a system call by the entry of 32-bit programs',
    steps: [{ kind: 'legacy', call: 20 }],
    controlApart: true,
  },
];

/** Probes of the filter that has `obsolete`, `spawn` and `resourcecontrol` denied; what `elevateprivileges` would add is in attacks.ts. */
export const denyList: readonly Probe[] = [
  ...Object.entries(always).map(([name, values]) => denied(name as SyscallName, values)),
  ...Object.entries(obsolete).map(([name, values]) => denied(name as SyscallName, values)),
  ...spawn,
  ...spawnSince7,
  ...resourceControl,
  ...otherEntries,
];

/** Names of those that QEMU denies since 7.0 only. */
export const deniedSince7: readonly string[] = spawnSince7.map(({ name }) => name);

function denied(
  call: SyscallName,
  values: readonly Argument[],
  more: Partial<Probe['steps'][number]> = {},
): Probe {
  return {
    name: `syscall-${call}`,
    tries: `calls ${call}`,
    layer: 'seccomp',
    steps: [{ call, arguments: values, ...more }],
    stoppedBy: { SIGSYS: 'seccomp' },
    through: 'any',
    alone: true,
  };
}

/** Denied with an error, not with death. */
function answered(call: SyscallName, values: readonly Argument[], error: ErrorName): Probe {
  const { alone: _, ...probe } = denied(call, values);
  return { ...probe, stoppedBy: { SIGSYS: 'seccomp', [error]: 'seccomp' } };
}
