import path from 'node:path';
import { Token } from 'cdktf';

/**
 * A file a guest boots from. `file`: on the machine that applies; it is uploaded once per host and kept there by its digest.
 * `hostFile`: an absolute path of a file that is on the host already.
 */
export type GuestFile =
  | { readonly file: string; readonly hostFile?: never }
  | { readonly hostFile: string; readonly file?: never };

/**
 * A relative path means: from where the app runs. Terraform runs in the stack's folder below `cdktf.out`, so the path goes
 * there as an absolute one. One below the home directory (`~/`) is not relative.
 */
export function fromHere(file: string): string {
  return Token.isUnresolved(file) || file.includes('${') || file.startsWith('~/') ? file : path.resolve(file);
}

/** Changes the named properties with `fromHere` where they are set. */
export function withPathsFromHere<Value extends object>(
  value: Value,
  ...names: readonly (keyof Value)[]
): Value {
  const changed = names.flatMap((name) => {
    const file = value[name];
    return typeof file === 'string' && file !== '' ? [[name, fromHere(file)] as const] : [];
  });
  return { ...value, ...Object.fromEntries(changed) };
}
