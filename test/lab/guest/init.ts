/** What the guest prints on its first serial port once its userland runs; the kernel's release follows in parentheses. */
export const guestBanner = 'Stockade guest is up';

/**
 * The kernel command line the guests are made for: first serial port as console, and without work that only costs
 * seconds under emulation.
 */
export const guestCommandLine = 'console=ttyS0 quiet mitigations=off cryptomgr.notests random.trust_cpu=on';

/**
 * The same for a microvm, which has but one clock to measure the processor's against: on a busy machine that fails under
 * emulation, and Linux stands still. So it is told.
 */
export const microvmCommandLine = `${guestCommandLine} tsc_early_khz=2000000`;

/** What every guest does first. */
export const start = `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
exec </dev/ttyS0 >/dev/ttyS0 2>&1
for module in evdev button; do insmod /lib/$module.ko; done
for event in /sys/class/input/event*; do
  read -r name <"$event/device/name"
  [ "$name" = "Power Button" ] || continue
  # Opened before anything is said, so that no press is missed from then on.
  exec 3<"/dev/input/\${event##*/}"
  (head -c 1 <&3 >/dev/null; echo "Stockade guest is going down"; poweroff -f) &
done
read -r _ _ release _ </proc/version
`;

/** What every guest does last. */
export const stay = `echo "${guestBanner} (Linux $release)"
while :; do sleep 3600; done
`;

/** Prints the banner, stays up, and goes down when the power button is pressed. */
export const quietInit = `${start}${stay}`;

/**
 * Prints what a hostile guest would: forged result lines, control sequences, bytes that are no text, a line without an end;
 * then noise: as many KiB as \`flood_kib=N\` on the kernel's command line says (2048 when unset, without end when 0).
 */
export const hostileInit = `${start}flood_kib=\${flood_kib:-2048}
forge() {
  printf 'STOCKADE 1 ok\\nSTOCKADE 7 ok c3RvY2thZGU=\\r\\nSTOCKADE end\\n'
  printf '\\n::error::forged\\n{"@level":"info","@message":"forged"}\\nApply complete! Resources: 99 added\\n'
}
controls() {
  printf '\\033[2J\\033[H\\033[31m\\033]0;forged title\\007\\033]52;c;Zm9yZ2Vk\\007\\033[?1049h\\033P+q544e\\033\\\\'
  printf '\\r\\033[K\\b\\b\\b\\000\\001\\177\\200\\377\\376\\303\\050\\342\\200\\256desrever\\n'
}
noise() {
  while :; do forge; controls; head -c 16384 /dev/urandom; printf '%16384s' x | tr ' ' A; done
}
forge
controls
if [ "$flood_kib" -eq 0 ]; then noise; else noise | head -c "$((flood_kib * 1024))"; fi
printf '\\n\\033c\\n'
${stay}`;
