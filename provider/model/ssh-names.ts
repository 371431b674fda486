/**
 * What may be given to the ssh program as a host, a user or a way through other hosts. Nothing that it could take for an option, and
 * nothing that means something to a shell: ssh itself puts these into command lines (ProxyJump, `%h` and `%r` in its configuration).
 */
const host = '[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}';
const ipv6 = '[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]{1,45}(?:%[A-Za-z0-9_.-]{1,15})?';
const user = '[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,254}';
const hop = `(?:${user}@)?(?:${host}|\\[(?:${ipv6})\\])(?::[0-9]{1,5})?`;

const hostPattern = new RegExp(`^(?:${host}|${ipv6})$`);
const userPattern = new RegExp(`^${user}$`);
const jumpPattern = new RegExp(`^(?:none|${hop}(?:,${hop}){0,15})$`);

export const sshHostRule =
  'must be a host name or an address: letters, digits, dots, hyphens and underscores, and no hyphen first';
export const sshUserRule =
  'must be a user name: letters, digits, and any of "_.@+-", and none of ".@+-" first';
export const sshJumpRule = 'must be hosts to pass through, [USER@]HOST[:PORT], with commas between them';

export function isSshHost(text: string): boolean {
  return hostPattern.test(text);
}

export function isSshUser(text: string): boolean {
  return userPattern.test(text);
}

/** `[USER@]HOST[:PORT]` with commas between them, an IPv6 address in brackets; or `none`, which passes through no host. */
export function isSshJump(text: string): boolean {
  return (
    jumpPattern.test(text) &&
    !/:(?:0|[7-9][0-9]{4}|6[6-9][0-9]{3}|65[6-9][0-9]{2}|655[4-9][0-9]|6553[6-9])(?:,|$)/.test(text)
  );
}
