import type { QemuCapabilities } from './capabilities.types.ts';

/** What of a QEMU decides how memory is shared. */
export type MemoryCapabilities = Pick<
  QemuCapabilities,
  'memfdBackend' | 'memoryBackendProperty' | 'numaMemdev'
>;

/** How this QEMU takes a shared memory file for the guest's memory; `undefined`: not at all. */
export function sharedMemoryForm(
  { memfdBackend, memoryBackendProperty, numaMemdev }: MemoryCapabilities,
  machine: string,
): 'machine' | 'numa' | undefined {
  if (!memfdBackend) return undefined;
  if (memoryBackendProperty) return 'machine';
  // microvm has no NUMA nodes
  return numaMemdev && machine !== 'microvm' ? 'numa' : undefined;
}

const backend = 'memory';

/** The guest's memory as one sealed memfd, shared with whom it is passed to (vhost-user devices). */
export function memoryArguments(sizeMib: number, form: 'machine' | 'numa'): readonly string[] {
  return [
    ...['-object', `memory-backend-memfd,id=${backend},size=${sizeMib}M,share=on`],
    ...(form === 'numa' ? ['-numa', `node,nodeid=0,memdev=${backend}`] : []),
  ];
}

/** Part of `-machine`. */
export function memoryProperty(form: 'machine' | 'numa'): string {
  return form === 'machine' ? `,memory-backend=${backend}` : '';
}
