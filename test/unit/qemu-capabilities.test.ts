import { describe, expect, it } from 'vitest';
import { parseQemuCapabilities } from '../../provider/toolstacks/qemu/capabilities.ts';

const help7 = `usage: qemu-system-x86_64 [options] [disk_image]
-fsdev local,id=id,path=path,security_model=mapped-xattr|mapped-file|passthrough|none
 [,writeout=immediate][,readonly=on][,fmode=fmode][,dmode=dmode]
-fsdev proxy,id=id,socket=socket[,writeout=immediate][,readonly=on]
-fsdev synth,id=id
-xen-domid-restrict     restrict set of available xen operations
-chroot dir     chroot to dir just before starting the VM
-runas user     change to user id user just before starting the VM
                user can be numeric uid:gid instead
-sandbox on[,obsolete=allow|deny][,elevateprivileges=allow|deny|children]
          [,spawn=allow|deny][,resourcecontrol=allow|deny]
`;
const helpOfDisks = `-machine [type=]name[,prop[=value][,...]]
                memory-backend='backend-id' specifies explicitly provided backend for main RAM (default=none)
-numa node[,mem=size][,cpus=firstcpu[-lastcpu]][,nodeid=node]
-numa node[,memdev=id][,cpus=firstcpu[-lastcpu]][,nodeid=node]
-add-fd fd=fd,set=set[,opaque=opaque]
-blockdev [driver=]driver[,node-name=N][,discard=ignore|unmap]
-netdev tap,id=str[,fd=h]
-netdev user,id=str[,ipv4=on|off]
`;
const help10 = help7
  .replace(/^-chroot.*\n/m, '')
  .replace(/^-fsdev proxy.*\n/m, '')
  .concat(
    '-run-with [async-teardown=on|off][,chroot=dir][user=username|uid:gid]\n                Set miscellaneous options\n',
  );

const answers = (more: Record<string, string> = {}) =>
  new Map(
    Object.entries({
      identity: '215-16062729-1779741869-18397984 /usr/bin/qemu-system-x86_64',
      sandbox: '0',
      version: 'QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)\nCopyright (c) 2003-2022',
      help: help7,
      machines:
        'Supported machines are:\nmicrovm              microvm (i386)\npc                   Standard PC\nq35                  Standard PC\n',
      accelerators: 'Accelerators supported in QEMU binary:\ntcg\nkvm\n',
      devices:
        'Storage devices:\nname "virtio-9p-pci", bus PCI, alias "virtio-9p"\nname "pci-bridge", bus PCI, desc "Standard PCI Bridge"\n',
      kvm: 'failed',
      ...more,
    }),
  );

describe("QEMU's own answers", () => {
  it('are read as they are (7.2)', () => {
    expect(parseQemuCapabilities(answers())).toEqual({
      binary: '/usr/bin/qemu-system-x86_64',
      device: 215,
      inode: 16062729,
      version: '7.2.22',
      seccomp: true,
      runWithChroot: false,
      runWithUser: false,
      chrootOption: true,
      runasOption: true,
      runasNumeric: true,
      blockdev: false,
      addFd: false,
      memfdBackend: false,
      memoryBackendProperty: false,
      numaMemdev: false,
      userNetwork: false,
      xenDomidRestrict: true,
      machines: ['microvm', 'pc', 'q35'],
      fsdevDrivers: ['local', 'proxy', 'synth'],
      devices: ['virtio-9p-pci', 'pci-bridge'],
      accelerators: { built: ['tcg', 'kvm'], working: ['tcg'] },
    });
  });

  it('are read as they are (10.0)', () => {
    expect(parseQemuCapabilities(answers({ help: help10, kvm: 'works' }))).toMatchObject({
      runWithChroot: true,
      runWithUser: true,
      chrootOption: false,
      runasOption: true,
      fsdevDrivers: ['local', 'synth'],
      accelerators: { working: ['tcg', 'kvm'] },
    });
  });

  it('say how disks, memory and network are to be given', () => {
    const objects = 'List of user creatable objects:\n  iothread\n  memory-backend-memfd\n';
    const parsed = parseQemuCapabilities(answers({ help: helpOfDisks, objects }));
    expect(parsed).toMatchObject({
      blockdev: true,
      addFd: true,
      memfdBackend: true,
      memoryBackendProperty: true,
      numaMemdev: true,
      userNetwork: true,
    });
    const old = helpOfDisks
      .replace(/^ +memory-backend.*\n/m, '')
      .replace(/^-netdev user.*\n/m, '')
      .replace(/^-numa .*memdev.*\n/m, '');
    expect(parseQemuCapabilities(answers({ help: old, objects: 'memory-backend-memfdx\n' }))).toMatchObject({
      blockdev: true,
      memfdBackend: false,
      memoryBackendProperty: false,
      numaMemdev: false,
      userNetwork: false,
    });
  });

  it('say that a user is to be named where -runas takes no numbers', () => {
    const help = help7.replace(/^ +user can be numeric.*\n/m, '');
    expect(parseQemuCapabilities(answers({ help }))).toMatchObject({
      runasOption: true,
      runasNumeric: false,
    });
  });

  it('count as no seccomp when the trial run failed, whatever -help says', () => {
    expect(parseQemuCapabilities(answers({ sandbox: '1' }))?.seccomp).toBe(false);
    expect(parseQemuCapabilities(answers({ help: help7.replace(/^-sandbox[^]*/m, '') }))?.seccomp).toBe(
      false,
    );
  });

  it('count as no file sharing where the devices are not built in', () => {
    expect(parseQemuCapabilities(answers({ devices: 'name "pci-bridge", bus PCI' }))?.fsdevDrivers).toEqual(
      [],
    );
  });

  it('are nothing where the binary is not known, and survive nonsense', () => {
    expect(parseQemuCapabilities(new Map())).toBeUndefined();
    const odd = '\u001b[2J$(reboot)\nname "a\nname ""\n-\n- -\n'.repeat(50);
    const names = ['version', 'help', 'machines', 'accelerators', 'devices'];
    const parsed = parseQemuCapabilities(answers(Object.fromEntries(names.map((name) => [name, odd]))));
    expect(parsed).toMatchObject({
      version: 'unknown',
      machines: ['name'],
      devices: [],
      accelerators: { built: ['name'], working: [] },
    });
  });
});
