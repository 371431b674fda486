import { Assembler, type Register } from './assembler.ts';
import { syscallNumbers } from './syscalls.ts';

/**
 * What the canary's code works on, at `rbx`. Offsets in bytes; all numbers have 64 bits, little-endian.
 *
 *   header       as `headerOffsets`, then the host's parameters
 *   results      one per row, `notRun` until the row has run
 *   rows         as `rowOffsets`
 *   data         what pointers point at, then scratch space
 */
export const headerOffsets = {
  /** 1 when the program has come to its end. */
  done: 0,
  /** The row it is at. */
  row: 8,
  firstRow: 16,
  endOfRows: 24,
  /** The stack pointer of the one thread that is to run the program. */
  stack: 32,
  parameters: 40,
} as const;
export const headerBytes = 136;

/** `kind` and the modes of the arguments have a byte each, all else 64 bits. */
export const rowOffsets = {
  kind: 0,
  modes: 8,
  count: 16,
  step: 24,
  number: 32,
  result: 40,
  values: 48,
} as const;
export const rowBytes = 96;

/** In place of a result: the row has not run. No system call gives it. */
export const notRun = -(2n ** 63n);

/** What a row does. */
export const rowKinds = {
  /** The call, up to `count` times, until it fails; `step` is added to the first argument each time. */
  call: 1,
  /** The same, until it succeeds. */
  search: 2,
  /** The call; what comes back from it as a new process ends at once. */
  process: 3,
  /** The call, as `call`; what comes back from it as a new thread waits for ever. */
  thread: 4,
  /** Writes a byte to `count` pages from the first argument on. */
  touch: 5,
  /** The result is the signed number of 32 bits at the first argument. */
  peek: 6,
  /** The call through the entry of 32-bit programs; it takes no arguments. */
  legacy: 7,
} as const;
export type RowKind = keyof typeof rowKinds;

/** How an argument's value is meant: as it is, as an offset from the start, or as the offset of where the value is. */
export const argumentModes = { value: 0, pointer: 1, stored: 2 } as const;

const argumentRegisters: readonly Register[] = ['rdi', 'rsi', 'rdx', 'r10', 'r8', 'r9'];
const pageBytes = 4096;

/**
 * The code that runs in the canary: goes from row to row, then waits for ever. It uses no stack and no memory but its data,
 * whose address is in `rbx` at its start. r12 is the row, r13 what is left of its count, r14 where its result goes.
 */
export function interpreterCode(): Uint8Array {
  const code = new Assembler();
  const { kind, count, number } = rowOffsets;
  // glibc 2.41 has one place where all threads wait: the others come here too
  code.load('rax', 'rbx', headerOffsets.stack).compare('rax', 'rsp').jumpIf('unequal', 'wait');
  code.load('r12', 'rbx', headerOffsets.firstRow).add('r12', 'rbx');
  code.label('row');
  code.load('rax', 'rbx', headerOffsets.endOfRows).add('rax', 'rbx').compare('r12', 'rax');
  code.jumpIf('equal', 'end');
  code.store('rbx', headerOffsets.row, 'r12');
  argumentRegisters.forEach((register, index) => loadArgument(code, register, index));
  code.load('r13', 'r12', count).load('r14', 'r12', rowOffsets.result).add('r14', 'rbx');
  code.compareByte('r12', kind, rowKinds.touch).jumpIf('equal', 'touch');
  code.compareByte('r12', kind, rowKinds.peek).jumpIf('equal', 'peek');
  code.label('again').load('rax', 'r12', number);
  code.compareByte('r12', kind, rowKinds.legacy).jumpIf('equal', 'legacy');
  code.syscall().jump('returned');
  code.label('legacy').interrupt80();
  code.label('returned').test('rax').jumpIf('unequal', 'parent');
  code.compareByte('r12', kind, rowKinds.process).jumpIf('equal', 'exit');
  code.compareByte('r12', kind, rowKinds.thread).jumpIf('equal', 'wait');
  code.label('parent').store('r14', 0, 'rax');
  code.compareByte('r12', kind, rowKinds.search).jumpIf('equal', 'searched');
  code.test('rax').jumpIf('negative', 'next').jump('repeat');
  code.label('searched').test('rax').jumpIf('notNegative', 'next');
  code.label('repeat').load('rax', 'r12', rowOffsets.step).add('rdi', 'rax');
  code.addNumber('r13', -1).jumpIf('unequal', 'again');
  code.label('next').addNumber('r12', rowBytes).jump('row');
  otherRows(code);
  code.label('end').set('rax', 1).store('rbx', headerOffsets.done, 'rax');
  code.label('wait').set('rax', syscallNumbers.pause).syscall().jump('wait');
  code.label('exit').set('rdi', 0).set('rax', syscallNumbers.exit_group).syscall().jump('exit');
  return code.bytes();
}

function otherRows(code: Assembler): void {
  code.label('touch').set('rax', 0);
  code.label('page').storeByte('rdi', 1).addNumber('rdi', pageBytes);
  code.addNumber('r13', -1).jumpIf('unequal', 'page');
  code.store('r14', 0, 'rax').jump('next');
  code.label('peek').loadSigned32('rax', 'rdi').store('r14', 0, 'rax').jump('next');
}

function loadArgument(code: Assembler, register: Register, index: number): void {
  const done = `argument ${index}`;
  code.load(register, 'r12', rowOffsets.values + 8 * index);
  code.compareByte('r12', rowOffsets.modes + index, argumentModes.value).jumpIf('equal', done);
  code.add(register, 'rbx');
  code.compareByte('r12', rowOffsets.modes + index, argumentModes.pointer).jumpIf('equal', done);
  code.load(register, register);
  code.label(done);
}
