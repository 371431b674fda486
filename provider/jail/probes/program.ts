import {
  argumentModes,
  headerBytes,
  headerOffsets,
  interpreterCode,
  notRun,
  rowBytes,
  rowKinds,
  rowOffsets,
} from './interpreter.ts';
import { type Argument, parameters, type Probe, type Step } from './probe.ts';
import { syscallNumbers } from './syscalls.ts';

/** Everything that is put into a canary, and where in it is what. Equal probes, equal bytes. */
export interface CanaryProgram {
  /** Position independent; starts with `rbx` at the data. */
  readonly code: Uint8Array;
  readonly data: Uint8Array;
  /** Bytes from the start of the data that have header and results: what is read back. */
  readonly answerBytes: number;
  /** In the order of the probes. */
  readonly places: readonly ProbePlace[];
}

export interface ProbePlace {
  /** Offsets in the data of the probe's first row and of what follows its last. */
  readonly firstRow: number;
  readonly endOfRows: number;
  /** Offset of the result that decides. */
  readonly decides: number;
}

const wordBytes = 8;

/** The program that makes the probes, in their order. Which of them it makes is decided by its header, at the host. */
export function canaryProgram(probes: readonly Probe[]): CanaryProgram {
  const steps = probes.flatMap((probe) => probe.steps.map((step) => ({ probe, step })));
  const resultsAt = headerBytes;
  const rowsAt = resultsAt + steps.length * wordBytes;
  const area = new DataArea(rowsAt + steps.length * rowBytes);
  const head = new DataView(new ArrayBuffer(area.start));
  const places = layOut(probes, resultsAt, rowsAt);
  let index = 0;
  probes.forEach((probe) => {
    const firstResult = resultsAt + index * wordBytes;
    for (const step of probe.steps) {
      head.setBigInt64(resultsAt + index * wordBytes, notRun, true);
      const row = { at: rowsAt + index * rowBytes, result: resultsAt + index * wordBytes };
      writeRow(head, row, step, (argument) => area.resolve(probe.name, argument, firstResult));
      index += 1;
    }
  });
  writeInterfaceRequest(head);
  head.setBigInt64(headerOffsets.firstRow, BigInt(rowsAt), true);
  head.setBigInt64(headerOffsets.endOfRows, BigInt(area.start), true);
  return {
    code: interpreterCode(),
    data: Uint8Array.from([...new Uint8Array(head.buffer), ...area.bytes()]),
    answerBytes: rowsAt,
    places,
  };
}

function layOut(probes: readonly Probe[], resultsAt: number, rowsAt: number): readonly ProbePlace[] {
  let before = 0;
  return probes.map(({ steps, decides = steps.length - 1 }) => {
    const first = before;
    before += steps.length;
    return {
      firstRow: rowsAt + first * rowBytes,
      endOfRows: rowsAt + before * rowBytes,
      decides: resultsAt + (first + decides) * wordBytes,
    };
  });
}

interface Resolved {
  readonly mode: number;
  readonly value: bigint;
}

function writeRow(
  head: DataView,
  row: { readonly at: number; readonly result: number },
  step: Step,
  resolve: (argument: Argument) => Resolved,
): void {
  const number = typeof step.call === 'number' ? step.call : syscallNumbers[step.call];
  head.setUint8(row.at + rowOffsets.kind, rowKinds[step.kind ?? 'call']);
  head.setBigInt64(row.at + rowOffsets.count, BigInt(step.count ?? 1), true);
  head.setBigInt64(row.at + rowOffsets.step, BigInt(step.step ?? 0), true);
  head.setBigInt64(row.at + rowOffsets.number, BigInt(number), true);
  head.setBigInt64(row.at + rowOffsets.result, BigInt(row.result), true);
  (step.arguments ?? []).forEach((argument, index) => {
    const { mode, value } = resolve(argument);
    head.setUint8(row.at + rowOffsets.modes + index, mode);
    head.setBigInt64(row.at + rowOffsets.values + wordBytes * index, value, true);
  });
}

/** RTM_GETLINK for the interface whose name the host fills in: nlmsghdr, ifinfomsg, then rtattr IFLA_IFNAME. */
function writeInterfaceRequest(head: DataView): void {
  const at = headerOffsets.parameters + parameters.interfaceRequest.offset;
  head.setUint32(at, parameters.interfaceRequest.bytes, true);
  head.setUint16(at + 4, 18, true);
  head.setUint16(at + 6, 1, true);
  head.setUint16(at + 32, 20, true);
  head.setUint16(at + 34, 3, true);
}

/** What pointers point at: constants once each, scratch space per probe. */
class DataArea {
  readonly start: number;
  readonly #bytes: number[] = [];
  readonly #places = new Map<string, number>();

  constructor(start: number) {
    this.start = start;
  }

  resolve(probe: string, argument: Argument, firstResult: number): Resolved {
    if (typeof argument !== 'object') return { mode: argumentModes.value, value: BigInt(argument) };
    if ('result' in argument) {
      return { mode: argumentModes.stored, value: BigInt(firstResult + argument.result * wordBytes) };
    }
    if ('parameter' in argument) {
      const { offset, pointer } = parameters[argument.parameter];
      const mode = pointer ? argumentModes.pointer : argumentModes.stored;
      return { mode, value: BigInt(headerOffsets.parameters + offset) };
    }
    const at =
      'scratch' in argument
        ? this.#put(`scratch ${probe} ${argument.scratch}`, new Uint8Array(argument.bytes)) +
          (argument.offset ?? 0)
        : this.#constant(argument.at);
    return { mode: argumentModes.pointer, value: BigInt(at) };
  }

  bytes(): readonly number[] {
    return this.#bytes;
  }

  #constant(content: string | Uint8Array): number {
    const bytes = typeof content === 'string' ? Buffer.from(`${content}\0`, 'utf8') : content;
    return this.#put(`constant ${Buffer.from(bytes).toString('hex')}`, bytes);
  }

  #put(key: string, bytes: Uint8Array): number {
    const known = this.#places.get(key);
    if (known !== undefined) return known;
    const at = this.start + this.#bytes.length;
    this.#places.set(key, at);
    this.#bytes.push(...bytes);
    while (this.#bytes.length % wordBytes !== 0) this.#bytes.push(0);
    return at;
  }
}
