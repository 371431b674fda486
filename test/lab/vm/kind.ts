import type { ShellText } from '../../../provider/model/shell.ts';
import type { RootRecipe } from '../recipe.ts';

export interface MachineRecipe extends RootRecipe {
  /** What the initial RAM disk loads. */
  readonly bootModules: readonly string[];
  readonly memoryMib: number;
  readonly diskMib: number;
}

/** What sorts of emulated machines differ in; `image.ts`, `machine.ts` and `host.ts` are the same for all. */
export interface MachineKind {
  /** Of its cache entry and its runs; a host of it is called this and 1. */
  readonly name: string;
  /** For people. */
  readonly title: string;
  /** Its digest names the cache entry. */
  readonly recipe: MachineRecipe;
  /** QEMU's `-cpu`. */
  readonly cpu: string;
  readonly translationCacheMib: number;
  /** A saved state is of one number of them. */
  readonly processors: number;
  /** QEMU's options that start what lies in the image's directory: at least `vmlinuz` and `initrd`. */
  readonly bootOptions: (image: string) => readonly string[];
  /** What is done to its root file system once all is installed; what it is started from besides kernel and initrd goes into the image's directory. */
  readonly finish?: (root: string, directory: string) => void;
  /** What must succeed there before its state is saved, besides the boot itself. */
  readonly check?: ShellText;
}
