import { describeAddress } from '../../model/address.ts';
import { type Diagnostic, problem } from '../../model/diagnostic.ts';
import { type GuestDesired, guestAddress } from './desired.ts';

/** What stands against one field of a definition. @param hint what to do */
export type Refuse = (field: string, code: string, text: string, hint: string) => Diagnostic;

/** Errors of a plan about fields of this guest. */
export function refusals(guest: Pick<GuestDesired, 'host' | 'name'>): Refuse {
  const resource = describeAddress(guestAddress(guest));
  return (field, code, text, hint) =>
    problem(code, `${resource}: ${text}`, { host: guest.host, resource, path: [field], hint });
}
