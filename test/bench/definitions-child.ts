/** Reads definitions of so many guests once, in a process of its own: `definitions-child.ts GUESTS`. */
import { readDefinitions } from '../../provider/spec/yaml/read.ts';
import { fleetTexts } from './fleet-texts.ts';

const guests = Number(process.argv[2]);
const files = fleetTexts(guests);
// What compiles at first use is no matter of size.
readDefinitions(fleetTexts(100));
const start = performance.now();
const before = process.cpuUsage();
const read = readDefinitions(files);
const ms = performance.now() - start;
if (!read.ok || read.value.guests.length !== guests) throw new Error(JSON.stringify(read));
const { user, system } = process.cpuUsage(before);
process.send?.({ ms, cpuMs: (user + system) / 1000, peakMib: process.resourceUsage().maxRSS / 1024 });
