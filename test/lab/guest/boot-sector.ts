/** What `bootSectorDisk` prints on its serial port once it runs. */
export const bootSectorGreeting = 'Stockade guest is up (boot sector)';

/**
 * The smallest guest with a whole machine around it: a disk whose 512-byte boot sector greets on the serial port and then waits
 * for its power button, asleep between looks. Pressed, the guest says so and powers off. The registers are where Xen's
 * firmware puts them (PM1a at 0xb000, sleep type 0 for off).
 *
 * @param sizeKib BIOSes take no disk of one sector
 */
export function bootSectorDisk(sizeKib = 1024): Buffer {
  const disk = Buffer.alloc(sizeKib * 1024);
  const greeting = Buffer.from(`${bootSectorGreeting}\r\n\0`, 'latin1');
  const farewell = Buffer.from('power button\r\n\0', 'latin1');
  disk.set(program);
  disk.set(greeting, greetingAt);
  disk.set(farewell, farewellAt);
  disk.writeUInt16LE(0xaa55, 510);
  return disk;
}

const loadedAt = 0x7c00;
const greetingAt = 0x100;
const farewellAt = 0x180;

const word = (value: number): readonly [number, number] => [value & 0xff, value >> 8];
const transmitter = word(0x3f8);
const lineStatus = word(0x3fd);
const pm1aStatus = word(0xb000);
const pm1aControl = word(0xb004);
const sleepEnable = word(0x2000);
/** Of the status: the power button. */
const powerButton = word(0x0100);

/** si: text that ends with 0. Waits for the transmitter before each character. */
const print = [
  0xac, // print: lodsb
  ...[0x84, 0xc0], // test al, al
  ...[0x74, 0x11], // jz done
  ...[0x88, 0xc4], // mov ah, al
  ...[0xba, ...lineStatus], // mov dx, line status
  0xec, // wait: in al, dx
  ...[0xa8, 0x20], // test al, transmitter empty
  ...[0x74, 0xfb], // jz wait
  ...[0x88, 0xe0], // mov al, ah
  ...[0xb2, transmitter[0]], // mov dl, transmitter
  0xee, // out dx, al
  ...[0xeb, 0xea], // jmp print
  0xc3, // done: ret
];

const start = [
  ...[0x31, 0xc0], // xor ax, ax
  ...[0x8e, 0xd8], // mov ds, ax
  ...[0x8e, 0xd0], // mov ss, ax
  ...[0xbc, ...word(loadedAt)], // mov sp, 0x7c00
  0xfc, // cld
  0xfb, // sti: the timer wakes it
];

const program: readonly number[] = [
  ...[0xeb, print.length], // jmp over print
  ...print,
  ...start,
  ...printing(greetingAt, 2 + print.length + start.length),
  0xf4, // look: hlt
  ...[0xba, ...pm1aStatus], // mov dx, PM1a status
  0xed, // in ax, dx
  ...[0xa9, ...powerButton], // test ax, power button
  ...[0x74, 0xf6], // jz look
  ...printing(farewellAt, 2 + print.length + start.length + 16),
  ...[0xba, ...pm1aControl], // mov dx, PM1a control
  ...[0xb8, ...sleepEnable], // mov ax, sleep enable, type 0
  0xef, // out dx, ax
  0xf4, // off: hlt
  ...[0xeb, 0xfd], // jmp off
];

/** The call of `print` that stands at `offset` of the sector. */
function printing(textAt: number, offset: number): readonly number[] {
  const call = 2 - (offset + 6);
  return [0xbe, ...word(loadedAt + textAt), 0xe8, ...word(call & 0xffff)]; // mov si, text; call print
}
