import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { launcherScript } from '../../../provider/jail/launcher.ts';
import { samplePlan } from '../../samples.ts';

test('the page on the launch lists the steps of a launcher, in their order', () => {
  const page = readFileSync(new URL('../../../docs/guides/launch-steps.md', import.meta.url), 'utf8');
  const listed = [...page.matchAll(/^\| `([a-z-]+)`(?::|\s\|)/gm)].map(([, name]) => name);
  const disk = {
    name: 'a',
    path: '/srv/a',
    format: 'raw',
    readonly: false,
    sizeMib: 1,
    backing: [],
  } as const;
  const requests = { ...samplePlan().requests, lsm: 'on' as const };
  const script = launcherScript(samplePlan({ disks: [disk], requests }));
  const called = [...script.matchAll(/^ {4}step_(\w+)$/gm)].map(([, name]) => name?.replaceAll('_', '-'));
  const started = called.slice(0, called.indexOf('launch') + 1);
  expect([...new Set(listed)]).toEqual(started);
});
