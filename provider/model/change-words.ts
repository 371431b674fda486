import type { IsolationLine } from './change.ts';

/** How a name of the spec is written where it is read: as it is in YAML, otherwise in Terraform. */
type Spelling = (name: string) => string;
const asItIs: Spelling = (name) => name;

/** `limits.memoryMib`, `disks.0.path` */
export function pathText(path: readonly (string | number)[], spell = asItIs): string {
  return path.map((step) => (typeof step === 'number' ? String(step) : spell(step))).join('.');
}

/** Whence a loss or gain comes: `isolation.off; its QEMU was built without seccomp`. */
export function whence({ path, reason }: IsolationLine, spell = asItIs): string {
  return reason === undefined ? pathText(path, spell) : `${pathText(path, spell)}; ${reason}`;
}

/** Digests are told by their beginning; other long values are cut. */
export function shortValue(text: string, length: number): string {
  const digest = /^sha256:([0-9a-f]{12})[0-9a-f]{52}$/.exec(text);
  if (digest !== null) return `sha256:${digest[1]}…`;
  return text.length > length ? `${text.slice(0, length)}…` : text;
}
