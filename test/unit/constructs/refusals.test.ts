import { TerraformVariable } from 'cdktf';
import { describe, expect, it } from 'vitest';
import {
  HypervisorHost,
  RestrictedGuest,
  type RestrictedGuestProps,
  StockadeFleet,
} from '../../../constructs/index.ts';
import { emptyStack, inventory, stackWithHost } from './synth.fixture.ts';

function guestWith(props: Readonly<Record<string, unknown>>) {
  const { stack, host } = stackWithHost();
  const valid = { users: host.qemuUsers(), memoryMib: 256, kernel: { file: '/boot/vmlinuz' } };
  return () => new RestrictedGuest(stack, 'web1', { ...valid, ...props });
}

describe('refused at synth', () => {
  const badNames = ['', 'a b', "a'b", 'a\nb', '$(reboot)', '-rf', '../x', 'A', 'a'.repeat(64), 'ä'];
  it.each(badNames)('a guest called %j', (name) => {
    expect(guestWith({ name })).toThrow(/web1 is not valid:\n {2}name = .*must be a name/);
  });

  it.each([
    [{ memoryMib: 0 }, /memoryMib = 0/],
    [{ memoryMib: 1.5 }, /memoryMib = 1\.5/],
    [{ vcpus: 256 }, /vcpus = 256/],
    [{ machine: 'virt' }, /machine = "virt"/],
    [{ kernel: {} }, /kernel exactly one of file and host_file is required/],
    [{ kernel: { file: '/a', hostFile: '/b' } }, /kernel exactly one of file and host_file is required/],
    [{ kernel: { hostFile: 'relative' } }, /kernel\.hostFile = "relative": must be an absolute path/],
    [{ initrd: { hostFile: '/srv/../etc/shadow' } }, /initrd\.hostFile = .*"\.\."/],
    [{ commandLine: 'a\nb' }, /commandLine = "a\\nb": must not contain control characters/],
    [{ isolation: { off: ['user'] } }, /isolation\.off\.0 = "user"/],
    [
      { isolation: { off: ['mount-namespace'] } },
      /isolation\.off has mount-namespace and must then have private-dev/,
    ],
    [{ limits: { tasks: 1 } }, /limits\.tasks = 1/],
    [{ limits: { memory: 1 } }, /limits has unknown properties: "memory"/],
    [{ devices: ['/etc/passwd'] }, /devices\.0 = "\/etc\/passwd": must lie below \/dev/],
    [{ disks: [{ name: 'a', path: '/a', format: 'vmdk' }] }, /disks\.0\.format = "vmdk"/],
    [{ disks: [{ name: 'a', path: '/a', format: 'raw', readonly: 'yes' }] }, /disks\.0\.readonly = "yes"/],
    [{ disks: [{ name: 'a', format: 'raw' }] }, /disks\.0\.path is required/],
    [
      { disks: ['a', 'b'].map((name) => ({ name, path: '/a', format: 'raw', sizeMib: 1 })) },
      /disks\.1\.path = "\/a": must not be used twice/,
    ],
    [{ memory: 1 }, /has unknown properties: "memory"/],
  ])('a guest with %j', (props, message) => {
    expect(guestWith(props)).toThrow(message);
  });

  it('what is shown of a bad value can neither move the cursor nor fill the screen', () => {
    const refuse = guestWith({ name: `\u001b[2J\u202e${'x'.repeat(5000)}` });
    expect(refuse).toThrow(/^[\x20-\x7e\n…]{1,400}$/);
  });

  it('known values beside unknown ones', () => {
    const { stack, host } = stackWithHost();
    const memoryMib = new TerraformVariable(stack, 'memory', { type: 'number' }).numberValue;
    const props = { users: host.qemuUsers(), memoryMib, kernel: { file: '/k' } };
    expect(() => new RestrictedGuest(stack, 'a', { ...props, name: 'B' })).toThrow(/name = "B"/);
    expect(() => new RestrictedGuest(stack, 'b', { ...props, vcpus: 0 })).toThrow(/vcpus = 0/);
    const unknown = { ...props, memory: 1 } as RestrictedGuestProps;
    expect(() => new RestrictedGuest(stack, 'c', unknown)).toThrow(/memory is not a known property/);
  });

  it('known values beside unknown ones inside of objects and lists', () => {
    const size = new TerraformVariable(stackWithHost().stack, 'size', { type: 'number' }).numberValue;
    const disk = { name: 'a', path: '${var.image}', format: 'raw', sizeMib: size };
    expect(guestWith({ disks: [disk], limits: { tasks: size } })).not.toThrow();
    expect(guestWith({ disks: [{ ...disk, format: 'vmdk' }] })).toThrow(/disks\.0\.format = "vmdk"/);
    expect(guestWith({ limits: { tasks: size, openFiles: 1 } })).toThrow(/limits\.openFiles = 1/);
    expect(guestWith({ devices: ['${var.device}', '/etc'] })).toThrow(/devices\.1 = "\/etc"/);
  });

  it('a range of domids that ends before it starts', () => {
    const { host } = stackWithHost();
    expect(() => host.qemuUsers({ firstDomid: 9, lastDomid: 3 })).toThrow(/lastDomid = 3: must not be below/);
  });

  it.each([
    [{}, /probes\.run is required/],
    [{ run: 'a\nb' }, /probes\.run = .* must not contain control characters/],
    [{ run: '1', often: true }, /probes has unknown properties: "often"/],
  ])('probes of %j', (given, message) => {
    const { stack, fleet } = stackWithHost();
    const probes = given as { readonly run: string };
    expect(() => new HypervisorHost(stack, 'again', { fleet, name: 'hv1', probes })).toThrow(message);
  });

  it('probes of a host whose guests xl runs', () => {
    const { stack, fleet } = stackWithHost();
    const props = { fleet, name: 'hv1', toolstack: 'xl', probes: { run: '1' } } as const;
    expect(() => new HypervisorHost(stack, 'again', props)).toThrow(/probes cannot be had with toolstack xl/);
  });

  it('a host that is not in the inventory', () => {
    const { stack, fleet } = stackWithHost();
    expect(() => new HypervisorHost(stack, 'hv2', { fleet })).toThrow(
      'no host "hv2"; its inventory has: hv1',
    );
  });

  it.each([
    [{ hv1: { address: '192.0.2.1', privateKeyFile: '/k' } }, /hosts\.hv1\.hostKey is required/],
    [{ hv1: { ...inventory['hv1'], port: 70000 } }, /hosts\.hv1\.port = 70000/],
    [{ 'a b': { ...inventory['hv1'] } }, /hosts\.a b|hosts\."a b"/],
  ])('an inventory of %j', (hosts, message) => {
    expect(() => new StockadeFleet(emptyStack(), 'fleet', { fleet: 'prod', hosts })).toThrow(message);
  });

  it('secrets are not part of what is shown', () => {
    const hosts = { hv1: { ...inventory['hv1'], privateKey: 'x'.repeat(70_000), port: 0 } };
    const refuse = () => new StockadeFleet(emptyStack(), 'fleet', { fleet: 'prod', hosts });
    expect(refuse).toThrow(/privateKey/);
    expect(refuse).not.toThrow(/xxx/);
  });
});
