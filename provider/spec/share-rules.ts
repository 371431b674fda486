import type { z } from 'zod';

interface Share {
  readonly tag: string;
}

/** Shares of one guest: a tag each. */
export function shareRules(shares: readonly Share[], context: z.RefinementCtx): void {
  const tags = new Set<string>();
  shares.forEach(({ tag }, index) => {
    if (tags.has(tag))
      context.addIssue({
        code: 'custom',
        path: [index, 'tag'],
        message: `is the tag of another share too: ${tag}`,
        input: shares,
      });
    tags.add(tag);
  });
}
