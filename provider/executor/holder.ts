import { hostname, userInfo } from 'node:os';

/** Shown to whoever finds a host locked by us. */
export function holderOf(fleet: string | undefined): string {
  const user = userInfo().username.replaceAll(/[^\w.-]/g, '_');
  return `fleet ${fleet ?? '?'}, ${user}@${hostname()}, process ${process.pid}`;
}
