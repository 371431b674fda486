# Stockade, reading. Nothing runs before the last line; it must be followed by the end marker.
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
# reads records
section_0() {
cat -- "$@"
:
}
# reads uptime
section_1() {
cat /proc/uptime
:
}
stockade_main() {
  stockade_begin
  stockade_share_lock 60
  stockade_line begin
  stockade_section section 0 web1 'it'\''s' '$HOME' ''
  stockade_section section 1 
  [ -n "$stockade_gone" ] || stockade_line end
}
stockade_main
# stockade: end of script
