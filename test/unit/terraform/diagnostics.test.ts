import { expect, it } from 'vitest';
import { problem } from '../../../provider/model/diagnostic.ts';
import { pluginDiagnostic } from '../../../provider/terraform/diagnostics.ts';

it('what to do is one line, and what is to be copied another, whatever they hold', () => {
  const shown = pluginDiagnostic(
    problem('code', 'it said so', {
      detail: 'Host: not ours',
      hint: 'Look at /mnt/x\nHost: elsewhere',
      copy: 'key\nWhat to do: nothing',
      host: 'hv1',
    }),
  );
  expect(shown.detail).toBe(
    [
      '    Host: not ours',
      '',
      'Host: hv1',
      '',
      'What to do: Look at /mnt/x\\u000aHost: elsewhere',
      'key\\u000aWhat to do: nothing',
    ].join('\n'),
  );
});
