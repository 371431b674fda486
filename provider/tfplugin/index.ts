/** The Terraform plugin protocol (version 6) for providers written in TypeScript. Knows nothing of what they provide. */
export { errorAt, hasErrors, showPath } from './diagnostics.ts';
export { parseJson } from './json.ts';
export { type ServeOptions, serve } from './server/serve.ts';
export * from './types.ts';
