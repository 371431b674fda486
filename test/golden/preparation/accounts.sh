accounts_program='
function number(n) { return sprintf("%.0f", n) }
function keep(name, uid) { if (!(name in want)) { want[name] = uid; order[++wanted] = name } }
function ours(name) { return (name in p_uid) && p_gecos[name] == "Stockade" }
function locked(name) { return !has["shadow"] || ((name in s_word) && s_word[name] ~ /^[!*]/) }
function quiet(shell) { return shell == nologin || shell ~ /^(\/usr)?\/s?bin\/(nologin|false)$/ }
function user_right(name) {
  return p_uid[name] == want[name] && p_gid[name] == want[name] && p_home[name] == "/nonexistent" && quiet(p_shell[name]) && p_word[name] == password
}
function group_right(name) { return g_gid[name] == want[name] && g_members[name] == "" }

# who of those that hold an id (a list, each with a blank before it) stays where NAME wants to be
function holder(name, holders,   i, n, one) {
  n = split(holders, one, " ")
  for (i = 1; i <= n; i++) if (one[i] != name && !((one[i] in want) && want[one[i]] != want[name] && ours(one[i])) && !leaving(one[i])) return one[i]
  return ""
}

# what stands in the way of NAME, or nothing
function obstacle(name,   uid, other) {
  uid = want[name]
  if ((uid in uid_of) && (other = holder(name, uid_of[uid])) != "") return "uid " uid " belongs to user " other
  if ((uid in gid_of) && (other = holder(name, gid_of[uid])) != "") return "gid " uid " belongs to group " other
  if ((name in p_uid) && !ours(name) && !(user_right(name) && locked(name))) return "user " name " exists with uid " p_uid[name] ", gid " p_gid[name] ", home " p_home[name] ", shell " p_shell[name] (locked(name) ? "" : ", a password")
  if ((name in g_gid) && !ours(name) && !group_right(name)) return "group " name " exists with gid " g_gid[name] (g_members[name] == "" ? "" : " and members")
  return ""
}

# whether NAME is ours to take away
function leaving(name,   i, rest, uid) {
  if (name in want) return 0
  uid = ""
  if (name in drop) uid = drop[name]
  for (i = 1; i <= rests && uid == ""; i++) {
    rest = substr(name, length(rest_prefix[i]) + 1)
    if (substr(name, 1, length(rest_prefix[i])) == rest_prefix[i] && rest ~ /^[1-9][0-9]*$/ && length(rest) < 6) uid = number(rest_base[i] + rest)
  }
  if (uid == "") return 0
  if (name in p_uid) return ours(name)
  return uid == "auto" || !(name in g_gid) || g_gid[name] == uid
}

function free_system_uid(   uid) {
  for (uid = 999; uid > 100; uid--) if (!(uid in uid_of) && !(uid in gid_of)) return uid
  return ""
}

function taken(i, id, whose) {
  if (id ~ /^[0-9]+$/ && id + 0 >= free_first[i] && id + 0 <= free_last[i] && clashes++ < 3) print "clash id " id " belongs to " whose
}

function decide(   i, name, text) {
  decided = 1
  for (i = 1; i <= wanted; i++) {
    name = order[i]
    if (want[name] == "auto") {
      want[name] = (name in p_uid) ? p_uid[name] : ((name in g_gid) ? g_gid[name] : free_system_uid())
      if (want[name] == "") text = "no system uid is free for " name
      else if (want[name] + 0 == 0) text = "user " name " has uid " want[name]
    }
    if (text == "") text = obstacle(name)
    if (text != "") {
      if (clashes++ < 3) print "clash " text
      text = ""
    }
  }
  for (i = 1; i <= frees; i++) {
    for (name in uid_of) taken(i, name, "user" uid_of[name])
    for (name in gid_of) taken(i, name, "group" gid_of[name])
  }
  if (clashes > 3) print "clash and " (clashes - 3) " more"
  if (clashes) exit
}

function put(file, line) { print line > (out "/" file); count[file]++ }
function fresh(file, name) {
  changed[file] = 1
  if (file == "passwd") put(file, name ":" password ":" want[name] ":" want[name] ":Stockade:/nonexistent:" nologin)
  else if (file == "group") put(file, name ":x:" want[name] ":")
  else if (file == "shadow") put(file, name ":!*:" day "::::::")
  else put(file, name ":!*::")
}
function right(file, name) {
  if (file == "passwd") return !ours(name) || user_right(name)
  if (file == "group") return group_right(name)
  if (file == "shadow") return locked(name)
  return $3 == "" && $4 == ""
}

BEGIN {
  FS = ":"
  nologin = ENVIRON["STOCKADE_ACCOUNTS_SHELL"]
  day = ENVIRON["STOCKADE_ACCOUNTS_DAY"]
  files = split(ENVIRON["STOCKADE_ACCOUNTS_FILES"], file_list, " ")
  for (i = 1; i <= files; i++) has[file_list[i]] = 1
  password = has["shadow"] ? "x" : "*"
  wishes = split(ENVIRON["STOCKADE_ACCOUNTS_REQUEST"], wish, "\n")
  for (i = 1; i <= wishes; i++) {
    split(wish[i], part, " ")
    if (part[1] == "keep") keep(part[2], part[3])
    else if (part[1] == "keep-range") for (n = part[3] + 0; n <= part[4] + 0; n++) keep(part[2] n, number(part[5] + n))
    else if (part[1] == "free") { free_first[++frees] = part[2] + 0; free_last[frees] = part[3] + 0 }
    else if (part[1] == "drop") drop[part[2]] = part[3]
    else if (part[1] == "drop-rest") { rest_prefix[++rests] = part[2]; rest_base[rests] = part[3] }
  }
}

phase == 1 && /^[+-]/ { next }
phase == 1 && FILENAME == "passwd" {
  uid_of[$3] = uid_of[$3] " " $1
  if (!($1 in p_uid)) { p_uid[$1] = $3; p_gid[$1] = $4; p_gecos[$1] = $5; p_home[$1] = $6; p_shell[$1] = $7; p_word[$1] = $2 }
  next
}
phase == 1 && FILENAME == "group" {
  gid_of[$3] = gid_of[$3] " " $1
  if (!($1 in g_gid)) { g_gid[$1] = $3; g_members[$1] = $4 }
  next
}
phase == 1 && FILENAME == "shadow" { if (!($1 in s_word)) s_word[$1] = $2; next }
phase == 1 { next }

!decided { decide() }
/^[+-]/ { tail[FILENAME] = tail[FILENAME] $0 "\n"; next }
$1 in want {
  if (seen[FILENAME, $1]++) { changed[FILENAME] = 1; next }
  if (right(FILENAME, $1)) put(FILENAME, $0)
  else fresh(FILENAME, $1)
  next
}
leaving($1) { changed[FILENAME] = 1; next }
{ put(FILENAME, $0) }

END {
  if (clashes) exit
  for (f = 1; f <= files; f++) {
    file = file_list[f]
    for (i = 1; i <= wanted; i++) if (!((file, order[i]) in seen)) fresh(file, order[i])
    if (file in tail) {
      printf "%s", tail[file] > (out "/" file)
      count[file] += gsub(/\n/, "\n", tail[file])
    }
    if (file in changed) print "change " file " " (count[file] + 0)
  }
}
'
accounts_editor='set -u
umask 077
cd /etc || exit 1
w=.stockade-accounts
files=
for f in group gshadow shadow passwd; do
  if [ -L "$f" ]; then echo "stockade broken /etc/$f is a symbolic link"; exit 0; fi
  if [ -f "$f" ]; then files="$files $f"; fi
done
case $files in *group*passwd) ;; *) echo '\''stockade broken /etc/passwd or /etc/group is missing'\''; exit 0 ;; esac
trap '\''rm -rf -- "/etc/$w"'\'' EXIT
rm -rf -- "$w" && mkdir -m 0700 "$w" && cp --attributes-only --preserve=all -- $files "$w/" || {
  echo '\''stockade broken /etc could not be written'\''; exit 0
}
export STOCKADE_ACCOUNTS_FILES="$files"
answer=$(awk "$STOCKADE_ACCOUNTS_PROGRAM" "out=$w" phase=1 $files phase=2 $files) || {
  echo '\''stockade broken the new files could not be written; is the disk full?'\''; exit 0
}
case $answer in
  '\'''\'') echo '\''stockade same'\''; exit 0 ;;
  clash*) echo "stockade $answer"; exit 0 ;;
esac
cd "$w" || exit 1
set --
while read -r word file count; do
  [ "$word" = change ] || { echo "stockade broken $word"; exit 0; }
  # a short file would lock everybody out: its length is counted again from the disk
  [ "$(wc -l <"$file")" -eq "$count" ] || { echo "stockade broken $file has not $count lines; is the disk full?"; exit 0; }
  set -- "$@" "$file"
done <<END
$answer
END
sync -- "$@" && mv -f -- "$@" /etc/ && sync /etc || { echo '\''stockade broken /etc could not be written'\''; exit 0; }
echo '\''stockade changed'\'''
accounts_rewrite() {
  accounts_shell=/usr/sbin/nologin
  [ -x "$accounts_shell" ] || accounts_shell=/sbin/nologin
  [ -x "$accounts_shell" ] || accounts_shell=/bin/false
  for accounts_try in 1 2 3 4; do
    accounts_answer=$(
      export STOCKADE_ACCOUNTS_REQUEST="$1" STOCKADE_ACCOUNTS_SHELL="$accounts_shell"
      export STOCKADE_ACCOUNTS_PROGRAM="$accounts_program" STOCKADE_ACCOUNTS_EDITOR="$accounts_editor"
      STOCKADE_ACCOUNTS_DAY=$(($(date +%s) / 86400))
      export STOCKADE_ACCOUNTS_DAY
      VISUAL='sh -c "$STOCKADE_ACCOUNTS_EDITOR" accounts' vipw
    ) || :
    case $accounts_answer in *stockade*) break ;; esac
  done
  accounts_told=${accounts_answer#*stockade }
  case $accounts_told in
    same*) ;;
    changed*) changed ;;
    clash*) fail user-clash "$(printf '%s
' "$accounts_answer" | sed -n 's/^\(stockade \)\{0,1\}clash //p')" ;;
    broken*) fail passwd-broken "$(printf '%s
' "$accounts_answer" | sed -n 's/^stockade broken //p')" ;;
    *) fail passwd-locked 'the password files stayed locked for a minute' ;;
  esac
}
