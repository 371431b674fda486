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

describe('a host that is reached by the ssh program', () => {
  const openssh = (change: object) =>
    entry({ connection: 'openssh', hostKey: undefined, privateKeyFile: undefined, ...change });

  it('may leave all but its name to the configuration of ssh', () => {
    expect(openssh({ address: 'rack1' })).toBe('fine');
    expect(openssh({ user: 'ops', port: 2222, proxyJump: 'ops@gate:22,inner', sshConfigFile: 'c' })).toBe(
      'fine',
    );
    expect(openssh({ address: undefined })).toEqual([
      expect.stringContaining('hosts.h1.address: is required'),
    ]);
  });

  it.each(['-oProxyCommand=id', 'a b', '$(id)', 'a;b', "it's", 'a`b`', '-x'])('is not called %j', (name) => {
    for (const field of ['address', 'user', 'proxyJump']) {
      expect(openssh({ [field]: name })).toEqual([expect.stringMatching(`^hosts.h1.${field}: `)]);
    }
  });

  it('has fields that mean nothing to the others', () => {
    for (const field of ['proxyJump', 'sshConfigFile', 'certificateFile']) {
      const refusal = [`hosts.h1.${field}: belongs to connection "openssh"`];
      expect(openssh({ [field]: 'x' })).toBe('fine');
      expect(entry({ [field]: 'x' })).toEqual(refusal);
      expect(entry({ connection: 'local', [field]: 'x' })).toEqual(refusal);
    }
  });

  it('does not make the others less strict', () => {
    expect(entry({ address: '-x', user: 'a b' })).toBe('fine');
    expect(entry({ hostKey: undefined })).toEqual([expect.stringContaining('hosts.h1.hostKey: is required')]);
  });
});
