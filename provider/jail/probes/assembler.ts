/** Registers of x86-64 that the canary's code uses, with their numbers in the encoding. */
const registers = {
  rax: 0,
  rcx: 1,
  rdx: 2,
  rbx: 3,
  rsp: 4,
  rsi: 6,
  rdi: 7,
  r8: 8,
  r9: 9,
  r10: 10,
  r12: 12,
  r13: 13,
  r14: 14,
} as const;
export type Register = keyof typeof registers;

/** Conditions of a jump; `signed` ones look at the sign flag. */
const conditions = { equal: 0x84, unequal: 0x85, negative: 0x88, notNegative: 0x89, below: 0x82 } as const;

/**
 * Machine code of x86-64, of just the instructions that the canary needs, in one encoding each. Position independent: jumps
 * are relative. Instruction encodings: Intel's manual, volume 2.
 */
export class Assembler {
  readonly #bytes: number[] = [];
  readonly #labels = new Map<string, number>();
  readonly #jumps: { readonly at: number; readonly label: string }[] = [];

  /** What follows can be jumped to by this name. */
  label(name: string): this {
    if (this.#labels.has(name)) throw new Error(`label ${name} is there twice`);
    this.#labels.set(name, this.#bytes.length);
    return this;
  }

  /** `to = [base + offset]`, 64 bits. */
  load(to: Register, base: Register, offset = 0): this {
    return this.#memory([0x8b], to, base, offset);
  }

  /** `to = [base + offset]`, 32 bits, its sign kept. */
  loadSigned32(to: Register, base: Register, offset = 0): this {
    return this.#memory([0x63], to, base, offset);
  }

  /** `[base + offset] = from`, 64 bits. */
  store(base: Register, offset: number, from: Register): this {
    return this.#memory([0x89], from, base, offset);
  }

  /** Compares the byte at `[base + offset]` with `value`. */
  compareByte(base: Register, offset: number, value: number): this {
    this.#rex(false, 0, registers[base]).#emit(0x80);
    return this.#operand(7, base, offset).#emit(value & 0xff);
  }

  /** Writes one byte to where `base` points. */
  storeByte(base: Register, value: number): this {
    this.#rex(false, 0, registers[base]).#emit(0xc6);
    return this.#operand(0, base, 0).#emit(value & 0xff);
  }

  move(to: Register, from: Register): this {
    return this.#pair(0x89, to, from);
  }

  add(to: Register, from: Register): this {
    return this.#pair(0x01, to, from);
  }

  compare(one: Register, other: Register): this {
    return this.#pair(0x39, one, other);
  }

  test(one: Register): this {
    return this.#pair(0x85, one, one);
  }

  /** Adds a number of 32 bits. */
  addNumber(to: Register, value: number): this {
    this.#rex(true, 0, registers[to]).#emit(0x81, 0xc0 | (registers[to] & 7));
    return this.#number32(value);
  }

  /** A number of 32 bits; the upper half is cleared. */
  set(to: Register, value: number): this {
    this.#rex(false, 0, registers[to]).#emit(0xb8 | (registers[to] & 7));
    return this.#number32(value);
  }

  jump(label: string): this {
    return this.#emit(0xe9).#distance(label);
  }

  jumpIf(condition: keyof typeof conditions, label: string): this {
    return this.#emit(0x0f, conditions[condition]).#distance(label);
  }

  syscall(): this {
    return this.#emit(0x0f, 0x05);
  }

  /** The entry of 32-bit programs. */
  interrupt80(): this {
    return this.#emit(0xcd, 0x80);
  }

  bytes(): Uint8Array {
    const code = Uint8Array.from(this.#bytes);
    const view = new DataView(code.buffer);
    for (const { at, label } of this.#jumps) {
      const target = this.#labels.get(label);
      if (target === undefined) throw new Error(`there is no label ${label}`);
      view.setInt32(at, target - (at + 4), true);
    }
    return code;
  }

  #memory(opcode: readonly number[], register: Register, base: Register, offset: number): this {
    this.#rex(true, registers[register], registers[base]).#emit(...opcode);
    return this.#operand(registers[register], base, offset);
  }

  #pair(opcode: number, to: Register, from: Register): this {
    this.#rex(true, registers[from], registers[to]);
    return this.#emit(opcode, 0xc0 | ((registers[from] & 7) << 3) | (registers[to] & 7));
  }

  #rex(wide: boolean, register: number, base: number): this {
    const prefix = 0x40 | (wide ? 8 : 0) | (register > 7 ? 4 : 0) | (base > 7 ? 1 : 0);
    return prefix === 0x40 ? this : this.#emit(prefix);
  }

  /** ModRM with a displacement of 32 bits; rsp and r12 need a SIB byte. */
  #operand(field: number, base: Register, offset: number): this {
    const number = registers[base] & 7;
    this.#emit(0x80 | ((field & 7) << 3) | number);
    if (number === 4) this.#emit(0x24);
    return this.#number32(offset);
  }

  #distance(label: string): this {
    this.#jumps.push({ at: this.#bytes.length, label });
    return this.#number32(0);
  }

  #number32(value: number): this {
    const bits = value >>> 0;
    return this.#emit(bits & 0xff, (bits >>> 8) & 0xff, (bits >>> 16) & 0xff, bits >>> 24);
  }

  #emit(...bytes: readonly number[]): this {
    this.#bytes.push(...bytes);
    return this;
  }
}
