import { sh, type ShellText } from '../../model/shell.ts';

/**
 * A function that finds Xen's own program that tells a restricted handle; Xen dropped it after 4.20. Needs `trustFunction`.
 *   xen_checker   sets `checker` to that of the Xen that runs, where it is root's alone; to nothing without one. Debian keeps several
 *                 versions beside each other
 */
export const findChecker: ShellText = sh`xen_checker() {
  checker='' major='' minor=''
  read -r major </sys/hypervisor/version/major && read -r minor </sys/hypervisor/version/minor || :
  for place in "/usr/lib/xen-$major.$minor/bin" /usr/lib/xen/bin /usr/libexec/xen/bin /usr/local/lib/xen/bin /usr/local/libexec/xen/bin; do
    place=$place/depriv-fd-checker
    [ -x "$place" ] && [ -z "$(stockade_untrusted "$place")" ] || continue
    checker=$place
    return 0
  done
} 2>/dev/null`;
