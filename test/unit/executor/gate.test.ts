import { describe, expect, it } from 'vitest';
import type { HostSnapshot } from '../../../provider/engine/snapshot.ts';
import { type GateHost, pauseFor, waitForEvidence } from '../../../provider/executor/gate.ts';
import { failure, problem, type Result, success } from '../../../provider/model/diagnostic.ts';
import type { LayerEvidence } from '../../../provider/model/evidence.ts';
import { sampleEvidence, sampleGuest, sampleGuestFacts } from '../../samples.ts';

type Change = Partial<LayerEvidence>;

interface Shown {
  readonly layer?: Change;
  readonly fleet?: string;
  readonly generation?: number;
  readonly running?: boolean;
}

/** What a host with these guests shows; of each, how it departs from one in order. */
function showing(host: string, guests: Readonly<Record<string, Shown>>): Result<HostSnapshot> {
  const entries = Object.entries(guests).map(([name, shown]) => {
    const { layer = {}, fleet = 'fleet-1', generation = 1, running = true } = shown;
    const guest = sampleGuest({ host, name, fleet });
    const whole = sampleEvidence(guest, { running });
    const layers = whole.layers.map((one) => (one.layer === layer.layer ? { ...one, ...layer } : one));
    return { name, facts: sampleGuestFacts(guest, { generation }), evidence: { ...whole, layers } };
  });
  return success({
    host,
    guests: new Map(entries.map(({ name, facts }) => [name, facts])),
    evidence: new Map(entries.map(({ name, evidence }) => [name, evidence])),
  } as unknown as HostSnapshot);
}

const good = showing('h1', { web1: {} });
const bad = showing('h1', { web1: { layer: { layer: 'seccomp', state: 'ineffective' } } });
const silent = failure<HostSnapshot>(
  problem('host-unreachable', 'host h1 does not answer', { hint: 'Wake it.' }),
);

/** One host with web1, which shows this, look after look; the last of it goes on. */
function hostShowing(
  ...looks: readonly Result<HostSnapshot>[]
): GateHost & { readonly looked: () => number } {
  let looked = 0;
  return {
    host: 'h1',
    fleet: 'fleet-1',
    guests: [{ name: 'web1', generation: 1 }],
    look: async () => looks[Math.min(looked++, looks.length - 1)] ?? silent,
    looked: () => looked,
  };
}

async function wait(hosts: readonly GateHost[], timeoutSeconds = 300, abortAfter = Number.POSITIVE_INFINITY) {
  const pauses: number[] = [];
  const aborting = new AbortController();
  const result = await waitForEvidence(hosts, {
    timeoutSeconds,
    signal: aborting.signal,
    clock: { now: () => pauses.reduce((sum, one) => sum + one, 0) },
    pause: async (milliseconds) => {
      pauses.push(milliseconds);
      if (pauses.length >= abortAfter) aborting.abort();
    },
  });
  return { pauses, ok: result.ok, said: result.ok ? undefined : result.diagnostics[0] };
}

describe('a gate', () => {
  it('opens at the first look that shows every layer of every guest as asked for', async () => {
    const host = hostShowing(good);
    expect(await wait([host])).toMatchObject({ ok: true, pauses: [] });
    expect(host.looked()).toBe(1);
  });

  it.each<[string, Change]>([
    ['switched off', { layer: 'seccomp', state: 'off' }],
    ['let be missing', { layer: 'lsm', state: 'missing' }],
    ['not to be shown on its host', { layer: 'cgroup-limits', state: 'unproven', unprovable: 'no limits' }],
  ])('lets a layer pass that is %s, as the evidence does', async (_, layer) => {
    expect(await wait([hostShowing(showing('h1', { web1: { layer } }))])).toMatchObject({ ok: true });
  });

  it('looks again after pauses that double up to a bound, once per host and look', async () => {
    const host = hostShowing(bad, bad, silent, bad, bad, bad, good);
    const other = hostShowing(good);
    expect(await wait([host, other])).toMatchObject({
      ok: true,
      pauses: [1000, 2000, 4000, 8000, 15_000, 15_000],
    });
    // all of it has to hold at once
    expect([host.looked(), other.looked()]).toEqual([7, 7]);
  });

  it('gives up in time, its last look at the end, and names guests, layers and what to do', async () => {
    const host = hostShowing(bad);
    const { ok, pauses, said } = await wait([host], 10);
    expect({ ok, pauses, looks: host.looked() }).toEqual({
      ok: false,
      pauses: [1000, 2000, 4000, 3000],
      looks: 5,
    });
    expect(said).toMatchObject({
      code: 'gate-shut',
      summary:
        'the gate stays shut: 1 of 1 guests did not show the isolation they were asked for within 10 s',
      detail: 'guest web1 on h1: seccomp is ineffective. Asked for: x. Observed: x.',
      hint: expect.stringMatching(
        /^Find what on the host undoes this layer.* What waits for the gate was left/,
      ) as string,
    });
  });

  it.each([
    ['does not run', { web1: { running: false } }],
    ['is not there', {}],
    ["is somebody else's", { web1: { fleet: 'other' } }],
  ])('stays shut for a guest that %s', async (_, guests) => {
    const { said } = await wait([hostShowing(showing('h1', guests))], 1);
    expect(said?.detail).toBe(
      'guest web1 on h1: no running device model was found to prove its isolation on',
    );
  });

  it('stays shut where a host gives no answer', async () => {
    const { said } = await wait([hostShowing(silent)], 1);
    expect(said).toMatchObject({
      detail: 'host h1 does not answer',
      hint: expect.stringContaining('Wake it.') as string,
    });
  });

  it('does not wait for a guest that somebody has changed meanwhile: its evidence is of something else', async () => {
    const { pauses, said } = await wait([hostShowing(showing('h1', { web1: { generation: 2 } }))]);
    expect(pauses).toEqual([]);
    expect(said?.detail).toBe('guest web1 on h1 was changed since the plan was made');
    expect(said?.hint).toContain('Plan and apply again.');
  });

  it('names the first twenty of many, each on one line', async () => {
    const names = Array.from({ length: 25 }, (_, index) => `g${index}`);
    const layer: Change = { layer: 'user', state: 'ineffective', observed: 'a\n\u001b[2Jb' };
    const seen = showing('h1', Object.fromEntries(names.map((name) => [name, { layer }])));
    const guests = names.map((name) => ({ name, generation: 1 }));
    const { said } = await wait([{ ...hostShowing(seen), guests }], 1);
    const lines = said?.detail?.split('\n') ?? [];
    expect(lines).toHaveLength(21);
    expect(lines[0]).toBe(
      'guest g0 on h1: user is ineffective. Asked for: x. Observed: a\\u000a\\u001b[2Jb.',
    );
    expect(lines.at(-1)).toBe('… and 5 more.');
    expect(said?.summary).toContain('25 of 25 guests');
  });

  it('ends at once where it is interrupted, between looks and during one', async () => {
    expect(await wait([hostShowing(bad)], 300, 2)).toMatchObject({
      pauses: [1000, 2000],
      said: { code: 'aborted' },
    });
    const aborting = new AbortController();
    const never = { ...hostShowing(), look: () => new Promise<Result<HostSnapshot>>(() => {}) };
    const waiting = waitForEvidence([never], {
      ...{ timeoutSeconds: 300, signal: aborting.signal, clock: { now: () => 0 }, pause: pauseFor },
    });
    aborting.abort();
    expect(await waiting).toMatchObject({ ok: false, diagnostics: [{ code: 'aborted' }] });
  });
});

describe('a pause', () => {
  it('lasts, and is over at once with the signal', async () => {
    const began = performance.now();
    await pauseFor(30, new AbortController().signal);
    expect(performance.now() - began).toBeGreaterThan(25);
    await pauseFor(60_000, AbortSignal.abort());
    const aborting = new AbortController();
    const pause = pauseFor(60_000, aborting.signal);
    aborting.abort();
    await pause;
    expect(performance.now() - began).toBeLessThan(5000);
  });
});
