import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parseEvidence, proveIsolation } from '../../provider/jail/evidence.ts';
import { isolationExpectation } from '../../provider/jail/expectation.ts';
import { samplePlan } from '../samples.ts';
import { parseQmpReplies } from '../../provider/toolstacks/qemu/qmp.ts';

const expectation = isolationExpectation(
  samplePlan({ guest: 'g' }),
  { uid: 300001, gid: 300001, shared: false },
  { qemuDevice: 1, qemuInode: 2, loggerUid: 999, loggerGid: 997, unprovable: {} },
);
const marks = [
  'time',
  'units',
  'guest',
  'strangers',
  'files',
  'links',
  'stats',
  'threads',
  'lines',
  'end',
  'g',
  '300001',
  '11',
];
const paths = [
  '/proc/11/stat',
  '/proc/11/exe',
  '/proc/11/limits',
  '/proc/sys/kernel/random/boot_id',
  'State: S\nTgid: 11\nPid: 11\n',
  '/proc/11/task/11/status',
  '/proc/11/fd/3',
  '/proc/11/ns/mnt',
  expectation.chroot,
];
const field = fc.oneof(fc.constantFrom(...marks, ...paths), fc.string(), fc.nat().map(String));

it('whatever bytes come, evidence is read without a crash and nothing in them counts as effective', () => {
  fc.assert(
    fc.property(fc.array(field, { maxLength: 60 }), fc.uint8Array({ maxLength: 40 }), (fields, tail) => {
      const bytes = Buffer.concat([Buffer.from(`time\0x\0${fields.join('\0')}\0`), tail]);
      const parsed = parseEvidence(bytes, [expectation], 'h');
      if (!parsed.ok) return;
      for (const observation of parsed.value) {
        const { layers } = proveIsolation(observation, expectation);
        expect(layers.filter((layer) => layer.state === 'effective')).toEqual([]);
      }
    }),
    { numRuns: 2000 },
  );
});

it('whatever a process calls its files, only that one record holds the name', () => {
  const name = fc.string({ unit: 'binary', minLength: 1 }).filter((text) => !text.includes('\0'));
  fc.assert(
    fc.property(name, (target) => {
      const fields = [
        'time',
        'x',
        'units',
        '',
        'guest',
        'g',
        '300001',
        '10',
        ' 11',
        '',
        'strangers',
        '',
        'files',
      ];
      fields.push('/proc/sys/kernel/random/boot_id', 'b');
      fields.push('/proc/11/stat', `11 (${target}) S 10 ${'0 '.repeat(17)}7 0`);
      fields.push(
        'links',
        '/proc/11/fd/3',
        'f',
        target,
        'stats',
        '/proc/11/exe',
        '1',
        '2',
        '81ed',
        '0',
        '0',
        '0',
        '0',
      );
      fields.push('end', '');
      const parsed = parseEvidence(Buffer.from(fields.join('\0')), [expectation], 'h');
      const processes = parsed.ok ? parsed.value[0]?.processes : undefined;
      expect(processes).toMatchObject([
        {
          pid: 11,
          parentPid: 10,
          startTimeTicks: 7,
          openFiles: [{ target: Buffer.from(target).toString() }],
        },
      ]);
    }),
  );
});

it('whatever a monitor says, its replies are read without a crash', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array(),
        fc.array(fc.json()).map((all) => Buffer.from(all.join('\n'))),
      ),
      (bytes) => {
        expect(Array.isArray(parseQmpReplies(bytes))).toBe(true);
      },
    ),
  );
});
