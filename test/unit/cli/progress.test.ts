import { describe, expect, it } from 'vitest';
import { jsonProgress, lineProgress, terminalProgress } from '../../../provider/cli/views/progress.ts';
import { plain } from '../../../provider/cli/views/style.ts';
import type { ExecutorEvent } from '../../../provider/executor/events.ts';
import type { Address } from '../../../provider/model/address.ts';
import { sh } from '../../../provider/model/shell.ts';
import { plannedHost } from '../../cli-plans.ts';

const at = '2026-01-01T00:00:00Z';
const guest = (name: string): Address => ({ kind: 'guest', host: 'hv1', name });
const steps = ['web1', 'web2'].flatMap((name) =>
  ['record', 'start'].map((step) => ({ id: `guest ${name} on hv1: ${step}`, address: guest(name) })),
);
const plan = {
  ...{ fleet: 'prod', failures: [], warnings: [] },
  hosts: [
    {
      ...plannedHost('hv1', []),
      operations: steps.map((one) => ({
        ...one,
        needs: [],
        step: { kind: 'own' as const, body: sh`true` },
      })),
    },
    plannedHost('hv2', []),
  ],
};

function finished(index: number, status: 'changed' | 'same' | 'failed', message?: string): ExecutorEvent {
  const { id, address } = steps[index] ?? { id: '', address: guest('x') };
  const said = message === undefined ? {} : { code: 'guest-died', message };
  const result = { id, status, values: {}, output: '', milliseconds: 5, ...said };
  return { type: 'operation-finished', at, host: 'hv1', batch: 'b', address, result };
}
const started: ExecutorEvent = {
  type: 'batch-started',
  at,
  host: 'hv1',
  batch: 'b',
  kind: 'write',
  operations: 4,
};
const hostile = 'qemu: \u001b[2J\nforged\u202e';

function collected() {
  const parts: string[] = [];
  return { write: (text: string) => void parts.push(text), text: () => parts.join('') };
}

describe('how an apply goes on', () => {
  it('is a line for each step that did something, with how many of how many, in logs', () => {
    const out = collected();
    const progress = lineProgress(plan, { write: out.write, style: plain, now: () => 0 });
    for (const event of [
      started,
      finished(0, 'changed'),
      finished(1, 'same'),
      finished(2, 'failed', hostile),
    ]) {
      progress.event(event);
    }
    progress.hostDone();
    progress.stopping();
    progress.end();
    expect(out.text().split('\n')).toEqual([
      '[0 of 4] hv1: 4 steps to do',
      '[1 of 4] hv1: changed guest web1 on hv1: record, 5 ms',
      '[3 of 4] hv1: failed guest web2 on hv1: record (guest-died: qemu: \\u001b[2J\\u000aforged\\u202e), 5 ms',
      '1 of 1 hosts done',
      'Stopping: the steps that run come to their end, no more are begun.',
      '',
    ]);
  });

  it('is drawn anew on a terminal; what went wrong stays', () => {
    const out = collected();
    const progress = terminalProgress(plan, { write: out.write, style: plain, now: () => 0 });
    progress.event(finished(0, 'changed'));
    progress.event(finished(1, 'changed'));
    progress.event(finished(2, 'failed', hostile));
    progress.hostDone();
    progress.stopping();
    progress.end();
    const text = out.text();
    expect(text).toContain('hosts 1 of 1, guests 1 of 2, steps 3 of 4, 0 s');
    expect(text).toContain('  guest web2 on hv1: record\n');
    expect(text).toContain(
      'failed guest web2 on hv1: record (guest-died: qemu: \\u001b[2J\\u000aforged\\u202e)',
    );
    expect(text).toContain('Ctrl-C again leaves at once');
    // nothing but our own erasing moves the cursor, and in the end nothing of it is left
    expect(text.replaceAll(/\u001b\[\d+A\u001b\[J/g, '')).not.toContain('\u001b');
    expect(text).toMatch(/\u001b\[\d+A\u001b\[J$/);
  });

  it('is a JSON line for each event, for programs', () => {
    const out = collected();
    const progress = jsonProgress(out.write);
    progress.event(finished(2, 'failed', hostile));
    progress.stopping();
    const [line = '', stopping = '', last] = out.text().split('\n');
    expect(line).toMatch(/^[\x20-\x7e]+$/);
    expect(JSON.parse(line)).toMatchObject({ type: 'operation-finished', result: { message: hostile } });
    expect(JSON.parse(stopping)).toMatchObject({ type: 'stopping' });
    expect(last).toBe('');
  });
});
