import { describe, expect, it } from 'vitest';
import { parseFdCheck } from '../../provider/toolstacks/xl/fd-check-parse.ts';

const read = (...fields: readonly (string | number)[]) =>
  parseFdCheck(Buffer.from(fields.map((field) => `${field}\0`).join('')));

const uuid = '5c8c4bb4-1b1d-4b4f-8b0a-7d8bd3f0a001';
const other = '5c8c4bb4-1b1d-4b4f-8b0a-7d8bd3f0a002';
const web = ['process', uuid, 700, 12_345, 65_024, 99] as const;

describe('what Xen shows of the handles of device models', () => {
  it('says of each handle what became of the attempt', () => {
    const handles = [
      ['handle', 8, 'privcmd', 'pass', 'xc_get_online_cpus (blocked)'],
      ['handle', 9, 'evtchn', 'fail', 'xenevtchn_bind_unbound_port (unexpectedly succeeded)'],
      ['handle', 10, 'gntalloc', 'none', ''],
    ].flat();
    const found = read(...web, 1, ...handles, 'end');
    expect(found).toMatchObject({ ok: true });
    if (!found.ok) return;
    expect([...found.value]).toEqual([
      [
        uuid,
        {
          pid: 700,
          startTimeTicks: 12_345,
          executableDevice: 65_024,
          executableInode: 99,
          complete: true,
          handles: [
            { descriptor: 8, kind: 'privcmd', verdict: 'restricted', said: 'xc_get_online_cpus (blocked)' },
            {
              descriptor: 9,
              kind: 'evtchn',
              verdict: 'unrestricted',
              said: 'xenevtchn_bind_unbound_port (unexpectedly succeeded)',
            },
            { descriptor: 10, kind: 'gntalloc', verdict: 'unchecked', said: '' },
          ],
        },
      ],
    ]);
  });

  it('knows a process that was not seen to its end', () => {
    const found = read(...web, 0, 'end');
    if (!found.ok) throw new Error('not read');
    expect(found.value.get(uuid)).toMatchObject({ complete: false, handles: [] });
  });

  it('shows nothing of a domain that is there twice, and the others all the same', () => {
    const found = read(...web, 1, 'process', other, ...web.slice(2), 1, ...web, 1, 'end');
    if (!found.ok) throw new Error('not read');
    expect([...found.value.keys()]).toEqual([other]);
  });

  it.each([
    ['nothing at all', []],
    ['no end mark', [...web, 1]],
    ['something after the end mark', ['end', 'more']],
    ['a verdict of its own making', [...web, 1, 'handle', 8, 'privcmd', 'constructor', '', 'end']],
    ['a number that is none', [...web, 'yes', 'end']],
    ['a handle of no process', ['handle', 8, 'privcmd', 'pass', '', 'end']],
  ] as const)('takes %s for nothing', (_, fields) => {
    expect(read(...fields)).toMatchObject({ ok: false });
  });
});
