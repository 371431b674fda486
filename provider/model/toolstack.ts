/** What runs the guests of a host: QEMU by itself under systemd, or Xen's `xl`. A closed set. */
export const toolstacks = ['qemu', 'xl'] as const;
export type Toolstack = (typeof toolstacks)[number];
