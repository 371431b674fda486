import { describe, expect, it } from 'vitest';
import { Slots } from '../../../provider/connect/slots.ts';

/** Lets promises that are ready run. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

describe('slots', () => {
  it('are given out first come, first served, up to the limit', async () => {
    const slots = new Slots(2);
    const served: number[] = [];
    for (const index of [0, 1, 2, 3]) void slots.acquire(undefined).then(() => served.push(index));
    await settle();
    expect(served).toEqual([0, 1]);
    slots.release();
    await settle();
    expect(served).toEqual([0, 1, 2]);
    slots.release();
    slots.release();
    await settle();
    expect(served).toEqual([0, 1, 2, 3]);
    expect(slots.taken).toBe(1);
  });

  it('are not given to those who gave up', async () => {
    const slots = new Slots(1);
    await slots.acquire(undefined);
    const abort = new AbortController();
    const impatient = slots.acquire(abort.signal);
    const patient = slots.acquire(undefined);
    abort.abort();
    expect(await impatient).toBe(false);
    slots.release();
    expect(await patient).toBe(true);
    expect(await slots.acquire(AbortSignal.abort())).toBe(false);
    expect(slots.taken).toBe(1);
  });

  it('become fewer, never none', async () => {
    const slots = new Slots(3);
    await Promise.all([slots.acquire(undefined), slots.acquire(undefined), slots.acquire(undefined)]);
    slots.shrink();
    slots.release();
    let served = false;
    const next = slots.acquire(undefined).then(() => (served = true));
    await settle();
    expect(served).toBe(false);
    slots.release();
    await next;
    for (let turn = 0; turn < 5; turn++) slots.shrink();
    slots.release();
    slots.release();
    expect(await slots.acquire(undefined)).toBe(true);
  });
});
