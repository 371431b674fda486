import { sh, word } from '../../../provider/model/shell.ts';
import { capture } from '../../lab/process.ts';
import { type BenchHost, commandLine, guestMemoryMib } from '../host.ts';

/** (b): `virsh create` in a loop over one ssh session; libvirt's own private /dev and one shared user. */
export async function startByLibvirt(host: BenchHost, guests: number): Promise<void> {
  const script = sh`set -eu
n=0
while [ $n -lt ${guests} ]; do
  n=$((n + 1))
  virsh --quiet create /run/bench-$n.xml >/dev/null
done`;
  const output = await capture('ssh', [...host.sshArguments, 'sh -s'], { stdin: script.text });
  if (output.exitCode !== 0) throw new Error(`virsh create failed: ${output.stderr}`);
}

/** The domains' definitions, and a running libvirtd: before the clock starts. */
export async function prepareLibvirt(host: BenchHost, guests: number): Promise<void> {
  for (let n = 1; n <= guests; n++) {
    const xml = `<domain type='qemu'><name>bench${n}</name><memory unit='MiB'>${guestMemoryMib}</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type><kernel>${host.kernel}</kernel><initrd>${host.initrd}</initrd>
<cmdline>${commandLine}</cmdline></os>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator><serial type='file'><source path='/var/log/libvirt/qemu/bench-${n}-serial.log'/></serial>
<memballoon model='none'/><controller type='usb' model='none'/></devices></domain>`;
    await host.lab.run(sh`printf '%s' ${word(xml)} >${word(`/run/bench-${n}.xml`)}`);
  }
  await host.lab.run(sh`systemctl start virtlogd.service libvirtd.service && virsh --quiet list >/dev/null`);
}

export async function stopByLibvirt(host: BenchHost): Promise<void> {
  await host.lab.run(
    sh`for name in $(virsh --quiet list --name); do virsh --quiet destroy "$name" >/dev/null; done
rm -f /run/bench-*.xml
systemctl stop 'libvirt*' 'virtlog*' 'virtlock*'`,
  );
}

/** Its daemons start with the host; nobody else's time goes to them. */
export async function silenceLibvirt(host: BenchHost): Promise<void> {
  await host.lab.run(sh`systemctl stop 'libvirt*' 'virtlog*' 'virtlock*'`);
}
