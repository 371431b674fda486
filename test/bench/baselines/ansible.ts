import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sh } from '../../../provider/model/shell.ts';
import { capture } from '../../lab/process.ts';
import { type BenchHost, commandLine, guestMemoryMib } from '../host.ts';

/** (c): a playbook that makes a user, a directory and a unit for each guest and starts it; pipelining on. */
export async function startByAnsible(directory: string, guests: number): Promise<void> {
  const output = await capture(
    'ansible-playbook',
    ['-i', 'inventory.ini', 'guests.yml', '-e', `guests=${guests}`],
    {
      cwd: directory,
      env: { ...process.env, ANSIBLE_CONFIG: join(directory, 'ansible.cfg'), HOME: directory },
      timeoutSeconds: 900,
    },
  );
  if (output.exitCode !== 0) throw new Error(`ansible-playbook failed: ${output.stdout}${output.stderr}`);
}

function installAnsible(): void {
  if (spawnSync('ansible-playbook', ['--version']).status === 0) return;
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  for (const args of [['update'], ['install', '-y', '--no-install-recommends', 'ansible-core']]) {
    const { status } = spawnSync('apt-get', ['-q', ...args], {
      env: environment,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    if (status !== 0)
      throw new Error(`apt-get ${args.join(' ')} failed: install ansible-core, or leave Ansible out`);
  }
}

export function prepareAnsible(host: BenchHost, directory: string): void {
  installAnsible();
  mkdirSync(directory, { recursive: true });
  const { address, keyFile, knownHostsFile } = host.lab;
  writeFileSync(
    join(directory, 'inventory.ini'),
    `h1 ansible_host=${address} ansible_user=root ansible_ssh_private_key_file=${keyFile} ansible_python_interpreter=/usr/bin/python3 ` +
      `ansible_ssh_common_args='-o UserKnownHostsFile=${knownHostsFile}'\n`,
  );
  writeFileSync(
    join(directory, 'ansible.cfg'),
    '[defaults]\ngathering = explicit\n[ssh_connection]\npipelining = True\n',
  );
  writeFileSync(join(directory, 'guests.yml'), playbook(host));
}

function playbook(host: BenchHost): string {
  const command =
    `/usr/bin/qemu-system-x86_64 -nodefaults -display none -machine q35,accel=tcg -m ${guestMemoryMib} -kernel ${host.kernel} ` +
    `-initrd ${host.initrd} -append "${commandLine}" -serial file:/run/bench-%i/serial.log -runas bench%i -chroot /run/bench-%i ` +
    `-sandbox on,obsolete=deny,spawn=deny,resourcecontrol=deny`;
  return `- hosts: all
  tasks:
    - name: user
      ansible.builtin.user: { name: "bench{{ item }}", system: true, create_home: false }
      loop: "{{ range(1, guests | int + 1) | list }}"
    - name: directory
      ansible.builtin.file: { path: "/run/bench-{{ item }}", state: directory, mode: "0711" }
      loop: "{{ range(1, guests | int + 1) | list }}"
    - name: unit
      ansible.builtin.copy:
        dest: /etc/systemd/system/bench@.service
        content: |
          [Service]
          ExecStart=${command}
    - name: start
      ansible.builtin.systemd: { name: "bench@{{ item }}", state: started, daemon_reload: true }
      loop: "{{ range(1, guests | int + 1) | list }}"
`;
}

export async function stopByAnsible(host: BenchHost): Promise<void> {
  await host.lab.run(sh`systemctl stop 'bench@*.service' || :
for home in /run/bench-*/; do [ ! -d "$home" ] || { n=\${home#/run/bench-}; userdel "bench\${n%/}" || :; rm -rf "$home"; }; done
rm -f /etc/systemd/system/bench@.service
systemctl daemon-reload`);
}
