import type { HostRoots } from '../../model/paths.ts';
import { type ShellText, sh, word } from '../../model/shell.ts';
import { domainUuid, type GuestIdentity } from '../../toolstacks/xl/config.ts';
import { answerSeconds } from '../../toolstacks/xl/domain.ts';
import { askControlDomain } from '../../toolstacks/xl/probe.ts';

/**
 * Step text that sees to it that a guest of xl's that was stopped has no domain any more, by its UUID: one that has outlived the unit is
 * ended by the guest's launcher. Fails where it stays, or where xl does not tell. A host that was booted without Xen has no domains.
 */
export function endDomain(guest: GuestIdentity, roots: HostRoots): ShellText {
  const directory = `${roots.state}/guests/${guest.name}`;
  const uuid = word(domainUuid(guest));
  return sh`if record_read ${word(`${directory}/record`)} && [ "\${rec_toolstack-}" = xl ]; then
  ${askControlDomain}
  has_domain() {
    domains=$(timeout ${answerSeconds} xl list -v 2>&1) ||
      fail xl-no-answer "whether the guest still has a domain is not known: xl list gives no answer ($domains)"
    case $domains in *${uuid}*) return 0 ;; *) return 1 ;; esac
  }
  case $domain in *control_d*) if has_domain; then
    ${word(`${directory}/launch`)} over || :
    ! has_domain || fail domain-left 'xl still lists the domain of the guest (UUID ${uuid}): find it by xl list -v, and end it by xl destroy'
    changed
  fi ;; esac
fi`;
}
