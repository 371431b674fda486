import { describe, expect, it } from 'vitest';
import { parseDomains } from '../../../provider/toolstacks/xl/domains.ts';
import { parseXen } from '../../../provider/toolstacks/xl/probe.ts';

const uuid = '5c8c4bb4-1b1d-4b4f-8b0a-7d8bd3f0a001';
const said = (change: Readonly<Record<string, readonly string[]>> = {}) =>
  new Map(
    Object.entries({
      xl: ['/usr/sbin/xl'],
      'xen-capabilities': ['control_d'],
      'xen-info': [
        'host                   : xen1\nxen_version            : 4.17.5\ntotal_memory           : 2047\nfree_memory            : 1183\nxen_version            : 9.9\n',
      ],
      'xen-device-model': ['/usr/libexec/xen-qemu-system-i386'],
      'xen-device-model-file': ['64768 1234\n'],
      'xen-untrusted': [''],
      'xen-checker': ['/usr/lib/xen-4.17/bin/depriv-fd-checker'],
      python: ['/usr/bin/python3'],
      ...change,
    }),
  );

describe('what a host says of its Xen', () => {
  it('is nothing without xl', () => {
    expect(parseXen(new Map())).toBeUndefined();
  });

  it('is read, each name once', () => {
    expect(parseXen(said())).toEqual({
      version: '4.17.5',
      major: 4,
      minor: 17,
      isControlDomain: true,
      totalMemoryMib: 2047,
      freeMemoryMib: 1183,
      deviceModel: { path: '/usr/libexec/xen-qemu-system-i386', device: 64768, inode: 1234 },
      untrusted: undefined,
      handleChecker: '/usr/lib/xen-4.17/bin/depriv-fd-checker',
      python: '/usr/bin/python3',
      complaint: '',
    });
  });

  it('may have no checker of handles', () => {
    expect(parseXen(said({ 'xen-checker': [''], python: [] }))).toMatchObject({
      handleChecker: undefined,
      python: undefined,
    });
  });

  it('has no device model where that is not root alone', () => {
    const why = '/usr/libexec belongs to uid 0 with mode 777';
    expect(parseXen(said({ 'xen-untrusted': [why] }))).toMatchObject({
      deviceModel: undefined,
      untrusted: why,
    });
  });

  it('keeps what xl says in place of an answer', () => {
    const silent = said({ 'xen-info': ["ERROR:  Can't find hypervisor information in sysfs!\n"] });
    expect(parseXen(silent)).toMatchObject({
      version: '',
      major: 0,
      complaint: "ERROR:  Can't find hypervisor information in sysfs!",
    });
  });
});

describe('the domains of a host', () => {
  const list = JSON.stringify([
    { domid: 0, config: { c_info: { name: 'Domain-0', uuid: '00000000-0000-0000-0000-000000000000' } } },
    {
      domid: 7,
      config: { c_info: { name: 'web1', uuid: uuid.toUpperCase() }, b_info: { max_memkb: 131072 } },
    },
    { domid: 8, config: { c_info: { name: 'odd' } } },
  ]);
  const store = [
    '/local/domain/7/image/device-model-pid = "1234"   ',
    '/local/domain/7/image/device-model-kill-uid = "200007"   ',
    '/local/domain/9/data/image/device-model-pid = "1"',
  ].join('\n');
  const section = (one: string, other: string) => Buffer.from(`list\0${one}\0store\0${other}\0end\0`);

  it('are none on a host without Xen', () => {
    expect(parseDomains(new Uint8Array())).toEqual([]);
  });

  it('have what xl and xenstore say, but for what cannot be read', () => {
    expect(parseDomains(section(list, store))).toEqual([
      {
        domid: 0,
        name: 'Domain-0',
        uuid: '00000000-0000-0000-0000-000000000000',
        maxMemoryKib: undefined,
        deviceModelPid: undefined,
      },
      { domid: 7, name: 'web1', uuid, maxMemoryKib: 131072, deviceModelPid: 1234 },
    ]);
  });

  it.each([
    ['xl says nothing', section('', store)],
    ['xl says no JSON', section('libxl: error', store)],
    ['it is cut short', section(list, store).subarray(0, 60)],
  ])('are not known where %s', (_, bytes) => {
    expect(parseDomains(bytes)).toBeUndefined();
  });
});
