import { networkAttacks } from './attacks-network.ts';
import { attempt, openFlags } from './attempt.ts';
import type { Argument, Probe } from './probe.ts';
import type { ErrorName, SyscallName } from './syscalls.ts';

/** The root is an empty directory that its user may not even search: EACCES. Where it is another one, its mounts have no such file. */
function path(name: string, tries: string, file: string, how: number): Probe {
  return attempt(name, tries, 'chroot', ['EACCES'], {
    steps: [{ call: 'open', arguments: [{ at: file }, how, 0] }],
    instead: { ENOENT: 'mount-namespace' },
  });
}

/** The probe by which it is seen whether the chroot is there at all. */
export const chrootReference = 'read-passwd';

const paths: readonly Probe[] = [
  path(chrootReference, 'reads /etc/passwd', '/etc/passwd', openFlags.readonly),
  path('read-hosts', 'reads /etc/hosts', '/etc/hosts', openFlags.readonly),
  path(
    'read-passwd-upwards',
    'reads ../../../etc/passwd',
    '../../../../../../etc/passwd',
    openFlags.readonly,
  ),
  path('list-home', 'lists /home', '/home', openFlags.readonly | openFlags.directory),
  path('list-processes', 'lists the processes in /proc', '/proc', openFlags.readonly | openFlags.directory),
  path('reach-environ', 'reaches /proc/1/environ', '/proc/1/environ', openFlags.path),
  path('reach-root-home', "reaches root's home", '/root', openFlags.path),
  path('reach-state', "reaches Stockade's own records", '/var/lib/stockade', openFlags.path),
  path('open-kmsg', 'opens /dev/kmsg', '/dev/kmsg', openFlags.readonly),
  path('open-mem', 'opens /dev/mem', '/dev/mem', openFlags.readonly),
  attempt('mknod', 'makes a device node of its own', 'chroot', ['EACCES'], {
    // a character device, 1:11 (kmsg)
    steps: [{ call: 'mknod', arguments: [{ at: 'stockade-probe-node' }, 0o020600, 0x10b] }],
    instead: { EPERM: 'capabilities', EROFS: 'mount-namespace' },
  }),
  attempt('chroot', 'changes its root', 'chroot', ['EACCES'], {
    steps: [{ call: 'chroot', arguments: [{ at: '/' }] }],
    instead: { EPERM: 'capabilities' },
  }),
  attempt('chroot-escape', 'leaves the chroot by a second one, then by ..', 'chroot', ['EACCES'], {
    instead: { ENOENT: 'mount-namespace' },
    steps: [
      { call: 'mkdir', arguments: [{ at: 'stockade-probe' }, 0o700] },
      { call: 'chroot', arguments: [{ at: 'stockade-probe' }] },
      { call: 'chdir', arguments: [{ at: '../../../../../../../../../..' }] },
      { call: 'chroot', arguments: [{ at: '.' }] },
      { call: 'open', arguments: [{ at: 'etc/passwd' }, openFlags.readonly, 0] },
    ],
  }),
  attempt('inherited-directory', 'goes to each directory it was left open', 'open-files', ['EBADF'], {
    steps: [{ kind: 'search', call: 'fchdir', arguments: [0], count: 1024, step: 1 }],
    instead: { ENOTDIR: 'open-files', EACCES: 'chroot' },
  }),
];

/** A process outside: the pid namespace hides it, its owner is another one. */
function onOutsider(
  name: string,
  tries: string,
  call: SyscallName,
  values: readonly Argument[],
  more: Partial<Probe> = {},
): Probe {
  return attempt(name, tries, 'pid-namespace', ['ESRCH'], {
    steps: [{ call, arguments: values }],
    instead: { EPERM: 'user' },
    ...more,
  });
}

const ptraceRequests = { detach: 17, seize: 0x4206, interrupt: 0x4207 } as const;
/** __WALL */
const waitForAny = 0x40000000;
/** One struct iovec: eight bytes at an address that nothing is mapped at. */
const nowhere = new Uint8Array(new BigUint64Array([0x1000n, 8n]).buffer);
const processes: readonly Probe[] = [
  onOutsider('signal-all', 'signals every process it can', 'kill', [-1, 0]),
  onOutsider('signal-outsider', 'signals a process of another user', 'kill', [{ parameter: 'outsider' }, 0]),
  onOutsider('ptrace-outsider', 'attaches to a process outside', 'ptrace', [], {
    steps: [
      { call: 'ptrace', arguments: [ptraceRequests.seize, { parameter: 'outsider' }, 0, 0] },
      // and lets it go, for the next one to try
      { call: 'ptrace', arguments: [ptraceRequests.interrupt, { parameter: 'outsider' }, 0, 0] },
      { call: 'wait4', arguments: [{ parameter: 'outsider' }, 0, waitForAny, 0] },
      { call: 'ptrace', arguments: [ptraceRequests.detach, { parameter: 'outsider' }, 0, 0] },
    ],
    decides: 0,
  }),
  onOutsider(
    'read-outsider',
    'reads the memory of a process outside',
    'process_vm_readv',
    [{ parameter: 'outsider' }, { at: nowhere }, 1, { at: nowhere }, 1, 0],
    { through: ['EFAULT'] },
  ),
];

function privileged(
  call: SyscallName,
  tries: string,
  values: readonly Argument[],
  through: readonly ErrorName[] = [],
): Probe {
  return attempt(call.replaceAll('_', '-'), tries, 'capabilities', ['EPERM'], {
    steps: [{ call, arguments: values }],
    through,
  });
}

function filesystemId(call: 'setfsuid' | 'setfsgid'): Probe {
  const steps = [
    { call, arguments: [0] },
    { call, arguments: [-1] },
  ] as const;
  return attempt(call, 'becomes root for files', 'capabilities', ['EPERM'], { steps, success: 0n });
}

const nothingOutside =
  'it changes nothing but the process itself; QEMU denies it only with elevateprivileges';
/** Alone: who has done the one cannot do the other any more. */
const harmless = (call: 'setpgid' | 'setsid'): Probe =>
  attempt(call, `calls ${call}`, 'seccomp', [], { steps: [{ call }], accepted: nothingOutside, alone: true });

/** What only capabilities allow; arguments are wrong where success would alter the host. */
const privileges: readonly Probe[] = [
  privileged('setuid', 'becomes root', [0]),
  privileged('setgid', "takes root's group", [0]),
  privileged('setreuid', 'becomes root', [0, 0]),
  privileged('setregid', "takes root's group", [0, 0]),
  privileged('setresuid', 'becomes root', [0, 0, 0]),
  privileged('setresgid', "takes root's group", [0, 0, 0]),
  filesystemId('setfsuid'),
  filesystemId('setfsgid'),
  harmless('setpgid'),
  harmless('setsid'),
  privileged('sethostname', 'renames the host', [1, 8], ['EFAULT']),
  privileged('pivot_root', 'changes the root of its mounts', [1, 1], ['EFAULT']),
  // MNT_EXPIRE with MNT_FORCE: refused whatever it is for
  privileged('umount2', 'unmounts', [{ at: '/' }, 5], ['EINVAL']),
  privileged('init_module', 'loads a kernel module', [1, 0, 1], ['ENOEXEC', 'EFAULT']),
  privileged('acct', 'turns process accounting on', [1], ['EFAULT']),
  privileged('iopl', 'asks for all input and output ports', [3]),
  // a handle of eight bytes: what escapes from containers use
  privileged(
    'open_by_handle_at',
    'opens a file by its handle',
    [-100, { at: Uint8Array.from([8, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]) }, 0],
    ['ESTALE', 'EOPNOTSUPP', 'EINVAL', 'ENOENT'],
  ),
];

/** SIG_IGN for SIGXFSZ, as an attacker would: then the limit shows as an error. */
const ignoreSignal = [
  {
    call: 'rt_sigaction',
    arguments: [25, { at: Uint8Array.from([1, ...new Uint8Array(31)]) }, 0, 8],
  },
  { call: 'memfd_create', arguments: [{ at: 'stockade-probe' }, 0] },
] as const;
const farAway = 2 ** 30;

/** Last of all: they use up what the others need. */
const limits: readonly Probe[] = [
  attempt('write-far', 'writes past the limit of a file', 'rlimits', ['EFBIG'], {
    steps: [...ignoreSignal, { call: 'pwrite64', arguments: [{ result: 1 }, { at: 'x' }, 1, farAway] }],
  }),
  attempt('grow-file', 'makes a file larger than the limit', 'rlimits', ['EFBIG'], {
    steps: [...ignoreSignal, { call: 'ftruncate', arguments: [{ result: 1 }, farAway] }],
  }),
  attempt('lock-memory', 'locks memory', 'rlimits', ['EPERM', 'ENOMEM', 'EAGAIN'], {
    steps: [{ call: 'mlock', arguments: [{ scratch: 'page', bytes: 8 }, 8] }],
  }),
  attempt('message-queue', 'makes a message queue', 'rlimits', ['EMFILE'], {
    steps: [
      { call: 'mq_open', arguments: [{ at: 'stockade-probe' }, openFlags.readWriteCreate, 0o600, 0] },
      { call: 'mq_unlink', arguments: [{ at: 'stockade-probe' }] },
    ],
    decides: 0,
  }),
  attempt('threads', 'starts 500 threads', 'rlimits', ['EAGAIN'], {
    // CLONE_VM, _FS, _FILES, _SIGHAND, _THREAD, _SYSVSEM, _SETTLS, _PARENT_SETTID, _CHILD_CLEARTID: as pthread_create
    steps: [
      {
        kind: 'thread',
        call: 'clone',
        arguments: [0x3d0f00, 0, { scratch: 'tid', bytes: 8 }, { scratch: 'tid', bytes: 8 }, 0],
        count: 500,
      },
    ],
  }),
  attempt('open-files', 'opens 10,000 files', 'rlimits', ['EMFILE'], {
    steps: [{ call: 'dup', arguments: [0], count: 10_000 }],
  }),
];

/** What an attacker would try beside the calls that are on QEMU's deny list; an order in which none undoes another's ground. */
export const attacks: readonly Probe[] = [
  ...paths,
  ...processes,
  ...networkAttacks,
  ...privileges,
  ...limits,
];
