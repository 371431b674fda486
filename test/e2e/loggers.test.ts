import { beforeAll, expect, it } from 'vitest';
import { useLab } from '../lab/vitest.ts';
import { buildGuestImage } from '../lab/guest/image.ts';
import { faults, JailHost, type TestGuest } from './jail.fixture.ts';

const running = useLab({ hosts: 1, name: 'loggers' });
let jail: JailHost;
beforeAll(async () => {
  jail = new JailHost(running.host);
  await jail.prepare(await buildGuestImage());
});

/** Looks again and again while something happens; what was seen of each guest at each look. */
async function meanwhile(guests: readonly TestGuest[], happens: Promise<unknown>) {
  let over = false;
  const ended = happens.finally(() => (over = true));
  const seen: { readonly running: boolean; readonly lostHelpers: readonly string[] }[] = [];
  while (!over) seen.push(...(await jail.evidence(...guests)));
  await ended;
  return seen;
}

it('no logger is missed while guests start, end by themselves, or are stopped', async () => {
  const guests = Array.from({ length: 4 }, () => jail.place());
  const starting = meanwhile(
    guests,
    jail.start(...guests).then(() => jail.settled(...guests)),
  );
  const lost = (seen: Awaited<typeof starting>) => seen.flatMap(({ lostHelpers }) => lostHelpers);
  const seen = await starting;
  expect(seen.filter((each) => each.running).length).toBeGreaterThan(4);
  expect(lost(seen)).toEqual([]);
  expect((await jail.evidence(...guests)).map(faults)).toEqual(guests.map(() => ({})));
  const [first, ...others] = guests as [TestGuest, ...TestGuest[]];
  const [evidence] = await jail.evidence(first);
  const qemu = evidence?.processes.find(({ role }) => role === 'device-model')?.pid ?? 0;
  const ending = jail.until(
    () => jail.unitProperty(first, 'ActiveState'),
    (state) => state === 'failed',
  );
  await running.host.run(['kill', '-KILL', String(qemu)]);
  expect(lost(await meanwhile([first], ending))).toEqual([]);
  expect(lost(await meanwhile(others, jail.stop(...others)))).toEqual([]);
});
