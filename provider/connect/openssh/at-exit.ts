const todo = new Set<() => void>();
let hooked = false;

/** Does it when this process ends by itself, also by `process.exit`. The answer takes it back. */
export function atExit(clean: () => void): () => void {
  if (!hooked) {
    hooked = true;
    process.once('exit', () => {
      for (const one of todo) one();
    });
  }
  todo.add(clean);
  return () => todo.delete(clean);
}

/** Sends a signal to a process, or to a group by its negative number; that it is gone is no failure. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    return;
  }
}
