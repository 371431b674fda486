import { guestRecipe } from '../recipe.ts';
import { start, stay } from './init.ts';

/**
 * Prints a line of each disk, with what can be read of its first 4 KiB; then does what the kernel's command line says of the
 * first one:
 *   disk_write=TEXT   writes TEXT 64 KiB after its start
 *   disk_fill=1       writes to all of it
 *   disk_load=N       N processes read and write all over it at once, each past the guest's cache, 8 rounds of 16
 * What came of it is printed, and then the banner.
 */
export const diskInit = `${start}for module in ${guestRecipe.diskModules.join(' ')}; do insmod /lib/$module.ko; done
for disk in /sys/block/vd*; do
  [ -d "$disk" ] || continue
  name=\${disk##*/} serial=
  read -r serial <"$disk/serial"
  read -r sectors <"$disk/size"
  read -r ro <"$disk/ro"
  text=$(head -c 4096 "/dev/$name" | tr -cd ' -~')
  echo "disk $name serial=$serial bytes=$((sectors * 512)) ro=$ro text=[$text]"
  last=$name
done
read -r sectors 2>/dev/null </sys/block/vda/size
if [ -n "$disk_write" ]; then
  if printf '%-512s' "$disk_write" | dd of=/dev/vda bs=512 seek=128 oflag=direct status=none; then echo "disk write ok"; else echo "disk write failed"; fi
fi
if [ -n "$disk_fill" ]; then
  if dd if=/dev/urandom of=/dev/vda bs=1M count=$((sectors / 2048)) oflag=direct status=none; then echo "disk fill ok"; else echo "disk fill failed"; fi
fi
# one_load NUMBER: its share of the disk, 16 blocks of 4 KiB far from each other
one_load() {
  round=0
  while [ $round -lt 8 ]; do
    dd if=/dev/vda of=/dev/null bs=4k count=16 skip=$((($1 * 37 + round * 16) % (sectors / 8 - 16))) iflag=direct status=none || exit 1
    dd if=/dev/zero of=/dev/vda bs=4k count=16 seek=$((($1 * 37 + round * 16) % (sectors / 8 - 16))) oflag=direct status=none || exit 1
    round=$((round + 1))
  done
}
if [ -n "$disk_load" ]; then
  number=0 bad=0 jobs=
  while [ $number -lt "$disk_load" ]; do
    one_load $number &
    jobs="$jobs $!"
    number=$((number + 1))
  done
  for job in $jobs; do wait $job || bad=$((bad + 1)); done
  echo "disk load done, $bad of $disk_load failed"
fi
${stay}`;
