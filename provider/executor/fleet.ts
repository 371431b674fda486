import { openConnection } from '../connect/open.ts';
import type { Target } from '../connect/target.ts';
import { parseSnapshot, snapshotSections } from '../engine/observe.ts';
import type { HostSnapshot } from '../engine/snapshot.ts';
import { type Clock, systemClock } from '../model/clock.ts';
import { type Result, success } from '../model/diagnostic.ts';
import type { Operation, OperationResult, ReadSection } from '../model/operation.ts';
import { defaultRoots, type HostRoots } from '../model/paths.ts';
import { type HostFacts, hostSectionName } from '../resources/host/facts.ts';
import { orderOperations } from './order.ts';
import { renderWriteScript } from './script.ts';
import { defaultSessionLimits, openHostSession, type SessionOptions } from './session.ts';
import type { EventSink, HostSession, SessionCounters, WriteOptions } from './session.types.ts';
import { SourceLooks } from './source-looks.ts';

export interface FleetOptions {
  /** Who works here, shown to others who find a host locked. One line. */
  readonly holder: string;
  readonly sink?: EventSink;
  readonly clock?: Clock;
  readonly roots?: HostRoots;
  readonly signal?: AbortSignal;
  /** For tests and benchmarks: how requests are gathered and how long things may take. */
  readonly session?: Pick<SessionOptions, 'gather' | 'limits' | 'retry'>;
}

/** What a write left behind. */
export interface Written {
  readonly results: readonly OperationResult[];
  /** The whole host afterwards, read in the same round trip; an error where that could not be read. */
  readonly snapshot: Result<HostSnapshot>;
}

const failureKeptMilliseconds = 30_000;

/**
 * All hosts one process works with: a session per host, and what was last seen of each. A host is observed once; later
 * calls share that snapshot until something is written, and every write brings a fresh one along.
 */
export class Fleet {
  readonly #options: FleetOptions;
  readonly #sessions = new Map<string, HostSession>();
  readonly #snapshots = new Map<string, Promise<Result<HostSnapshot>>>();
  /** What the host itself was at the last look, for as long as that is believed. */
  readonly #facts = new Map<string, HostFacts>();
  readonly #binaries = new Map<string, Set<string>>();
  readonly #sources = new Map<string, SourceLooks>();

  constructor(options: FleetOptions) {
    this.#options = options;
  }

  /**
   * The host as it was last seen by this process; the first call looks. A failed look is kept for half a minute, so that the
   * many resources of a dead host wait for it once. `binaries`: QEMUs to ask beside those the host knows of; one that was not
   * asked for before makes it look again. `sources`: directories that guests share; those that were not asked for before are looked
   * at, in the same round trip where the host is looked at too.
   */
  async observe(
    target: Target,
    binaries: readonly string[] = [],
    sources: readonly string[] = [],
  ): Promise<Result<HostSnapshot>> {
    const looking = this.#observeHost(target, binaries);
    if (sources.length === 0) return looking;
    const known = this.#sources.get(target.host) ?? new SourceLooks();
    this.#sources.set(target.host, known);
    const [host, looked] = await Promise.all([looking, known.look(this.#session(target), sources)]);
    if (!host.ok) return host;
    return looked.ok ? success({ ...host.value, sources: looked.value }, host.warnings) : looked;
  }

  #observeHost(target: Target, binaries: readonly string[]): Promise<Result<HostSnapshot>> {
    const asked = this.#binaries.get(target.host) ?? new Set();
    if (binaries.some((binary) => !asked.has(binary))) {
      this.#binaries.set(target.host, new Set([...asked, ...binaries]));
      this.forget(target.host);
    }
    const known = this.#snapshots.get(target.host);
    if (known !== undefined) return known;
    const looking = this.#look(target);
    this.#snapshots.set(target.host, looking);
    void looking.then((result) => {
      if (!result.ok) this.#forgetLater(target.host, looking);
    });
    return looking;
  }

  #forgetLater(host: string, failed: Promise<Result<HostSnapshot>>): void {
    const timer = setTimeout(() => {
      if (this.#snapshots.get(host) === failed) this.#snapshots.delete(host);
    }, failureKeptMilliseconds);
    timer.unref();
  }

  /**
   * Runs operations in dependency order; those asked for at the same moment travel as one batch. Operations on guests do not
   * change what the host itself is: after them only users, guests and evidence are read again.
   */
  async write(
    target: Target,
    operations: readonly Operation[],
    options: WriteOptions = {},
  ): Promise<Result<Written>> {
    const { sections, seen } = this.#lookAfter(target, operations);
    const written = await this.#session(target).write(operations, sections, options);
    if (!written.ok) {
      this.forget(target.host);
      return written;
    }
    const snapshot = parseSnapshot(target.host, written.value.sections, this.#roots, seen);
    if (snapshot.ok) this.#keep(snapshot.value);
    else this.forget(target.host);
    return success({ results: written.value.results, snapshot }, written.warnings);
  }

  #lookAfter(target: Target, operations: readonly Operation[]) {
    const guestsAlone = operations.every(({ address }) => address.kind === 'guest');
    const seen = guestsAlone ? this.#facts.get(target.host) : undefined;
    const all = this.#sections(target);
    const sections = seen === undefined ? all : all.filter(({ name }) => name !== hostSectionName);
    return { sections, seen };
  }

  /** The script that `write` would send now, as it is but for its nonce and the time at which it is sent. */
  script(target: Target, operations: readonly Operation[]): string {
    const { lockWaitSeconds, sectionBytes } = { ...defaultSessionLimits, ...this.#options.session?.limits };
    const { text } = renderWriteScript(
      orderOperations([operations]),
      this.#lookAfter(target, operations).sections,
      {
        nonce: '0'.repeat(32),
        roots: this.#roots,
        holder: this.#options.holder,
        lockWaitSeconds,
        sectionLimitBytes: sectionBytes,
      },
    );
    return text;
  }

  /** Makes the next `observe` look again. */
  forget(host: string): void {
    this.#snapshots.delete(host);
    this.#facts.delete(host);
    this.#sources.delete(host);
  }

  #keep(snapshot: HostSnapshot): void {
    this.#snapshots.set(snapshot.host, Promise.resolve(success(snapshot)));
    this.#facts.set(snapshot.host, snapshot.facts);
  }

  /** What is being written comes to the end of its present step, and no more steps are begun; what is urgent goes on. */
  async stop(): Promise<void> {
    await Promise.all([...this.#sessions.values()].map((session) => session.stop()));
  }

  /** Per host that was spoken to: connections made, scripts sent. */
  counters(): ReadonlyMap<string, SessionCounters> {
    return new Map([...this.#sessions].map(([host, session]) => [host, session.counters]));
  }

  async close(): Promise<void> {
    await Promise.all([...this.#sessions.values()].map((session) => session.close()));
    this.#sessions.clear();
    this.#snapshots.clear();
    this.#facts.clear();
    this.#sources.clear();
  }

  get #roots(): HostRoots {
    return this.#options.roots ?? defaultRoots;
  }

  #sections({ host }: Target): readonly ReadSection[] {
    return snapshotSections(this.#roots, [...(this.#binaries.get(host) ?? [])]);
  }

  async #look(target: Target): Promise<Result<HostSnapshot>> {
    const read = await this.#session(target).read(this.#sections(target));
    if (!read.ok) return read;
    const snapshot = parseSnapshot(target.host, read.value, this.#roots);
    if (snapshot.ok) this.#facts.set(target.host, snapshot.value.facts);
    return snapshot.ok ? success(snapshot.value, [...read.warnings, ...snapshot.warnings]) : snapshot;
  }

  #session(target: Target): HostSession {
    const known = this.#sessions.get(target.host);
    if (known !== undefined) return known;
    const { holder, sink, clock = systemClock, roots, signal, session: tuning } = this.#options;
    const connection = openConnection(target, { clock });
    const opened = openHostSession({
      connection,
      holder,
      clock,
      ...(sink === undefined ? {} : { sink }),
      ...(roots === undefined ? {} : { roots }),
      ...(signal === undefined ? {} : { signal }),
      ...tuning,
    });
    this.#sessions.set(target.host, opened);
    return opened;
  }
}
