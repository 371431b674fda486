import { prepareAnsible, startByAnsible, stopByAnsible } from './baselines/ansible.ts';
import { prepareLibvirt, startByLibvirt, stopByLibvirt } from './baselines/libvirt.ts';
import { startByShell, stopByShell } from './baselines/shell.ts';
import { type CoreRun, prepareByCore, startByCore, stopByCore } from './core.ts';
import type { BenchHost } from './host.ts';
import { timed } from './measure.ts';

/** One way of starting guests. What is done before and after is not measured, and leaves nothing running. */
export interface Contender {
  readonly name: string;
  /** The key on the command line. */
  readonly key: string;
  run(host: BenchHost, guests: number): Promise<number>;
}

export function contenders(
  folder: string,
  onCore: (name: string, run: CoreRun) => void,
): readonly Contender[] {
  return [
    {
      name: 'Stockade, guests on a prepared host',
      key: 'core',
      run: async (host, guests) => {
        await prepareByCore(host);
        const run = await startByCore(host, guests);
        onCore('prepared', run);
        await stopByCore(host, guests, { everything: true });
        return run.total;
      },
    },
    {
      name: 'Stockade, host preparation and users too',
      key: 'first',
      run: async (host, guests) => {
        const run = await startByCore(host, guests);
        onCore('first', run);
        await stopByCore(host, guests, { everything: true });
        return run.total;
      },
    },
    {
      name: '(a) shell script, unrestricted',
      key: 'shell',
      run: (host, guests) =>
        around(
          () => startByShell(host, guests),
          () => stopByShell(host),
        ),
    },
    {
      name: '(b) libvirt, virsh create',
      key: 'libvirt',
      run: async (host, guests) => {
        await prepareLibvirt(host, guests);
        return around(
          () => startByLibvirt(host, guests),
          () => stopByLibvirt(host),
        );
      },
    },
    {
      name: '(c) Ansible playbook',
      key: 'ansible',
      run: (host, guests) => {
        prepareAnsible(host, folder);
        return around(
          () => startByAnsible(folder, guests),
          () => stopByAnsible(host),
        );
      },
    },
  ];
}

async function around(work: () => Promise<void>, after: () => Promise<void>): Promise<number> {
  const took = await timed(work);
  await after();
  return took;
}
