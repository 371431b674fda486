import { logFunctions } from '../../jail/logger.ts';
import type { CollectiveStep } from '../../model/operation.ts';
import { defaultRoots, type HostRoots } from '../../model/paths.ts';
import { sh, word } from '../../model/shell.ts';
import { readStaleUnits } from './supervise.ts';

/**
 * Starts guests of xl's, all of a batch together. Each unit's launcher tells systemd when the domain runs, so one command waits for all;
 * a guest that was started before the batch's end and did not come up is not left to run.
 */
export function startDomainStep(guest: string, roots: HostRoots = defaultRoots): CollectiveStep {
  return {
    kind: 'collective',
    name: 'start-domains',
    argument: guest,
    body: sh`state=${word(roots.state)}
run=${word(roots.run)}
${logFunctions}
last_words() {
  words=
  [ ! -s "$run/guests/$1/launch-error" ] || words=$(head -c 3072 "$run/guests/$1/launch-error")
  [ -n "$words" ] || words=$(stockade_log "$state/guests/$1/log" stderr 2048) || :
}
units=
for guest do units="$units stockade-guest@$guest.service"; done
systemctl reset-failed -- $units 2>/dev/null || :
${readStaleUnits}
systemctl start -- $units || :
for guest do
  unit=stockade-guest@$guest.service
  if systemctl is-active --quiet -- "$unit"; then member_changed "$guest"; continue; fi
  systemctl stop -- "$unit" || :
  last_words "$guest"
  member_fail "$guest" domain-died "its domain did not come up: \${words:-xl said nothing}"
done`,
  };
}
