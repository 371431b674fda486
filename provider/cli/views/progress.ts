import type { ExecutorEvent } from '../../executor/events.ts';
import { describeEvent } from '../../executor/describe.ts';
import type { FleetPlan } from '../planning.ts';
import { cut, terminalLine } from './escape.ts';
import { asciiJson } from './json.ts';
import type { Style } from './style.ts';

/** Tells how an apply goes on. */
export interface Progress {
  readonly event: (event: ExecutorEvent) => void;
  readonly hostDone: () => void;
  /** Somebody pressed ctrl-C. */
  readonly stopping: () => void;
  readonly end: () => void;
}

export interface ProgressOptions {
  readonly write: (text: string) => void;
  readonly style: Style;
  readonly now: () => number;
}

/** Every event as a JSON line, for programs. */
export function jsonProgress(write: (text: string) => void): Progress {
  const note = (type: string) => write(asciiJson({ at: new Date().toISOString(), type }));
  return {
    event: (event) => write(asciiJson(event)),
    hostDone: () => undefined,
    stopping: () => note('stopping'),
    end: () => note('ended'),
  };
}

/** A line for each step that did something or went wrong, and for each host: for logs of CI. */
export function lineProgress(plan: FleetPlan, { write, style }: ProgressOptions): Progress {
  const count = new Counter(plan);
  return {
    event: (event) => {
      count.take(event);
      const text = lineOf(event);
      if (text !== undefined) write(`[${count.steps}] ${style.faint(terminalLine(cut(text, 400)))}\n`);
    },
    hostDone: () => {
      count.hostsDone++;
      write(`${count.hosts} hosts done\n`);
    },
    stopping: () => write('Stopping: the steps that run come to their end, no more are begun.\n'),
    end: () => undefined,
  };
}

/** What did nothing is left out; so are reads. */
function lineOf(event: ExecutorEvent): string | undefined {
  if (event.type === 'operation-finished') {
    return event.result.status === 'same' ? undefined : describeEvent(event);
  }
  if (event.type === 'batch-finished' || event.type === 'batch-started') {
    return event.kind === 'read' ? undefined : describeEvent(event);
  }
  return describeEvent(event);
}

/** What is done of what there is to do. */
class Counter {
  readonly #steps: number;
  readonly #hosts: number;
  readonly #guests: number;
  readonly #stepsOfGuest = new Map<string, number>();
  readonly #busy = new Map<string, string>();
  #stepsDone = 0;
  #guestsDone = 0;
  hostsDone = 0;

  constructor({ hosts }: FleetPlan) {
    const operations = hosts.flatMap((host) => host.operations);
    this.#steps = operations.length;
    this.#hosts = hosts.filter((host) => host.operations.length > 0).length;
    for (const { address } of operations) {
      if (address.kind !== 'guest') continue;
      const key = `${address.host}/${address.name}`;
      this.#stepsOfGuest.set(key, (this.#stepsOfGuest.get(key) ?? 0) + 1);
    }
    this.#guests = this.#stepsOfGuest.size;
  }

  take(event: ExecutorEvent): void {
    if (event.type === 'batch-finished') this.#busy.delete(event.host);
    if (event.type !== 'operation-finished') return;
    this.#stepsDone++;
    const { address, result } = event;
    this.#busy.set(event.host, result.id);
    const key = `${address.host}/${address.name}`;
    const left = this.#stepsOfGuest.get(key);
    if (address.kind !== 'guest' || left === undefined) return;
    this.#stepsOfGuest.set(key, left - 1);
    if (left === 1) this.#guestsDone++;
  }

  get steps(): string {
    return `${this.#stepsDone} of ${this.#steps}`;
  }
  get hosts(): string {
    return `${this.hostsDone} of ${this.#hosts}`;
  }
  get guests(): string {
    return `${this.#guestsDone} of ${this.#guests}`;
  }
  /** The last step that each host has finished. */
  get busy(): readonly string[] {
    return [...this.#busy.values()];
  }
}

const shownHosts = 8;
const redrawMilliseconds = 200;

/** A few lines at the end of a terminal, drawn anew as things go on; what went wrong stays above them. */
export function terminalProgress(plan: FleetPlan, { write, style, now }: ProgressOptions): Progress {
  const count = new Counter(plan);
  const began = now();
  let drawn = 0;
  let stopping = false;
  const erase = () => {
    if (drawn > 0) write(`\u001b[${drawn}A\u001b[J`);
    drawn = 0;
  };
  const draw = () => {
    erase();
    const seconds = Math.round((now() - began) / 1000);
    const head = `hosts ${count.hosts}, guests ${count.guests}, steps ${count.steps}, ${seconds} s`;
    const busy = count.busy.slice(0, shownHosts).map((step) => `  ${terminalLine(cut(step, 70))}`);
    const lines = [
      style.bold(head),
      ...busy,
      ...(stopping ? ['Stopping: the steps that run come to their end. Ctrl-C again leaves at once.'] : []),
    ];
    write(`${lines.join('\n')}\n`);
    drawn = lines.length;
  };
  const timer = setInterval(draw, redrawMilliseconds);
  timer.unref();
  draw();
  return {
    event: (event) => {
      count.take(event);
      const bad = event.type === 'operation-finished' && isBad(event.result.status);
      if (!bad && event.type !== 'host-failed') return;
      erase();
      write(`${style.red(terminalLine(cut(describeEvent(event), 400)))}\n`);
      draw();
    },
    hostDone: () => void count.hostsDone++,
    stopping: () => {
      stopping = true;
      draw();
    },
    end: () => {
      clearInterval(timer);
      erase();
    },
  };
}

function isBad(status: string): boolean {
  return status === 'failed' || status === 'unknown' || status === 'refused';
}
