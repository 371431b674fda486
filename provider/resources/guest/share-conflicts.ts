import { describeAddress } from '../../model/address.ts';
import { type Diagnostic, problem } from '../../model/diagnostic.ts';
import { pathRelation } from '../../spec/plain-path.ts';
import { type GuestDesired, type GuestShare, guestAddress } from './desired.ts';
import type { GuestFacts } from './facts.ts';

/** A guest of the same host, what it shares, and the host's files that it is made of. */
export type OtherGuest = Pick<GuestDesired, 'name' | 'shares' | 'disks' | 'kernel' | 'initrd'>;

/** All guests that will be on a host beside those of a wish: by their records, whoever owns them. */
export function otherGuests(
  wished: readonly OtherGuest[],
  guests: ReadonlyMap<string, Pick<GuestFacts, 'name' | 'stored'>>,
): readonly OtherGuest[] {
  const named = new Set(wished.map(({ name }) => name));
  const stored = [...guests.values()].flatMap(({ name, stored: definition }) =>
    named.has(name) || definition === undefined ? [] : [{ ...definition, name }],
  );
  return [...wished, ...stored];
}

/**
 * Directories that another guest of the host has too, where one of the two writes to them: two writers both have to say so, and
 * directories that lie in each other are never written to. Helpers keep writers of one directory apart by a lock as well.
 */
export function sharedShareObstacles(
  guest: Pick<GuestDesired, 'host'> & OtherGuest,
  others: readonly OtherGuest[],
): readonly Diagnostic[] {
  const resource = describeAddress(guestAddress(guest));
  return [...sharedImages(guest, others, resource), ...conflicts(guest, others, resource)];
}

/**
 * Images, kernels and initrds of any guest below a directory that is shared: whoever writes there as root puts another file in the place of one
 * that the host's root opens, and whoever reads there reads other guests' disks.
 */
function sharedImages(
  guest: Pick<GuestDesired, 'host'> & OtherGuest,
  others: readonly OtherGuest[],
  resource: string,
): readonly Diagnostic[] {
  const files = [guest, ...others.filter(({ name }) => name !== guest.name)].flatMap((each) =>
    filesOf(each).map((path) => ({ path, of: each.name })),
  );
  return guest.shares.flatMap((share, index) =>
    files
      .filter(({ path }) => pathRelation(path, share.source) === 'below')
      .map(({ path, of }) =>
        problem(
          'share-holds-image',
          `${resource}: share ${share.tag}: ${share.source} holds ${path}, which guest ${of} is made of`,
          {
            ...{ host: guest.host, resource, path: ['shares', index, 'source'] },
            hint: 'Share a directory that holds no image, kernel or initrd of a guest.',
          },
        ),
      ),
  );
}

function filesOf({ disks, kernel, initrd }: OtherGuest): readonly string[] {
  return [
    ...disks.flatMap(({ path, backing }) => [path, ...backing.map((image) => image.path)]),
    ...[kernel, initrd].flatMap((file) => (file?.kind === 'host' ? [file.path] : [])),
  ];
}

function conflicts(
  guest: Pick<GuestDesired, 'host'> & OtherGuest,
  others: readonly OtherGuest[],
  resource: string,
): readonly Diagnostic[] {
  return others
    .filter(({ name }) => name !== guest.name)
    .flatMap((other) =>
      guest.shares.flatMap((share, index) =>
        other.shares.flatMap((theirs) => {
          const found = conflict(share, theirs, other.name);
          if (found === undefined) return [];
          const { text, hint } = found;
          return [
            problem('share-conflict', `${resource}: share ${share.tag}: ${text}`, {
              ...{ host: guest.host, resource, path: ['shares', index, 'source'] },
              hint: `${hint} Where guest ${other.name} is about to give it up, apply that first.`,
            }),
          ];
        }),
      ),
    );
}

function conflict(own: GuestShare, theirs: GuestShare, other: string) {
  if (own.readonly && theirs.readonly) return undefined;
  const relation = pathRelation(own.source, theirs.source);
  if (relation === undefined) return undefined;
  const whose = `share ${theirs.tag} of guest ${other}`;
  if (relation === 'same') {
    const both = !own.readonly && !theirs.readonly;
    if (!both || (own.writers === 'many' && theirs.writers === 'many')) return undefined;
    return {
      text: `${own.source} is written to by ${whose} too`,
      hint: 'Make it read-only for one of the two, or say writers = "many" in both.',
    };
  }
  const where = relation === 'below' ? 'is inside' : 'contains';
  const writer = theirs.readonly ? 'and is written to' : 'which is written to';
  return {
    text: `${own.source} ${where} ${theirs.source}, ${whose}, ${writer}`,
    hint: 'Share the same directory with both, or directories of which none contains the other: who writes to one can move what is inside.',
  };
}
