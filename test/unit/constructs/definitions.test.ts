import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';
import { TerraformOutput } from 'cdktf';
import { Construct } from 'constructs';
import { afterAll, describe, expect, it } from 'vitest';
import { Fleet, HypervisorHost, RestrictedGuest, StockadeFleet } from '../../../constructs/index.ts';
import { emptyStack, synthesized } from './synth.fixture.ts';

const example = 'examples/yaml';
const folder = mkdtempSync(path.join(tmpdir(), 'stockade-definitions-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A directory with one file of definitions. */
function written(text: string): string {
  const file = path.join(folder, 'fleet.yaml');
  writeFileSync(file, text);
  return file;
}

const fleetOf = (guest: string) => `
fleet: prod
hosts: {hv1: {address: 192.0.2.1, hostKey: ssh-ed25519 AAAA, privateKeyFile: key}}
users: [{host: hv1, scheme: range}]
guests: {web1: {host: hv1, memoryMib: 1, kernel: {file: vmlinuz}, ${guest}}}
`;

describe('a fleet from YAML', () => {
  it('synthesizes what the same written with constructs does', () => {
    const fromYaml = emptyStack();
    Fleet.fromYaml(fromYaml, 'all', example);

    const byHand = emptyStack();
    const all = new Construct(byHand, 'all');
    const fleet = new StockadeFleet(all, 'fleet', {
      fleet: 'quickstart',
      hosts: {
        hv1: {
          address: 'hv1.example.org',
          hostKey: 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFakeKeyOfAnExampleThatNobodyHas0000000000000',
          privateKeyFile: path.join(homedir(), '.ssh/id_ed25519'),
        },
      },
    });
    const hv1 = new HypervisorHost(new Construct(all, 'hosts'), 'hv1', { fleet });
    const users = hv1.qemuUsers({ lastDomid: 32 });
    const guests = new Construct(all, 'guests');
    const boot = {
      kernel: { file: `${example}/vmlinuz` },
      initrd: { file: `${example}/initrd.img` },
      commandLine: 'console=ttyS0 loglevel=6',
    };
    new RestrictedGuest(guests, 'web1', { users, memoryMib: 128, ...boot });
    const more = { vcpus: 2, restartPolicy: 'on_crash', limits: { tasks: 200 } } as const;
    new RestrictedGuest(guests, 'db1', { users, memoryMib: 256, ...boot, ...more });

    expect(synthesized(fromYaml)).toEqual(synthesized(byHand));
  });

  it('gives its objects, for outputs and for what YAML cannot say', () => {
    const stack = emptyStack();
    const { fleet, hosts, users, guests } = Fleet.fromYaml(stack, 'all', [example]);
    expect(fleet.hostNames).toEqual(['hv1']);
    expect([...hosts.keys(), ...users.keys(), ...guests.keys()]).toEqual([
      ...['hv1', 'hv1/per-domain', 'web1', 'db1'],
    ]);
    new TerraformOutput(stack, 'isolation', { value: guests.get('web1')?.evidence.states });
    expect(synthesized(stack).output?.['isolation']).toBeDefined();
  });

  it('takes text as it is: no expression of Terraform comes out of a file', () => {
    const stack = emptyStack();
    const file = written(fleetOf('commandLine: "a=${file(`/etc/passwd`)} b=%{if true} c=$${d} e=$5"'));
    Fleet.fromYaml(stack, 'all', file);
    const [guest] = Object.values(synthesized(stack).resource['stockade_guest'] ?? {});
    expect(guest?.['command_line']).toBe('a=$${file(`/etc/passwd`)} b=%%{if true} c=$$${d} e=$5');
  });

  it('refuses what cdktf would put a value of the stack into', () => {
    const file = written(fleetOf('commandLine: "${TfToken[TOKEN.0]}"'));
    expect(() => Fleet.fromYaml(emptyStack(), 'all', file)).toThrow(/TfToken/);
  });

  it('says everything that is wrong, with its place, and harmlessly', () => {
    const file = written(fleetOf('memory: 5, devices: ["/etc/\\e[2J"]'));
    const place = path.relative('', file).replaceAll('.', '\\.');
    const refuse = () => Fleet.fromYaml(emptyStack(), 'all', file);
    expect(refuse).toThrow(
      new RegExp(`${place}:5:\\d+: guests\\.web1 has no field "memory" \\(Did you mean`),
    );
    expect(refuse).toThrow(/guests\.web1\.devices\[0\] must lie below \/dev; it is "\/etc\/\\u001b\[2J"/);
    expect(refuse).toThrow(/^[\x20-\x7e\n…]+$/);
  });

  it('says which file is not there', () => {
    expect(() => Fleet.fromYaml(emptyStack(), 'all', 'no/such/place')).toThrow(
      /"\/.*no\/such\/place" cannot be read: there is no such file or directory/,
    );
  });
});
