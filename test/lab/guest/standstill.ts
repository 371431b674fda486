/**
 * A kernel image (as small as QEMU takes one, in Linux' boot protocol 2.0) whose processor stands still for good: for tests
 * and measurements in which guests only have to be there and must not use up the machine.
 */
export function standstillKernel(): Buffer {
  // cli; hlt; jmp back to hlt
  return tinyKernel([0xfa, 0xf4, 0xeb, 0xfd]);
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
