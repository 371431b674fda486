import { type Address, describeAddress } from '../../model/address.ts';
import { type Diagnostic, problem } from '../../model/diagnostic.ts';
import { isObject, textOf } from '../../tfplugin/types.ts';
import type { Found } from '../kind.ts';

/** Parts of `integrity` that are not `ok` after Apply: what was planned was not reached. */
export function integrityProblems(address: Address, found: Found | undefined): readonly Diagnostic[] {
  const integrity = found?.state['integrity'];
  if (!isObject(integrity)) return [];
  return Object.entries(integrity)
    .filter(([, value]) => value !== 'ok')
    .map(([part, value]) =>
      problem('not-as-planned', `${describeAddress(address)}: ${part} is not as it should be, even now`, {
        detail: `It shows: ${textOf(value) ?? 'nothing'}.`,
        hint: 'Something on the host undoes it. Find what, then apply again.',
        host: address.host,
      }),
    );
}
