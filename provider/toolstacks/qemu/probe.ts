import { trustFunction, trustRemedy } from '../../jail/trusted-files.ts';
import { defaultRoots, type HostRoots } from '../../model/paths.ts';
import { type ShellText, sh, word, words } from '../../model/shell.ts';

/** Where QEMU is looked for, first come first. */
export const qemuSearchPaths = ['/usr/bin', '/usr/local/bin', '/usr/libexec', '/usr/lib'].map(
  (directory) => `${directory}/qemu-system-x86_64`,
);

/** Sub-options that every guest is started with; a QEMU that does not take them has no (or too old a) seccomp filter. */
const sandboxProbe = 'on,obsolete=deny,spawn=deny,resourcecontrol=deny';

/**
 * A boot sector in octal: `mov dx,0x501; mov al,0x10; out dx,al; cli; hlt`. isa-debug-exit ends QEMU with (0x10 << 1) | 1.
 * That many bytes of nothing follow, then the signature. The BIOS does not boot from a disk of a single sector.
 */
const bootSector = {
  code: '\\272\\001\\005\\260\\020\\356\\372\\364',
  filler: 502,
  exitStatus: 33,
  diskBytes: 1_048_576,
};
const kvmProbeSeconds = 3;
/** Raise when `qemu_query` asks for more: what was kept before counts no more. */
const questions = 2;
const queryTimeoutSeconds = 10;
/** No answer of QEMU's is longer (its `-help` has 34 KB). */
const answerLimitBytes = 262_144;

/**
 * Defines `qemu_answers PATH`: prints what that QEMU says of itself as pairs of NUL-terminated words: `identity` (path, device,
 * inode, modification time, size), `sandbox` (exit status of a run with `sandboxProbe`), `version`, `help`, `machines`, `accelerators`,
 * `devices`, `objects`, `kvm`; nothing where there is no such file, or one that is not root's alone. On a prepared host the answers are kept by the identity of the binary;
 * KVM's is tried once per boot. `-fsdev help` is not asked: neither 7.2 nor 10.0 answers it.
 */
export function qemuAnswers(roots: HostRoots = defaultRoots): ShellText {
  return sh`${trustFunction}
qemu_cache=${word(`${roots.state}/capabilities`)}
# qemu_ask NAME ARGUMENT...
qemu_ask() {
  printf '%s\\0' "$1"
  shift
  timeout ${queryTimeoutSeconds} "$qemu" "$@" 2>/dev/null | head -c ${answerLimitBytes} | tr -d '\\000'
  printf '\\0'
}
qemu_query() {
  printf 'identity\\0%s %s\\0' "$qemu_id" "$qemu"
  qemu_status=0
  timeout ${queryTimeoutSeconds} "$qemu" -sandbox ${word(sandboxProbe)} -version >/dev/null 2>&1 || qemu_status=$?
  printf 'sandbox\\0%s\\0' "$qemu_status"
  qemu_ask version -version
  qemu_ask help -help
  qemu_ask machines -machine help
  qemu_ask accelerators -accel help
  qemu_ask devices -device help
  qemu_ask objects -object help
}
# qemu_try ACCELERATOR: whether a guest really runs under it, by one that ends itself with a status of its own
qemu_try() {
  qemu_tried=failed
  qemu_sector=$(mktemp /run/stockade-probe.XXXXXXXX) || return 0
  { printf ${word(bootSector.code)}; head -c ${bootSector.filler} /dev/zero; printf '\\125\\252'; } >"$qemu_sector"
  truncate -s ${bootSector.diskBytes} "$qemu_sector"
  timeout -s KILL ${kvmProbeSeconds} "$qemu" -nodefaults -no-user-config -display none -no-reboot -machine q35 -accel "$1" -m 16 \\
    -device isa-debug-exit,iobase=0x501,iosize=1 -drive "file=$qemu_sector,format=raw,if=none,id=sector" \\
    -device virtio-blk-pci,drive=sector >/dev/null 2>&1
  [ $? -ne ${bootSector.exitStatus} ] || qemu_tried=works
  rm -f -- "$qemu_sector"
}
qemu_try_kvm() {
  qemu_kvm=absent
  [ -e /dev/kvm ] || return 0
  qemu_try kvm
  qemu_kvm=$qemu_tried
}
# Answers of what stood at the same path before are of no use any more
qemu_forget() {
  for qemu_old in "$qemu_cache"/*.path; do
    [ -f "$qemu_old" ] && IFS= read -r qemu_of <"$qemu_old" || continue
    [ "$qemu_of" != "$qemu" ] || rm -f -- "$qemu_old" "\${qemu_old%.path}" "\${qemu_old%.path}.kvm"
  done
}
qemu_answers() {
  qemu=$(readlink -e -- "$1") && [ -f "$qemu" ] && [ -x "$qemu" ] || return 0
  # nothing is run as root that somebody else could have put there
  [ -z "$(stockade_untrusted "$1")" ] || return 0
  qemu_id=$(stat -c '%d-%i-%Y-%s' -- "$qemu") || return 0
  IFS= read -r qemu_boot </proc/sys/kernel/random/boot_id
  if [ ! -d "$qemu_cache" ] || [ -L "$qemu_cache" ] || [ ! -O "$qemu_cache" ]; then
    qemu_query
    qemu_try_kvm
    printf 'kvm\\0%s\\0' "$qemu_kvm"
    return 0
  fi
  # answers to other questions than these are not taken
  qemu_kept=$qemu_cache/${questions}-$qemu_id
  if [ -f "$qemu_kept" ] && [ ! -L "$qemu_kept" ]; then cat -- "$qemu_kept"
  else
    qemu_forget
    qemu_query | tee -- "$qemu_kept.$$" && mv -fT -- "$qemu_kept.$$" "$qemu_kept" && printf '%s\\n' "$qemu" >"$qemu_kept.path"
  fi
  qemu_known=
  [ ! -f "$qemu_kept.kvm" ] || IFS=' ' read -r qemu_known qemu_kvm <"$qemu_kept.kvm"
  # a device that came or went since then (a module loaded) is tried again
  if [ -e /dev/kvm ]; then qemu_device=there; else qemu_device=none; fi
  if [ "$qemu_known" != "$qemu_boot/$qemu_device" ]; then
    qemu_try_kvm
    printf '%s %s\\n' "$qemu_boot/$qemu_device" "$qemu_kvm" >"$qemu_kept.kvm.$$" && mv -fT -- "$qemu_kept.kvm.$$" "$qemu_kept.kvm"
  fi
  printf 'kvm\\0%s\\0' "$qemu_kvm"
} 2>/dev/null`;
}

/** Step text that sets `qemu` to the binary that counts and refuses where there is none. What it cannot do is for each guest to weigh. */
export function requireQemu(binary: string | undefined): ShellText {
  const places = binary === undefined ? qemuSearchPaths : [binary];
  return sh`${trustFunction}
qemu=
for place in ${words(places)}; do
  if [ -f "$place" ] && [ -x "$place" ]; then qemu=$place; break; fi
done
[ -n "$qemu" ] || refuse no-qemu ${word(noQemuText(places))}
qemu=$(readlink -e -- "$qemu") || refuse no-qemu ${word(noQemuText(places))}
qemu_untrusted=$(stockade_untrusted "$place")
[ -z "$qemu_untrusted" ] || refuse qemu-untrusted "QEMU runs as root at first, and $qemu_untrusted: ${trustRemedy}"
timeout ${queryTimeoutSeconds} "$qemu" -version >/dev/null 2>&1 || refuse no-qemu "$qemu does not answer as QEMU does"`;
}

export function noQemuText(places: readonly string[]): string {
  return `there is no QEMU at ${places.join(', ')}`;
}
