import { closeSync, constants, fchmodSync, fstatSync, openSync, writeSync } from 'node:fs';
import { failure, problem, success, type Result } from '../model/diagnostic.ts';
import { describeEvent } from './describe.ts';
import { systemReason } from '../model/system-error.ts';
import type { ExecutorEvent } from './events.ts';
import type { EventSink } from './session.types.ts';

/** A file of events, a line of JSON each, that can be followed with `tail -f`. For people: nothing reads it back. */
export interface Journal {
  readonly sink: EventSink;
  /** Why lines are missing, once writing failed: events must never stop the work they tell of. */
  readonly trouble: () => string | undefined;
  close(): void;
}

/**
 * Appends to `path`, and makes the file if it is not there. It holds what hosts said, so only its owner may read it (mode
 * 0600). Lines are written whole: several processes may share the file.
 */
export function openJournal(path: string): Result<Journal> {
  const { O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_WRONLY } = constants;
  let descriptor: number;
  try {
    descriptor = openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600);
    if (!fstatSync(descriptor).isFile()) {
      closeSync(descriptor);
      return failure(noJournal(path, 'it is not a regular file'));
    }
    fchmodSync(descriptor, 0o600);
  } catch (error) {
    return failure(noJournal(path, systemReason(error)));
  }
  let trouble: string | undefined;
  let open = true;
  return success({
    sink: (event) => {
      if (!open || trouble !== undefined) return;
      try {
        writeSync(descriptor, journalLine(event));
      } catch (error) {
        trouble = systemReason(error);
      }
    },
    trouble: () => trouble,
    close: () => {
      if (open) closeSync(descriptor);
      open = false;
    },
  });
}

/** What a person looks for comes first. No byte of it moves a terminal's cursor: all but printable ASCII is escaped. */
function journalLine(event: ExecutorEvent): string {
  const { at, type, ...rest } = event;
  const json = JSON.stringify({ at, type, text: describeEvent(event), ...rest });
  const escaped = json.replace(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return `${escaped}\n`;
}

function noJournal(path: string, why: string) {
  return problem('journal-unwritable', `the events file ${path} cannot be written: ${why}`, {
    hint: 'Name a file in a directory of yours, or switch the events file off.',
  });
}
