import type { ChildProcess } from 'node:child_process';

/** A program that was started and goes on beside the test. */
export class Started {
  stdout = '';
  stderr = '';
  readonly child: ChildProcess;
  readonly ended: Promise<number>;

  constructor(child: ChildProcess) {
    this.child = child;
    child.stdout?.on('data', (piece: Buffer) => (this.stdout += piece.toString('utf8')));
    child.stderr?.on('data', (piece: Buffer) => (this.stderr += piece.toString('utf8')));
    this.ended = new Promise((resolve) => child.on('close', (code) => resolve(code ?? 137)));
  }

  /** Resolves once its standard error holds this, or the other one named, or it has ended. */
  async until(text: string, where: 'stderr' | 'stdout' = 'stderr'): Promise<void> {
    while (!this[where].includes(text) && this.child.exitCode === null && this.child.signalCode === null)
      await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
