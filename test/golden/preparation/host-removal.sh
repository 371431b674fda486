### host hv1: release
### after: -
record='/srv/it is/state'/owners/prod
[ -e "$record" ] || exit 0
expect_record "$record" prod 3
last=1
for owner in '/srv/it is/state'/owners/*; do
  case ${owner##*/} in *.new | prod) ;; *) last= ;; esac
done
for guest in '/srv/it is/state'/guests/*/record; do
  [ -e "$guest" ] || [ -L "$guest" ] || continue
  record_read "$guest" || refuse record-damaged "$guest is not a readable record"
  guest=${guest%/record}
  if [ -n "$last" ] || [ "$rec_owner" = prod ]; then
    refuse host-in-use "guest ${guest##*/} of fleet $rec_owner is on the host"
  fi
done
for users in '/srv/it is/state'/users/*.owners/*; do
  [ -f "$users" ] || continue
  scheme=${users%.owners/*}
  if [ -n "$last" ] || [ "${users##*/}" = prod ]; then
    refuse host-in-use "users ${scheme##*/} of fleet ${users##*/} are on the host"
  fi
done

### host hv1: unit template
### after: host hv1: release
for owner in '/srv/it is/state/owners'/*; do
  case ${owner##*/} in '*' | *.new | prod) ;; *) exit 0 ;; esac
done
mark() { : >/run/st/reload; changed; }
work=/run/st/probes
clear_probes() {
  set -- stockade-guest@stockade-canary_0.service stockade-guest@stockade-canary_1.service stockade-guest@stockade-canary_2.service stockade-guest@stockade-canary_3.service stockade-guest@stockade-canary_4.service 'stockade-control_*.service'
  systemctl kill --signal=KILL -- "$@" || :
  systemctl stop -- "$@" || :
  systemctl reset-failed -- "$@" || :
  ipcrm -M 1398033232 || :
  rmdir -- /run/st/root/stockade-canary_0 /run/st/root/stockade-canary_1 /run/st/root/stockade-canary_2 /run/st/root/stockade-canary_3 /run/st/root/stockade-canary_4 || :
  rm -rf --one-file-system -- '/srv/it is/state/guests/stockade-canary_0' /run/st/guests/stockade-canary_0 '/srv/it is/state/guests/stockade-canary_1' /run/st/guests/stockade-canary_1 '/srv/it is/state/guests/stockade-canary_2' /run/st/guests/stockade-canary_2 '/srv/it is/state/guests/stockade-canary_3' /run/st/guests/stockade-canary_3 '/srv/it is/state/guests/stockade-canary_4' /run/st/guests/stockade-canary_4 /run/systemd/system/stockade-guest@stockade-canary_0.service.d /run/systemd/system/stockade-guest@stockade-canary_1.service.d /run/systemd/system/stockade-guest@stockade-canary_2.service.d /run/systemd/system/stockade-guest@stockade-canary_3.service.d /run/systemd/system/stockade-guest@stockade-canary_4.service.d /run/st/uids/"${uid:-none}" "$work"
} >/dev/null 2>&1
if [ -e "$work" ]; then clear_probes; changed; fi
systemctl stop -- 'system-stockade\x2dguest.slice' || :
if [ -e /etc/systemd/system/stockade-guest@.service ] || [ -L /etc/systemd/system/stockade-guest@.service ]; then
  mark
  rm -f -- /etc/systemd/system/stockade-guest@.service
fi
for place in /etc/systemd/system.control /run/systemd/system.control /run/systemd/transient; do
  if [ -e "$place/stockade-guest@.service" ] || [ -L "$place/stockade-guest@.service" ]; then
    mark
    rm -f -- "$place/stockade-guest@.service"
  fi
done
for place in /etc/systemd/system.control /run/systemd/system.control /run/systemd/transient /etc/systemd/system /run/systemd/system /usr/local/lib/systemd/system /usr/lib/systemd/system; do
  for directory in "$place"/stockade-guest@.service.d "$place"/stockade-.service.d "$place"/stockade-.socket.d "$place"/stockade-*-.service.d "$place"/stockade-*-.socket.d; do
    case $directory in *:*) continue ;; esac
    if [ -e "$directory" ] || [ -L "$directory" ]; then mark; rm -rf -- "$directory"; fi
  done
done

### host hv1: reload
### after: host hv1: unit template
if [ -e /run/st/reload ]; then
  systemctl daemon-reload
  rm -f -- /run/st/reload
  changed
fi

### host hv1: apparmor profile
### after: host hv1: reload
for owner in '/srv/it is/state/owners'/*; do
  case ${owner##*/} in '*' | *.new | prod) ;; *) exit 0 ;; esac
done
if [ -w /sys/kernel/security/apparmor/.remove ]; then
  while read -r name mode; do
    case $name in stockade-guest | stockade-guest-logger | stockade-guest-share | stockade-guest-share-namespace) ;; *) continue ;; esac
    printf '%s' "$name" >/sys/kernel/security/apparmor/.remove || fail apparmor-remove "$name cannot be removed from the kernel"
    changed
  done <<END
$(cat /sys/kernel/security/apparmor/profiles)
END
fi
[ ! -e /etc/apparmor.d/stockade-guest ] && [ ! -L /etc/apparmor.d/stockade-guest ] || { rm -f -- /etc/apparmor.d/stockade-guest; changed; }
[ ! -e /etc/apparmor.d/disable/stockade-guest ] && [ ! -L /etc/apparmor.d/disable/stockade-guest ] || { rm -f -- /etc/apparmor.d/disable/stockade-guest; changed; }
[ ! -e /etc/apparmor.d/force-complain/stockade-guest ] && [ ! -L /etc/apparmor.d/force-complain/stockade-guest ] || { rm -f -- /etc/apparmor.d/force-complain/stockade-guest; changed; }
for file in /var/cache/apparmor/*/stockade-guest; do
  [ ! -f "$file" ] || rm -f -- "$file"
done

### host hv1: logger user
### after: host hv1: apparmor profile
for owner in '/srv/it is/state/owners'/*; do
  case ${owner##*/} in '*' | *.new | prod) ;; *) exit 0 ;; esac
done
# (accounts.sh)
accounts_rewrite 'drop stockade-logger auto
drop xen-qemuuser-canary auto'

### host hv1: remove
### after: host hv1: logger user
record='/srv/it is/state'/owners/prod
[ -e "$record" ] || exit 0
changed
(
for owner in '/srv/it is/state/owners'/*; do
  case ${owner##*/} in '*' | *.new | prod) ;; *) exit 0 ;; esac
done
for entry in /run/st/*; do
  [ "$entry" = /run/st/lock ] || rm -rf --one-file-system -- "$entry"
done
for entry in '/srv/it is/state'/*; do
  [ "$entry" = '/srv/it is/state'/owners ] || rm -rf --one-file-system -- "$entry"
done
)
rm -f -- "$record"
[ -n "$(ls -A '/srv/it is/state'/owners)" ] || rm -rf --one-file-system -- '/srv/it is/state'
