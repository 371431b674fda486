import type { z } from 'zod';
import { isSilent } from '../../executor/diagnostics.ts';
import { describeAddress } from '../../model/address.ts';
import { caution } from '../../model/diagnostic.ts';
import type { ReadRequest, ReadResponse } from '../../tfplugin/types.ts';
import { concerning, pluginDiagnostic, pluginDiagnostics } from '../diagnostics.ts';
import type { Kind } from '../kind.ts';
import type { Hosts } from '../reach.ts';

/** What is there now. A host that cannot be asked yet, or is silent and may be, leaves the state as it was. */
export async function readResource<S extends z.ZodObject, D>(
  kind: Kind<S, D>,
  hosts: Hosts,
  request: ReadRequest,
): Promise<ReadResponse> {
  const prior = request.state;
  const address = kind.address(prior);
  if (address === undefined) return { state: prior };
  const reach = hosts.reach(address.host, request.privateState);
  if (reach.kind === 'not-known-yet') return { state: prior };
  if (reach.kind === 'absent') return { state: prior, diagnostics: [pluginDiagnostic(reach.diagnostic)] };
  const { access } = reach;
  const observed = await access.observe(kind.binaries?.(prior));
  if (!observed.ok) {
    if (hosts.unreachable === 'keep' && isSilent(observed.diagnostics)) {
      return { state: prior, diagnostics: observed.diagnostics.map((one) => keptAsItWas(one, address.host)) };
    }
    return { state: prior, diagnostics: pluginDiagnostics(concerning(address, observed.diagnostics)) };
  }
  const diagnostics = pluginDiagnostics(observed.warnings);
  const found = kind.find(observed.value, address, access.fleet, prior);
  if (found === undefined) return { state: null, diagnostics };
  if (found.owners.length > 0 && !found.owners.includes(access.fleet)) {
    const taken = caution('record-foreign', `${describeAddress(address)} is not ours any more`, {
      detail: `On the host it belongs to ${found.owners.join(', ')}, not to ${access.fleet}.`,
      hint: 'Give one of the two another name, or take this one out of the code.',
    });
    return { state: null, diagnostics: [...diagnostics, pluginDiagnostic(taken)] };
  }
  return { state: found.state, privateState: { ...request.privateState, ...access.memory }, diagnostics };
}

function keptAsItWas(reason: Parameters<typeof pluginDiagnostic>[0], host: string) {
  return pluginDiagnostic({
    ...reason,
    severity: 'warning',
    summary: `${reason.summary}: what is on ${host} is kept as it was last seen`,
    hint: `${reason.hint ?? ''} If the host is gone for good, see docs/guides/dead-host.md.`.trim(),
  });
}
