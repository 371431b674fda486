import { describeEvent } from '../executor/describe.ts';
import type { ExecutorEvent } from '../executor/events.ts';
import { type Journal, openJournal } from '../executor/journal.ts';
import type { EventSink } from '../executor/session.types.ts';
import type { Logger } from '../tfplugin/types.ts';
import { printable } from '../model/printable.ts';

/**
 * Sends events to Terraform's log, and to the events file from the first write on: a plan writes nothing, so it
 * leaves no file. What came before the first write is put in front.
 */
export class EventRecorder {
  readonly sink: EventSink;
  readonly #path: string;
  readonly #log: Logger;
  #before: ExecutorEvent[] = [];
  #journal: Journal | undefined;
  #trouble: string | undefined;
  #told = false;

  constructor(path: string, log: Logger) {
    this.#path = path;
    this.#log = log;
    this.sink = (event) => this.#record(event);
  }

  /** To be called before each write. */
  begin(): void {
    if (this.#journal !== undefined || this.#trouble !== undefined) return;
    const opened = openJournal(this.#path);
    if (!opened.ok) {
      this.#trouble = opened.diagnostics.map((one) => one.summary).join('; ');
      return;
    }
    this.#journal = opened.value;
    for (const event of this.#before) this.#journal.sink(event);
    this.#before = [];
  }

  /** Why events are missing from the file. Told once. */
  trouble(): string | undefined {
    const found = this.#trouble ?? this.#journal?.trouble();
    if (found === undefined || this.#told) return undefined;
    this.#told = true;
    return found;
  }

  #record(event: ExecutorEvent): void {
    if (this.#journal !== undefined) this.#journal.sink(event);
    else if (this.#before.length < 1000) this.#before.push(event);
    const { type, ...fields } = event;
    const level = type === 'host-failed' ? 'warn' : type === 'batch-finished' ? 'info' : 'debug';
    this.#log[level](printable(describeEvent(event)), { event: type, ...fields });
  }
}
