import type { z } from 'zod';
import { describeAddress } from '../../model/address.ts';
import { problem } from '../../model/diagnostic.ts';
import type { ImportRequest, ImportResponse } from '../../tfplugin/types.ts';
import { pluginDiagnostics } from '../diagnostics.ts';
import type { Kind } from '../kind.ts';
import type { Hosts } from '../reach.ts';

/** Finds on the host what an id names; everything else comes from the host's record. */
export async function importResource<S extends z.ZodObject, D>(
  kind: Kind<S, D>,
  hosts: Hosts,
  request: ImportRequest,
): Promise<ImportResponse> {
  const fail = (code: string, summary: string, hint: string): ImportResponse => ({
    imported: [],
    diagnostics: pluginDiagnostics([problem(code, summary, { hint })]),
  });
  const named = kind.parseId(request.id);
  const address = named === undefined ? undefined : kind.address(named);
  if (named === undefined || address === undefined) {
    const shown = JSON.stringify(request.id.slice(0, 200));
    return fail('bad-id', `${shown} is not the id of a ${kind.type}`, `Its form is ${kind.idForm}.`);
  }
  const reach = hosts.reach(address.host);
  if (reach.kind === 'absent') return { imported: [], diagnostics: pluginDiagnostics([reach.diagnostic]) };
  if (reach.kind === 'not-known-yet') {
    return fail(
      'not-known',
      `how to reach host ${address.host} is not known yet`,
      'Apply what its inventory entry depends on first.',
    );
  }
  const { access } = reach;
  const observed = await access.observe();
  if (!observed.ok) return { imported: [], diagnostics: pluginDiagnostics(observed.diagnostics) };
  const found = kind.find(observed.value, address, access.fleet, named);
  if (found === undefined) {
    return fail(
      'nothing-to-import',
      `there is no ${describeAddress(address)} of fleet ${access.fleet} to import`,
      "See that the name and the provider's fleet are those it was made with; or let Terraform create it.",
    );
  }
  if (found.owners.length > 0 && !found.owners.includes(access.fleet)) {
    return fail(
      'record-foreign',
      `${describeAddress(address)} belongs to fleet ${found.owners.join(', ')}`,
      'Only its owner can import it.',
    );
  }
  return { imported: [{ state: found.state, privateState: access.memory }] };
}
