import type { z } from 'zod';
import { plainText } from './field.ts';

/** Names as the kernel gives them. Each part of a path begins with none of `.`, `-`: nothing hidden, no `..`, no option. */
const plainPath = /^\/dev(\/[A-Za-z0-9_][A-Za-z0-9_.:,=@+-]*)+$/;

/** What has a mount of the guest's own on it. */
const ownMounts = ['/dev/pts', '/dev/shm', '/dev/mqueue'];

/** The path of a device node: what lies below /dev and needs no resolving. Unit of its length: characters. */
export function devicePath() {
  return plainText(255)
    .refine((path) => /^\/dev\/[^/]/.test(path), 'must lie below /dev')
    .refine(
      (path) => !path.startsWith('/dev/') || plainPath.test(path),
      'must be a plain path: parts of letters, digits and _.:,=@+-, none of them empty or beginning with a dot',
    );
}

/** Device nodes: each once, none where the guest has something else of its own. */
export function deviceRules(devices: readonly string[], context: z.RefinementCtx): void {
  devices.forEach((device, index) => {
    const blame = (message: string) =>
      context.addIssue({ code: 'custom', path: [index], message, input: devices });
    const own = ownMounts.find((mount) => device === mount || device.startsWith(`${mount}/`));
    const below = devices.find((other) => other.startsWith(`${device}/`));
    if (devices.indexOf(device) < index) blame(`is there twice: ${device}`);
    if (own !== undefined) blame(`lies on ${own}, which is the guest's own`);
    if (below !== undefined) blame(`is no device but a directory: ${below} lies in it`);
  });
}
