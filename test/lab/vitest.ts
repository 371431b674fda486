import { afterAll, beforeAll } from 'vitest';
import { VmHost } from './vm/host.ts';
import type { MachineKind } from './vm/kind.ts';
import { plainMachine } from './vm/plain.ts';
import { xenMachine } from './vm/xen.ts';
import { type Lab, type LabHost, type LabOptions, startLab } from './lab.ts';

export interface LabInUse {
  /** The running lab; throws outside of tests and hooks. */
  readonly lab: Lab;
  readonly hosts: readonly LabHost[];
  /** The first host. */
  readonly host: LabHost;
}

/** Starts a lab before the tests of the surrounding `describe` (or file) and removes it after them. */
export function useLab(options: LabOptions): LabInUse {
  let running: Lab | undefined;
  beforeAll(async () => {
    running = await startLab(options);
  });
  afterAll(async () => {
    await running?.stop();
  });
  return {
    get lab() {
      if (running === undefined) throw new Error('the lab runs only during tests and hooks');
      return running;
    },
    get hosts() {
      return this.lab.hosts;
    },
    get host() {
      const [first] = this.lab.hosts;
      if (first === undefined) throw new Error('this lab has no host');
      return first;
    },
  };
}

export interface VmHostInUse {
  /** The running machine; throws outside of tests and hooks. */
  readonly host: VmHost;
}

/** Starts a full virtual machine host before the tests of the surrounding `describe` (or file) and removes it after them. */
export function useVmHost(): VmHostInUse {
  return useMachine(plainMachine);
}

/** The same with a real Xen on it: `xl`, HVM guests with device models, and xenstore. Run its tests in the project `machine`. */
export function useXenHost(): VmHostInUse {
  return useMachine(xenMachine);
}

function useMachine(kind: MachineKind): VmHostInUse {
  let running: VmHost | undefined;
  beforeAll(async () => {
    running = await VmHost.start({ kind, progress: (line) => console.warn(`test host: ${line}`) });
  }, buildMilliseconds);
  afterAll(async () => {
    await running?.stop();
  });
  return {
    get host() {
      if (running === undefined) throw new Error('the host runs only during tests and hooks');
      return running;
    },
  };
}

/** Where the image has to be built first. */
const buildMilliseconds = 900_000;
