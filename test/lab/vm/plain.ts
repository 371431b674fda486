import { vmRecipe } from '../recipe.ts';
import type { MachineKind } from './kind.ts';

/** Debian with a kernel of its own. */
export const plainMachine: MachineKind = {
  name: 'vm',
  title: 'full virtual machine host (Debian with a kernel of its own)',
  recipe: vmRecipe,
  cpu: 'max',
  translationCacheMib: 512,
  processors: 2,
  bootOptions: (image) => [
    ...['-kernel', `${image}/vmlinuz`, '-initrd', `${image}/initrd`],
    ...['-append', 'root=/dev/vda rw console=ttyS0 net.ifnames=0 quiet mitigations=off'],
  ],
};
