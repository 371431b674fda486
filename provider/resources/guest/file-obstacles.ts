import { describeAddress } from '../../model/address.ts';
import { type Diagnostic, problem } from '../../model/diagnostic.ts';
import { type GuestDesired, guestAddress, uploadedDigests } from './desired.ts';

/** Files that are named by their digest alone, and that the host has not. */
export function fileObstacles(
  guest: GuestDesired,
  uploads: ReadonlyMap<string, unknown>,
  files: ReadonlySet<string>,
): readonly Diagnostic[] {
  const resource = describeAddress(guestAddress(guest));
  return uploadedDigests(guest)
    .filter((digest) => !uploads.has(digest) && !files.has(digest))
    .map((digest) =>
      problem('file-not-on-host', `${resource}: the host has no file sha256:${digest}`, {
        host: guest.host,
        resource,
        hint: 'Give the path of the file on this machine instead of its digest.',
      }),
    );
}
