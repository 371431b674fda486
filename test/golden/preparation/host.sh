### host hv1: record
### after: -
[ -d /run/systemd/system ] || refuse no-supervisor 'systemd does not run on this host'
missing=
for program in base64 cat chroot cp head install mkfifo mknod mktemp readlink sha256sum stat stdbuf sync tail tee timeout tr truncate wc cmp flock mountpoint nsenter pivot_root prlimit setpriv unshare mount umount vipw find xargs grep sed awk getent ip; do
  command -v "$program" >/dev/null || missing="$missing $program"
done
[ -z "$missing" ] || refuse missing-program "programs are missing:$missing"
stockade_untrusted() {
  untrusted_left=$#
  while [ "$untrusted_left" -gt 0 ]; do
    way=$1 at='' links=0 untrusted_left=$((untrusted_left - 1))
    shift
    [ -f "$way" ] || { printf '%s is no regular file' "$way"; return 0; }
    while [ -n "$way" ]; do
      name=${way%%/*}
      case $way in */*) way=${way#*/} ;; *) way='' ;; esac
      case $name in '' | .) continue ;; ..) at=${at%/*}; continue ;; esac
      set -- "$@" "$at/$name"
      [ -L "$at/$name" ] || { at=$at/$name; continue; }
      links=$((links + 1))
      target=$(readlink -- "$at/$name") && [ "$links" -le 40 ] || { printf 'the link %s cannot be followed' "$at/$name"; return 0; }
      case $target in /*) at='' ;; esac
      way=$target/$way
    done
  done
  find "$@" / -maxdepth 0 '(' ! -uid 0 -o ! -type l -perm /022 ')' -printf '%p belongs to uid %U with mode %m' -quit ||
    printf 'find has failed'
}
qemu=
for place in /usr/bin/qemu-system-x86_64 /usr/local/bin/qemu-system-x86_64 /usr/libexec/qemu-system-x86_64 /usr/lib/qemu-system-x86_64; do
  if [ -f "$place" ] && [ -x "$place" ]; then qemu=$place; break; fi
done
[ -n "$qemu" ] || refuse no-qemu 'there is no QEMU at /usr/bin/qemu-system-x86_64, /usr/local/bin/qemu-system-x86_64, /usr/libexec/qemu-system-x86_64, /usr/lib/qemu-system-x86_64'
qemu=$(readlink -e -- "$qemu") || refuse no-qemu 'there is no QEMU at /usr/bin/qemu-system-x86_64, /usr/local/bin/qemu-system-x86_64, /usr/libexec/qemu-system-x86_64, /usr/lib/qemu-system-x86_64'
qemu_untrusted=$(stockade_untrusted "$place")
[ -z "$qemu_untrusted" ] || refuse qemu-untrusted "QEMU runs as root at first, and $qemu_untrusted: root must own it and all directories above it (chown root), and nobody else may write there (chmod go-w)"
timeout 10 "$qemu" -version >/dev/null 2>&1 || refuse no-qemu "$qemu does not answer as QEMU does"
expect_record /var/lib/stockade/owners/prod prod none
next=$((${rec_generation:-0} + 1))
for directory in /var/lib/stockade /var/lib/stockade/owners /var/lib/stockade/capabilities /var/lib/stockade/users /var/lib/stockade/leases /var/lib/stockade/leases/domid /var/lib/stockade/files /var/lib/stockade/guests /run/stockade /run/stockade/root /run/stockade/guests /run/stockade/tampered; do
  if [ -L "$directory" ] || { [ -e "$directory" ] && [ ! -d "$directory" ]; }; then
    fail not-a-directory "$directory is there and is no directory; move it away"
  fi
  if [ ! -d "$directory" ]; then mkdir -m 0700 -- "$directory"; changed; fi
  if [ "$(stat -c '%a %u %g' -- "$directory")" != '700 0 0' ]; then
    chown 0:0 -- "$directory"
    chmod 0700 -- "$directory"
    changed
  fi
done
record_read /var/lib/stockade/host || :
if [ "$rec_digest" != e47f39622e00b107501470aff60b7f7beea6af94d9c816abbca346dda9fe115f ]; then
  record_write /var/lib/stockade/host owner prod generation $((${rec_generation:-0} + 1)) digest e47f39622e00b107501470aff60b7f7beea6af94d9c816abbca346dda9fe115f
  changed
fi
record_write /var/lib/stockade/owners/prod owner prod generation "$next" digest 1d8fc6ceb1f94c6326d6d5483d258fcb2e179e9869325b245d105c2219bf69fd
changed

### host hv1: logger user
### after: host hv1: record
# (accounts.sh)
accounts_rewrite 'keep stockade-logger auto'

### host hv1: unit template
### after: host hv1: logger user
mark() { : >/run/stockade/reload; changed; }
if [ -f /etc/systemd/system/stockade-guest@.service ] && [ "$(stat -c '%a %u %g' /etc/systemd/system/stockade-guest@.service)" != '644 0 0' ]; then
  chown -h 0:0 /etc/systemd/system/stockade-guest@.service
  rm -f -- /etc/systemd/system/stockade-guest@.service
fi
if [ ! -f /etc/systemd/system/stockade-guest@.service ] || [ "$(sha256sum </etc/systemd/system/stockade-guest@.service)" != 'e47f39622e00b107501470aff60b7f7beea6af94d9c816abbca346dda9fe115f  -' ]; then mark; fi
content='# Made by Stockade: edits show as drift and are undone.
[Unit]
Description=Stockade guest %i
After=network.target apparmor.service
RequiresMountsFor=/var/lib/stockade /run/stockade
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart=/var/lib/stockade/guests/%i/launch run
ExecStop=-/var/lib/stockade/guests/%i/launch stop
ExecStopPost=-/var/lib/stockade/guests/%i/launch over
KillMode=control-group
TimeoutStopSec=35
Restart=no
StandardInput=null
StandardOutput=journal
StandardError=journal
UMask=0077

[Install]
WantedBy=multi-user.target
'
put() {
  printf '%s' "$content" >"$1" && return
  rm -f -- "$1"
  fail no-space '/etc/systemd/system/stockade-guest@.service could not be written: is the disk full?'
}
if [ ! -e /etc/systemd/system/stockade-guest@.service ] && [ ! -L /etc/systemd/system/stockade-guest@.service ]; then
  umask 022; put /etc/systemd/system/stockade-guest@.service; umask 077
  changed
elif [ ! -f /etc/systemd/system/stockade-guest@.service ] || [ -L /etc/systemd/system/stockade-guest@.service ] || [ "$(cat /etc/systemd/system/stockade-guest@.service; echo .)" != "$content." ]; then
  put /etc/systemd/system/stockade-guest@.service.new
  chmod 0644 /etc/systemd/system/stockade-guest@.service.new
  mv -fT -- /etc/systemd/system/stockade-guest@.service.new /etc/systemd/system/stockade-guest@.service || { rm -f -- /etc/systemd/system/stockade-guest@.service.new; fail file-in-the-way '/etc/systemd/system/stockade-guest@.service cannot be replaced'; }
  changed
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
if [ -e /run/stockade/reload ]; then
  systemctl daemon-reload
  rm -f -- /run/stockade/reload
  changed
fi
