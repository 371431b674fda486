import { proxyPlaces, virtiofsdPlaces } from '../../jail/share-places.ts';
import type { ReadSection } from '../../model/operation.ts';
import {
  defaultRoots,
  type HostRoots,
  loggerUser,
  unitDirectory,
  unitTemplatePath,
  unitPlaces,
} from '../../model/paths.ts';
import { joined, lines, type ShellText, sh, word, words } from '../../model/shell.ts';
import type { Toolstack } from '../../model/toolstack.ts';
import type { HostCapabilities, QemuCapabilities } from '../../toolstacks/qemu/capabilities.types.ts';
import { qemuAnswers, qemuSearchPaths } from '../../toolstacks/qemu/probe.ts';
import { askXen } from '../../toolstacks/xl/probe.ts';
import { profilePath } from '../../jail/lsm-profile.ts';
import { grepRecords } from '../shared/records.ts';
import { type ApparmorFacts, askApparmor } from './apparmor.ts';
import { runDirectories, stateDirectories } from './desired.ts';
import { requiredPrograms } from './programs.ts';

/** Everything one host shows of itself and of what Stockade keeps on it. */
export interface HostFacts {
  /** With the QEMU found by search; `capabilitiesFor` gives those that count for a fleet. */
  readonly capabilities: HostCapabilities;
  /** Every QEMU that was asked: by the path it was asked for by; the one found by search under an empty path. */
  readonly qemus: ReadonlyMap<string, QemuCapabilities>;
  readonly operatingSystem: OperatingSystem;
  /** `undefined`: the host is not prepared. */
  readonly record: HostRecordFacts | undefined;
  /** The fleets that prepared it. */
  readonly owners: ReadonlyMap<string, HostOwner>;
  /** Records that cannot be read, and why. */
  readonly damaged: ReadonlyMap<string, string>;
  readonly directories: ReadonlyMap<string, FileFacts>;
  readonly unitTemplate: (FileFacts & { readonly sha256: string }) | undefined;
  /** Unit files and drop-ins for all guests that we did not write. */
  readonly foreignUnitFiles: readonly string[];
  /** systemd has not been told of the template yet. */
  readonly reloadPending: boolean;
  readonly logger: LoggerFacts | undefined;
  readonly apparmor: ApparmorFacts;
  readonly guests: readonly { readonly guest: string; readonly owner: string }[];
  readonly userSets: readonly { readonly scheme: string; readonly owner: string }[];
}

export interface HostRecordFacts {
  readonly generation: number;
}

export interface HostOwner {
  readonly generation: number;
  readonly digest: string;
  /** The QEMU this fleet chose; `undefined`: found by search. */
  readonly qemuBinary: string | undefined;
  readonly toolstack: Toolstack;
}

export interface FileFacts {
  readonly type: 'directory' | 'file' | 'link' | 'other';
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export interface LoggerFacts {
  readonly uid: number | undefined;
  readonly gid: number | undefined;
  readonly home: string;
  readonly shell: string;
  readonly locked: boolean;
  readonly groupGid: number | undefined;
}

export interface OperatingSystem {
  /** `debian` */
  readonly id: string;
  /** `debian ubuntu` */
  readonly like: string;
  /** `Debian GNU/Linux 12 (bookworm)` */
  readonly name: string;
}

export const hostSectionName = 'host';

/** Of those, the ones before ours in systemd's order. */
export const placesBeforeOurs = unitPlaces.slice(0, unitPlaces.indexOf(unitDirectory));

/**
 * Reads the host in a constant number of processes (about 15; another 20 where QEMU has to be asked anew, eight more on Xen). Arguments are
 * paths of QEMU binaries to ask beside those on record and the one found by search.
 */
export function hostSection(roots: HostRoots = defaultRoots, binaries: readonly string[] = []): ReadSection {
  return {
    name: hostSectionName,
    arguments: binaries,
    packed: true,
    body: lines([
      qemuAnswers(roots),
      sh`host_say() { printf '%s\\0%s\\0' "$1" "$2"; }
# what a program says, in as few processes as can be: the shell itself leaves NULs out
host_text() { host_say "$1" "$(head -c 65536 2>/dev/null)"; }
host_line() {
  host_value=
  [ ! -r "$2" ] || IFS= read -r host_value <"$2" || :
  host_say "$1" "$host_value"
} 2>/dev/null`,
      askQemus(roots),
      askMachine,
      askRecords(roots),
      askUnit(roots),
      askApparmor(roots),
      askXen,
      sh`host_say end end`,
    ]),
  };
}

function askQemus(roots: HostRoots): ShellText {
  return sh`host_binaries=:
host_ask() {
  case $host_binaries in *":$1:"*) return 0 ;; esac
  host_binaries=$host_binaries$1:
  host_say asked "$1"
  qemu_answers "$1"
}
for host_binary do host_ask "$host_binary"; done
for host_owner in ${word(`${roots.state}/owners`)}/*; do
  record_read "$host_owner" || continue
  host_binary=\${rec_qemu_binary-}
  case $host_binary in
    '') continue ;;
    base64:*) host_binary=$(printf '%s' "\${host_binary#base64:}" | base64 -d) ;;
  esac
  host_ask "$host_binary"
done
for host_binary in ${words(qemuSearchPaths)}; do
  if [ -f "$host_binary" ] && [ -x "$host_binary" ]; then
    host_say asked ''
    qemu_answers "$host_binary"
    break
  fi
done`;
}

const askMachine: ShellText = sh`host_line kernel /proc/sys/kernel/osrelease
host_line boot /proc/sys/kernel/random/boot_id
host_line lsm /sys/kernel/security/lsm
[ ! -r /etc/os-release ] || host_text os </etc/os-release
[ ! -d /run/systemd/system ] || host_say systemd "$(systemctl --version 2>/dev/null)"
for host_program in ${words(requiredPrograms)}; do
  command -v "$host_program" >/dev/null || host_say missing "$host_program"
done
for host_place in ${words(virtiofsdPlaces)}; do
  [ -x "$host_place" ] || continue
  host_say virtiofsd "$host_place"
  host_value=$(timeout 5 "$host_place" --version 2>&1 | head -c 65536)
  host_say virtiofsd-version "$host_value"
  # the Rust one alone is asked for its options
  case $host_value in *virtiofsd\\ [0-9]*)
    host_say virtiofsd-help "$(timeout 5 "$host_place" --help 2>&1 | head -c 65536)" ;;
  esac
  break
done
for host_place in ${words(proxyPlaces)}; do
  [ -x "$host_place" ] || continue
  host_say proxy "$host_place"
  break
done
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
  host_say cgroup 2
  host_line controllers /sys/fs/cgroup/cgroup.controllers
elif [ -d /sys/fs/cgroup ]; then
  host_say cgroup 1
  host_found=
  for host_controller in cpu cpuset memory pids devices blkio; do
    [ ! -f "/sys/fs/cgroup/$host_controller/cgroup.procs" ] || host_found="$host_found $host_controller"
  done
  host_say controllers "$host_found"
fi`;

function askRecords(roots: HostRoots): ShellText {
  const state = word(roots.state);
  return sh`printf 'records\\0'
${grepRecords([sh`${state}/host`, sh`${state}/owners/*`])}
printf '\\0guests\\0'
set --
for host_guest in ${state}/guests/*/record; do [ ! -f "$host_guest" ] || set -- "$@" "$host_guest"; done
[ $# -eq 0 ] || grep -as '^owner ' /dev/null "$@"
printf '\\0'
for host_set in ${state}/users/*.owners/*; do
  [ ! -f "$host_set" ] || host_say set "$host_set"
done
printf 'files\\0'
set --
for host_file in ${words([...stateDirectories(roots), ...runDirectories(roots), unitTemplatePath, profilePath])}; do
  if [ -e "$host_file" ] || [ -L "$host_file" ]; then set -- "$@" "$host_file"; fi
done
[ $# -eq 0 ] || stat -c '%f %u %g %n' -- "$@"
printf '\\0logger\\0'
awk -F: -v name=${word(loggerUser)} '$1 == name {
  if (FILENAME ~ /passwd$/) print "passwd:" $3 ":" $4 ":" $6 ":" $7
  else if (FILENAME ~ /group$/) print "group:" $3
  else print "shadow:" ($2 ~ /^[!*]/ ? "locked" : "open")
}' /etc/passwd /etc/group /etc/shadow 2>/dev/null
printf '\\0'`;
}

function askUnit(roots: HostRoots): ShellText {
  return sh`[ ! -e ${word(reloadMarker(roots))} ] || host_say reload pending
[ ! -f ${word(unitTemplatePath)} ] || host_say template "$(sha256sum <${word(unitTemplatePath)})"
for host_place in ${words(placesBeforeOurs)}; do
  if [ -e "$host_place/stockade-guest@.service" ] || [ -L "$host_place/stockade-guest@.service" ]; then
    host_say foreign "$host_place/stockade-guest@.service"
  fi
done
for host_place in ${words(unitPlaces)}; do
  for host_file in ${dropInsAt(sh`"$host_place"`, sh`/*`)}; do
    # one for shares of a single guest is that guest's matter
    case $host_file in *:*) continue ;; esac
    if [ -e "$host_file" ] || [ -L "$host_file" ]; then host_say foreign "$host_file"; fi
  done
done`;
}

/**
 * Directories of drop-ins that are for all guests or all helpers, or for those whose names begin alike, as patterns: systemd takes what is
 * before any dash of a unit's name (systemd.unit(5)).
 */
const sharedDropIns: readonly ShellText[] = [
  sh`stockade-guest@.service.d`,
  sh`stockade-.service.d`,
  sh`stockade-.socket.d`,
  sh`stockade-*-.service.d`,
  sh`stockade-*-.socket.d`,
];

/** Such directories in a place, or what is in them. */
export function dropInsAt(place: ShellText, inside: ShellText = sh``): ShellText {
  return joined(sharedDropIns.map((pattern) => sh`${place}/${pattern}${inside}`));
}

/** Stands from before the unit template is written until systemd was told: a run killed in between is finished by the next. */
export function reloadMarker(roots: HostRoots = defaultRoots): string {
  return `${roots.run}/reload`;
}

/** What counts where this QEMU and toolstack are chosen; `undefined`: the QEMU found by search. */
export function capabilitiesWith(
  facts: HostFacts,
  binary: string | undefined,
  toolstack: Toolstack = 'qemu',
): HostCapabilities {
  const { capabilities, qemus } = facts;
  if (binary === undefined) return { ...capabilities, toolstack };
  const qemu = qemus.get(binary);
  const { xen } = capabilities;
  if (toolstack === 'qemu' || xen === undefined) return { ...capabilities, toolstack, qemu };
  const deviceModel =
    qemu === undefined ? undefined : { path: qemu.binary, device: qemu.device, inode: qemu.inode };
  return { ...capabilities, toolstack, qemu, xen: { ...xen, deviceModel } };
}

/** What counts for a fleet's guests on this host: with the QEMU and toolstack it chose when it prepared the host. */
export function capabilitiesFor(facts: HostFacts, fleet: string): HostCapabilities {
  const owner = facts.owners.get(fleet);
  return capabilitiesWith(facts, owner?.qemuBinary, owner?.toolstack);
}
