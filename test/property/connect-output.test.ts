import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Output } from '../../provider/connect/output.ts';

const marker = 'stockade-0123456789abcdef';

/** The same bytes in pieces, cut at the given places. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const edges = [...new Set([0, ...places.map((place) => place % (bytes.length + 1)), bytes.length])].sort(
    (a, b) => a - b,
  );
  return edges.slice(1).map((edge, index) => bytes.subarray(edges[index], edge));
}

const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
const places = fc.array(fc.nat(2000), { maxLength: 6 });

describe('what a command writes', () => {
  it('loses its announcement and nothing else, however it is cut', () => {
    const preamble = bytes.map((before) =>
      before.length > 0 ? Buffer.concat([before, Buffer.from('\n')]) : before,
    );
    fc.assert(
      fc.property(preamble, fc.nat(4_194_304), bytes, places, (before, pid, after, at) => {
        const output = new Output(marker, 0);
        const whole = Buffer.concat([before, Buffer.from(`${marker} ${pid}\n`), after]);
        for (const piece of cut(whole, at)) output.addStderr(piece);
        expect(output.announcement).toBe(pid);
        expect(output.stderr()).toEqual(Buffer.concat([before, after]));
      }),
    );
  });

  it('announces nothing by text that is not quite the line', () => {
    for (const near of [
      `x${marker} 1\n`,
      `${marker} 1`,
      `${marker}1\n`,
      `${marker} -1\n`,
      `${marker} 1 \n`,
      `${marker} 1x\n`,
    ]) {
      const output = new Output(marker, 0);
      output.addStderr(Buffer.from(near));
      expect(output.announcement).toBeUndefined();
      expect(output.stderr().toString()).toBe(near);
    }
  });

  it('announces once: what says so later is output', () => {
    const output = new Output(marker, 0);
    output.addStderr(Buffer.from(`${marker} 7\n${marker} 8\n`));
    expect(output.announcement).toBe(7);
    expect(output.stderr().toString()).toBe(`${marker} 8\n`);
  });

  it('keeps the last 16 KiB of stderr, announced or not', () => {
    const pieces = fc.array(fc.integer({ min: 1, max: 20_000 }), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(pieces, fc.boolean(), (sizes, announced) => {
        const output = new Output(marker, 0);
        if (announced) output.addStderr(Buffer.from(`${marker} 9\n`));
        const all = sizes.map((size, index) => Buffer.alloc(size, 65 + (index % 26)));
        for (const piece of all) output.addStderr(piece);
        expect(output.stderr()).toEqual(Buffer.concat(all).subarray(-16 * 1024));
      }),
      { numRuns: 50 },
    );
  });

  it('is refused beyond the bound, and kept whole up to it', () => {
    fc.assert(
      fc.property(fc.array(bytes, { maxLength: 10 }), fc.nat(2000), (pieces, bound) => {
        const output = new Output(marker, bound);
        const taken = pieces.filter((piece) => output.addStdout(piece));
        expect(output.stdout()).toEqual(Buffer.concat(taken));
        expect(output.stdout().length).toBeLessThanOrEqual(bound);
        if (Buffer.concat(pieces).length <= bound) expect(taken).toEqual(pieces);
      }),
    );
  });
});
