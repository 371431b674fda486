import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../lab/process.ts';
import { type BenchHost, commandLine, guestMemoryMib } from './host.ts';

/** One `terraform apply` of host, users and guests, and the `terraform destroy` after it. */
export interface TerraformRun {
  /** Milliseconds, of the whole program. */
  readonly apply: number;
  readonly destroy: number;
  /** Of that, from the first to the last word with the host. */
  readonly applyOnHost: number;
  /** Of the apply, as the events file has them. */
  readonly connections: number;
  readonly reads: number;
  readonly writes: number;
}

/** `folder` must not be there yet; `cliConfigFile` points Terraform to the provider. */
export async function runTerraform(
  host: BenchHost,
  guests: number,
  folder: string,
  cliConfigFile: string,
): Promise<TerraformRun> {
  mkdirSync(folder);
  writeFileSync(join(folder, 'main.tf.json'), JSON.stringify(configuration(host, guests)));
  const terraform = async (...args: readonly string[]): Promise<number> => {
    const start = performance.now();
    const env = {
      ...process.env,
      TF_CLI_CONFIG_FILE: cliConfigFile,
      TF_IN_AUTOMATION: '1',
      CHECKPOINT_DISABLE: '1',
    };
    await run('terraform', [...args, '-no-color', '-input=false'], { cwd: folder, env });
    return performance.now() - start;
  };
  await terraform('init');
  const apply = await terraform('apply', '-auto-approve');
  const events = readFileSync(join(folder, 'stockade-events.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map(
      (line) => JSON.parse(line) as { readonly type: string; readonly kind?: string; readonly at: string },
    );
  const count = (type: string, kind?: string) =>
    events.filter((event) => event.type === type && event.kind === kind).length;
  const times = events.map(({ at }) => Date.parse(at));
  return {
    apply,
    destroy: await terraform('destroy', '-auto-approve'),
    applyOnHost: Math.max(...times) - Math.min(...times),
    connections: count('connected'),
    reads: count('batch-started', 'read'),
    writes: count('batch-started', 'write'),
  };
}

function configuration(host: BenchHost, guests: number): Readonly<Record<string, unknown>> {
  const { name, address, port, user, hostPublicKey, keyFile } = host.lab;
  const entry = { address, port, user, host_key: hostPublicKey, private_key_file: keyFile };
  return {
    terraform: { required_providers: { stockade: { source: 'stockade/stockade' } } },
    provider: { stockade: { fleet: 'bench', hosts: { [name]: entry } } },
    resource: {
      stockade_host: { bench: { name } },
      stockade_qemu_users: { bench: { host: '${stockade_host.bench.id}', last_domid: 64 } },
      stockade_guest: {
        bench: {
          count: guests,
          name: 'bench${count.index}',
          host: '${stockade_qemu_users.bench.host}',
          users: '${stockade_qemu_users.bench.id}',
          memory_mib: guestMemoryMib,
          accelerator: 'tcg',
          kernel: { host_file: host.kernel },
          initrd: { host_file: host.initrd },
          command_line: commandLine,
          shutdown_timeout_seconds: 0,
        },
      },
    },
  };
}
