import type { Address } from '../model/address.ts';
import { failure, problem, type Result, success } from '../model/diagnostic.ts';
import { namePattern } from '../model/names.ts';
import { quoted } from '../model/printable.ts';
import { guestAddress } from '../resources/guest/desired.ts';
import { hostAddress } from '../resources/host/desired.ts';
import { qemuUsersAddress } from '../resources/qemu-users/names.ts';
import { userSchemes } from '../spec/qemu-users.ts';

/** What somebody types to name an object: `hv1`, `hv1/per-domain`, `hv1/web1`; a guest that is called as a scheme: `guest:hv1/shared`. */
export function parseAddress(text: string): Result<Address> {
  const [kind, rest] = /^(host|users|guest):(.*)$/s.exec(text)?.slice(1) ?? [undefined, text];
  const [host = '', name, ...more] = (rest ?? '').split('/');
  const isName = (one: string) => namePattern.test(one);
  if (more.length === 0 && isName(host)) {
    const scheme = userSchemes.find((one) => one === name);
    if (name === undefined && (kind ?? 'host') === 'host') return success(hostAddress({ host }));
    if (scheme !== undefined && (kind ?? 'users') === 'users')
      return success(qemuUsersAddress({ host, scheme }));
    if (name !== undefined && isName(name) && (kind ?? 'guest') === 'guest')
      return success(guestAddress({ host, name }));
  }
  return failure(
    problem('bad-address', `${quoted(text)} names no object`, {
      hint: `Its form is HOST, HOST/GUEST, or HOST/SCHEME for users (${userSchemes.join(', ')}).`,
    }),
  );
}
