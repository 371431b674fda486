import { describe, expect, it } from 'vitest';
import { canaryProgram } from '../../provider/jail/probes/program.ts';
import type { Probe } from '../../provider/jail/probes/probe.ts';
import { planProbes } from '../../provider/jail/probes/runs.ts';
import { canaryName, clearProbes, probeStep } from '../../provider/jail/probes/step.ts';
import { probeTable } from '../../provider/jail/probes/table.ts';

const hexLines = (bytes: Uint8Array) =>
  (
    Buffer.from(bytes)
      .toString('hex')
      .match(/.{1,64}/g) ?? []
  )
    .map((line) => `${line}\n`)
    .join('');

/** One line per probe: what it is, who is to stop it and how that shows. */
function line(probe: Probe): string {
  const stops = Object.entries(probe.stoppedBy).map(([seen, by]) => `${seen}=${by}`);
  const through = probe.through === 'any' ? ['any'] : (probe.through ?? []);
  const marks = [
    ...(probe.alone === true ? ['alone'] : []),
    ...(probe.controlApart === true ? ['control apart'] : []),
    ...(through.length > 0 ? [`through: ${through.join(' ')}`] : []),
    ...(probe.controller === undefined ? [] : [`needs the controller ${probe.controller}`]),
    ...(probe.accepted === undefined ? [] : [`accepted: ${probe.accepted}`]),
  ];
  return `${probe.name} (${probe.tries}): ${probe.layer}; ${[stops.join(' '), ...marks].join('; ')}\n`;
}

const few: readonly Probe[] = [
  {
    name: 'alone',
    tries: 'makes a process',
    layer: 'seccomp',
    steps: [{ kind: 'process', call: 'fork' }],
    stoppedBy: { SIGSYS: 'seccomp' },
    through: 'any',
    alone: true,
  },
  {
    name: 'shared',
    tries: 'reads a file',
    layer: 'chroot',
    steps: [
      { call: 'open', arguments: [{ at: '/etc/passwd' }, 0] },
      { call: 'fchdir', arguments: [{ result: 0 }] },
    ],
    stoppedBy: { EACCES: 'chroot' },
  },
];

describe('probes', () => {
  it('are a table of what is tried, who stops it and how that shows', async () => {
    const table = probeTable({ memoryMib: 240 });
    await expect(table.map(line).join('')).toMatchFileSnapshot('probes/table.txt');
  });

  it('are code and data of the same bytes each time', async () => {
    const { code, data } = canaryProgram(few);
    expect(canaryProgram(few).data).toEqual(data);
    await expect(`${hexLines(code)}\n${hexLines(data)}`).toMatchFileSnapshot('probes/program.txt');
  });

  it('are made by one step, with a place that needs quotes', async () => {
    const guests = [0, 1, 2].map((index) => ({
      name: canaryName(index),
      launcher: `#!/bin/sh\n# the launcher's text\n`,
      dropIn: '[Service]\n',
    }));
    const roots = { state: '/srv/it is/state', run: '/run/st' };
    const step = probeStep({
      plan: planProbes(few, { control: true, controllers: [] }),
      canaries: guests,
      qemuBinary: "/opt/it's/qemu",
      controlArguments: ['-S'],
      roots,
    });
    await expect(`${step.text}\n\n### cleared\n${clearProbes(roots).text}\n`).toMatchFileSnapshot(
      'probes/step.sh',
    );
  });
});
