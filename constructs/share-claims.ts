import { Token } from 'cdktf';
import type { IConstruct } from 'constructs';
import { pathRelation } from '../provider/spec/plain-path.ts';

/** What of a share its host compares. */
export interface ClaimedShare {
  readonly source: string;
  readonly readonly?: boolean | undefined;
  readonly writers?: string | undefined;
}

interface Claim {
  readonly guest: IConstruct;
  readonly share: ClaimedShare;
}

/** The directories of one host that the guests of a stack share. */
export class ShareClaims {
  readonly #claims: Claim[] = [];

  /**
   * Takes a directory for a guest. Directories that only Terraform knows are the provider's to compare.
   * @throws where another guest writes to it too and not both say `writers: 'many'`, or one lies in the other and is written to
   */
  claim(guest: IConstruct, share: ClaimedShare): void {
    if (Token.isUnresolved(share.source)) return;
    for (const other of this.#claims) {
      const found = other.guest === guest ? undefined : conflict(share, other);
      if (found !== undefined) throw new Error(`${guest.node.path}: ${found}`);
    }
    this.#claims.push({ guest, share });
  }
}

function conflict(own: ClaimedShare, { guest, share: theirs }: Claim): string | undefined {
  const [here, there] = [writes(own), writes(theirs)];
  if (!here && !there) return undefined;
  const other = guest.node.path;
  const relation = pathRelation(own.source, theirs.source);
  if (relation === undefined) return undefined;
  if (relation === 'same') {
    if (!here || !there || (own.writers === 'many' && theirs.writers === 'many')) return undefined;
    return `${other} writes to ${own.source} too; share it readonly with one of them, or say writers: 'many' in both`;
  }
  const where = relation === 'below' ? 'is inside' : 'contains';
  return `${own.source} ${where} ${theirs.source} of ${other}, and one of them is written to; share the same directory with both, or directories of which none contains the other`;
}

/** What is not known yet whether it is written to is the provider's to compare. */
function writes({ readonly = true }: ClaimedShare): boolean {
  return readonly === false;
}
