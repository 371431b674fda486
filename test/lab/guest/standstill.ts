/**
 * A kernel image (as small as QEMU takes one, in Linux' boot protocol 2.0) whose processor stands still for good: for tests
 * and measurements in which guests only have to be there and must not use up the machine.
 */
export function standstillKernel(): Buffer {
  // cli; hlt; jmp back to hlt
  return tinyKernel([0xfa, 0xf4, 0xeb, 0xfd]);
}

/**
 * The same that waits for interrupts, and for its power button under Xen's firmware (PM1a at 0xb000, sleep type 0): Xen takes a processor
 * that stands still with interrupts off for a guest that powers off. It says `U` on its serial port first.
 */
export function waitingKernel(): Buffer {
  return tinyKernel([
    0xfb, // sti
    ...[0xba, 0xf8, 0x03, 0xb0, 0x55, 0xee], // mov dx, 0x3f8; mov al, 'U'; out dx, al
    0xf4, // look: hlt
    ...[0xba, 0x00, 0xb0, 0xed], // mov dx, PM1a status; in ax, dx
    ...[0xa9, 0x00, 0x01, 0x74, 0xf6], // test ax, power button; jz look
    ...[0xba, 0x04, 0xb0, 0xb8, 0x00, 0x20, 0xef], // mov dx, PM1a control; mov ax, sleep enable; out dx, ax
    ...[0xf4, 0xeb, 0xfd], // off: hlt; jmp off
  ]);
}

/** One that starts its machine again at once, by the keyboard controller. */
export function restlessKernel(): Buffer {
  return tinyKernel([0xb0, 0xfe, 0xe6, 0x64, 0xfb, 0xf4, 0xeb, 0xfd]); // mov al, 0xfe; out 0x64, al; sti; hlt
}

/** One that tells Xen, by its hypercall from real mode (sched_op's shutdown, AMD's instruction), that it has crashed. */
export function crashingKernel(): Buffer {
  const reasonAt = [0x00, 0x70, 0x00, 0x00];
  return tinyKernel([
    ...[0x31, 0xc0, 0x8e, 0xd8], // xor ax, ax; mov ds, ax
    ...[0x66, 0xc7, 0x06, 0x00, 0x70, 0x03, 0x00, 0x00, 0x00], // mov dword [0x7000], crash
    ...[0x66, 0xb8, 29, 0x00, 0x00, 0x00], // mov eax, sched_op
    ...[0x66, 0xbb, 2, 0x00, 0x00, 0x00], // mov ebx, shutdown
    ...[0x66, 0xb9, ...reasonAt], // mov ecx, 0x7000
    ...[0x0f, 0x01, 0xd9], // vmmcall
    ...[0xfb, 0xf4, 0xeb, 0xfd], // sti; hlt; jmp back to hlt
  ]);
}

function tinyKernel(program: readonly number[]): Buffer {
  const image = Buffer.alloc(8192);
  const setupSectors = 0x1f1;
  const bootFlag = 0x1fe;
  const entry = 0x200;
  const signature = 0x202;
  const version = 0x206;
  const code = 0x268;
  image.writeUInt8(1, setupSectors);
  image.writeUInt16LE(0xaa55, bootFlag);
  image.write('HdrS', signature, 'latin1');
  image.writeUInt16LE(0x0200, version);
  // jmp code
  image.set([0xeb, code - entry - 2], entry);
  image.set(program, code);
  return image;
}
