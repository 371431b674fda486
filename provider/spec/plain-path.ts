/** Without what changes nothing: `/srv//a/./b` is `/srv/a/b`. Links are the host's to see. */
export function plainPath(path: string): string {
  return `/${pathParts(path).join('/')}`;
}

/** Its names, without empty ones and `.`. */
export function pathParts(path: string): readonly string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}

/** How one directory lies to another, by their paths: the same, below it, above it; `undefined`: apart. */
export function pathRelation(one: string, other: string): 'same' | 'below' | 'above' | undefined {
  const [here, there] = [plainPath(one), plainPath(other)];
  if (here === there) return 'same';
  if (isWithin(here, there)) return 'below';
  return isWithin(there, here) ? 'above' : undefined;
}

/** Whether a plain path is that directory or below it. */
export function isWithin(path: string, directory: string): boolean {
  return directory === '/' || path === directory || path.startsWith(`${directory}/`);
}
