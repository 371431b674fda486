import path from 'node:path';
import { TerraformOutput, TerraformVariable } from 'cdktf';
import { describe, expect, it } from 'vitest';
import { HypervisorHost, QemuUsers, RestrictedGuest, StockadeFleet } from '../../../constructs/index.ts';
import { Guest } from '../../../constructs/generated/guest/index.ts';
import { fieldRegistry } from '../../../provider/spec/field.ts';
import { hostEntrySchema } from '../../../provider/spec/fleet.ts';
import { emptyStack, inventory, stackWithHost, synthesized } from './synth.fixture.ts';

const boot = { memoryMib: 256, kernel: { file: '/boot/vmlinuz' } };

describe('what is synthesized', () => {
  it('a guest with its host and users', () => {
    const { stack, host } = stackWithHost();
    const guest = new RestrictedGuest(stack, 'web1', {
      users: host.qemuUsers({ lastDomid: 32 }),
      ...boot,
      initrd: { hostFile: '/srv/initrd.img' },
      commandLine: 'console=ttyS0',
    });
    new TerraformOutput(stack, 'lease', { value: { domid: guest.domid, uid: guest.uid } });
    expect(synthesized(stack)).toMatchSnapshot();
  });

  it('a host whose probes run on request, and what they have shown', () => {
    const { stack, fleet } = stackWithHost();
    const host = new HypervisorHost(stack, 'probed', { fleet, name: 'hv1', probes: { run: '2026-01' } });
    new TerraformOutput(stack, 'probes', { value: host.resource.probeReport });
    const { resource, output } = synthesized(stack);
    expect(resource['stockade_host']?.['probed']).toMatchObject({ probes: { run: '2026-01' } });
    expect(output?.['probes']?.value).toBe('${stockade_host.probed.probe_report}');
  });

  it('evidence is read after its guest and gives the state of each layer', () => {
    const { stack, host } = stackWithHost();
    const guest = new RestrictedGuest(stack, 'web1', { users: host.qemuUsers(), ...boot });
    new TerraformOutput(stack, 'isolation', { value: guest.evidence.states });
    expect(guest.evidence).toBe(guest.evidence);
    const { data, output } = synthesized(stack);
    expect({ data, output }).toMatchSnapshot();
  });

  it('a guest with all that a definition can say', () => {
    const { stack, host } = stackWithHost();
    const readers = [{ path: '/srv/base.img', format: 'raw' }] as const;
    const guest = new RestrictedGuest(stack, 'db1', {
      users: host.qemuUsers(),
      ...boot,
      vcpus: 2,
      machine: 'q35',
      accelerator: 'tcg',
      disks: [
        { name: 'root', path: '/srv/db1.img', format: 'raw', sizeMib: 4096 },
        { name: 'tools', path: '/srv/tools.qcow2', format: 'qcow2', readonly: true, backing: readers },
      ],
      sharedMemory: true,
      network: 'user',
      devices: ['/dev/vfio/12'],
      limits: {
        memoryOverheadMib: 512,
        cpuPercent: 250,
        tasks: 200,
        openFiles: 4096,
        ioReadMibPerSecond: 100,
        ioWriteMibPerSecond: 50,
      },
      isolation: {
        off: ['net-namespace', 'chroot'],
        mayBeMissing: ['seccomp'],
        hostDevMounts: true,
      },
      serialLogMaxKib: 64,
      restartPolicy: 'on_crash',
      shutdownTimeoutSeconds: 5,
    });
    const { isolated, proven } = guest.evidence;
    new TerraformOutput(stack, 'isolation', { value: { isolated, proven } });
    const { resource, output } = synthesized(stack);
    expect({ guest: resource['stockade_guest'], output }).toMatchSnapshot();
  });

  it('what is left unset is left to the provider', () => {
    const { stack, host } = stackWithHost();
    new RestrictedGuest(stack, 'web1', { users: host.qemuUsers(), ...boot });
    const guest = synthesized(stack).resource['stockade_guest']?.['web1'] ?? {};
    expect(Object.keys(guest).sort()).toEqual(['host', 'kernel', 'memory_mib', 'name', 'provider', 'users']);
  });

  it('relative paths are those of the app, not of the folder Terraform runs in', () => {
    const stack = emptyStack();
    const relative = Object.fromEntries(
      Object.entries(hostEntrySchema.shape)
        .filter(([, field]) => fieldRegistry.get(field)?.localPath === true)
        .map(([name]) => [name, `x/${name}`]),
    );
    const fleet = new StockadeFleet(stack, 'fleet', {
      fleet: 'prod',
      eventsFile: 'events.jsonl',
      hosts: {
        hv1: { ...inventory['hv1'], privateKeyFile: 'keys/deploy' },
        hv2: { ...inventory['hv1'], privateKeyFile: '~/.ssh/id_ed25519' },
        hv3: { connection: 'openssh', address: 'rack1', ...relative },
      },
    });
    expect(synthesized(stack).provider.stockade[0]).toMatchObject({
      events_file: path.resolve('events.jsonl'),
      hosts: {
        hv1: { private_key_file: path.resolve('keys/deploy') },
        hv2: { private_key_file: '~/.ssh/id_ed25519' },
        hv3: {
          private_key_file: path.resolve('x/privateKeyFile'),
          known_hosts_file: path.resolve('x/knownHostsFile'),
          certificate_file: path.resolve('x/certificateFile'),
          ssh_config_file: path.resolve('x/sshConfigFile'),
        },
      },
    });
    expect(Object.keys(relative)).toHaveLength(4);
    expect(fleet.has('hv1')).toBe(true);
  });

  it('two fleets in one stack keep to their own provider', () => {
    const { stack, host } = stackWithHost();
    const other = new StockadeFleet(stack, 'other', { fleet: 'staging', alias: 'staging', hosts: inventory });
    expect(other.provider.fqn).toBe('stockade.staging');
    new RestrictedGuest(stack, 'web1', { users: host.qemuUsers(), ...boot });
    expect(synthesized(stack).resource['stockade_guest']?.['web1']?.['provider']).toBe('stockade');
  });

  it('values known only to Terraform go through', () => {
    const { stack, host } = stackWithHost();
    const memory = new TerraformVariable(stack, 'memory', { type: 'number' });
    const name = new TerraformVariable(stack, 'name', { type: 'string' });
    const users = new QemuUsers(stack, 'users', { host, scheme: 'range', firstDomid: memory.numberValue });
    new RestrictedGuest(stack, 'web1', {
      users,
      name: name.stringValue,
      memoryMib: memory.numberValue,
      kernel: { file: '${path.module}/vmlinuz' },
    });
    expect(stack).not.toBeNull();
    expect(JSON.stringify(synthesized(stack))).toContain('"kernel":{"file":"${path.module}/vmlinuz"}');
    expect(synthesized(stack).resource['stockade_guest']?.['web1']).toMatchObject({
      name: '${var.name}',
      memory_mib: '${var.memory}',
    });
  });

  it("cdktf's own matchers see the guest", () => {
    const { stack, host } = stackWithHost();
    new RestrictedGuest(stack, 'web1', { users: host.qemuUsers(), ...boot });
    const template = JSON.stringify(synthesized(stack));
    (
      expect(template) as unknown as {
        toHaveResourceWithProperties: (type: typeof Guest, values: object) => void;
      }
    ).toHaveResourceWithProperties(Guest, { memory_mib: 256 });
  });
});
