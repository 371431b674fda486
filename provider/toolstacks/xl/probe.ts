import { trustFunction, trustRemedy } from '../../jail/trusted-files.ts';
import { type ShellText, sh, word, words } from '../../model/shell.ts';
import type { XenCapabilities } from './capabilities.types.ts';
import { findChecker } from './fd-checker.ts';

/** The first version whose libxl gives a restricted device model an empty root, namespaces and limits. */
export const oldestXen = { major: 4, minor: 12 } as const;

/** Where libxl's QEMU is: Debian's, and what Xen's own build installs. First come first. */
export const deviceModelPlaces = [
  '/usr/libexec/xen-qemu-system-i386',
  '/usr/lib/xen/bin/qemu-system-i386',
  '/usr/libexec/xen/bin/qemu-system-i386',
  '/usr/local/lib/xen/bin/qemu-system-i386',
] as const;

/** Programs of Xen's that steps and launchers need beside those every host has. */
export const xenPrograms = ['xl', 'xenstore-read', 'xenstore-ls'] as const;

const infoTimeoutSeconds = 20;
const answerLimitBytes = 65_536;

/**
 * Part of the host's section: what `parseXen` reads, by `host_say`. Nothing at all where there is no `xl`; else eight processes.
 * Needs `trustFunction`.
 */
export const askXen: ShellText = sh`${findChecker}
if host_xl=$(command -v xl); then
  host_say xl "$host_xl"
  host_value=
  [ ! -r /proc/xen/capabilities ] || IFS= read -r host_value </proc/xen/capabilities || :
  host_say xen-capabilities "$host_value"
  host_say xen-info "$(timeout ${infoTimeoutSeconds} xl info 2>&1 | head -c ${answerLimitBytes} | tr -d '\\000')"
  for host_place in ${words(deviceModelPlaces)}; do
    [ -f "$host_place" ] && [ -x "$host_place" ] || continue
    host_say xen-untrusted "$(stockade_untrusted "$host_place")"
    host_place=$(readlink -e -- "$host_place") || continue
    host_say xen-device-model "$host_place"
    host_say xen-device-model-file "$(stat -c '%d %i' -- "$host_place")"
    break
  done
  xen_checker
  host_say xen-checker "$checker"
  ! host_value=$(command -v python3) || host_say python "$host_value"
fi`;

/** Reads what `askXen` said. `many`: what was said several times, by name. */
export function parseXen(many: ReadonlyMap<string, readonly string[]>): XenCapabilities | undefined {
  const last = (name: string) => many.get(name)?.at(-1) ?? '';
  if (last('xl') === '') return undefined;
  const info = infoOf(last('xen-info'));
  const version = /^(\d{1,3})\.(\d{1,3})(?:\.\d{1,6})?/.exec(info.get('xen_version') ?? '');
  const untrusted = last('xen-untrusted');
  const [, device, inode] = /^(\d{1,15}) (\d{1,15})$/.exec(last('xen-device-model-file').trim()) ?? [];
  const path = last('xen-device-model');
  const found = path.startsWith('/') && device !== undefined && inode !== undefined && untrusted === '';
  const checker = last('xen-checker');
  return {
    version: version?.[0] ?? '',
    major: Number(version?.[1] ?? 0),
    minor: Number(version?.[2] ?? 0),
    isControlDomain: last('xen-capabilities').split(/\s/).includes('control_d'),
    totalMemoryMib: count(info.get('total_memory')),
    freeMemoryMib: count(info.get('free_memory')),
    deviceModel: found ? { path, device: Number(device), inode: Number(inode) } : undefined,
    untrusted: untrusted === '' ? undefined : untrusted,
    handleChecker: checker === '' ? undefined : checker,
    python: many.get('python')?.at(-1),
    complaint: version === null ? last('xen-info').trim() : '',
  };
}

/** `xl info`: a name, blanks, a colon, a value on each line. */
function infoOf(text: string): ReadonlyMap<string, string> {
  const info = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, name, value] = /^([a-z0-9_]{1,64}) *: (.*)$/.exec(line) ?? [];
    if (name !== undefined && value !== undefined && !info.has(name)) info.set(name, value.trim());
  }
  return info;
}

function count(text: string | undefined): number {
  return text !== undefined && /^\d{1,12}$/.test(text) ? Number(text) : 0;
}

/** Whether its libxl restricts device models as it should be. */
export function isOldXen({ major, minor }: Pick<XenCapabilities, 'major' | 'minor'>): boolean {
  return major < oldestXen.major || (major === oldestXen.major && minor < oldestXen.minor);
}

/** Sets `domain` to what the host is to Xen: `control_d` among it where it runs the domains; empty without Xen. By builtins alone. */
export const askControlDomain: ShellText = sh`domain=
[ ! -r /proc/xen/capabilities ] || read -r domain </proc/xen/capabilities || :`;

/** Step text that refuses where there is no Xen to make guests on; what it is like is for the plan to weigh. */
export function requireXen(binary: string | undefined): ShellText {
  const chosen = binary === undefined ? deviceModelPlaces : [binary];
  return sh`${trustFunction}
missing=
for program in ${words(xenPrograms)}; do
  command -v "$program" >/dev/null || missing="$missing $program"
done
[ -z "$missing" ] || refuse no-xl "programs are missing:$missing"
${askControlDomain}
case $domain in *control_d*) ;; *) refuse not-on-xen 'this host does not run as control domain of Xen' ;; esac
qemu=
for place in ${words(chosen)}; do
  if [ -f "$place" ] && [ -x "$place" ]; then qemu=$place; break; fi
done
[ -n "$qemu" ] || refuse no-qemu ${word(noDeviceModelText(chosen))}
qemu=$(readlink -e -- "$qemu") || refuse no-qemu ${word(noDeviceModelText(chosen))}
qemu_untrusted=$(stockade_untrusted "$place")
[ -z "$qemu_untrusted" ] || refuse qemu-untrusted "QEMU runs as root at first, and $qemu_untrusted: ${trustRemedy}"`;
}

export function noDeviceModelText(places: readonly string[] = deviceModelPlaces): string {
  return `there is no QEMU of Xen's at ${places.join(', ')}`;
}
