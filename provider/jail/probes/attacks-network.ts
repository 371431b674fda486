import { attempt, openFlags } from './attempt.ts';
import type { Probe } from './probe.ts';
import type { ErrorName } from './syscalls.ts';

const families = { unix: 1, ipv4: 2, netlink: 16, packet: 17, vsock: 40 } as const;
const socketTypes = { stream: 1, raw: 3 } as const;
const socketAddressBytes = 16;

/** A name in the abstract space of unix sockets, and a key of System V memory, that the control makes. */
const abstractName = 'stockade-probe';
export const sharedMemoryKey = 0x53544b50;
const abstractAddress = Buffer.from(`\x01\0\0${abstractName}`, 'latin1');
const sharedMemoryBytes = 4096;

/** Done by the control alone, before all else: what the canary must not find. */
export const controlSetup: Probe = {
  name: 'setup',
  tries: 'listens on an abstract socket, makes shared memory, has a directory open',
  layer: 'net-namespace',
  steps: [
    { call: 'socket', arguments: [families.unix, socketTypes.stream, 0] },
    { call: 'bind', arguments: [{ result: 0 }, { at: abstractAddress }, abstractAddress.length] },
    { call: 'listen', arguments: [{ result: 0 }, 8] },
    // IPC_CREAT, open to all
    { call: 'shmget', arguments: [sharedMemoryKey, sharedMemoryBytes, 0o1666] },
    { call: 'open', arguments: [{ at: '/' }, openFlags.path | openFlags.directory] },
  ],
  stoppedBy: {},
};

function reach(
  name: string,
  tries: string,
  errors: readonly ErrorName[],
  rest: Pick<Probe, 'steps'> & Partial<Probe>,
): Probe {
  return attempt(name, tries, 'net-namespace', errors, rest);
}

const unreachable: readonly ErrorName[] = ['ENETUNREACH', 'EHOSTUNREACH', 'ENETDOWN', 'EADDRNOTAVAIL'];
const connection = (to: 'ownAddress' | 'loopback') => ({
  steps: [
    { call: 'socket', arguments: [families.ipv4, socketTypes.stream, 0] },
    { call: 'connect', arguments: [{ result: 0 }, { parameter: to }, socketAddressBytes] },
  ] as const,
  // nobody listens there, but it is the host that says so
  through: ['ECONNREFUSED'] as const,
});

const answer = { scratch: 'answer', bytes: 4096 } as const;
/** Reaching what is outside by socket or by System V memory. */
export const networkAttacks: readonly Probe[] = [
  reach('connect-host', "connects to the host's own address", unreachable, connection('ownAddress')),
  reach('connect-loopback', "connects to the host's loopback", unreachable, connection('loopback')),
  reach('connect-abstract', 'connects to an abstract socket of the host', ['ECONNREFUSED'], {
    steps: [
      { call: 'socket', arguments: [families.unix, socketTypes.stream, 0] },
      { call: 'connect', arguments: [{ result: 0 }, { at: abstractAddress }, abstractAddress.length] },
    ],
  }),
  reach('see-interface', "asks for the host's network interface by netlink", ['ENODEV'], {
    steps: [
      { call: 'socket', arguments: [families.netlink, socketTypes.raw, 0] },
      { call: 'sendto', arguments: [{ result: 0 }, { parameter: 'interfaceRequest' }, 52, 0, 0, 0] },
      // MSG_DONTWAIT; the answer is there when sendto returns
      { call: 'recvfrom', arguments: [{ result: 0 }, answer, answer.bytes, 0x40, 0, 0] },
      // the error in an nlmsgerr; in a link, its family and type
      { kind: 'peek', call: 0, arguments: [{ ...answer, offset: 16 }] },
    ],
  }),
  // ETH_P_ALL
  attempt('packet-socket', "listens to the host's packets", 'seccomp', ['EAFNOSUPPORT'], {
    steps: [{ call: 'socket', arguments: [families.packet, socketTypes.raw, 0x300] }],
    instead: { EPERM: 'capabilities' },
  }),
  attempt('raw-socket', 'makes a raw socket', 'capabilities', ['EPERM'], {
    steps: [{ call: 'socket', arguments: [families.ipv4, socketTypes.raw, 1] }],
    // a profile is asked before the capability
    instead: { EACCES: 'lsm' },
  }),
  attempt('vsock', 'makes a socket to virtual machines', 'seccomp', ['EAFNOSUPPORT', 'EPERM'], {
    steps: [{ call: 'socket', arguments: [families.vsock, socketTypes.stream, 0] }],
  }),
  // a pointer to nowhere: without the jail it is looked at
  attempt('io-uring', 'makes an io_uring, whose calls no filter sees', 'seccomp', ['EPERM'], {
    steps: [{ call: 'io_uring_setup', arguments: [1, 1] }],
    through: ['EFAULT'],
  }),
  attempt('find-shared-memory', 'finds System V memory of the host', 'ipc-namespace', ['ENOENT'], {
    steps: [{ call: 'shmget', arguments: [sharedMemoryKey, 0, 0] }],
    instead: { EACCES: 'user' },
  }),
];
