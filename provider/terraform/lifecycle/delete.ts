import type { z } from 'zod';
import { isSilent } from '../../executor/diagnostics.ts';
import { type Address, describeAddress } from '../../model/address.ts';
import { caution, problem } from '../../model/diagnostic.ts';
import type { DeleteRequest, DeleteResponse } from '../../tfplugin/types.ts';
import { concerning, pluginDiagnostics } from '../diagnostics.ts';
import type { Kind } from '../kind.ts';
import type { Hosts } from '../reach.ts';
import { failures, wasOvertaken } from '../../executor/outcome.ts';
import { isReplacement, type Replacements } from './replacement.ts';

const attempts = 3;

/** Takes it away. What is gone already, or somebody else's by now, is left alone and counts as taken away. */
export async function deleteResource<S extends z.ZodObject, D>(
  kind: Kind<S, D>,
  hosts: Hosts,
  replacements: Replacements,
  request: DeleteRequest,
): Promise<DeleteResponse> {
  const address = kind.address(request.prior);
  if (address === undefined) return {};
  const reach = hosts.reach(address.host, request.privateState);
  if (reach.kind === 'absent') return { diagnostics: pluginDiagnostics([reach.diagnostic]) };
  if (reach.kind === 'not-known-yet') {
    return {
      diagnostics: [{ severity: 'error', summary: `how to reach host ${address.host} is not known yet` }],
    };
  }
  const { access } = reach;
  for (let attempt = 1; ; attempt++) {
    const observed = await access.observe();
    if (!observed.ok) {
      const hint = `${describeAddress(address)} was not removed. If the host is gone for good, let go of it: docs/guides/dead-host.md.`;
      const told = isSilent(observed.diagnostics)
        ? observed.diagnostics.map((one) => ({ ...one, hint: [one.hint, hint].filter(Boolean).join(' ') }))
        : observed.diagnostics;
      return { diagnostics: pluginDiagnostics(concerning(address, told)) };
    }
    const found = kind.find(observed.value, address, access.fleet, request.prior);
    if (found === undefined) return {};
    if (found.owners.length > 0 && !found.owners.includes(access.fleet)) {
      const left = caution(
        'record-foreign',
        `${describeAddress(address)} is not ours any more and was left alone`,
        {
          detail: `On the host it belongs to ${found.owners.join(', ')}.`,
        },
      );
      return { diagnostics: pluginDiagnostics([left]) };
    }
    const dependents = kind.dependents(address, access.fleet, observed.value);
    if (dependents.length > 0)
      return inUse(address, dependents, replacements, isReplacement(request.privateState));
    const removal = kind.removal(address, access.fleet, observed.value);
    if (!removal.ok) return { diagnostics: pluginDiagnostics(removal.diagnostics) };
    const written = await access.write(removal.value);
    if (!written.ok) return { diagnostics: pluginDiagnostics(concerning(address, written.diagnostics)) };
    if (wasOvertaken(written.value.results) && attempt < attempts) {
      access.forget();
      continue;
    }
    const diagnostics = [
      ...failures(removal.value, written.value.results),
      ...removal.warnings,
      ...written.warnings,
    ];
    return { diagnostics: pluginDiagnostics(diagnostics) };
  }
}

/** Nothing is taken away from under what needs it: a replacement leaves it in place, a destruction has to wait. */
function inUse(
  address: Address,
  dependents: readonly string[],
  replacements: Replacements,
  replacing: boolean,
): DeleteResponse {
  const users = `${dependents.slice(0, 10).join(', ')}${dependents.length > 10 ? ', …' : ''}`;
  const at = { host: address.host, resource: describeAddress(address) };
  if (replacing) {
    replacements.keep(address);
    const kept = caution('kept-in-place', `${describeAddress(address)} is replaced in place`, {
      ...at,
      detail: `It is not taken down first, as these need it: ${users}.`,
    });
    return { diagnostics: pluginDiagnostics([kept]) };
  }
  const needed = problem('in-use', `${describeAddress(address)} is in use by ${users}`, {
    ...at,
    hint: 'Destroy these first; refer to it by its id (`host = stockade_host.x.id`), so that Terraform knows the order.',
  });
  return { diagnostics: pluginDiagnostics([needed]) };
}
