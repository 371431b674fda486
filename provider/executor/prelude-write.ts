import type { ShellText } from '../model/shell.ts';
import { sh, word } from '../model/shell.ts';
import { stoppedText } from './stop.ts';

/** The functions an operation's body may call (the contract is in model/operation.ts). */
export const stepPrelude: ShellText = sh`# --- what a step may call
changed() {
  : >"$stockade_work/$stockade_step.changed"
}

give() {
  case $1 in '' | *[!A-Za-z0-9_.-]*) fail bad-value-name "give: $1" ;; esac
  [ "\${#2}" -le 65536 ] || fail value-too-long "give $1: more than 64 KiB"
  printf 'v\\0%s\\0%s\\0' "$1" "$2" >>"$stockade_work/$stockade_step.data"
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
  printf 'c\\0%.64s\\0%.4096s\\0' "$2" "$3" >>"$stockade_work/$1.data"
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
  "\${stockade_step}_members" "$2"
  [ -n "$stockade_members_of" ] || fail unknown-member "no member of this step: $2"
  for stockade_member in $stockade_members_of; do : >"$stockade_work/$stockade_member.$1"; done
}`;

/** Running steps, and a result line for each as soon as it ends. */
export const runPrelude: ShellText = sh`# --- running steps
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
    { head -c 4096 "$1"; printf '\\n[...]\\n'; tail -c 4088 "$1"; } | base64 -w0
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
  stockade_say "$1" stopped ${word(stoppedText)}
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
  stockade_first=\${3:-0}
  stockade_count=\${4:-0}
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
}`;

/** Entering and leaving a host for a batch of writes: the run directory, the lock, the batch's own directory. */
export const lockPrelude: ShellText = sh`# --- entering and leaving
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
  { printf '%s\\n' "$stockade_holder" >"$stockade_run/lock"; } 2>/dev/null
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
}`;
