import { guestRecipe } from '../recipe.ts';
import { start, stay } from './init.ts';

/**
 * Prints a line of each disk, with what can be read of its first 4 KiB; then does what the kernel's command line says of the
 * first one:
 *   disk_write=TEXT   writes TEXT 64 KiB after its start
 *   disk_fill=1       writes to all of it
 *   disk_load=N       N processes read it at once, past the guest's cache; then it is discarded block by block, as
 *                     many requests at once as its queue takes (256)
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
if [ -n "$disk_load" ]; then
  number=0 bad=0 jobs=
  while [ $number -lt "$disk_load" ]; do
    dd if=/dev/vda of=/dev/null bs=4k count=16 skip=$((number * 37 % (sectors / 8 - 16))) iflag=direct status=none &
    jobs="$jobs $!"
    number=$((number + 1))
  done
  for job in $jobs; do wait $job || bad=$((bad + 1)); done
  # requests that nobody merges, as many at once as the queue has room for
  echo 4096 >/sys/block/vda/queue/discard_max_bytes
  echo 0 >/sys/block/vda/queue/wbt_lat_usec
  echo none >/sys/block/vda/queue/scheduler
  blkdiscard /dev/vda || bad=$((bad + 1))
  echo "disk load done, $bad failed"
fi
${stay}`;
