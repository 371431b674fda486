/** Definitions of 10,000 guests are about 2 MiB. Beyond these sizes a file is a mistake or an attack. */
export const maxFileBytes = 16 * 1024 * 1024;
export const maxTotalBytes = 128 * 1024 * 1024;
export const maxFiles = 10_000;

/** Pieces of YAML in one file; each takes the library some hundred bytes. 10,000 guests have 740,000. */
export const maxTokens = 2_000_000;

/** Nesting; what the spec knows is eight deep. Whoever walks the tree may recurse. */
export const maxDepth = 64;

/** Values of a file with all aliases replaced by what they stand for. */
export const maxValues = 4_000_000;

/** Problems that are told at once. */
export const maxProblems = 500;
