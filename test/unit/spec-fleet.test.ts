import { describe, expect, it } from 'vitest';
import { fleetSchema } from '../../provider/spec/fleet.ts';

const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBVpRcSqMS0OsXfqHKqyjNkOyWw4bzpT7FSSFDh4GXzE';

function entry(change: object) {
  const host = { address: '198.18.0.2', hostKey: key, privateKeyFile: '/k', ...change };
  const { success, error } = fleetSchema.safeParse({ fleet: 'f', hosts: { h1: host } });
  return success ? 'fine' : error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
}

describe("the inventory's host keys", () => {
  it('may end with a line break, as .pub files and other resources give them, and be several', () => {
    expect(entry({})).toBe('fine');
    expect(entry({ hostKey: `${key}\n` })).toBe('fine');
    expect(entry({ hostKey: `${key} root@h1\n${key}\n` })).toBe('fine');
  });

  it('are text of one or more lines, and nothing else', () => {
    const refusal = ['hosts.h1.hostKey: must be one or more public keys in OpenSSH form, a line each'];
    expect(entry({ hostKey: '\n' })).toEqual(refusal);
    expect(entry({ hostKey: `${key}\u001b[2J` })).toEqual(refusal);
  });

  it('must be known one way or the other: no host is trusted blindly', () => {
    expect(entry({ hostKey: undefined })).toEqual([expect.stringContaining('hosts.h1.hostKey: is required')]);
    expect(entry({ hostKey: undefined, knownHostsFile: '/etc/ssh/known_hosts' })).toBe('fine');
  });

  it('an entry without a way to log in is refused', () => {
    expect(entry({ privateKeyFile: undefined })).toEqual([
      expect.stringContaining('hosts.h1.privateKeyFile: is required'),
    ]);
    expect(entry({ privateKeyFile: undefined, agent: true })).toBe('fine');
  });
});
