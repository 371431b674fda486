import { capture } from '../../lab/process.ts';
import { sh, word } from '../../../provider/model/shell.ts';
import { type BenchHost, commandLine, guestMemoryMib } from '../host.ts';

/** (a): what one would write by hand: a loop that starts unrestricted QEMUs as root, over one ssh session. */
export async function startByShell(host: BenchHost, guests: number): Promise<void> {
  const script = sh`set -eu
n=0
while [ $n -lt ${guests} ]; do
  n=$((n + 1))
  qemu-system-x86_64 -name bench$n -nodefaults -display none -machine q35,accel=tcg -m ${guestMemoryMib} \
    -kernel ${word(host.kernel)} -initrd ${word(host.initrd)} -append ${word(commandLine)} \
    -serial file:/run/bench-$n.log -pidfile /run/bench-$n.pid -daemonize
done`;
  const output = await capture('ssh', [...host.sshArguments, 'sh -s'], { stdin: script.text });
  if (output.exitCode !== 0) throw new Error(`the hand-written script failed: ${output.stderr}`);
}

export async function stopByShell(host: BenchHost): Promise<void> {
  await host.lab.run(sh`for file in /run/bench-*.pid; do
  [ -f "$file" ] || continue
  read -r pid <"$file"
  kill -9 "$pid" 2>/dev/null || :
  while [ -d "/proc/$pid" ]; do sleep 0.05; done
  rm -f "$file"
done
rm -f /run/bench-*.log`);
}
