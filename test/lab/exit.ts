import { destroy, type RunRecord } from './run-record.ts';

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const running = new Map<string, RunRecord>();

/** Has the run removed when this process ends: by itself, by an uncaught exception or by a signal that can be caught. */
export function removeAtExit(record: RunRecord): void {
  if (running.size === 0) {
    process.on('exit', removeAll);
    for (const signal of signals) process.on(signal, onSignal);
  }
  running.set(record.id, record);
}

export function forgetAtExit(id: string): void {
  running.delete(id);
  if (running.size === 0) {
    process.off('exit', removeAll);
    for (const signal of signals) process.off(signal, onSignal);
  }
}

function removeAll(): void {
  for (const record of running.values()) destroy(record);
  running.clear();
}

/** Removes everything; then, unless the program has a handler of its own, ends as the signal would have. */
function onSignal(signal: (typeof signals)[number]): void {
  removeAll();
  for (const other of signals) process.off(other, onSignal);
  if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
}
