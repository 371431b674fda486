import type { CollectiveStep } from '../../model/operation.ts';
import { defaultRoots, type HostRoots } from '../../model/paths.ts';
import { sh, word } from '../../model/shell.ts';
import { lastWords, readStaleUnits, unitQuestions } from './supervise.ts';

/**
 * Starts guests of xl's, all of a batch together. Each unit's launcher tells systemd when the domain runs, so one command waits for all;
 * a guest that was started before the batch's end and did not come up is not left to run.
 */
export function startDomainStep(guest: string, roots: HostRoots = defaultRoots): CollectiveStep {
  return {
    kind: 'collective',
    name: 'start-domains',
    argument: guest,
    body: sh`${unitQuestions}
state=${word(roots.state)}
run=${word(roots.run)}
${lastWords}
units_of "$@"
systemctl reset-failed -- $units 2>/dev/null || :
${readStaleUnits}
systemctl start -- $units || :
active=$(systemctl show --property=Id,ActiveState -- $units | {
  id= state=
  while IFS='=' read -r key value || [ -n "$id" ]; do
    case $key in
      Id) id=$value ;;
      ActiveState) state=$value ;;
      '')
        [ "$state" != active ] || printf '%s ' "$id"
        id= state=
        ;;
    esac
    key=
  done
})
down=
for unit in $units; do
  case " $active" in *" $unit "*) ;; *) down="$down $unit" ;; esac
done
[ -z "$down" ] || systemctl stop -- $down || :
for guest do
  unit_of "$guest"
  case "$down " in
    *" $unit "*)
      last_words "$guest"
      member_fail "$guest" domain-died "its domain did not come up: \${words:-xl said nothing}"
      ;;
    *) member_changed "$guest" ;;
  esac
done`,
  };
}
