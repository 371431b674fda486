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
for place in '/opt/it'\''s $(here)/qemu'; do
  if [ -f "$place" ] && [ -x "$place" ]; then qemu=$place; break; fi
done
[ -n "$qemu" ] || refuse no-qemu 'there is no QEMU at /opt/it'\''s $(here)/qemu'
qemu=$(readlink -e -- "$qemu") || refuse no-qemu 'there is no QEMU at /opt/it'\''s $(here)/qemu'
qemu_untrusted=$(stockade_untrusted "$place")
[ -z "$qemu_untrusted" ] || refuse qemu-untrusted "QEMU runs as root at first, and $qemu_untrusted: root must own it and all directories above it (chown root), and nobody else may write there (chmod go-w)"
timeout 10 "$qemu" -version >/dev/null 2>&1 || refuse no-qemu "$qemu does not answer as QEMU does"
expect_record /var/lib/stockade/owners/prod prod 7
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
record_write /var/lib/stockade/owners/prod owner prod generation "$next" digest a4a9dc99bc74efb58e801da8918aaad51f51dd7695588adaa9d6701c3fa9f4f6 qemu_binary base64:L29wdC9pdCdzICQoaGVyZSkvcWVtdQ==
changed

### host hv1: logger user
### after: host hv1: record
# (accounts.sh)
accounts_rewrite 'keep stockade-logger auto'

### host hv1: apparmor profile
### after: host hv1: logger user
apparmor_hashes() {
  hashes=
  for policy in /sys/kernel/security/apparmor/policy/profiles/stockade-guest.[0-9]* /sys/kernel/security/apparmor/policy/profiles/stockade-guest-logger.[0-9]* /sys/kernel/security/apparmor/policy/profiles/stockade-guest-share.[0-9]* /sys/kernel/security/apparmor/policy/profiles/stockade-guest-share-namespace.[0-9]*; do
    for file in "$policy/sha1" "$policy/sha256"; do
      value=
      if [ -r "$file" ]; then read -r value <"$file" || :; fi
      hashes=$hashes$value:
    done
  done
} 2>/dev/null
loaded() {
  known=
  while read -r name mode; do
    case $name in stockade-guest | stockade-guest-logger | stockade-guest-share | stockade-guest-share-namespace) [ "$mode" != '(enforce)' ] || known="$known $name" ;; esac
  done </sys/kernel/security/apparmor/profiles
  for name in stockade-guest stockade-guest-logger stockade-guest-share stockade-guest-share-namespace; do
    case "$known " in *" $name "*) ;; *) return 1 ;; esac
  done
}
as_recorded() {
  recorded=
  [ ! -f /var/lib/stockade/apparmor ] || read -r recorded </var/lib/stockade/apparmor || :
  read -r kernel </proc/sys/kernel/osrelease
  apparmor_hashes
  now="67f17ba137c496c074233a7debec4ba8c282cf481fdb6f46f5d07babb743d18e $kernel $hashes"
  [ "$recorded" = "$now" ]
}
if [ -f /etc/apparmor.d/stockade-guest ] && [ "$(stat -c '%a %u %g' /etc/apparmor.d/stockade-guest)" != '644 0 0' ]; then
  chown -h 0:0 /etc/apparmor.d/stockade-guest
  rm -f -- /etc/apparmor.d/stockade-guest
fi
content='# Made by Stockade: edits show as drift and are undone.
# What every guest'\''s processes are confined by, whatever else a guest'\''s definition leaves out.
abi <abi/3.0>,

# QEMU, the programs that a launch ends with, and the parent of QEMU'\''s pid namespace. Disks were opened where the host'\''s
# files still were in sight: attach_disconnected lets the kernel call them by the names that they have there
profile stockade-guest flags=(attach_disconnected) {
  # unshare: the pid namespace; prlimit: memory locked for a passed-through device; setpriv: the bounding set
  capability sys_admin,
  capability sys_resource,
  capability setpcap,
  # QEMU'\''s own way from root to the guest'\''s user in its empty directory; it has no others to start with
  capability setuid,
  capability setgid,
  capability sys_chroot,
  capability dac_read_search,

  # while it is root: programs, libraries, kernel, images that are only read, wherever they lie; all of them root'\''s
  owner /** mrixk,
  # as the guest'\''s user: libraries that are loaded late
  /usr/** mr,
  /{,usr/}lib{,32,64,x32}/** mr,
  # what is opened as root and held: the monitor, the devices that its /dev has
  owner /run/stockade/guests/*/qmp.{in,out} rw,
  owner /run/stockade/guests/*/share-{[0-9],1[0-5]} rw,
  owner /dev/** rw,
  /dev/{null,zero,full} rw,
  /dev/{random,urandom} r,
  # directories that it serves to its guest itself, files that a share'\''s helper hands it, and a /proc of its pid namespace where that takes one
  /share/[0-9]*/{,**} rwkl,
  /export/{,**} rwk,
  mount fstype=proc options=(rw,nosuid,nodev,noexec) stockade-proc -> /proc/,

  # nobody'\''s to read, not even while it is root
  deny /etc/{,g}shadow{,-} mrwklx,
  deny /etc/ssh/** mrwklx,
  deny /var/lib/stockade/{owners,leases,users,guests}/** mrwklx,
  deny /dev/{mem,kmem,port,kmsg} mrwklx,
  deny /proc/{kcore,kmsg,sysrq-trigger} mrwklx,

  # names of users, interfaces, and QEMU playing the network; the guest'\''s namespace says where they lead
  network unix,
  network netlink raw,
  network inet stream,
  network inet dgram,
  network inet6 stream,
  network inet6 dgram,

  # its own threads; the host ends it
  signal (send, receive) peer=stockade-guest,
  signal (receive) peer=unconfined,
}

# Readers of what QEMU prints
profile stockade-guest-logger {
  capability setpcap,
  capability setuid,
  capability setgid,

  /{,usr/}{,s}bin/* mrix,
  /usr/** mr,
  /{,usr/}lib{,32,64,x32}/** mr,
  # what setpriv looks at, as far as the guest'\''s root shows it
  /etc/{ld.so.cache,nsswitch.conf,passwd,group} r,
  /proc/sys/kernel/cap_last_cap r,
  owner /proc/[0-9]*/status r,
  /dev/null rw,
  owner /var/lib/stockade/guests/*/log/{serial,stderr}.[01] rw,

  # setpriv asks for a name service, of which there is none in sight: denied without a line in the log
  deny network unix,

  signal (send, receive) peer=stockade-guest-logger,
  signal (receive) peer=unconfined,
}

# Helpers that serve a share, in a root that shows programs and the export alone: outside the export nothing is written
profile stockade-guest-share flags=(attach_disconnected) {
  # setpriv: the bounding set; prlimit; the pid namespace and a /proc in it
  capability setpcap,
  capability sys_resource,
  capability sys_admin,
  # what it serves is done as the guest'\''s users, on files of any owner
  capability chown,
  capability dac_override,
  capability dac_read_search,
  capability fowner,
  capability fsetid,
  capability mknod,
  capability setfcap,
  capability setgid,
  capability setuid,
  capability sys_chroot,

  /{,usr/}{,s}bin/* mrix,
  /usr/** mrix,
  /{,usr/}lib{,32,64,x32}/** mrix,
  /etc/{ld.so.cache,nsswitch.conf,passwd,group} r,
  /proc/{,**} r,
  /dev/null rw,
  /export/{,**} rwkl,
  mount fstype=proc options=(ro,nosuid,nodev,noexec) stockade-proc -> /proc/,

  network unix,

  signal (send, receive) peer=stockade-guest-share,
  signal (receive) peer=unconfined,
}

# virtiofsd where it makes namespaces of its own: its root is the export then, so files there bear any name
profile stockade-guest-share-namespace flags=(attach_disconnected) {
  # setpriv: the bounding set; prlimit; the pid namespace and a /proc in it
  capability setpcap,
  capability sys_resource,
  capability sys_admin,
  # what it serves is done as the guest'\''s users, on files of any owner
  capability chown,
  capability dac_override,
  capability dac_read_search,
  capability fowner,
  capability fsetid,
  capability mknod,
  capability setfcap,
  capability setgid,
  capability setuid,
  capability sys_chroot,

  /{,usr/}{,s}bin/* mrix,
  /usr/** mrix,
  /{,usr/}lib{,32,64,x32}/** mrix,
  /etc/{ld.so.cache,nsswitch.conf,passwd,group} r,
  /proc/{,**} r,
  /dev/null rw,
  /export/{,**} rwkl,
  mount fstype=proc options=(ro,nosuid,nodev,noexec) stockade-proc -> /proc/,

  network unix,

  signal (send, receive) peer=stockade-guest-share-namespace,
  signal (receive) peer=unconfined,

  /{,**} rwkl,
  mount options=(rw,rslave) -> /,
  mount fstype=proc -> /proc/,
  mount options=(rw,bind) /proc/[0-9]*/fd/ -> /proc/,
  mount options in (rw,bind,rbind) /export/ -> /export/,
  pivot_root,
  umount,
}
'
put() {
  printf '%s' "$content" >"$1" && return
  rm -f -- "$1"
  fail no-space '/etc/apparmor.d/stockade-guest could not be written: is the disk full?'
}
if [ ! -e /etc/apparmor.d/stockade-guest ] && [ ! -L /etc/apparmor.d/stockade-guest ]; then
  umask 022; put /etc/apparmor.d/stockade-guest; umask 077
  changed
elif [ ! -f /etc/apparmor.d/stockade-guest ] || [ -L /etc/apparmor.d/stockade-guest ] || [ "$(cat /etc/apparmor.d/stockade-guest; echo .)" != "$content." ]; then
  put /etc/apparmor.d/stockade-guest.new
  chmod 0644 /etc/apparmor.d/stockade-guest.new
  mv -fT -- /etc/apparmor.d/stockade-guest.new /etc/apparmor.d/stockade-guest || { rm -f -- /etc/apparmor.d/stockade-guest.new; fail file-in-the-way '/etc/apparmor.d/stockade-guest cannot be replaced'; }
  changed
fi
[ ! -e /etc/apparmor.d/disable/stockade-guest ] && [ ! -L /etc/apparmor.d/disable/stockade-guest ] || { rm -f -- /etc/apparmor.d/disable/stockade-guest; changed; }
[ ! -e /etc/apparmor.d/force-complain/stockade-guest ] && [ ! -L /etc/apparmor.d/force-complain/stockade-guest ] || { rm -f -- /etc/apparmor.d/force-complain/stockade-guest; changed; }
if ! loaded || ! as_recorded; then
  said=$(/usr/sbin/apparmor_parser --replace -- /etc/apparmor.d/stockade-guest 2>&1) || fail apparmor-load "$said"
  loaded || fail apparmor-load 'the kernel does not enforce what was loaded'
  as_recorded || printf '%s\n' "$now" >/var/lib/stockade/apparmor
  changed
fi

### host hv1: unit template
### after: host hv1: apparmor profile
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
