import type { DefinitionText } from '../../provider/spec/definitions.ts';

const guestsPerHost = 50;
const guestsPerFile = 1000;

/** A fleet as people would write it: 50 guests a host, profiles, some fields of each guest's own, 1,000 guests a file. */
export function fleetTexts(guests: number): readonly DefinitionText[] {
  const hosts = Math.ceil(guests / guestsPerHost);
  const files = Math.ceil(guests / guestsPerFile);
  return [
    { name: 'fleet.yaml', text: common },
    { name: 'hosts.yaml', text: hostsText(hosts) },
    ...range(files).map((file) => {
      const first = file * guestsPerFile;
      const here = range(Math.min(guestsPerFile, guests - first)).map((index) => guestText(first + index));
      return { name: `guests-${file}.yaml`, text: `guests:\n${here.join('')}` };
    }),
  ];
}

const range = (count: number) => Array.from({ length: count }, (_, index) => index);

const common = `fleet: bench
defaults:
  hosts: { user: ops, sudo: true, privateKeyFile: keys/deploy }
  users: { lastDomid: 64 }
  guests: { memoryMib: 256, kernel: { file: vmlinuz }, initrd: { file: initrd.img }, limits: { tasks: 200 } }
profiles:
  web: { vcpus: 2, commandLine: console=ttyS0 quiet }
  db: { profile: web, memoryMib: 2048, restartPolicy: on_crash }
`;

function hostsText(hosts: number): string {
  const entries = range(hosts).map(
    (host) => `  hv${host}:\n    address: hv${host}.example.org\n    hostKey: ssh-ed25519 AAAA${host}\n`,
  );
  return `hosts:\n${entries.join('')}users:\n${range(hosts)
    .map((host) => `  - host: hv${host}\n`)
    .join('')}`;
}

function guestText(guest: number): string {
  return `  vm-${guest}:
    host: hv${Math.floor(guest / guestsPerHost)}
    profile: ${guest % 3 === 0 ? 'db' : 'web'}
    limits:
      cpuPercent: ${100 + (guest % 4) * 50}
    disks:
      - name: root
        path: /srv/images/vm-${guest}.img
        format: raw
        sizeMib: 4096
`;
}
