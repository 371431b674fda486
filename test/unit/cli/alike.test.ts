import { describe, expect, test } from 'vitest';
import { alikeTogether } from '../../../provider/cli/views/alike.ts';
import { caution, type Diagnostic, problem } from '../../../provider/model/diagnostic.ts';

const emulated = (guest: string, more: Partial<Diagnostic> = {}) => {
  const resource = `guest ${guest} on hv1`;
  const at = { host: 'hv1', resource, hint: 'Set accelerator = "kvm".', ...more };
  return caution('tcg-no-guarantee', `${resource}: no guarantee for emulation`, at);
};

describe('warnings that say the same of several resources', () => {
  test('are one, which names three and counts the rest, in the place of the first', () => {
    const source = { file: 'fleet.yaml', line: 3, column: 5 };
    const other = caution('unknown-pattern', 'no guest is called x');
    const five = ['a', 'b', 'c', 'd', 'e'].map((guest) => emulated(guest, { source }));
    expect(alikeTogether([...five.slice(0, 2), other, ...five.slice(2)])).toEqual([
      {
        severity: 'warning',
        code: 'tcg-no-guarantee',
        summary: 'guest a on hv1, guest b on hv1, guest c on hv1 and 2 more: no guarantee for emulation',
        hint: 'Set accelerator = "kvm".',
        source,
      },
      other,
    ]);
  });

  test('are all named where they are three', () => {
    const [one] = alikeTogether([emulated('a'), emulated('b'), emulated('c')]);
    expect(one?.summary).toBe('guest a on hv1, guest b on hv1, guest c on hv1: no guarantee for emulation');
  });

  test('stay apart where anything but the resource differs, and where there is one alone', () => {
    const apart = [
      emulated('a'),
      emulated('b', { hint: 'Other.' }),
      emulated('c', { detail: 'more' }),
      emulated('d', { copy: 'line' }),
      caution('other', 'guest e on hv1: no guarantee for emulation', { resource: 'guest e on hv1' }),
      caution('tcg-no-guarantee', 'it has no guarantee for emulation', { resource: 'guest f on hv1' }),
    ];
    expect(alikeTogether(apart)).toEqual(apart);
  });

  test('errors stay as they are, each with its place', () => {
    const errors = ['a', 'b'].map((guest) =>
      problem('no-qemu', `guest ${guest} on hv1: the host has no QEMU`, {
        resource: `guest ${guest} on hv1`,
      }),
    );
    expect(alikeTogether(errors)).toEqual(errors);
  });
});
