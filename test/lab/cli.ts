import { spawn } from 'node:child_process';
import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import { hostsPerSlot } from './addresses.ts';
import { attachLab, detachedLabs, type Lab, startLab } from './lab.ts';
import { type Suite, suites } from './recipe.ts';
import type { RunRecord } from './run-record.ts';
import type { TestHost } from './test-host.ts';
import { VmHost } from './vm/host.ts';
import { plainMachine } from './vm/plain.ts';
import { sshArguments } from './vm/ssh.ts';
import { xenMachine } from './vm/xen.ts';

const labName = 'up';
const machines = { vm: plainMachine, xen: xenMachine } as const;

/** The part of a provider block that names these hosts. */
function providerSnippet(hosts: readonly TestHost[]): string {
  const entries = hosts.map(
    (host) => `  ${host.name} = {
    address          = "${host.address}"${host.port === 22 ? '' : `\n    port             = ${host.port}`}
    user             = "${host.user}"
    private_key_file = "${host.keyFile}"
    host_key         = "${host.hostPublicKeys[0] ?? ''}"
  }`,
  );
  return `hosts = {\n${entries.join('\n')}\n}`;
}

function describe(lab: Lab): string {
  const [first] = lab.hosts;
  return [
    `lab ${lab.id}`,
    ...lab.hosts.map((host) => `  ${host.name}  ${host.address}  ${host.isRunning ? 'up' : 'down'}`),
    `  key          ${first?.keyFile ?? ''}`,
    `  known_hosts  ${first?.knownHostsFile ?? ''}`,
  ].join('\n');
}

/** The lab that `up` started; others that were left running belong to whoever started them. */
async function ownLabs(): Promise<readonly RunRecord[]> {
  return (await detachedLabs()).filter(({ id }) => id.startsWith(`${labName}-`));
}

async function theLab(): Promise<Lab> {
  const [record] = await ownLabs();
  if (record === undefined) throw new Error('no lab is running; start one with `npm run lab -- up 1`');
  return attachLab(record);
}

async function up(hosts: number, { suite }: { suite: Suite }): Promise<void> {
  const [running] = await ownLabs();
  if (running !== undefined)
    throw new Error(`lab ${running.id} is running already; see \`npm run lab -- status\``);
  const lab = await startLab({
    hosts,
    name: labName,
    suite,
    detached: true,
    progress: (line) => console.error(line),
  });
  console.log(`${describe(lab)}\n\nFor a provider block:\n\n${providerSnippet(lab.hosts)}`);
}

async function down(): Promise<void> {
  const records = await ownLabs();
  for (const record of records) await attachLab(record).stop();
  console.log(
    records.length === 0 ? 'no lab was running' : records.map(({ id }) => `lab ${id} is gone`).join('\n'),
  );
}

async function status(): Promise<void> {
  const records = await detachedLabs();
  console.log(
    records.length === 0 ? 'no lab is running' : records.map((it) => describe(attachLab(it))).join('\n'),
  );
}

async function ssh(number: number, command: readonly string[], { user }: { user: string }): Promise<void> {
  const { hosts } = await theLab();
  const host = hosts[number - 1];
  if (host === undefined) throw new Error(`the lab has ${hosts.length} hosts; there is no h${number}`);
  const options = [
    '-i',
    host.keyFile,
    '-o',
    'IdentitiesOnly=yes',
    '-o',
    `UserKnownHostsFile=${host.knownHostsFile}`,
  ];
  const child = spawn('ssh', [...options, '-l', user, host.address, ...command], { stdio: 'inherit' });
  process.exitCode = await new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 255));
  });
}

/** Starts one and says how to reach it; it ends with this program. */
async function machine(name: keyof typeof machines): Promise<void> {
  const host = await VmHost.start({ kind: machines[name], progress: (line) => console.error(line) });
  const login = sshArguments({ keyFile: host.keyFile, knownHosts: host.knownHostsFile, port: host.port });
  console.log(`${host.name} is up; ctrl-C ends it and removes all it made. To log in:

ssh ${login.slice(0, -1).join(' ')}

For a provider block:

${providerSnippet([host])}`);
}

function hostNumber(text: string): number {
  if (!/^[1-9]\d?$/.test(text) || Number(text) > hostsPerSlot) {
    throw new InvalidArgumentError(`a number from 1 to ${hostsPerSlot} is needed.`);
  }
  return Number(text);
}

const program = new Command('lab')
  .description('Throw-away hypervisor hosts on this machine, for trying things out')
  .enablePositionalOptions();
program
  .command('up')
  .description('start N hosts and leave them running')
  .argument('<N>', 'how many hosts', hostNumber)
  .addOption(new Option('--suite <name>', 'their Debian release').choices(suites).default('bookworm'))
  .action(up);
program
  .command('machine')
  .description('start an emulated machine with a kernel of its own, until ctrl-C')
  .addArgument(new Argument('<kind>', 'vm: Debian; xen: a Xen host').choices(Object.keys(machines)))
  .action(machine);
program.command('down').description('end the hosts and remove all they made').action(down);
program.command('status').description('show what is running').action(status);
program
  .command('ssh')
  .description('log in to host N, or run a command there')
  .argument('<N>', "the host's number", hostNumber)
  .argument('[command...]')
  .option('--user <name>', 'root, operator (sudo) or plain (no sudo)', 'root')
  .passThroughOptions()
  .action(ssh);

try {
  await program.parseAsync();
} catch (error) {
  console.error(`lab: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
