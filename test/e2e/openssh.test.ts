import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { OpensshTarget } from '../../provider/connect/target.ts';
import { sh } from '../../provider/model/shell.ts';
import type { LabHost } from '../lab/lab.ts';
import { compareSnapshots, type HostSnapshot, snapshotHost } from '../lab/snapshot.ts';
import { useLab } from '../lab/vitest.ts';
import { fleetDefinition, Folder, stillGuest } from './cli.fixture.ts';
import { closeAll, limits, open, sleep, succeeded, text } from './connect.fixture.ts';
import { hostEntry, stack, Workspace } from './terraform.fixture.ts';

/** Hosts by the ssh program: the second one can be reached only through the first. */
const lab = useLab({ hosts: 2, name: 'openssh' });
let gate: LabHost;
let inner: LabHost;
/** Of the second host, on a link that only the first has the other end of. */
let innerAddress: string;
let before: HostSnapshot;

beforeAll(async () => {
  const [first, second] = lab.hosts;
  if (first === undefined || second === undefined) throw new Error('the lab has two hosts');
  [gate, inner] = [first, second];
  // The last four addresses of the lab's network: of a 64th host that is not there.
  const network = gate.address.split('.').slice(0, 3).join('.');
  innerAddress = `${network}.254`;
  const [here, there] = [gate, inner].map((host) => String(host.firstProcess));
  execFileSync('ip', [
    ...['link', 'add', 'name', 'inner0', 'netns', here ?? '', 'type', 'veth'],
    ...['peer', 'name', 'inner0', 'netns', there ?? ''],
  ]);
  for (const [host, address] of [
    [gate, `${network}.253/30`],
    [inner, `${innerAddress}/30`],
  ] as const) {
    await host.run(['ip', 'address', 'add', address, 'dev', 'inner0']);
    await host.run(['ip', 'link', 'set', 'inner0', 'up']);
  }
  before = await snapshotHost(inner);
});
afterEach(closeAll);

const knownHosts = () => `${gate.address} ${gate.hostPublicKey}\n${innerAddress} ${inner.hostPublicKey}\n`;

/** What a user has in `~/.ssh/config` for such a host. */
const configuration = (folder: string) => `
Host gate
  HostName ${gate.address}
Host inner
  HostName ${innerAddress}
  ProxyJump gate
Host *
  User root
  IdentityFile ${inner.keyFile}
  UserKnownHostsFile ${join(folder, 'known_hosts')}
`;

/** Programs of ours that lead to the second host. */
function programs(): number[] {
  return readdirSync('/proc')
    .filter((name) => {
      if (!/^\d+$/.test(name)) return false;
      try {
        const line = readFileSync(`/proc/${name}/cmdline`, 'utf8');
        return line.includes('/stockade-ssh-') && /\0inner\0|gate/.test(line);
      } catch {
        return false;
      }
    })
    .map(Number);
}

async function programsEnd(): Promise<void> {
  for (let turn = 0; programs().length > 0; turn++) {
    if (turn > 100) throw new Error(`still there: ${programs().join(' ')}`);
    await sleep(50);
  }
}

describe('through a jump host', () => {
  it('a host is reached that only the jump host can reach, as root by sudo', async () => {
    const target: OpensshTarget = {
      connection: 'openssh',
      host: 'inner',
      address: innerAddress,
      user: 'operator',
      proxyJump: `plain@${gate.address}`,
      trust: { kind: 'pinned', publicKeys: inner.hostPublicKeys, files: [gate.knownHostsFile] },
      identities: [{ kind: 'key-file', path: inner.keyFile }],
      sudo: true,
      connectTimeoutSeconds: 20,
    };
    const output = succeeded(await open(target).exec(sh`id -u; hostname; ss -Htn state established`, limits));
    const [uid, name, ...established] = text(output.stdout).split('\n');
    expect([uid, name]).toEqual(['0', inner.name]);
    expect(established.join('\n')).toMatch(`${innerAddress}:22`);
  });
});

describe('the command line', () => {
  let folder: Folder;
  const define = (guests: number) => {
    const host = { connection: 'openssh', address: 'inner', sshConfigFile: 'ssh_config' };
    folder.write('stockade.yaml', {
      ...fleetDefinition({
        hosts: [],
        guests: Object.fromEntries(
          Array.from({ length: guests }, (_, index) => [`g${index}`, stillGuest('h2')]),
        ),
      }),
      hosts: { h2: host },
      users: [{ host: 'h2', lastDomid: 16 }],
    });
  };

  beforeAll(async () => {
    folder = await Folder.make();
    folder.write('known_hosts', knownHosts());
    folder.write('ssh_config', configuration(folder.path));
  });

  it('applies, stops at ctrl-C and carries on, and leaves no program behind', async () => {
    define(3);
    const running = folder.start('apply', '--yes');
    await running.until('changed host h2');
    expect(programs().length).toBeGreaterThan(0);
    running.child.kill('SIGINT');
    expect(await running.ended).toBe(130);
    await programsEnd();
    await folder.succeed('apply', '--yes');
    expect(await folder.run('plan', '--detailed-exitcode')).toMatchObject({ exitCode: 0 });
    expect(await folder.succeed('evidence')).toContain('3 of 3 guests run isolated as asked for.');
    await folder.succeed('destroy', '--yes');
    expect(compareSnapshots(before, await snapshotHost(inner))).toEqual([]);
    await programsEnd();
  });
});

describe('Terraform', () => {
  it('applies, and finds its way back to a host that left the inventory', async () => {
    const hosts = {
      h2: hostEntry(inner, {
        connection: 'openssh',
        address: innerAddress,
        port: null,
        user: null,
        proxy_jump: `root@${gate.address}`,
        known_hosts_file: gate.knownHostsFile,
      }),
    };
    const workspace = await Workspace.make(await stack({ hosts, guests: [] }));
    try {
      await workspace.apply();
      expect(await workspace.addresses()).toEqual(['stockade_host.h2', 'stockade_qemu_users.h2']);
      expect(await workspace.plan()).toMatchObject({ exitCode: 0 });
      workspace.write({ provider: { stockade: { fleet: 'fleet-1', hosts: {} } } });
      await workspace.apply();
      expect(compareSnapshots(before, await snapshotHost(inner))).toEqual([]);
      await programsEnd();
    } finally {
      workspace.remove();
    }
  });
});
