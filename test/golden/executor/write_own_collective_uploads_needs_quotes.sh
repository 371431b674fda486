# Stockade, writing. Nothing runs before the last line; it must be followed by the end marker.
stockade_nonce=00112233445566778899aabbccddeeff
stockade_run=/run/stockade
stockade_state=/var/lib/stockade
stockade_holder='fleet prod, ada'\''s laptop, since 2026-01-01T00:00:00.000Z'
stockade_section_limit=16777259
# --- protocol: one line per result, each begins with this batch's nonce
stockade_gone=
stockade_line() {
  printf '%s %s\n' "$stockade_nonce" "$*" 2>/dev/null >&7 || stockade_gone=1
}

# stockade_stop CODE DETAIL: ends the script before anything was run
stockade_stop() {
  stockade_detail=$(printf '%s' "$2" | base64 -w0)
  stockade_line "stop $1 ${stockade_detail:--}"
  exit 98
}

# Centiseconds since boot; reading a file by a builtin costs no process
stockade_now() {
  stockade_time=0
  if IFS=' .' read -r stockade_seconds stockade_rest stockade_unused </proc/uptime; then
    stockade_time=$((stockade_seconds * 100 + 1$stockade_rest - 100))
  fi
} 2>/dev/null

# Guests that use up the processors must hold up neither a stop nor a proof. What systemd starts does not inherit it. Where the
# kernel groups processes by session, the group has the priority: it is set where the session is this script's own.
stockade_hurry() {
  renice -n -10 -p $$ >/dev/null || return 0
  read -r stockade_unused stockade_unused stockade_unused stockade_unused stockade_unused stockade_session stockade_unused </proc/$$/stat
  [ "$stockade_session" != $$ ] || [ ! -w /proc/$$/autogroup ] || echo -10 >/proc/$$/autogroup || :
} 2>/dev/null

stockade_begin() {
  exec 7>&1 8<&0 </dev/null >&2
  stockade_hurry
  trap : PIPE
  trap 'stockade_gone=1' HUP INT TERM
  # a login shell's start-up files may have said something without a newline
  printf '\n' 2>/dev/null >&7 || stockade_gone=1
  for stockade_program in base64 flock head timeout sha256sum stat; do
    command -v "$stockade_program" >/dev/null || stockade_stop program-missing "$stockade_program"
  done
  while read -r stockade_key stockade_real stockade_effective stockade_unused; do
    [ "$stockade_key" != Uid: ] || break
  done </proc/self/status
  [ "$stockade_effective" = 0 ] || stockade_stop not-root "user id $stockade_effective"
}

# stockade_show ARGUMENT...: what the section's function prints, then its exit status
stockade_show() {
  exec 7>&- 8<&- 9>&-
  trap 'printf "\n%s exit %03d\n" "$stockade_nonce" "$?"' EXIT
  set -u
  "section_$stockade_index" "$@"
}

# stockade_section KIND INDEX ARGUMENT...: what it shows, bounded, so that the exit status is there only where nothing was cut off, then a
# mark. KIND packed: before its mark it is one gzip stream, where the host has gzip; else section
stockade_section() {
  [ -z "$stockade_gone" ] || return 0
  stockade_kind=$1
  stockade_index=$2
  shift 2
  command -v gzip >/dev/null || stockade_kind=section
  printf '%s %s %s\n' "$stockade_nonce" "$stockade_kind" "$stockade_index" >&7
  if [ "$stockade_kind" = packed ]; then
    stockade_show "$@" | head -c "$stockade_section_limit" | gzip -1 >&7
  else
    stockade_show "$@" | head -c "$stockade_section_limit" >&7
  fi
  printf '\n%s over\n' "$stockade_nonce" 2>/dev/null >&7 || stockade_gone=1
}

# --- the host's lock
stockade_busy() {
  stockade_holder_now=
  IFS= read -r stockade_holder_now <"$stockade_run/lock"
  stockade_stop host-busy "$stockade_holder_now"
} 2>/dev/null

# The last destroy of a host removes the lock file: what we locked must still be what others will find
stockade_lock() {
  flock "$1" -w "$2" 9
  case $? in
    0) [ "$stockade_run/lock" -ef /proc/self/fd/9 ] ;;
    1) stockade_busy ;;
    *) stockade_stop lock-failed "$stockade_run/lock" ;;
  esac
}

stockade_check_run() {
  if [ -L "$stockade_run" ] || { [ -e "$stockade_run" ] && { [ ! -d "$stockade_run" ] || [ ! -O "$stockade_run" ]; }; }; then
    stockade_stop run-directory "$stockade_run"
  fi
}

# A host that was never prepared has no lock, and needs none for reading
stockade_share_lock() {
  for stockade_try in 1 2 3 4 5 6 7 8 9; do
    stockade_check_run
    [ -e "$stockade_run/lock" ] || return 0
    { command exec 9<"$stockade_run/lock"; } 2>/dev/null || continue
    if stockade_lock -s "$1"; then return 0; fi
  done
  stockade_busy
}
# --- records
# record_read FILE: sets rec_KEY for each line; 1 when there is no such file, 2 when it is damaged
record_keys=
record_read() {
  for record_key in $record_keys; do unset "rec_$record_key"; done
  record_keys=
  rec_owner=
  rec_generation=
  rec_digest=
  [ -f "$1" ] && [ ! -L "$1" ] || return 1
  {
    IFS= read -r record_line && [ "$record_line" = 'stockade-record 1' ] || return 2
    while IFS=' ' read -r record_key record_value; do
      case $record_key in '' | [!a-z]* | *[!a-z0-9_]*) return 2 ;; esac
      case $record_value in '' | *[!A-Za-z0-9._:+/=-]*) return 2 ;; esac
      case " $record_keys " in *" $record_key "*) return 2 ;; esac
      # only the name is put together, from characters checked above; the value is not looked at again
      eval "rec_$record_key=\$record_value"
      record_keys="$record_keys $record_key"
    done
  } <"$1"
  [ -n "$rec_owner" ] && [ -n "$rec_generation" ] || return 2
}
# expect_record FILE OWNER GENERATION: GENERATION is a number, none (there must be no record), or any
expect_record() {
  record_state=0
  record_read "$1" || record_state=$?
  if [ "$record_state" -eq 2 ]; then
    refuse record-damaged "$1 is not a readable record"
  elif [ "$record_state" -eq 1 ]; then
    [ "$3" = none ] || refuse record-gone "there is no record $1 any more"
  elif [ "$rec_owner" != "$2" ]; then
    refuse record-foreign "$1 belongs to $rec_owner"
  elif [ "$3" = none ]; then
    refuse record-exists "$1 exists, generation $rec_generation"
  elif [ "$3" != any ] && [ "$rec_generation" != "$3" ]; then
    refuse record-moved "$1 is at generation $rec_generation, planned for $3"
  fi
}

# record_write FILE KEY VALUE...: the whole record anew, all of it or nothing
record_write() {
  record_file=$1
  case $1 in */*) record_new=${1%/*}/.new.${1##*/} ;; *) record_new=.new.$1 ;; esac
  shift
  {
    echo 'stockade-record 1'
    while [ $# -gt 1 ]; do
      case $1 in '' | [!a-z]* | *[!a-z0-9_]*) record_give_up record-value "not a record key: $1" ;; esac
      case $2 in '' | *[!A-Za-z0-9._:+/=-]*) record_give_up record-value "not a record value, for $1" ;; esac
      printf '%s %s\n' "$1" "$2" || record_give_up no-space "$record_file could not be written"
      shift 2
    done
  } >"$record_new"
  mv -fT -- "$record_new" "$record_file"
}

record_give_up() {
  rm -f -- "$record_new"
  fail "$@"
}
# --- what a step may call
changed() {
  : >"$stockade_work/$stockade_step.changed"
}

give() {
  case $1 in '' | *[!A-Za-z0-9_.-]*) fail bad-value-name "give: $1" ;; esac
  [ "${#2}" -le 65536 ] || fail value-too-long "give $1: more than 64 KiB"
  printf 'v\0%s\0%s\0' "$1" "$2" >>"$stockade_work/$stockade_step.data"
}

refuse() {
  : >"$stockade_work/$stockade_step.refused"
  stockade_say "$stockade_step" "$@"
  exit 90
}

fail() {
  : >"$stockade_work/$stockade_step.failed"
  stockade_say "$stockade_step" "$@"
  exit 91
}

stockade_say() {
  printf 'c\0%.64s\0%.4096s\0' "$2" "$3" >>"$stockade_work/$1.data"
}

member_changed() {
  stockade_mark changed "$1"
}

member_same() {
  stockade_mark same "$1"
}

member_fail() {
  stockade_mark failed "$1"
  for stockade_member in $stockade_members_of; do stockade_say "$stockade_member" "$2" "$3"; done
}

member_give() {
  stockade_mark gave "$1"
  for stockade_member in $stockade_members_of; do (stockade_step=$stockade_member; give "$2" "$3"); done
}

stockade_mark() {
  stockade_members_of=
  "${stockade_step}_members" "$2"
  [ -n "$stockade_members_of" ] || fail unknown-member "no member of this step: $2"
  for stockade_member in $stockade_members_of; do : >"$stockade_work/$stockade_member.$1"; done
}
# --- running steps
# Bad are those that failed, were refused or skipped: what needs them is skipped
stockade_bad=' '
stockade_ready() {
  for stockade_need in "$@"; do
    case $stockade_bad in *" $stockade_need "*) return 1 ;; esac
  done
}

# The first and the last 4 KiB of what a step printed
stockade_output() {
  if [ "$(stat -c %s "$1")" -le 8192 ]; then
    base64 -w0 "$1"
  else
    { head -c 4096 "$1"; printf '\n[...]\n'; tail -c 4088 "$1"; } | base64 -w0
  fi
}

# stockade_report INDEX STATUS DATA-FILE OUTPUT-FILE
stockade_report() {
  case $2 in same | changed) ;; *) stockade_bad="$stockade_bad$1 " ;; esac
  stockade_data=-
  [ ! -s "$3" ] || stockade_data=$(base64 -w0 "$3")
  stockade_printed=-
  [ ! -s "$4" ] || stockade_printed=$(stockade_output "$4")
  stockade_line "$1 $2 $stockade_took $stockade_data $stockade_printed"
}

stockade_skip() {
  stockade_took=0
  stockade_report "$1" skipped '' ''
}

# Somebody asked to stop: what runs comes to its end, no other step is begun
stockade_called_off() {
  [ -e "$stockade_work/stop" ] || return 1
  stockade_say "$1" stopped 'it was not begun: a stop was asked for'
  stockade_took=0
  stockade_report "$1" refused "$stockade_work/$1.data" ''
}

# stockade_status FILE-STEM EXIT: how a step ended, from the marks it left
stockade_status() {
  stockade_now
  stockade_took=$((stockade_time - stockade_began))
  if [ -e "$stockade_work/$1.refused" ]; then stockade_ended=refused
  elif [ -e "$stockade_work/$1.failed" ]; then stockade_ended=failed
  elif [ "$2" -ne 0 ]; then
    stockade_ended=failed
    stockade_say "$1" step-failed "exit status $2"
  elif [ -e "$stockade_work/$1.changed" ]; then stockade_ended=changed
  else stockade_ended=same
  fi
}

# stockade_own INDEX NEEDS [FIRST-UPLOAD UPLOAD-COUNT]
stockade_own() {
  [ -z "$stockade_gone" ] || return 0
  stockade_step=step_$1
  stockade_first=${3:-0}
  stockade_count=${4:-0}
  if stockade_called_off "$1"; then return 0; fi
  if ! stockade_ready $2; then
    stockade_skip "$1"
    [ "$stockade_count" -eq 0 ] || stockade_discard "$stockade_first" "$((stockade_first + stockade_count))"
    return 0
  fi
  stockade_now
  stockade_began=$stockade_time
  if [ "$stockade_count" -eq 0 ]; then
    (set -eu; "$stockade_step") >"$stockade_work/$stockade_step.out" 2>&1 7>&- 8<&- 9>&-
    stockade_status "$stockade_step" "$?"
  else
    echo "$stockade_first" >"$stockade_work/next"
    (set -eu; "$stockade_step") >"$stockade_work/$stockade_step.out" 2>&1 7>&- 9>&-
    stockade_status "$stockade_step" "$?"
    read -r stockade_next <"$stockade_work/next"
    stockade_discard "$stockade_next" "$((stockade_first + stockade_count))"
  fi
  stockade_report "$1" "$stockade_ended" "$stockade_work/$stockade_step.data" "$stockade_work/$stockade_step.out"
}

# stockade_join INDEX NEEDS: whether this member of a collective step takes part
stockade_join() {
  if stockade_called_off "$1"; then return 1; fi
  if ! stockade_ready $2; then
    stockade_skip "$1"
    return 1
  fi
  stockade_members="$stockade_members $1"
}

# stockade_together FUNCTION ARGUMENT...: a collective step, and a result for each member
stockade_together() {
  [ -z "$stockade_gone" ] && [ -n "$stockade_members" ] || return 0
  stockade_step=$1
  stockade_now
  stockade_began=$stockade_time
  stockade_out=$stockade_work/$stockade_step.out
  (set -eu; "$@") >"$stockade_out" 2>&1 7>&- 8<&- 9>&-
  stockade_status "$stockade_step" "$?"
  for stockade_index in $stockade_members; do stockade_member_report "$stockade_index"; done
}

stockade_member_report() {
  stockade_stem=$stockade_work/$1
  if [ -e "$stockade_stem.failed" ]; then
    stockade_report "$1" failed "$stockade_stem.data" "$stockade_out"
  elif [ -e "$stockade_stem.changed" ]; then
    stockade_report "$1" changed "$stockade_stem.data" ''
  elif [ -e "$stockade_stem.same" ]; then
    stockade_report "$1" same "$stockade_stem.data" ''
  elif [ "$stockade_ended" = refused ] || [ "$stockade_ended" = failed ]; then
    stockade_report "$1" "$stockade_ended" "$stockade_work/$stockade_step.data" "$stockade_out"
  else
    stockade_say "$1" step-failed 'the step did not say how it ended here'
    stockade_report "$1" failed "$stockade_stem.data" "$stockade_out"
  fi
}
# --- entering and leaving
# stockade_enter SECONDS: the lock, then a directory of this batch's own
stockade_enter() {
  stockade_work=$stockade_run.batch-$stockade_nonce
  trap stockade_leave EXIT
  stockade_locked=
  for stockade_try in 1 2 3 4 5 6 7 8 9; do
    [ -e "$stockade_run" ] || [ -L "$stockade_run" ] || mkdir -m 0700 "$stockade_run"
    stockade_check_run
    { command exec 9>>"$stockade_run/lock"; } 2>/dev/null || continue
    stockade_lock -x "$1" || continue
    stockade_locked=1
    break
  done
  [ -n "$stockade_locked" ] || stockade_stop lock-failed "$stockade_run/lock"
  { printf '%s\n' "$stockade_holder" >"$stockade_run/lock"; } 2>/dev/null
  # under the lock, whatever other batch directory there is was left by a batch that was killed
  for stockade_stale in "$stockade_run".batch-*; do
    [ ! -e "$stockade_stale" ] || rm -rf -- "$stockade_stale"
  done
  mkdir -m 0700 "$stockade_work" || stockade_stop work-directory "$stockade_work"
}

# A host that is not prepared keeps nothing of ours, the lock included
stockade_leave() {
  if [ -n "$stockade_locked" ] && [ ! -e "$stockade_state" ] && [ "$stockade_run/lock" -ef /proc/self/fd/9 ]; then
    set -- "$stockade_run"/* "$stockade_run"/.[!.]*
    if [ "$*" = "$stockade_run/lock $stockade_run/.[!.]*" ]; then
      rm -rf -- "$stockade_work" "$stockade_run"
      return
    fi
  fi
  [ ! -e "$stockade_work" ] || rm -rf -- "$stockade_work"
}
# --- uploads
# stockade_take BYTES: so many bytes of the upload stream; a sender that stalls is not waited for for ever
stockade_take() {
  timeout "$((60 + $1 / 65536))" head -c "$1" <&8 7>&- 9>&-
}

# stockade_discard FROM TO: uploads nobody asked for
stockade_discard() {
  stockade_upload_number=$1
  while [ "$stockade_upload_number" -lt "$2" ]; do
    stockade_upload "$stockade_upload_number"
    stockade_take "$stockade_bytes" >/dev/null
    stockade_upload_number=$((stockade_upload_number + 1))
  done
}

# receive INDEX DIRECTORY NAME [MODE]: the step's upload, checked, put in its place as a whole. MODE is 0600 unless given
receive() {
  [ "$1" -lt "$stockade_count" ] || fail upload-unknown "this step has no upload $1"
  case $3 in '' | . | .. | */*) fail upload-name "not a file name: $3" ;; esac
  if [ ! -d "$2" ] || [ -L "$2" ] || [ ! -O "$2" ]; then fail upload-directory "$2 is not a directory of root's"; fi
  stockade_wanted=$((stockade_first + $1))
  read -r stockade_next <"$stockade_work/next"
  [ "$stockade_wanted" -ge "$stockade_next" ] || fail upload-order "upload $1 went by already"
  stockade_discard "$stockade_next" "$stockade_wanted"
  echo "$((stockade_wanted + 1))" >"$stockade_work/next"
  for stockade_stale in "$2"/.incoming.*; do [ ! -e "$stockade_stale" ] || rm -f -- "$stockade_stale"; done
  stockade_upload "$stockade_wanted"
  stockade_incoming=$2/.incoming.$stockade_nonce
  stockade_why=$stockade_work/$stockade_step.why
  stockade_take "$stockade_bytes" | {
    { cat >"$stockade_incoming"; } 2>"$stockade_why" || echo 'could not be written' >>"$stockade_why"
    cat >/dev/null
  }
  stockade_check_incoming "$2"
  chmod "${4:-0600}" "$stockade_incoming"
  mv -fT -- "$stockade_incoming" "$2/$3"
}

stockade_check_incoming() {
  if [ -s "$stockade_why" ]; then
    IFS= read -r stockade_reason <"$stockade_why"
    rm -f -- "$stockade_incoming"
    case $stockade_reason in
      *'No space left'* | *uota*) fail no-space "$stockade_bytes bytes do not fit: $(df -P -- "$1")" ;;
      *) fail upload-failed "$stockade_reason" ;;
    esac
  fi
  stockade_size=$(stat -c %s -- "$stockade_incoming")
  if [ "$stockade_size" != "$stockade_bytes" ]; then
    rm -f -- "$stockade_incoming"
    fail upload-incomplete "$stockade_size of $stockade_bytes bytes came"
  fi
  stockade_sum=$(sha256sum <"$stockade_incoming")
  if [ "${stockade_sum%% *}" != "$stockade_sha256" ]; then
    rm -f -- "$stockade_incoming"
    fail upload-corrupt "sha256 ${stockade_sum%% *}, expected $stockade_sha256"
  fi
}
stockade_upload() {
  case $1 in
    0) stockade_bytes=12 stockade_sha256=a948904f2f0f479b8f8197694b30184b0d2ed1c1cd2a1ec0fb85d299a192a447 ;;
  esac
}
# --- the steps
# 'guest web1 on hv1: kernel'
step_0() {
expect_record /var/lib/stockade/guests/web1 fleet-7 3
[ -e '/srv/it'\''s here' ] || receive 0 /srv 'it'\''s here'
:
}
# 'guest web1 on hv1: start?rm -rf '\''/'\'''
# 'guest web2 on hv1: start'
# 'guest web3 on hv1: start'
together_1() {
systemctl start -- "$@"
for unit in "$@"; do member_changed "$unit"; done
:
}
together_1_members() {
  case $1 in
    '''it'\''s; esac *') stockade_members_of='1' ;;
    ''web2) stockade_members_of='2 3' ;;
  esac
}
# reads guests
section_0() {
ls /run/stockade
:
}
stockade_main() {
  stockade_begin
  stockade_enter 60
  stockade_line begin
  stockade_own 0 '' 0 1
  stockade_members=
  set --
  if stockade_join 1 '0'; then set -- "$@" 'it'\''s; esac *'; fi
  if stockade_join 2 '0'; then set -- "$@" web2; fi
  if stockade_join 3 '0'; then set -- "$@" web2; fi
  stockade_together together_1 "$@"
  stockade_section section 0 web1
  [ -n "$stockade_gone" ] || stockade_line end
}
stockade_main
# stockade: end of script
