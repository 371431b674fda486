import path from 'node:path';
import { NullProvider } from '@cdktf/provider-null/lib/provider/index.js';
import { type TerraformStack, TerraformVariable } from 'cdktf';
import { describe, expect, it } from 'vitest';
import {
  type CommandGateProps,
  EvidenceGate,
  Fleet,
  type GateCommand,
  HypervisorHost,
  RestrictedGuest,
  StockadeFleet,
} from '../../../constructs/index.ts';
import { emptyStack, inventory, synthesized } from './synth.fixture.ts';

const boot = { memoryMib: 256, kernel: { file: '/boot/vmlinuz' } };
const entry = inventory['hv1'] ?? { address: '192.0.2.1' };

/** Guests of a fleet by `HOST/NAME`, each host with users for them. */
function stackWithGuests(...ids: readonly string[]) {
  const stack = emptyStack();
  const names = [...new Set(ids.map((id) => id.split('/')[0] ?? ''))];
  const hosts = Object.fromEntries(names.map((name) => [name, entry]));
  const fleet = new StockadeFleet(stack, 'fleet', { fleet: 'prod', hosts });
  const users = new Map(
    names.map((name) => [name, new HypervisorHost(stack, name, { fleet }).qemuUsers()] as const),
  );
  const guests = ids.map((id) => {
    const [host = '', name = ''] = id.split('/');
    const own = users.get(host);
    if (own === undefined) throw new Error(`no host ${host}`);
    return new RestrictedGuest(stack, `${host}-${name}`, { users: own, name, ...boot });
  });
  return { stack, fleet, guests };
}

/** What waits for what, by Terraform's names: `stockade_guest.hv2-b: stockade_gate.fleet_first`. */
function waiting(stack: TerraformStack): readonly string[] {
  const { resource } = synthesized(stack);
  return Object.entries(resource)
    .flatMap(([type, all]) =>
      Object.entries(all).flatMap(([name, { depends_on: on }]) =>
        on === undefined ? [] : [`${type}.${name}: ${(on as string[]).join(' ')}`],
      ),
    )
    .map((line) => line.replaceAll(/_[0-9A-F]{8}\b/g, ''))
    .toSorted();
}

describe('a gate on evidence', () => {
  it('knows the generation of each guest it comes after; the others wait, with what only they need', () => {
    const { stack, fleet, guests } = stackWithGuests('hv1/a', 'hv2/b', 'hv2/c');
    const [a, b, c] = guests as [RestrictedGuest, RestrictedGuest, RestrictedGuest];
    const gate = fleet.gate('first', { after: [a], before: [b, c], timeoutSeconds: 60 });
    expect(gate).toBeInstanceOf(EvidenceGate);
    expect(synthesized(stack)).toMatchSnapshot();
    expect(waiting(stack)).toEqual([
      'stockade_guest.hv2-b: stockade_gate.fleet_first',
      'stockade_guest.hv2-c: stockade_gate.fleet_first',
      'stockade_host.hv2: stockade_gate.fleet_first',
      'stockade_qemu_users.hv2_per-domain: stockade_gate.fleet_first',
    ]);
  });

  it('does not hold back what others need too', () => {
    const { stack, fleet, guests } = stackWithGuests('hv1/a', 'hv1/b', 'hv2/c', 'hv2/d');
    const [a, b, c] = guests as [RestrictedGuest, RestrictedGuest, RestrictedGuest];
    fleet.gate('first', { after: [a], before: [b, c] });
    expect(waiting(stack)).toEqual([
      'stockade_guest.hv1-b: stockade_gate.fleet_first',
      'stockade_guest.hv2-c: stockade_gate.fleet_first',
    ]);
  });

  it('stands in a row with others: what the last wave shares with the first waits for nothing', () => {
    const { stack, fleet, guests } = stackWithGuests('hv1/a', 'hv2/b', 'hv1/c', 'hv2/d', 'hv3/e');
    const [a, b, c, d, e] = guests as [
      RestrictedGuest,
      RestrictedGuest,
      RestrictedGuest,
      RestrictedGuest,
      RestrictedGuest,
    ];
    fleet.gate('one', { after: [a], before: [b] });
    fleet.gate('two', { after: [b], before: [c, d, e] });
    expect(waiting(stack)).toEqual([
      'stockade_guest.hv1-c: stockade_gate.fleet_two',
      'stockade_guest.hv2-b: stockade_gate.fleet_one',
      'stockade_guest.hv2-d: stockade_gate.fleet_two',
      'stockade_guest.hv3-e: stockade_gate.fleet_two',
      'stockade_host.hv2: stockade_gate.fleet_one',
      'stockade_host.hv3: stockade_gate.fleet_two',
      'stockade_qemu_users.hv2_per-domain: stockade_gate.fleet_one',
      'stockade_qemu_users.hv3_per-domain: stockade_gate.fleet_two',
    ]);
  });

  it('keeps what a resource waits for already, and adds itself once', () => {
    const { stack, fleet, guests } = stackWithGuests('hv1/a', 'hv1/b');
    const [a, b] = guests as [RestrictedGuest, RestrictedGuest];
    b.resource.dependsOn = ['null_resource.mine'];
    fleet.gate('first', { after: [a, a], before: [b, b] });
    const once = waiting(stack);
    expect(once).toEqual(['stockade_guest.hv1-b: null_resource.mine stockade_gate.fleet_first']);
    expect(waiting(stack)).toEqual(once);
  });

  it('may hold nothing back', () => {
    const { stack, fleet, guests } = stackWithGuests('hv1/a');
    fleet.gate('first', { after: guests, before: [] });
    expect(waiting(stack)).toEqual([]);
  });

  it('orders guests from YAML', () => {
    const stack = emptyStack();
    const { fleet, guests } = Fleet.fromYaml(stack, 'all', 'examples/yaml');
    const [web1, db1] = [guests.get('web1'), guests.get('db1')];
    if (web1 === undefined || db1 === undefined) throw new Error('the example has other guests');
    fleet.gate('canary', { after: [web1], before: [db1] });
    expect(waiting(stack)).toEqual(['stockade_guest.all_guests_db1: stockade_gate.all_fleet_canary']);
  });
});

describe('a gate of the user', () => {
  const command = ['smoke-test', "it's", '$(reboot)', '${HOME}', '%{if}'];

  function commandGate(props: Partial<CommandGateProps> = {}) {
    const { stack, fleet, guests } = stackWithGuests('hv1/a', 'hv2/b');
    const [a, b] = guests as [RestrictedGuest, RestrictedGuest];
    const gate = fleet.gate('smoke', { after: [a], before: [b], command, ...props });
    return { stack, fleet, gate, a, b };
  }
  const provisionerOf = (stack: TerraformStack) => {
    const [gate] = Object.values(synthesized(stack).resource['null_resource'] ?? {});
    const [provisioner] = (gate?.['provisioner'] ?? []) as readonly {
      'local-exec': Readonly<Record<string, unknown>>;
    }[];
    return provisioner?.['local-exec'];
  };

  it('runs in a null_resource that is made anew with each change of the first group', () => {
    const { stack } = commandGate({ workingDirectory: '/srv/checks' });
    const { resource, provider } = synthesized(stack);
    expect({
      gate: resource['null_resource'],
      null: (provider as Readonly<Record<string, unknown>>)['null'],
    }).toMatchSnapshot();
    expect(waiting(stack)).toEqual([
      'stockade_guest.hv2-b: null_resource.fleet_smoke',
      'stockade_host.hv2: null_resource.fleet_smoke',
      'stockade_qemu_users.hv2_per-domain: null_resource.fleet_smoke',
    ]);
  });

  it('gives the words of a list to the program as they are: the shell sees constant text', () => {
    expect(provisionerOf(commandGate().stack)).toMatchObject({
      interpreter: ['/bin/sh', '-c', 'exec "$@"', 'gate', 'smoke-test', "it's", '$(reboot)', '$${HOME}'],
      command: '%%{if}',
    });
    expect(provisionerOf(commandGate({ command: ['true'] }).stack)).toMatchObject({
      interpreter: ['/bin/sh', '-c', 'exec "$@"', 'gate'],
      command: 'true',
    });
  });

  it('keeps empty words, also at the end, where Terraform takes none', () => {
    expect(provisionerOf(commandGate({ command: ['test', '', 'a', '', ''] }).stack)).toMatchObject({
      interpreter: ['/bin/sh', '-c', `exec "$@" '' ''`, 'gate', 'test', ''],
      command: 'a',
    });
  });

  it('fills references into words and variables, and takes no other expression', () => {
    const { stack, fleet, guests } = stackWithGuests('hv1/a');
    const url = new TerraformVariable(stack, 'url', { type: 'string' }).stringValue;
    const [a] = guests as [RestrictedGuest];
    const environment = { URL: url, MIXED: `${url}/\${HOME}` };
    fleet.gate('smoke', { after: [a], before: [], command: ['curl', url, `--user=${a.name}`], environment });
    expect(provisionerOf(stack)).toMatchObject({
      interpreter: ['/bin/sh', '-c', 'exec "$@"', 'gate', 'curl', '${var.url}'],
      command: '--user=${stockade_guest.hv1-a.name}',
      environment: {
        STOCKADE_GUESTS: '${stockade_guest.hv1-a.id}',
        URL: '${var.url}',
        MIXED: '${var.url}/$${HOME}',
      },
    });
  });

  it('gives a script to its interpreter as it is, where the app runs or below it', () => {
    const script = 'set -eu\nfor guest in ${STOCKADE_GUESTS}; do ./smoke "$guest"; done\n';
    const { stack } = commandGate({
      command: { script, interpreter: ['/bin/bash', '-euc'] },
      workingDirectory: 'checks',
    });
    expect(provisionerOf(stack)).toMatchObject({
      interpreter: ['/bin/bash', '-euc'],
      command: script.replace('${', () => '$${'),
      working_dir: path.resolve('checks'),
    });
    expect(provisionerOf(commandGate({ command: { script: 'true' } }).stack)).toMatchObject({
      interpreter: ['/bin/sh', '-c'],
      working_dir: path.resolve('.'),
    });
  });

  it('has a provider of its own, beside one of the stack', () => {
    const { stack, fleet, a, b } = commandGate();
    new NullProvider(stack, 'mine');
    fleet.gate('again', { after: [a], before: [b], command: ['true'] });
    const { provider } = synthesized(stack) as unknown as { provider: Readonly<Record<string, unknown>> };
    expect(provider['null']).toEqual([{ alias: 'stockade' }, {}]);
  });

  it.each<[string, GateCommand | undefined, Readonly<Record<string, string>>, RegExp]>([
    ['no command', [], {}, /fleet\/smoke: command names no program/],
    ['no program', ['', 'a'], {}, /command names no program/],
    ['an empty script', { script: ' \n' }, {}, /command\.script is empty/],
    ['no interpreter', { script: 'true', interpreter: [] }, {}, /command\.interpreter names no program/],
    ['a NUL character', ['a', 'b\0'], {}, /NUL/],
    ['a bad name of a variable', ['true'], { 'A B': '1' }, /environment has no name for a variable: "A B"/],
  ])('is refused with %s', (_, given, environment, message) => {
    expect(() => commandGate({ command: given ?? [], environment })).toThrow(message);
  });

  it('is refused with a value in its script that only Terraform knows: it would be part of the program', () => {
    const { stack, fleet, guests } = stackWithGuests('hv1/a');
    const secret = new TerraformVariable(stack, 'secret', { type: 'string' }).stringValue;
    const gate = () =>
      fleet.gate('smoke', { after: guests, before: [], command: { script: `echo ${secret}` } });
    expect(gate).toThrow(
      /fleet\/smoke: command\.script has a value in it that only Terraform knows; hand it over in environment/,
    );
  });
});

describe('refused at synth', () => {
  it('a gate with nothing before it', () => {
    const { fleet, guests } = stackWithGuests('hv1/a');
    expect(() => fleet.gate('first', { after: [], before: guests })).toThrow(
      'fleet/first: there is no guest that it could come after',
    );
  });

  it('a gate that would wait for itself, at once or by others', () => {
    const { fleet, guests } = stackWithGuests('hv1/a', 'hv1/b', 'hv1/c');
    const [a, b, c] = guests as [RestrictedGuest, RestrictedGuest, RestrictedGuest];
    expect(() => fleet.gate('self', { after: [a, b], before: [b] })).toThrow(
      'test/fleet/self: test/hv1-b cannot come before it and after it',
    );
    fleet.gate('one', { after: [a], before: [b] });
    fleet.gate('two', { after: [b], before: [c] });
    expect(() => fleet.gate('three', { after: [c], before: [a] })).toThrow(
      'test/fleet/three: test/hv1-c has to come first and would wait for it, by other gates',
    );
  });

  it('guests of another stack', () => {
    const { fleet, guests } = stackWithGuests('hv1/a');
    const { guests: strangers } = stackWithGuests('hv1/b');
    expect(() => fleet.gate('first', { after: guests, before: strangers })).toThrow(
      /fleet\/first: .*hv1-b is in another stack/,
    );
  });

  it('evidence of guests of several fleets', () => {
    const { stack, fleet, guests } = stackWithGuests('hv1/a');
    const other = new StockadeFleet(stack, 'other', { fleet: 'other', alias: 'other', hosts: inventory });
    const host = new HypervisorHost(stack, 'again', { fleet: other, name: 'hv1' });
    const strange = new RestrictedGuest(stack, 'strange', { users: host.qemuUsers(), ...boot });
    expect(() => fleet.gate('first', { after: [...guests, strange], before: [] })).toThrow(
      'fleet/first: the guests it comes after are of several fleets; give each a gate',
    );
  });

  it('a time that is none', () => {
    const { fleet, guests } = stackWithGuests('hv1/a');
    expect(() => fleet.gate('first', { after: guests, before: [], timeoutSeconds: 0 })).toThrow(
      /fleet\/first is not valid:\n {2}timeoutSeconds = 0/,
    );
  });
});
