import type { HostRoots } from '../../model/paths.ts';
import { type ShellText, sh, word } from '../../model/shell.ts';

/** How long it may take to look through the places where a guest could have left files. Unit: seconds. */
const searchSeconds = 30;
/** Of each kind so many are named, and so much of a name is shown; the rest is counted. */
const named = 3;
const nameLength = 60;

/**
 * The awk program that sums up what is there of uids low..high. Names are other people's: they come one to a line and in ASCII.
 *   left UID TEXT           processes, files, System V objects that belong to it
 *   held FIRST LAST TEXT    who else holds these ids: a name in passwd or group, a subordinate range
 *   complete                the last line; without it nobody knows
 * `base` is the set's: user xen-qemuuser-domid<N> may hold base + N.
 */
const surveyProgram = `
function note(uid, kind, name) {
  if (uid !~ /^[0-9]+$/ || uid + 0 < low || uid + 0 > high) return
  uids[uid] = 1
  if (++count[uid, kind] <= ${named}) names[uid, kind] = names[uid, kind] (count[uid, kind] > 1 ? ", " : "") substr(name, 1, ${nameLength})
}
function told(uid, kind, one, many,  n) {
  n = count[uid, kind]
  if (!n) return ""
  return "; " n " " (n > 1 ? many : one) ": " names[uid, kind] (n > ${named} ? ", ..." : "")
}
function process() {
  if (pid != "" && (state !~ /^[ZX]/ || threads > 1)) for (i in ids) if (!((ids[i], pid) in seen)) { seen[ids[i], pid] = 1; note(ids[i], "process", pid " (" comm ")") }
  split("", ids); pid = comm = state = ""; threads = 0
}
function system_v(kind,  i) {
  if (FNR == 1) { split("", column); for (i = 1; i <= NF; i++) column[$i] = i; return }
  note($column["uid"], kind, $2)
  if ($column["cuid"] != $column["uid"]) note($column["cuid"], kind, $2)
}
function held(first, last, text) { if (last >= low && first <= high && !(text in told_of)) { told_of[text] = 1; printf "held %.0f %.0f %s\\n", first, last, substr(text, 1, 100) } }
FILENAME ~ /sysvipc\\/shm$/ { system_v("shm"); next }
FILENAME ~ /sysvipc\\/sem$/ { system_v("sem"); next }
FILENAME ~ /sysvipc\\/msg$/ { system_v("msg"); next }
FILENAME ~ /^\\/etc\\// {
  if ($0 ~ /^[+-]/) next
  split($0, part, ":")
  if (part[3] !~ /^[0-9]+$/) next
  if (FILENAME ~ /sub[ug]id$/) { if (part[2] ~ /^[0-9]+$/ && part[3] > 0) held(part[2] + 0, part[2] + part[3] - 1, "a range of " part[1] " in " FILENAME) }
  else if (part[3] + 0 >= low && part[3] + 0 <= high && part[1] != "xen-qemuuser-domid" (part[3] - base) && part[1] != own)
    held(part[3] + 0, part[3] + 0, (FILENAME ~ /passwd$/ ? "user " : "group ") part[1])
  next
}
/^\\/proc\\/[0-9]+\\/status:/ {
  split($0, part, ":")
  if (substr(part[1], 7, length(part[1]) - 13) != pid) { process(); pid = substr(part[1], 7, length(part[1]) - 13) }
  rest = substr($0, length(part[1]) + length(part[2]) + 3)
  sub(/^[\\t ]+/, "", rest)
  if (part[2] == "Name") { comm = rest; gsub(/[^ -~]/, "?", comm) }
  else if (part[2] == "State") state = rest
  else if (part[2] == "Threads") threads = rest + 0
  else if (part[2] == "Uid") split(rest, ids, /[\\t ]+/)
  next
}
/^done processes / { process(); if ($3 == 0 || $3 == 123) sought++; next }
/^done files / { if ($3 == 0 || $3 == 1) sought++; next }
/^[0-9]+ / { note($1, "file", substr($0, length($1) + 2)) }
END {
  for (uid in uids) print "left " uid " " substr(told(uid, "process", "process", "processes") told(uid, "file", "file", "files") told(uid, "shm", "shared memory segment", "shared memory segments") told(uid, "sem", "semaphore set", "semaphore sets") told(uid, "msg", "message queue", "message queues"), 3)
  if (sought == 2) print "complete"
}
`;

/**
 * Functions that look for what uids have left on the host, in a fixed number of processes, whatever the number of uids:
 * processes, System V objects, and files where a guest of ours could have made some. Root deletes nothing of it.
 *   stockade_survey LOW HIGH BASE OWN   sets `survey`; 1 where it could not be told. OWN is a name that may hold any of them
 *   stockade_left UID                   sets `left` to what is left of it, in words; empty when nothing
 *   stockade_held ID                    sets `held_by` to who else holds it; empty when nobody
 */
export function surveyFunctions(roots: HostRoots): ShellText {
  return sh`survey_program=${word(surveyProgram)}
stockade_places() {
  for place in /dev/shm /dev/mqueue ${word(roots.run)} ${word(roots.state)} /tmp /var/tmp; do
    [ ! -d "$place" ] || printf '%s ' "$place"
  done
}
stockade_survey() {
  survey_low=$1 survey_high=$2 survey_base=$3 survey_own=$4
  set -- -
  for file in /proc/sysvipc/shm /proc/sysvipc/sem /proc/sysvipc/msg /etc/passwd /etc/group /etc/subuid /etc/subgid; do
    [ ! -r "$file" ] || set -- "$@" "$file"
  done
  survey=$(
    {
      sought=0
      printf '%s\\0' /proc/[0-9]*/status | xargs -0r grep -asHE '^(Name|State|Threads|Uid):' || sought=$?
      printf 'done processes %s\\n' "$sought"
      {
        sought=0
        timeout ${searchSeconds} find -H $(stockade_places) -xdev -uid "+$((survey_low - 1))" -uid "-$((survey_high + 1))" \\
          -printf '%U %p\\0' || sought=$?
        printf 'done files %s\\0' "$sought"
      } | tr -c '\\000 -~' '?' | tr '\\000' '\\n'
    } 2>/dev/null | awk -v "low=$survey_low" -v "high=$survey_high" -v "base=$survey_base" -v "own=$survey_own" "$survey_program" "$@"
  ) || return 1
  survey="
$survey"
  case $survey in *'
complete') ;; *) return 1 ;; esac
}
stockade_left() {
  left=
  case $survey in
    *"
left $1 "*)
      left=\${survey#*"
left $1 "}
      left=\${left%%"
"*}
      ;;
  esac
}
stockade_held() {
  held_by=
  case $survey in *'
held '*) ;; *) return 0 ;; esac
  while read -r survey_kind survey_first survey_last survey_text; do
    [ "$survey_kind" = held ] || continue
    if [ "$1" -ge "$survey_first" ] && [ "$1" -le "$survey_last" ]; then held_by=$survey_text; fi
  done <<END
$survey
END
}`;
}
