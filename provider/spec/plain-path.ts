/** Without what changes nothing: `/srv//a/./b` is `/srv/a/b`. Links are the host's to see. */
export function plainPath(path: string): string {
  return `/${path
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/')}`;
}

/** How one directory lies to another, by their paths: the same, below it, above it; `undefined`: apart. */
export function pathRelation(one: string, other: string): 'same' | 'below' | 'above' | undefined {
  const [here, there] = [plainPath(one), plainPath(other)];
  if (here === there) return 'same';
  if (isBelow(here, there)) return 'below';
  return isBelow(there, here) ? 'above' : undefined;
}

function isBelow(inner: string, outer: string): boolean {
  return inner.startsWith(outer === '/' ? '/' : `${outer}/`);
}
