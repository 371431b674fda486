import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sh, word } from '../../../provider/model/shell.ts';
import type { LabHost } from '../lab.ts';

/** A QEMU binary on a test host: asked what it can do, it answers as QEMU; as a guest's device model it does its worst. */
export const hostileBinary = '/srv/hostile/qemu';

/** What the program itself keeps to, for the sake of the machine it runs on. */
export interface HostileBounds {
  readonly seconds: number;
  /** Beside some twenty that it always has. */
  readonly processes: number;
  readonly memoryMib: number;
}

export function placeHostileModel(host: LabHost, bounds: HostileBounds): void {
  // where a guest's own root shows it
  const program = '/usr/local/lib/hostile/device-model.pl';
  const source = fileURLToPath(new URL('device-model.pl', import.meta.url));
  const { seconds, processes, memoryMib } = bounds;
  for (const path of [hostileBinary, program])
    mkdirSync(host.pathFromHere(dirname(path)), { recursive: true });
  writeFileSync(host.pathFromHere(program), readFileSync(source));
  const wrapper = sh`#!/bin/sh
case "$*" in
  *guest=*) exec perl ${word(program)} ${seconds} ${processes} ${memoryMib} "$@" ;;
esac
exec /usr/bin/qemu-system-x86_64 "$@"
`;
  writeFileSync(host.pathFromHere(hostileBinary), wrapper.text, { mode: 0o755 });
}

/** How far it came, by its own last word on the serial console; empty until it has said something. */
export function hostileReport(serialLog: Buffer): Readonly<Record<string, string>> {
  const [last] = [...serialLog.toString('latin1').matchAll(/\nhostile ([^\n]*) end\r?\n/g)].slice(-1);
  const words = (last?.[1] ?? '').split(' ').filter((each) => each.includes('='));
  return Object.fromEntries(
    words.map((each) => [each.slice(0, each.indexOf('=')), each.slice(each.indexOf('=') + 1)]),
  );
}

/** How many processes have the uid, by the kernel's own word. */
export async function processesOf(host: LabHost, uid: number): Promise<number> {
  const pattern = `^Uid:.*[[:blank:]]${uid}([[:blank:]]|$)`;
  const found = await host.exec(sh`grep -slE ${word(pattern)} /proc/[0-9]*/status`);
  return found.stdout.split('\n').filter((line) => line !== '').length;
}
