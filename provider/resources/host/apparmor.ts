import {
  apparmorDirectory,
  guestProfile,
  loadedProfilesPath,
  profileAbiPath,
  profileNames,
  profilePath,
  profileSha256,
  profileText,
} from '../../jail/lsm-profile.ts';
import type { HostRoots } from '../../model/paths.ts';
import { joined, type ShellText, sh, word, words } from '../../model/shell.ts';
import type { HostCapabilities } from '../../toolstacks/qemu/capabilities.types.ts';
import { putFile, removeFiles } from '../shared/files.ts';
import type { FileFacts, HostFacts } from './facts.ts';

/** What a host shows of the profile that guests are confined by. */
export interface ApparmorFacts {
  readonly file: (FileFacts & { readonly sha256: string }) | undefined;
  /** Links by which AppArmor's own programs leave a profile out at boot, or load it in complain mode. */
  readonly switches: readonly string[];
  /** Those of ours that the kernel has, with the mode of each. */
  readonly loaded: ReadonlyMap<string, string>;
  /** What the kernel makes of their rules (hash by hash), and what it made of them when we loaded them. */
  readonly hashes: string;
  readonly record: ApparmorRecord | undefined;
}

export interface ApparmorRecord {
  /** Of the text that was loaded. */
  readonly sha256: string;
  readonly kernel: string;
  readonly hashes: string;
}

/** Both, as Debian and others have or had them. */
const parserPlaces = ['/usr/sbin/apparmor_parser', '/sbin/apparmor_parser'];
const switchPaths = ['disable', 'force-complain'].map(
  (name) => `${apparmorDirectory}/${name}/${guestProfile}`,
);
const policies = '/sys/kernel/security/apparmor/policy/profiles';

const recordPath = (roots: HostRoots): string => `${roots.state}/apparmor`;

/** Sets `hashes`; by builtins alone. The kernel numbers what it has loaded, and calls the hash by its algorithm. */
const hashesFunction: ShellText = sh`apparmor_hashes() {
  hashes=
  for policy in ${joined(profileNames.map((name) => sh`${word(`${policies}/${name}`)}.[0-9]*`))}; do
    for file in "$policy/sha1" "$policy/sha256"; do
      value=
      if [ -r "$file" ]; then read -r value <"$file" || :; fi
      hashes=$hashes$value:
    done
  done
} 2>/dev/null`;

/** Part of the host's section: what `apparmorFacts` reads. The file itself is among the section's `files`. */
export function askApparmor(roots: HostRoots): ShellText {
  return sh`for host_place in ${words(parserPlaces)}; do
  if [ -x "$host_place" ] && [ -f ${word(profileAbiPath)} ]; then
    host_say apparmor-parser "$host_place"
    break
  fi
done
if [ -r ${word(loadedProfilesPath)} ]; then
  while read -r host_profile host_mode; do
    case $host_profile in ${alternatives(profileNames)}) host_say apparmor-loaded "$host_profile $host_mode" ;; esac
  done <${word(loadedProfilesPath)}
  ${hashesFunction}
  apparmor_hashes
  host_say apparmor-hashes "$hashes"
fi
host_line apparmor-record ${word(recordPath(roots))}
for host_place in ${words(switchPaths)}; do
  if [ -e "$host_place" ] || [ -L "$host_place" ]; then host_say apparmor-switch "$host_place"; fi
done
[ ! -f ${word(profilePath)} ] || host_say apparmor-file "$(sha256sum <${word(profilePath)})"`;
}

function alternatives(names: readonly string[]): ShellText {
  return joined(names.map(word), sh` | `);
}

export function parseApparmor(
  single: ReadonlyMap<string, string>,
  many: ReadonlyMap<string, readonly string[]>,
  file: FileFacts | undefined,
): ApparmorFacts {
  const sha256 = /^[0-9a-f]{64}/.exec(single.get('apparmor-file') ?? '')?.[0] ?? '';
  const loaded = (many.get('apparmor-loaded') ?? []).flatMap((line) => {
    const [, name, mode] = /^(\S{1,64}) \(([a-z]{1,32})\)$/.exec(line) ?? [];
    return name === undefined || mode === undefined ? [] : [[name, mode] as const];
  });
  const recorded = /^([0-9a-f]{64}) (\S{1,256}) ([0-9a-f:]{1,512})$/.exec(
    single.get('apparmor-record') ?? '',
  );
  const [, text, kernel, hashes] = recorded ?? [];
  return {
    file: file === undefined ? undefined : { ...file, sha256 },
    switches: (many.get('apparmor-switch') ?? []).filter((path) => switchPaths.includes(path)),
    loaded: new Map(loaded),
    hashes: single.get('apparmor-hashes') ?? '',
    record:
      text === undefined || kernel === undefined || hashes === undefined
        ? undefined
        : { sha256: text, kernel, hashes },
  };
}

/** The host can confine guests: its kernel has AppArmor, and there is what loads profiles. */
export function hasApparmor({ lsm, apparmorParser }: HostCapabilities): boolean {
  return lsm.includes('apparmor') && apparmorParser !== undefined;
}

/** `ok`, or what is wrong in a few words; `ok` where the host has no AppArmor to load anything into. */
export function profileState(facts: HostFacts, roots: HostRoots): string {
  if (!hasApparmor(facts.capabilities)) return 'ok';
  const { file, switches, record } = facts.apparmor;
  const wrong: string[] = [];
  if (file === undefined) wrong.push('missing');
  else if (file.type !== 'file' || file.sha256 !== profileSha256(roots)) wrong.push('was edited');
  else if (file.uid !== 0 || file.gid !== 0 || file.mode !== 0o644) {
    wrong.push(`has owner ${file.uid}:${file.gid} and mode ${file.mode.toString(8).padStart(4, '0')}`);
  }
  if (switches[0] !== undefined) wrong.push(`is switched off by ${switches[0]}`);
  const fault = loadedFault(facts);
  if (fault !== undefined) wrong.push(fault);
  else if (record?.sha256 !== profileSha256(roots)) wrong.push('was not loaded as it is');
  return wrong.length === 0 ? 'ok' : wrong.join('; ');
}

/**
 * What is wrong with what the kernel has; `undefined`: nothing that can be seen. Another kernel makes something else of the
 * same rules, so hashes count only for the one that they are of.
 */
export function loadedFault({ apparmor, capabilities }: HostFacts): string | undefined {
  const { loaded, hashes, record } = apparmor;
  for (const name of profileNames) {
    const mode = loaded.get(name);
    if (mode === undefined) return `${name} is not loaded`;
    if (mode !== 'enforce') return `${name} is in ${mode} mode`;
  }
  return record?.kernel === capabilities.kernel && record.hashes !== hashes
    ? 'other rules are loaded under its name'
    : undefined;
}

/** The profile as a whole, loaded and enforced; what was loaded is recorded last, so a run that was killed is finished by the next. */
export function installProfile(parser: string, roots: HostRoots): ShellText {
  const at = word(profilePath);
  const record = word(recordPath(roots));
  return sh`${hashesFunction}
loaded() {
  known=
  while read -r name mode; do
    case $name in ${alternatives(profileNames)}) [ "$mode" != '(enforce)' ] || known="$known $name" ;; esac
  done <${word(loadedProfilesPath)}
  for name in ${words(profileNames)}; do
    case "$known " in *" $name "*) ;; *) return 1 ;; esac
  done
}
as_recorded() {
  recorded=
  [ ! -f ${record} ] || read -r recorded <${record} || :
  read -r kernel </proc/sys/kernel/osrelease
  apparmor_hashes
  now="${word(profileSha256(roots))} $kernel $hashes"
  [ "$recorded" = "$now" ]
}
if [ -f ${at} ] && [ "$(stat -c '%a %u %g' ${at})" != '644 0 0' ]; then
  chown -h 0:0 ${at}
  rm -f -- ${at}
fi
${putFile(profilePath, profileText(roots), '0644')}
${removeFiles(switchPaths)}
if ! loaded || ! as_recorded; then
  said=$(${word(parser)} --replace -- ${at} 2>&1) || fail apparmor-load "$said"
  loaded || fail apparmor-load 'the kernel does not enforce what was loaded'
  as_recorded || printf '%s\\n' "$now" >${record}
  changed
fi`;
}

/** Nothing of it stays: not in the kernel, and not where AppArmor would find it at the next boot. */
export const removeProfile: ShellText = sh`if [ -w /sys/kernel/security/apparmor/.remove ]; then
  while read -r name mode; do
    case $name in ${alternatives(profileNames)}) ;; *) continue ;; esac
    printf '%s' "$name" >/sys/kernel/security/apparmor/.remove || fail apparmor-remove "$name cannot be removed from the kernel"
    changed
  done <<END
$(cat ${word(loadedProfilesPath)})
END
fi
${removeFiles([profilePath, ...switchPaths])}
for file in /var/cache/apparmor/*/${word(guestProfile)}; do
  [ ! -f "$file" ] || rm -f -- "$file"
done`;
