import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { sh, word } from '../../../provider/model/shell.ts';
import type { TestHost } from '../test-host.ts';

/** A QEMU binary on a test host: asked what it can do, it answers as QEMU; as a guest's device model it does its worst. */
export const hostileBinary = '/srv/hostile/qemu';

/** What the program itself keeps to, for the sake of the machine it runs on. */
export interface HostileBounds {
  readonly seconds: number;
  /** Beside some twenty that it always has. */
  readonly processes: number;
  readonly memoryMib: number;
}

export async function placeHostileModel(host: TestHost, bounds: HostileBounds): Promise<void> {
  // where a guest's own root shows it
  const program = '/usr/local/lib/hostile/device-model.pl';
  const source = fileURLToPath(new URL('device-model.pl', import.meta.url));
  const { seconds, processes, memoryMib } = bounds;
  await host.write(program, readFileSync(source));
  const wrapper = sh`#!/bin/sh
case "$*" in
  *guest=*) exec perl ${word(program)} ${seconds} ${processes} ${memoryMib} "$@" ;;
esac
exec /usr/bin/qemu-system-x86_64 "$@"
`;
  await host.write(hostileBinary, wrapper.text, 0o755);
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
export async function processesOf(host: TestHost, uid: number): Promise<number> {
  const pattern = `^Uid:.*[[:blank:]]${uid}([[:blank:]]|$)`;
  const found = await host.exec(sh`grep -slE ${word(pattern)} /proc/[0-9]*/status`);
  return found.stdout.split('\n').filter((line) => line !== '').length;
}
