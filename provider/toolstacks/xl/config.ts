import { createHash } from 'node:crypto';
import type { LaunchDisk } from '../../jail/launch-plan.ts';
import { UnquotableError } from '../../model/shell.ts';

/** What of a guest xl's configuration depends on. Paths are absolute, on the host. */
export interface XlGuest {
  readonly name: string;
  readonly uuid: string;
  readonly memoryMib: number;
  readonly vcpus: number;
  readonly commandLine: string;
  readonly disks: readonly LaunchDisk[];
  /** FIFOs of the serial console, without `.in` and `.out`. */
  readonly serial: string;
}

/** By these a domain is known as a guest of ours, whatever it is called. */
export interface GuestIdentity {
  readonly fleet: string;
  readonly host: string;
  readonly name: string;
}

/** The UUID of a guest's domain: the same at every start, another for every guest of every fleet (RFC 9562, version 8). */
export function domainUuid({ fleet, host, name }: GuestIdentity): string {
  const digest = createHash('sha256').update(['stockade-domain', fleet, host, name].join('\0')).digest();
  digest[6] = ((digest[6] ?? 0) & 0x0f) | 0x80;
  digest[8] = ((digest[8] ?? 0) & 0x3f) | 0x80;
  const hex = digest.toString('hex', 0, 16);
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/**
 * The guest as xl.cfg(5) has it; the files that it is made of, and who its device model runs as, are added at each start. What is not said
 * is xl's default; what xl would add for show (graphics, a monitor for people) is off. A domain that crashed or wants to start again is kept for the launcher to see, which
 * decides: xl itself would start it again without end.
 */
export function xlConfig(guest: XlGuest): string {
  const lines: readonly (readonly [key: string, value: string | number | readonly string[] | undefined])[] = [
    ['name', guest.name],
    ['uuid', guest.uuid],
    ['type', 'hvm'],
    ['memory', guest.memoryMib],
    ['vcpus', guest.vcpus],
    ['device_model_version', 'qemu-xen'],
    ['dm_restrict', 1],
    ['cmdline', guest.commandLine === '' ? undefined : guest.commandLine],
    ['serial', `pipe:${guest.serial}`],
    ['vga', 'none'],
    ['vnc', 0],
    ['sdl', 0],
    ['disk', guest.disks.map(diskSpec)],
    ['on_poweroff', 'destroy'],
    ['on_reboot', 'preserve'],
    ['on_watchdog', 'preserve'],
    ['on_crash', 'preserve'],
  ];
  return lines
    .flatMap(([key, value]) => (value === undefined ? [] : [`${key} = ${configValue(value)}\n`]))
    .join('');
}

/** xl-disk-configuration(5): `target` comes last and takes all that follows. As PV disks the device model never opens them. */
function diskSpec(disk: LaunchDisk, index: number): string {
  const access = disk.readonly ? 'ro' : 'rw';
  return `format=raw, vdev=xvd${letters[index] ?? ''}, access=${access}, backendtype=phy, target=${disk.path}`;
}

const letters = [...'abcdefghijklmnop'];

function configValue(value: string | number | readonly string[]): string {
  if (typeof value === 'number') return String(value);
  if (typeof value === 'string') return configString(value);
  return value.length === 0 ? '[]' : `[\n${value.map((one) => `  ${configString(one)},\n`).join('')}]`;
}

/** Of C's escapes, the ones xl knows; those by number it reads as nothing, or not at all (4.17). */
const escapes: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\t': '\\t',
  '\n': '\\n',
  '\r': '\\r',
};

/** A string of xl.cfg: whatever the text holds, xl reads exactly these bytes. Throws for a control character, which no definition may have. */
export function configString(text: string): string {
  const quoted = [...text].map((character) => {
    const escaped = escapes[character];
    if (escaped === undefined && /[\0-\x1f\x7f]/.test(character))
      throw new UnquotableError('a control character');
    return escaped ?? character;
  });
  return `"${quoted.join('')}"`;
}
