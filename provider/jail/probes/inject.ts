import { sh, type ShellText } from '../../model/shell.ts';
import { headerOffsets } from './interpreter.ts';
import { syscallNumbers } from './syscalls.ts';

/** A canary may take so long to start, and as long to come to its end. Unit: polls of 20 ms. */
export const polls = 1500;

/**
 * Puts the program into a process and lets its first thread run it: where a stopped thread will go on is seen in /proc, and
 * root's writes through /proc/PID/mem pass by the protection of pages. Nothing of the process is needed any more afterwards.
 */
export const injectFunctions: ShellText = sh`# first_thread PID: sets state to how its first thread is, code to its exit status, as /proc has them; 1 where it is gone
first_thread() {
  read -r line <"/proc/$1/stat" || return 1
  line=\${line##*) }
  state=\${line%% *} code=\${line##* }
} 2>/dev/null
# sealed NAME TEXT: its memory cannot be written; goes on as it was
sealed() {
  give "$1.end" "sealed $2"
  kill -CONT "$pid" || :
  return 1
}
# largest PID PERMISSIONS: sets from and to to the largest mapping of that kind
largest() {
  from=0 to=0
  while read -r range permissions _; do
    [ "$permissions" = "$2" ] || continue
    low=$((0x\${range%-*})) high=$((0x\${range#*-}))
    if [ $((high - low)) -gt $((to - from)) ]; then from=$low to=$high; fi
  done <"/proc/$1/maps"
}
# stopped_idle NAME: stops the process where its first thread waits in its main loop, and sets line to its registers. Anywhere
# else what is put into it need not hold: a call that makes a thread returns twice, a page of the kernel's cannot be written.
stopped_idle() {
  tries=0
  while [ "$tries" -lt ${polls} ] && first_thread "$pid"; do
    read -r line <"/proc/$pid/syscall" || {
      first_thread "$pid" || break
      sealed "$1" 'registers cannot be read' || return
    }
    case $state:\${line%% *} in
      Z:* | X:*) break ;;
      T:${syscallNumbers.poll} | T:${syscallNumbers.ppoll}) return 0 ;;
      T:*) kill -CONT "$pid" ;;
      *:${syscallNumbers.poll} | *:${syscallNumbers.ppoll}) kill -STOP "$pid" ;;
    esac || break
    tries=$((tries + 1))
    sleep 0.02
  done
  if [ "$tries" -lt ${polls} ]; then give "$1.end" not-started
  else
    kill -CONT "$pid" || :
    give "$1.end" busy
  fi
  return 1
} 2>/dev/null
# inject NAME PID FIRST END: sets data to where the program's data is
inject() {
  pid=$2
  stopped_idle "$1" || return 1
  counter=$((\${line##* })) line=\${line% *}
  stack=$((\${line##* }))
  largest "$pid" rw-p
  data=$from
  largest "$pid" r-xp
  # the last functions of the program: those that wait meanwhile are not among them
  code=$((to - 4096))
  said=$(put_at "/proc/$pid/mem" "$data" <"$work/data" 2>&1) &&
    said=$({ eight "$3"; eight "$4"; eight "$stack"; } | put_at "/proc/$pid/mem" $((data + ${headerOffsets.firstRow})) 2>&1) &&
    said=$(put_at "/proc/$pid/mem" "$code" <"$work/code" 2>&1) &&
    said=$(springboard | put_at "/proc/$pid/mem" $((counter - 2)) 2>&1) || { sealed "$1" "$said"; return 1; }
  kill -CONT "$pid"
}
# A call that was interrupted is made again: the two bytes before the counter are the call, now they do nothing.
# mov rbx, data; mov rax, code; jmp rax
springboard() {
  octets 102 144 72 187; eight "$data"
  octets 72 184; eight "$code"
  octets 255 224
}
# finish NAME PID UNIT: waits for the end of the program, and gives what came of it
finish() {
  tries=0
  while first_thread "$2"; do
    case $state in
      Z | X)
        if [ $((code & 127)) -ne 0 ]; then give "$1.end" "signal $((code & 127))"; else give "$1.end" "exit $((code / 256))"; fi
        return
        ;;
    esac
    number=
    read -r number _ <"/proc/$2/syscall" || :
    if [ "$number" = ${syscallNumbers.pause} ]; then
      give "$1.answers" "$(dd "if=/proc/$2/mem" bs=65536 iflag=skip_bytes,count_bytes "skip=$data" "count=$answer_bytes" status=none | base64 -w0)"
      give "$1.end" 'done'
      return
    fi
    tries=$((tries + 1))
    [ "$tries" -lt ${polls} ] || { give "$1.end" stuck; return; }
    sleep 0.02
  done 2>/dev/null
  ended "$1" "$3"
}
# ended NAME UNIT: how systemd saw it end. The parent of its namespace ends as it did, but for SIGKILL: util-linux cannot die
# of that and exits 1. What the kernel killed for want of memory is known by Result.
ended() {
  tries=0
  while :; do
    how= status= result=
    while IFS='=' read -r key value; do
      case $key in
        ExecMainCode) how=$value ;;
        ExecMainStatus) status=$value ;;
        Result) result=$value ;;
      esac
    done <<END
$(systemctl show --property=ExecMainCode --property=ExecMainStatus --property=Result -- "$2")
END
    [ "\${how:-0}" = 0 ] && [ "$tries" -lt 100 ] || break
    tries=$((tries + 1))
    sleep 0.02
  done
  [ "$result" != oom-kill ] || how=2 status=9
  case $how in
    1) give "$1.end" "exit $status" ;;
    2 | 3) give "$1.end" "signal $status" ;;
    *) give "$1.end" stuck ;;
  esac
}`;
