/** Writes `settings.json` for examples/quickstart: the first host of the lab that `npm run lab -- up` left running. */
import { writeFileSync } from 'node:fs';
import { buildGuestImage } from '../test/lab/guest/image.ts';
import { attachLab, detachedLabs } from '../test/lab/lab.ts';
import { quickstartSettings } from './demo/quickstart.ts';

const [record] = await detachedLabs();
const host = record === undefined ? undefined : attachLab(record).hosts[0];
if (host === undefined) {
  console.error('no lab is running; start one with `npm run lab -- up 1`');
  process.exitCode = 1;
} else {
  const image = await buildGuestImage((line) => console.error(line));
  writeFileSync('settings.json', `${JSON.stringify(quickstartSettings(host, image), null, 2)}\n`);
  console.log(`written: settings.json, for ${host.name} at ${host.address}`);
}
