import { shareGuestRecipe } from '../recipe.ts';
import { start } from './init.ts';

/** Hands over to the program in `share/main.pl`, which reads the kernel's command line itself. */
export const shareInit = `${start}dmesg -n 1
for module in ${shareGuestRecipe.modules.slice(2).join(' ')}; do insmod /lib/$module.ko; done
echo "Stockade share guest is up (Linux $release)"
perl /share/main.pl || echo "Stockade share guest failed"
grep -q 'stay=1' /proc/cmdline && while :; do sleep 3600; done
poweroff -f
`;
