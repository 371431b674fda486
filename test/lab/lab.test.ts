import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { sh, word } from '../../provider/model/shell.ts';
import { delayProxy } from './delay-proxy.ts';
import type { LabHost } from './lab.ts';
import { capture, type CommandOutput } from './process.ts';
import { compareSnapshots, snapshotHost } from './snapshot.ts';
import { useLab } from './vitest.ts';

const running = useLab({ hosts: 2, name: 'test' });

function ssh(host: LabHost, user: string, command: string, port = host.port): Promise<CommandOutput> {
  const options = ['BatchMode=yes', 'StrictHostKeyChecking=yes', `UserKnownHostsFile=${host.knownHostsFile}`];
  const arguments_ = [
    '-F',
    'none',
    '-i',
    host.keyFile,
    '-o',
    `HostKeyAlias=${host.address}`,
    '-p',
    String(port),
  ];
  const address = port === host.port ? host.address : '127.0.0.1';
  return capture('ssh', [
    ...arguments_,
    ...options.flatMap((it) => ['-o', it]),
    `${user}@${address}`,
    command,
  ]);
}

describe('a test host', () => {
  test('takes logins of root, and of users with and without sudo, with a known host key', async () => {
    for (const host of running.hosts) {
      expect(readFileSync(host.knownHostsFile, 'utf8')).toContain(`${host.address} ${host.hostPublicKey}\n`);
      expect((await ssh(host, 'root', 'hostname; id -u')).stdout).toBe(`${host.name}\n0\n`);
      expect((await ssh(host, 'operator', 'id -un; sudo -n id -u')).stdout).toBe('operator\n0\n');
      const plain = await ssh(host, 'plain', 'id -un; sudo -n id -u');
      expect(plain).toMatchObject({ stdout: 'plain\n', exitCode: 1 });
    }
  });

  test('has QEMU, systemd, sshd and tun, and no kvm', async () => {
    const { host } = running;
    expect(await host.run(['qemu-system-x86_64', '-version'])).toMatch(/^QEMU emulator version 7\.2/);
    expect(await host.run(['systemctl', 'is-system-running'])).toBe('running\n');
    expect(await host.run(['ls', '/dev/net/tun'])).toBe('/dev/net/tun\n');
    expect((await host.exec(['ls', '/dev/kvm'])).exitCode).toBe(2);
  });

  test('runs commands exactly as given', async () => {
    const { host } = running;
    expect(await host.run(['printf', '%s|', 'a b', "it's", '$HOME', ''])).toBe("a b|it's|$HOME||");
    expect(await host.run(sh`printf %s ${word("it's")}; exit 0`)).toBe("it's");
    expect(await host.exec(['cat'], { stdin: 'to it' })).toMatchObject({ exitCode: 0, stdout: 'to it' });
    await expect(host.run(sh`echo why >&2; exit 3`)).rejects.toThrow(/failed with 3: why/);
  });

  test('does not share control groups with another: ending all of a service here leaves it there', async () => {
    const [one, other] = running.hosts;
    if (one === undefined || other === undefined) throw new Error('two hosts are needed');
    for (const host of [one, other]) await host.run(sh`systemd-run --quiet --unit=same sleep 1000`);
    await one.run(sh`systemctl stop same.service`);
    expect((await one.exec(['pgrep', '-x', 'sleep'])).stdout).toBe('');
    expect(await other.run(['systemctl', 'is-active', 'same.service'])).toBe('active\n');
    await other.run(sh`systemctl stop same.service`);
  });

  test('keeps its files through a reboot, a power-off and a power cut', async () => {
    const host = running.hosts[1];
    if (host === undefined) throw new Error('two hosts are needed');
    await host.run(sh`echo kept >/var/lib/kept`);
    const first = host.firstProcess;
    await host.reboot();
    expect(host.firstProcess).not.toBe(first);
    await host.powerOff();
    expect(host.isRunning).toBe(false);
    await expect(host.run(['true'])).rejects.toThrow(/h2 is down/);
    await host.start();
    host.cutPower();
    await host.start();
    expect((await ssh(host, 'root', 'cat /var/lib/kept')).stdout).toBe('kept\n');
  });
});

describe('comparing a host with itself', () => {
  test('logins and systemd at work are no difference', async () => {
    const { host } = running;
    const before = await snapshotHost(host);
    await ssh(host, 'operator', 'sudo -n systemctl daemon-reload; sudo -n systemd-run --wait true');
    await host.run(['systemctl', 'restart', 'systemd-journald.service']);
    expect(compareSnapshots(before, await snapshotHost(host))).toEqual([]);
  });

  const changes: Record<string, { make: ReturnType<typeof sh>; undo: ReturnType<typeof sh>; shows: string }> =
    {
      'a process': {
        make: sh`systemd-run --quiet --property=Type=exec --unit=stray sleep 1000`,
        undo: sh`systemctl stop stray`,
        shows: '+ processes: 0 sleep',
      },
      'a mount': {
        make: sh`mount -t tmpfs x /mnt`,
        undo: sh`umount /mnt`,
        shows: '+ mounts: /mnt / rw,relatime',
      },
      'a user': {
        make: sh`useradd --no-create-home u`,
        undo: sh`userdel u`,
        shows: '+ accounts: passwd u:x:',
      },
      'an interface': {
        make: sh`ip link add br9 type bridge`,
        undo: sh`ip link delete br9`,
        shows: '+ interfaces: br9',
      },
      'a failed unit': {
        make: sh`systemd-run --quiet --wait --unit=gone false || :`,
        undo: sh`systemctl reset-failed gone`,
        shows: '+ units: gone.service loaded failed failed',
      },
      'a file': { make: sh`echo >/etc/x`, undo: sh`rm /etc/x`, shows: '+ files: "/etc/x" file 0644 0:0 1 ' },
      'a mode': {
        make: sh`chmod 700 /srv`,
        undo: sh`chmod 755 /srv`,
        shows: '- files: "/srv" directory 0755',
      },
      'a hostile name': {
        make: sh`mkdir -p "/var/lib/$(printf 'a\\n- b')"`,
        undo: sh`rmdir "/var/lib/$(printf 'a\\n- b')"`,
        shows: '+ files: "/var/lib/a\\n- b" directory',
      },
    };
  test.each(Object.entries(changes))(
    '%s shows, and no more once it is undone',
    async (_, { make, undo, shows }) => {
      const { host } = running;
      const before = await snapshotHost(host);
      await host.run(make);
      const differences = compareSnapshots(before, await snapshotHost(host));
      expect(differences.filter((line) => line.startsWith(shows))).toHaveLength(1);
      await host.run(undo);
      expect(compareSnapshots(before, await snapshotHost(host))).toEqual([]);
    },
  );
});

describe('a delaying proxy', () => {
  test('carries ssh, slower by the round trips, and drops connections on request', async () => {
    const { host } = running;
    const proxy = await delayProxy({ target: host, delayMs: 50 });
    try {
      const start = performance.now();
      expect((await ssh(host, 'root', 'echo there; cat', proxy.port)).stdout).toBe('there\n');
      expect(performance.now() - start).toBeGreaterThan(5 * 2 * 50);
      expect(proxy.connections).toBe(1);
      const broken = ssh(host, 'root', 'sleep 1000', proxy.port);
      await expect
        .poll(() => host.exec(['pgrep', '-x', 'sleep']), { timeout: 30_000 })
        .toMatchObject({ exitCode: 0 });
      proxy.dropConnections();
      expect((await broken).exitCode).toBe(255);
    } finally {
      await proxy.close();
    }
  });
});
