import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { sh } from '../../../provider/model/shell.ts';
import { xenRecipe } from '../recipe.ts';
import { write } from '../root.ts';
import type { MachineKind } from './kind.ts';

const dom0Mib = 768;

/**
 * A real Xen with Debian as its dom0. QEMU starts it as a boot loader would (multiboot), and emulates AMD's SVM with nested
 * paging: HVM guests run, each with a device model.
 */
export const xenMachine: MachineKind = {
  name: 'xen',
  title: 'Xen host (Xen 4.17, Debian as dom0)',
  recipe: xenRecipe,
  // With SMAP dom0 dies early. With XSAVE, and so AVX, programs of dom0 went astray now and then while guests came and went: one that
  // never came back from its own start, others that ended by a signal. Whether that was all of it is not known
  cpu: 'max,-smap,-xsave',
  translationCacheMib: 256,
  // dom0 has one, and what guests do is little
  processors: 1,
  bootOptions: (image) => [
    ...['-kernel', `${image}/xen`, '-append', hypervisorArguments],
    // modules are separated by commas: their arguments cannot have any
    ...['-initrd', `${image}/vmlinuz ${kernelArguments},${image}/initrd`],
  ],
  finish: (root, directory) => {
    const hypervisor = readFileSync(join(root, 'boot', hypervisorOf(root)));
    writeFileSync(join(directory, 'xen'), gunzipSync(hypervisor));
    // every log is cleared away, and without its directory xenstored does not start
    mkdirSync(join(root, 'var/log/xen'));
    write(root, 'etc/modules-load.d/xen.conf', xenRecipe.modules.map((name) => `${name}\n`).join(''));
    write(root, 'etc/systemd/network/20-xenbr0.netdev', '[NetDev]\nName=xenbr0\nKind=bridge\n');
    write(root, 'etc/systemd/network/20-xenbr0.network', bridge);
  },
  check: sh`xl info >/dev/null`,
};

const hypervisorArguments = [
  ...['console=com1', 'com1=115200,8n1'],
  ...[`dom0_mem=${dom0Mib}M,max:${dom0Mib}M`, 'dom0_max_vcpus=1'],
].join(' ');

const kernelArguments = 'root=/dev/vda rw console=hvc0 net.ifnames=0 quiet mitigations=off';

/** For guests' interfaces; without ports of its own it has no carrier. */
const bridge = `[Match]
Name=xenbr0

[Network]
ConfigureWithoutCarrier=yes
LinkLocalAddressing=no
`;

function hypervisorOf(root: string): string {
  const found = readdirSync(join(root, 'boot')).find((name) => /^xen-[\d.]+-amd64\.gz$/.test(name));
  if (found === undefined) throw new Error('the root file system has no /boot/xen-*-amd64.gz');
  return found;
}
