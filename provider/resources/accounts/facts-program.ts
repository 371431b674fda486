/**
 * The awk program that reads passwd, group, shadow, gshadow, subuid and subgid and prints what matters about them, compactly:
 *   run:FIRST:LAST:ENTRY          xen-qemuuser-domid<N> for N in FIRST..LAST; ids in ENTRY are less N
 *   user:NAME:ENTRY               the other users of ours
 *   id:u|g:NAME:ID                every other user or group
 *   more:u|g:COUNT:LOWEST:HIGHEST those past the limit
 *   sub:u|g:NAME:START:COUNT      a subordinate range
 *   end
 * ENTRY is UID:GID:COMMENT:HOME:SHELL:LOCK:GROUP-GID:MEMBERS; LOCK is `locked`, `open` or empty; a part that is missing is empty.
 */
export const factsProgram = `
function cut(text) { return substr(text, 1, 128) }
function less(id, n) { return id ~ /^[0-9]+$/ ? sprintf("%.0f", id - n) : id }
function entry(name, n) {
  return (name in p ? less(uid[name], n) ":" less(gid[name], n) ":" p[name] : "::::") ":" word[name] ":" (name in g ? less(g[name], n) ":" members[name] : ":")
}
function other(kind, name, id) {
  if (++others[kind] <= limit) { print "id:" kind ":" cut(name) ":" cut(id); return }
  if (id !~ /^[0-9]+$/) return
  if (!(kind in lowest) || id + 0 < lowest[kind]) lowest[kind] = id + 0
  if (!(kind in highest) || id + 0 > highest[kind]) highest[kind] = id + 0
}
function flush() { if (from) print "run:" from ":" to ":" text; from = 0 }
BEGIN { FS = ":"; limit = 4096; prefix = "xen-qemuuser-domid" }
/^[+-]/ || $1 == "" { next }
FILENAME ~ /sub[ug]id$/ { if (++subs <= limit) print "sub:" (FILENAME ~ /subuid$/ ? "u" : "g") ":" cut($1) ":" cut($2) ":" cut($3); next }
{
  special = $1 ~ /^xen-qemuuser-(domid[1-9][0-9]*|range-base|shared|reaper)$/ || $1 == "stockade-logger"
  if (special && $1 ~ /domid/) {
    n = substr($1, length(prefix) + 1) + 0
    if (n > 32751) special = 0
    else if (n > last) last = n
  }
}
FILENAME ~ /passwd$/ {
  if (special && !($1 in p)) { uid[$1] = $3; gid[$1] = $4; p[$1] = cut($5) ":" cut($6) ":" cut($7) }
  else other("u", $1, $3)
  next
}
FILENAME ~ /group$/ {
  if (special && !($1 in g)) { g[$1] = $3; members[$1] = cut($4) }
  else other("g", $1, $3)
  next
}
special && FILENAME ~ /\\/shadow$/ { word[$1] = $2 ~ /^[!*]/ ? "locked" : "open" }
END {
  for (n = 1; n <= last; n++) {
    name = prefix n
    if (!(name in p) && !(name in g) && !(name in word)) { flush(); continue }
    now = entry(name, n)
    if (from && now == text) { to = n; continue }
    flush()
    if (++runs > limit) break
    from = to = n; text = now
  }
  flush()
  split("xen-qemuuser-range-base xen-qemuuser-shared xen-qemuuser-reaper stockade-logger", names, " ")
  for (i = 1; i <= 4; i++) if ((names[i] in p) || (names[i] in g) || (names[i] in word)) print "user:" names[i] ":" entry(names[i], 0)
  for (kind in lowest) printf "more:%s:%.0f:%.0f:%.0f\\n", kind, others[kind] - limit, lowest[kind], highest[kind]
  print "end"
}
`;
