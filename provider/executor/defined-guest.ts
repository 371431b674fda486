import { failure, type Result, success } from '../model/diagnostic.ts';
import type { Upload } from '../model/operation.ts';
import { type GuestDesired, guestDesired } from '../resources/guest/desired.ts';
import type { GuestFileSpec, GuestSpec } from '../spec/guest.ts';
import { guestFile, type LocalFile, type LocalFiles } from './local-files.ts';

/** A guest's definition with the files of this machine that it names. */
export interface DefinedGuest {
  readonly desired: GuestDesired;
  /** By digest; those of which only the digest is known are not in it. */
  readonly uploads: ReadonlyMap<string, Upload>;
}

/** Joins a spec with what is on this machine: the digests of its files. */
export async function defineGuest(
  files: LocalFiles,
  spec: GuestSpec,
  fleet: string,
): Promise<Result<DefinedGuest>> {
  const kernel = await fileOf(files, spec.kernel, 'kernel');
  const initrd = spec.initrd === undefined ? success(undefined) : await fileOf(files, spec.initrd, 'initrd');
  if (!kernel.ok || !initrd.ok) {
    return failure(...[kernel, initrd].flatMap((one) => (one.ok ? [] : one.diagnostics)));
  }
  const local = [kernel.value, initrd.value].flatMap((one) => (one?.local === undefined ? [] : [one.local]));
  return success({
    desired: guestDesired(spec, fleet, { kernel: kernel.value.file, initrd: initrd.value?.file }),
    uploads: new Map(local.flatMap(({ sha256, upload }) => (upload === undefined ? [] : [[sha256, upload]]))),
  });
}

async function fileOf(files: LocalFiles, spec: GuestFileSpec, field: string) {
  if (spec.file === undefined) {
    const local: LocalFile | undefined = undefined;
    return success({ file: { kind: 'host' as const, path: spec.hostFile ?? '' }, local });
  }
  const looked = await files.look(spec.file, field);
  return looked.ok ? success({ file: guestFile(looked.value), local: looked.value }) : looked;
}
