import { sh } from '../model/shell.ts';
import type { LauncherStep } from './step.ts';

/** Reads who the guest is to run as; by builtins alone. */
export function leaseStep(): LauncherStep {
  return {
    name: 'lease',
    comment: sh`Who the guest runs as: leased by the host, never 0, nobody's (65534) or the "no change" of setuid (65535)`,
    body: sh`  domid='' uid='' gid='' shared=no user=''
  [ -f "$lease" ] && [ ! -L "$lease" ] && [ -O "$lease" ] || fail "there is no lease $lease of root's"
  while read -r key value rest; do
    [ -z "$rest" ] || fail "not a lease line: $key $value $rest"
    case $key in
      domid) domid=$value ;;
      uid) uid=$value ;;
      gid) gid=$value ;;
      shared) shared=$value ;;
      user) user=$value ;;
      *) fail "not a lease line: $key $value" ;;
    esac
  done <"$lease"
  case $shared in yes | no) ;; *) fail "shared is neither yes nor no: $shared" ;; esac
  case $user in
    '' | xen-qemuuser-range-base | xen-qemuuser-shared) ;;
    xen-qemuuser-domid*[!0-9]*) fail "not a user of guests: $user" ;;
    xen-qemuuser-domid?*) ;;
    *) fail "not a user of guests: $user" ;;
  esac
  for value in "$domid" "$uid" "$gid"; do
    case $value in
      '' | *[!0-9]* | 0* | ???????????*) fail "not a number that may be leased: '$value'" ;;
    esac
  done
  for value in "$uid" "$gid"; do
    case $value in 65534 | 65535 | 429496729[4-9]) fail "$value is never leased" ;; esac
    [ "$value" -lt 4294967294 ] || fail "$value is no user or group id"
  done`,
  };
}
