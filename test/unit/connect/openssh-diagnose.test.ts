import { describe, expect, it } from 'vitest';
import { judge } from '../../../provider/connect/openssh/diagnose.ts';
import { readLog } from '../../../provider/connect/openssh/log.ts';

/** What OpenSSH 9.2 writes at log level DEBUG1, and ours: cut to what matters. */
const reading = 'OpenSSH_9.2p1 Debian-2, OpenSSL 3.0.15\r\ndebug1: Reading configuration data /x/config\r\n';
const connecting = `${reading}debug1: Connecting to hv1.example.org [198.18.0.2] port 2222.\r\n`;
const connected = `${connecting}debug1: Connection established.\r\ndebug1: Remote protocol version 2.0\r\n`;
const keyed = `${connected}debug1: Authenticating to hv1.example.org:2222 as 'ops'\r\ndebug1: Server host key: ssh-ed25519 SHA256:abc\r\n`;
const trusted = `${keyed}debug1: SSH2_MSG_NEWKEYS received\r\ndebug1: Offering public key: /k ED25519 SHA256:def explicit\r\n`;
const jumping = `${reading}debug1: Executing proxy command: exec ssh -W '[hv1]:22' gate\r\n`;
const to = { host: 'hv1', address: 'rack1', port: 22, user: 'root' };

function verdict(log: string, onTheWay: readonly string[] = [], isLate = false): string {
  const found = judge(to, 15, { told: readLog(log), onTheWay, isLate });
  if (found.kind !== 'told') return found.kind;
  return `${found.diagnostic.code}: ${found.diagnostic.summary}`;
}

describe('what ssh tells of a connection', () => {
  it('is read: where it went, as whom, what was shown and offered', () => {
    expect(readLog(trusted)).toEqual({
      phase: 'login',
      name: 'hv1.example.org',
      port: 2222,
      user: 'ops',
      hostKey: { type: 'ssh-ed25519', fingerprint: 'SHA256:abc' },
      offered: ['key /k ED25519 SHA256:def explicit'],
      words: [],
    });
    expect(readLog('')).toEqual({ phase: 'resolving', offered: [], words: [] });
  });

  it('is believed the first time only: what a host says later may pretend to be the same', () => {
    const forged = `${trusted}Received disconnect from 198.18.0.2 port 2222:2: \r\ndebug1: Server host key: ssh-rsa SHA256:zzz\r\ndebug1: Authenticating to other:1 as 'x'\r\n`;
    expect(readLog(forged)).toMatchObject({
      name: 'hv1.example.org',
      user: 'ops',
      hostKey: { fingerprint: 'SHA256:abc' },
    });
  });
});

describe('a failure', () => {
  it.each<readonly [string, string, readonly string[], string]>([
    [
      'no such name',
      `${reading}ssh: Could not resolve hostname rack1: Name or service not known`,
      [],
      'has a name that does not exist (DNS)',
    ],
    [
      'no DNS',
      `${reading}ssh: Could not resolve hostname rack1: Temporary failure in name resolution`,
      [],
      'has a name that could not be resolved (DNS)',
    ],
    [
      'refused',
      `${connecting}ssh: connect to host rack1 port 22: Connection refused`,
      [],
      'refuses the connection',
    ],
    [
      'no answer',
      `${connecting}ssh: connect to host rack1 port 22: Connection timed out`,
      [],
      'does not answer (time-out)',
    ],
    [
      'no route',
      `${connecting}ssh: connect to host rack1 port 22: No route to host`,
      [],
      'there is no route',
    ],
    [
      'hung up',
      `${connected}kex_exchange_identification: Connection closed by remote host`,
      [],
      'does not complete the SSH handshake',
    ],
    [
      'no common algorithm',
      `${connected}Unable to negotiate with 198.18.0.2 port 22: no matching host key type found.`,
      [],
      'does not complete the SSH handshake',
    ],
    [
      'the jump host is gone',
      `${jumping}kex_exchange_identification: Connection closed by remote host`,
      ['ssh: connect to host gate port 22: Connection refused'],
      'is not reached through its jump host',
    ],
  ])('%s', (_name, log, onTheWay, summary) => {
    expect(verdict(log, onTheWay)).toMatch(/^host-unreachable: /);
    expect(verdict(log, onTheWay)).toContain(summary);
  });

  it('of trust or login is told from one of the network', () => {
    expect(
      verdict(
        `${keyed}No ED25519 host key is known for x and you have requested strict checking.\r\nHost key verification failed.`,
      ),
    ).toBe('host-key');
    expect(verdict(`${trusted}ops@rack1: Permission denied (publickey).`)).toBe('login-refused');
    expect(
      verdict(`${trusted}Received disconnect from 198.18.0.2 port 22:2: Too many authentication failures`),
    ).toBe('login-refused');
    expect(verdict(jumping, ['Host key verification failed.'])).toMatch(/^host-key-unknown: .*jump host/);
    expect(
      verdict(jumping, [
        '@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @',
        'Host key verification failed.',
      ]),
    ).toMatch(/^host-key-changed: .*jump host/);
    expect(verdict(jumping, ['ops@gate: Permission denied (publickey).'])).toMatch(
      /^login-refused: a jump host/,
    );
    expect(verdict(`${reading}/x/user-config: line 3: Bad configuration option: nonsense`)).toMatch(
      /^ssh-config-refused: /,
    );
  });

  it.each([
    [reading, 'has a name that was not resolved within 15 s'],
    [connecting, 'does not answer within 15 s'],
    [jumping, 'is not reached through its jump host within 15 s'],
    [connected, 'does not complete the SSH handshake within 15 s'],
    [trusted, 'does not complete the login within 15 s'],
  ])('by time says what it waited for', (log, summary) => {
    expect(verdict(log, [], true)).toContain(`host-unreachable: host hv1 (rack1 port 22)`);
    expect(verdict(log, [], true)).toContain(summary);
  });
});
