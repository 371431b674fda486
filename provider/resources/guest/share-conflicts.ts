import { describeAddress } from '../../model/address.ts';
import { caution, type Diagnostic, problem } from '../../model/diagnostic.ts';
import { pathRelation } from '../../spec/plain-path.ts';
import { type GuestDesired, type GuestShare, guestAddress } from './desired.ts';
import type { GuestFacts } from './facts.ts';

/** A guest of the same host, what it shares, and the host's files that it is made of. */
export interface OtherGuest extends Pick<GuestDesired, 'name' | 'shares' | 'disks' | 'kernel' | 'initrd'> {
  /** The fleet it belongs to, of one that is known by its record alone: what is wished for it instead is not known. */
  readonly recordOf?: string;
}
type Sharing = Pick<GuestDesired, 'host' | 'fleet'> & OtherGuest;

/** All guests that will be on a host beside those of a wish: by their records, whoever owns them. */
export function otherGuests(
  wished: readonly OtherGuest[],
  guests: ReadonlyMap<string, Pick<GuestFacts, 'name' | 'owner' | 'stored'>>,
): readonly OtherGuest[] {
  const named = new Set(wished.map(({ name }) => name));
  const stored = [...guests.values()].flatMap(({ name, owner, stored: definition }) =>
    named.has(name) || definition === undefined ? [] : [{ ...definition, name, recordOf: owner }],
  );
  return [...wished, ...stored];
}

/**
 * Directories that another guest of the host has too, where one of the two writes to them: two writers both have to say so, and
 * directories that lie in each other are never written to. Helpers keep writers of one directory apart by a lock as well.
 */
export function sharedShareObstacles(guest: Sharing, others: readonly OtherGuest[]): readonly Diagnostic[] {
  const resource = describeAddress(guestAddress(guest));
  const refused = conflicts(guest, others).filter(({ passing }) => !passing);
  return [
    ...sharedImages(guest, others, resource),
    ...refused.map(({ other, index, text, hint }) =>
      problem('share-conflict', `${resource}: share ${guest.shares[index]?.tag}: ${text}`, {
        ...{ host: guest.host, resource, path: ['shares', index, 'source'] },
        hint: `${hint} Where guest ${other} is about to give it up, apply that first.`,
      }),
    ),
  ];
}

/**
 * Directories that a guest of the same fleet writes to by its record alone: under Terraform each guest is planned by itself, and the other may
 * be about to give it up. The lock has the last word: two writers never run at once.
 */
export function sharedShareCautions(guest: Sharing, others: readonly OtherGuest[]): readonly Diagnostic[] {
  const resource = describeAddress(guestAddress(guest));
  return conflicts(guest, others)
    .filter(({ passing }) => passing)
    .map(({ other, index, text, hint }) =>
      caution('share-conflict', `${resource}: share ${guest.shares[index]?.tag}: ${text}`, {
        ...{ host: guest.host, resource, path: ['shares', index, 'source'] },
        detail: `Until guest ${other} has given it up, this guest does not start.`,
        hint: `${hint} Where guest ${other} gives it up in the same apply, let this guest depend on that one, or apply again.`,
      }),
    );
}

/**
 * Images, kernels and initrds of any guest below a directory that is shared: whoever writes there as root puts another file in the place of one
 * that the host's root opens, and whoever reads there reads other guests' disks.
 */
function sharedImages(
  guest: Sharing,
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

interface Conflict {
  readonly other: string;
  /** Of the guest's own share. */
  readonly index: number;
  readonly text: string;
  readonly hint: string;
  /** It may be over once the other guest is applied too, and a lock keeps the two apart until then. */
  readonly passing: boolean;
}

function conflicts(guest: Sharing, others: readonly OtherGuest[]): readonly Conflict[] {
  return others
    .filter(({ name }) => name !== guest.name)
    .flatMap((other) =>
      guest.shares.flatMap((share, index) =>
        other.shares.flatMap((theirs) => {
          const found = conflict(share, theirs, other.name);
          if (found === undefined) return [];
          const { text, hint, locked } = found;
          return [
            { other: other.name, index, text, hint, passing: locked && other.recordOf === guest.fleet },
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
      locked: true,
    };
  }
  const where = relation === 'below' ? 'is inside' : 'contains';
  const writer = theirs.readonly ? 'and is written to' : 'which is written to';
  return {
    text: `${own.source} ${where} ${theirs.source}, ${whose}, ${writer}`,
    hint: 'Share the same directory with both, or directories of which none contains the other: who writes to one can move what is inside.',
    locked: false,
  };
}
