import type { Diagnostic } from '../../model/diagnostic.ts';
import {
  isSshHost,
  isSshJump,
  isSshUser,
  sshHostRule,
  sshJumpRule,
  sshUserRule,
} from '../../model/ssh-names.ts';
import type { OpensshTarget } from '../target.ts';
import { argumentRefused } from './diagnose.ts';

/** The first of the target's words that the program must not be given. Definitions are checked as well; a target may come from elsewhere. */
export function argumentFault({
  host,
  address,
  port,
  user,
  proxyJump,
}: OpensshTarget): Diagnostic | undefined {
  if (!isSshHost(address)) return argumentRefused(host, 'address', address, sshHostRule);
  if (user !== undefined && !isSshUser(user)) return argumentRefused(host, 'user', user, sshUserRule);
  if (proxyJump !== undefined && !isSshJump(proxyJump)) {
    return argumentRefused(host, 'way through jump hosts', proxyJump, sshJumpRule);
  }
  if (port !== undefined && !(Number.isInteger(port) && port >= 1 && port <= 65535)) {
    return argumentRefused(host, 'port', String(port), 'must be a number from 1 to 65535');
  }
  return undefined;
}
