/** Ends a switch over a closed union: reaching it is a bug, and adding a member without a case does not type-check. */
export function assertNever(value: never): never {
  throw new Error(`unexpected value: ${JSON.stringify(value)}`);
}
