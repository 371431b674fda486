import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { evidenceSection, parseEvidence, proveIsolation } from '../../provider/jail/evidence.ts';
import { type HostIdentities, isolationExpectation } from '../../provider/jail/expectation.ts';
import type { IsolationExpectation, LaunchPlan } from '../../provider/jail/launch-plan.ts';
import { launcherScript } from '../../provider/jail/launcher.ts';
import type { GuestObservation } from '../../provider/jail/observation.ts';
import { guestPlaces } from '../../provider/jail/places.ts';
import type { GuestEvidence, LayerName, LayerState } from '../../provider/model/evidence.ts';
import { guestUnit, unitTemplatePath } from '../../provider/model/paths.ts';
import { sh, word, words } from '../../provider/model/shell.ts';
import { type QemuGuest, qemuArguments } from '../../provider/toolstacks/qemu/argv.ts';
import { unitDropIn, unitTemplate } from '../../provider/toolstacks/qemu/supervisor.ts';
import type { LabHost } from '../lab/lab.ts';
import { samplePlan, sampleQemu } from '../samples.ts';
import { notAsExpected } from '../container-host.ts';

export const qemuBinary = '/usr/bin/qemu-system-x86_64';
const kernel = '/srv/vmlinux';
const initrds = { quiet: '/srv/quiet', hostile: '/srv/hostile', disk: '/srv/disk' };

export interface GuestOptions {
  /** Changes to the launcher: a layer taken away. */
  readonly breakLauncher?: (script: string) => string;
  readonly lease?: string;
  readonly plan?: Partial<LaunchPlan>;
  /** What QEMU is to be told of; disks, shared memory and network go into the plan as well. */
  readonly guest?: Partial<QemuGuest>;
  /** More of QEMU's arguments. `-S` (the default) keeps the guest's processor from running. */
  readonly qemu?: readonly string[];
  readonly commandLine?: string;
  readonly initrd?: keyof typeof initrds;
}

/** A guest as the tests know it. */
export interface TestGuest {
  readonly name: string;
  readonly uid: number;
  readonly plan: LaunchPlan;
}

/** A prepared hypervisor host with guests started straight from launcher, lease and drop-in. */
export class JailHost {
  readonly host: LabHost;
  #guests = 0;
  #identities: HostIdentities = { qemuDevice: 0, qemuInode: 0, loggerUid: 0, loggerGid: 0, unprovable: {} };

  constructor(host: LabHost) {
    this.host = host;
  }

  async prepare(image: {
    unpackedKernel: string;
    initrd: string;
    hostileInitrd: string;
    diskInitrd: string;
  }): Promise<void> {
    await this.host.run([
      'useradd',
      '--system',
      '--user-group',
      '--no-create-home',
      '--shell',
      '/usr/sbin/nologin',
      'stockade-logger',
    ]);
    copyFileSync(image.unpackedKernel, this.host.pathFromHere(kernel));
    copyFileSync(image.initrd, this.host.pathFromHere(initrds.quiet));
    copyFileSync(image.hostileInitrd, this.host.pathFromHere(initrds.hostile));
    copyFileSync(image.diskInitrd, this.host.pathFromHere(initrds.disk));
    writeFileSync(this.host.pathFromHere(unitTemplatePath), unitTemplate());
    const shown = await this.host.run(
      sh`stat -L -c '%d %i' ${word(qemuBinary)}; id -u stockade-logger; id -g stockade-logger`,
    );
    const [qemuDevice = 0, qemuInode = 0, loggerUid = 0, loggerGid = 0] = shown.split(/\s+/).map(Number);
    const unprovable = { 'cgroup-limits': 'a container host enforces none' };
    this.#identities = { qemuDevice, qemuInode, loggerUid, loggerGid, unprovable };
  }

  /** Writes what a guest needs on its host; does not start it. */
  place(options: GuestOptions = {}): TestGuest {
    this.#guests += 1;
    const name = `g${this.#guests}`;
    const uid = 300_000 + this.#guests;
    const guest: QemuGuest = {
      name,
      memoryMib: 128,
      vcpus: 1,
      machine: 'q35',
      accelerator: 'tcg',
      commandLine: options.commandLine,
      ...options.guest,
    };
    const files = { kernel, initrd: options.initrd === undefined ? undefined : initrds[options.initrd] };
    const plan: LaunchPlan = samplePlan({
      guest: name,
      qemuBinary,
      qemuArguments: [...qemuArguments(guest, files, sampleQemu), ...(options.qemu ?? ['-S'])],
      serialLogMaxKib: 64,
      shutdownTimeoutSeconds: 0,
      restartPolicy: 'never',
      vcpus: guest.vcpus,
      disks: guest.disks ?? [],
      sharedMemoryMib: guest.sharedMemory === true ? guest.memoryMib : 0,
      network: guest.network ?? 'none',
      ...options.plan,
    });
    const places = guestPlaces(name);
    const launcher = (options.breakLauncher ?? ((script: string) => script))(launcherScript(plan));
    mkdirSync(this.host.pathFromHere(places.stateDirectory), { recursive: true, mode: 0o700 });
    writeFileSync(this.host.pathFromHere(places.launcher), launcher, { mode: 0o700 });
    writeFileSync(
      this.host.pathFromHere(places.lease),
      options.lease ?? `domid ${this.#guests}\nuid ${uid}\ngid ${uid}\nshared no\n`,
    );
    const dropIns = `/etc/systemd/system/${guestUnit(name)}.d`;
    mkdirSync(this.host.pathFromHere(dropIns), { recursive: true });
    writeFileSync(this.host.pathFromHere(`${dropIns}/10-stockade.conf`), unitDropIn(plan));
    return { name, uid, plan };
  }

  async start(...guests: readonly TestGuest[]): Promise<void> {
    await this.host.run(sh`systemctl start -- ${words(guests.map(({ name }) => guestUnit(name)))}`);
  }

  /** Starts a guest that is to fail: systemd may have seen that already when `systemctl` asks. */
  async startDoomed({ name }: TestGuest): Promise<void> {
    await this.host.exec(sh`systemctl start -- ${word(guestUnit(name))}`);
  }

  async stop(...guests: readonly TestGuest[]): Promise<void> {
    await this.host.run(sh`systemctl stop -- ${words(guests.map(({ name }) => guestUnit(name)))}`);
  }

  expectation({ uid, plan }: TestGuest): IsolationExpectation {
    return isolationExpectation(plan, { uid, gid: uid, shared: false }, this.#identities);
  }

  async observe(...guests: readonly TestGuest[]): Promise<readonly GuestObservation[]> {
    const section = evidenceSection(guests.map(({ name }) => name));
    const output = await this.host.run(
      sh`section() {
${section.body}
}
set -u
section ${words(section.arguments)} | base64 -w0`,
    );
    const parsed = parseEvidence(
      Buffer.from(output, 'base64'),
      guests.map((guest) => this.expectation(guest)),
      this.host.name,
    );
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.diagnostics));
    return parsed.value;
  }

  async evidence(...guests: readonly TestGuest[]): Promise<readonly GuestEvidence[]> {
    const observations = await this.observe(...guests);
    return observations.map((observation, index) => {
      const guest = guests[index];
      if (guest === undefined) throw new Error('more observations than guests');
      return proveIsolation(observation, this.expectation(guest));
    });
  }

  /** Evidence of guests once every layer of all of them holds; what it was at last where that does not come. */
  async settled(...guests: readonly TestGuest[]): Promise<readonly GuestEvidence[]> {
    const ready = (each: GuestEvidence) => Object.keys(faults(each)).length === 0;
    return this.until(
      () => this.evidence(...guests),
      (shown) => shown.every(ready),
      50,
    );
  }

  /** Asks again and again until the answer will do; after a minute the last answer is what it is. */
  async until<T>(ask: () => Promise<T>, enough: (answer: T) => boolean, tries = 300): Promise<T> {
    let answer = await ask();
    for (let left = tries; left > 0 && !enough(answer); left--) {
      await new Promise((resolve) => setTimeout(resolve, 200));
      answer = await ask();
    }
    return answer;
  }

  async log(guest: TestGuest, log: 'serial' | 'stderr'): Promise<string> {
    const directory = guestPlaces(guest.name).logDirectory;
    return this.host.run(
      sh`cat ${word(`${directory}/${log}.0`)} ${word(`${directory}/${log}.1`)} | tr -d '\\000'`,
    );
  }

  async unitProperty(guest: TestGuest, property: string): Promise<string> {
    const shown = await this.host.run(
      sh`systemctl show --value --property=${word(property)} -- ${word(guestUnit(guest.name))}`,
    );
    return shown.trim();
  }

  /** Pids of every process that has the guest's uid, by the kernel's own word. */
  async processesOf(uid: number): Promise<readonly string[]> {
    const shown = await this.host.exec(
      sh`grep -slE ${word(`^Uid:.*[[:blank:]]${uid}([[:blank:]]|$)`)} /proc/[0-9]*/status`,
    );
    return shown.stdout.split('\n').filter((line) => line !== '');
  }
}

export function stateOf(evidence: GuestEvidence, layer: LayerName): LayerState | undefined {
  return evidence.layers.find((each) => each.layer === layer)?.state;
}

/** What is not as requested, layer by layer: an empty object is a guest in order. */
export function faults(evidence: GuestEvidence): Readonly<Record<string, string>> {
  return Object.fromEntries(
    notAsExpected(evidence.layers).map((layer) => [layer.layer, `${layer.state}: ${layer.observed}`]),
  );
}

/** A launcher that leaves its guest in the host's root, in a mount namespace of its own all the same. */
export function withoutView(script: string): string {
  return without('    step_view\n', '    step_device_nodes\n', '    step_enter_view\n')(script);
}

/** Takes a piece out of a launcher; the piece must be there. */
export function without(...pieces: readonly string[]): (script: string) => string {
  return (script) =>
    pieces.reduce((rest, piece) => {
      if (!rest.includes(piece)) throw new Error(`the launcher has no ${JSON.stringify(piece)}`);
      return rest.replaceAll(piece, '');
    }, script);
}
