import { describe, expect, it } from 'vitest';
import { readDefinitions } from '../../../provider/spec/yaml/read.ts';
import { definitions, fleetText, problems } from './read.fixture.ts';

const boot = 'memoryMib: 256, kernel: {file: vmlinuz}';

describe('what a guest inherits', () => {
  it('defaults, then profiles from below, then its own, key by key in objects', () => {
    const { guests, asWritten } = definitions(`
defaults:
  guests: {${boot}, vcpus: 1, limits: {tasks: 100, openFiles: 1000, cpuPercent: 10}}
profiles:
  small: {profile: base, limits: {openFiles: 2000}}
  base: {accelerator: tcg, vcpus: 2, limits: {openFiles: 1500, cpuPercent: 20}}
guests:
  web: {host: hv1, profile: small, limits: {cpuPercent: 30}}
`);
    expect(guests[0]).toMatchObject({
      ...{ name: 'web', host: 'hv1', users: 'hv1/per-domain' },
      ...{ memoryMib: 256, vcpus: 2, accelerator: 'tcg' },
      limits: { tasks: 100, openFiles: 2000, cpuPercent: 30 },
    });
    expect(guests[0]).not.toHaveProperty('profile');
    expect(Object.keys(asWritten.guests[0] ?? {})).not.toContain('machine');
  });

  it('lists are replaced', () => {
    const { guests } = definitions(`
defaults: {guests: {${boot}, devices: [/dev/a, /dev/b]}}
guests:
  inherits: {host: hv1}
  replaces: {host: hv1, devices: [/dev/c]}
  empties: {host: hv1, devices: []}
`);
    expect(guests.map(({ devices }) => devices)).toEqual([['/dev/a', '/dev/b'], ['/dev/c'], []]);
  });

  it('null takes away what is inherited, in objects too', () => {
    const { guests } = definitions(`
defaults: {guests: {${boot}, vcpus: 4, limits: {tasks: 100, openFiles: 1000}, commandLine: quiet}}
profiles:
  loud: {commandLine: null}
  again: {profile: loud, commandLine: debug}
guests:
  web: {host: hv1, profile: loud, vcpus: null, limits: {tasks: null}}
  db: {host: hv1, profile: again, limits:}
`);
    expect(guests[0]).toMatchObject({ vcpus: 1, limits: { openFiles: 1000 } });
    expect(guests[0]).not.toHaveProperty('commandLine');
    expect(guests[0]?.limits).not.toHaveProperty('tasks');
    expect(guests[1]).toMatchObject({ vcpus: 4, commandLine: 'debug' });
    expect(guests[1]).not.toHaveProperty('limits');
  });

  it('null of what has to be is told where it stands', () => {
    const text = `
defaults: {guests: {${boot}}}
guests:
  web: {host: hv1, memoryMib: null}
`;
    expect(problems(text)).toEqual(['b.yaml:4:31 guests.web.memoryMib is required']);
  });

  it('a file to boot from is one or the other, so it is replaced as a whole', () => {
    const { guests } = definitions(`
defaults: {guests: {${boot}, initrd: {hostFile: /boot/initrd}}}
guests:
  web: {host: hv1, kernel: {hostFile: /boot/vmlinuz}, initrd: {file: /srv/initrd}}
`);
    expect(guests[0]).toMatchObject({
      kernel: { hostFile: '/boot/vmlinuz' },
      initrd: { file: '/srv/initrd' },
    });
    expect(guests[0]?.kernel).not.toHaveProperty('file');
  });

  it('a guest of which nothing is said inherits everything', () => {
    const { guests } = definitions(`
defaults: {guests: {${boot}, host: hv1}}
guests:
  web:
  db: {}
`);
    expect(guests.map(({ name, memoryMib }) => [name, memoryMib])).toEqual([
      ['web', 256],
      ['db', 256],
    ]);
  });
});

describe('what hosts and users inherit', () => {
  it('their defaults', () => {
    const { fleet, hosts, users } = definitions(`
defaults:
  hosts: {user: ops, sudo: true, qemuBinary: /usr/bin/qemu, hostKey: ssh-ed25519 BBBB, privateKeyFile: /k}
  users: {lastDomid: 9}
hosts:
  hv2: {address: hv2.example.org, user: root, sudo: null}
users:
  - host: hv2
`);
    expect(fleet.hosts['hv2']).toMatchObject({ user: 'root', sudo: false, hostKey: 'ssh-ed25519 BBBB' });
    expect(fleet.hosts['hv1']).toMatchObject({ user: 'ops', sudo: true, hostKey: 'ssh-ed25519 AAAA' });
    expect(hosts).toEqual([
      { name: 'hv1', qemuBinary: '/usr/bin/qemu', toolstack: 'qemu' },
      { name: 'hv2', qemuBinary: '/usr/bin/qemu', toolstack: 'qemu' },
    ]);
    expect(users.map(({ host, lastDomid }) => [host, lastDomid])).toEqual([
      ['hv1', 32],
      ['hv2', 9],
    ]);
  });
});

describe('relative paths', () => {
  it('start at the file that says them, wherever the object stands', () => {
    const { fleet, guests } = definitions(`
eventsFile: log/events.jsonl
profiles:
  debian: {kernel: {file: ../boot/vmlinuz}, initrd: {file: /srv/initrd}}
guests:
  web: {host: hv1, profile: debian, memoryMib: 256}
`);
    expect(fleet.eventsFile).toBe('defs/log/events.jsonl');
    expect(fleet.hosts['hv1']?.privateKeyFile).toBe('defs/keys/deploy');
    expect(guests[0]).toMatchObject({ kernel: { file: 'boot/vmlinuz' }, initrd: { file: '/srv/initrd' } });
  });

  it('what stands for a home directory or for the digest of a file is none', () => {
    const text = `${fleetText}\neventsFile: ~/events.jsonl\n`;
    const read = readDefinitions([{ name: 'defs/a.yaml', text, home: '/home/me' }]);
    expect(read.ok && read.value.fleet.eventsFile).toBe('/home/me/events.jsonl');

    const digest = `sha256:${'a'.repeat(64)}`;
    const { fleet, guests } = definitions(`
defaults: {hosts: {knownHostsFile: ~/.ssh/known_hosts}}
guests:
  web: {host: hv1, memoryMib: 256, kernel: {file: "${digest}"}}
`);
    expect(fleet.hosts['hv1']?.knownHostsFile).toBe('~/.ssh/known_hosts');
    expect(guests[0]?.kernel.file).toBe(digest);
  });
});
