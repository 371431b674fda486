import type { HostSnapshot } from '../../engine/snapshot.ts';
import { isSilent } from '../../executor/diagnostics.ts';
import type { Diagnostic } from '../../model/diagnostic.ts';
import type { ObjectValue, PluginDiagnostic, ReadResponse } from '../../tfplugin/types.ts';
import { pluginDiagnostic, pluginDiagnostics } from '../diagnostics.ts';
import type { Hosts } from '../reach.ts';

/** What a data source makes of an observed host. */
export type Answer = { readonly state: ObjectValue } | { readonly diagnostics: readonly PluginDiagnostic[] };

export interface Question {
  readonly host: string;
  readonly answer: (snapshot: HostSnapshot, fleet: string) => Answer;
  /** What stands for the answer of a host that gives none: nothing in it may look good. `why`: in a few words. */
  readonly unanswered: (why: string) => ObjectValue;
}

/**
 * Looks at a host for a data source, which has no prior state to keep. A silent host is an error, or with
 * `unreachable = "keep"` an empty answer and a warning; so is one that cannot be known while planning.
 */
export async function readFromHost(hosts: Hosts, question: Question): Promise<ReadResponse> {
  const { host, answer, unanswered } = question;
  const reach = hosts.reach(host);
  if (reach.kind === 'absent') return { state: null, diagnostics: pluginDiagnostics([reach.diagnostic]) };
  if (reach.kind === 'not-known-yet') {
    const summary = `how to reach host ${host} is not known yet: nothing was looked at`;
    const detail =
      'What to do: to have it read after that is known, let the data source depend on what the inventory comes from (depends_on).';
    const state = unanswered('how to reach the host is not known yet');
    return { state, diagnostics: [{ severity: 'warning', summary, detail }] };
  }
  const observed = await reach.access.observe();
  if (!observed.ok) {
    const { diagnostics } = observed;
    if (hosts.unreachable !== 'keep' || !isSilent(diagnostics)) {
      return { state: null, diagnostics: pluginDiagnostics(diagnostics) };
    }
    const state = unanswered('the host does not answer');
    return { state, diagnostics: diagnostics.map(asWarning) };
  }
  const answered = answer(observed.value, reach.access.fleet);
  return 'state' in answered ? { state: answered.state } : { state: null, ...answered };
}

function asWarning(reason: Diagnostic): PluginDiagnostic {
  return pluginDiagnostic({
    ...reason,
    severity: 'warning',
    summary: `${reason.summary}: nothing is known of it now`,
    hint: `${reason.hint ?? ''} If the host is gone for good, see docs/guides/dead-host.md.`.trim(),
  });
}
