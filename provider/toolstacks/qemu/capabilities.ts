import type { QemuCapabilities } from './capabilities.types.ts';

/** Of a QEMU that did not say which it is. */
export const unknownVersion = 'unknown';

/** Answers of one QEMU by name, as `qemu_answers` printed them. */
export type QemuAnswers = ReadonlyMap<string, string>;

/** More names than any QEMU has. */
const namesLimit = 4096;

/** Reads a QEMU's answers; `undefined` where they do not even say which binary it was. */
export function parseQemuCapabilities(answers: QemuAnswers): QemuCapabilities | undefined {
  const identity = /^(\d+)-(\d+)-\d+-\d+ (\/.*)$/.exec(answers.get('identity') ?? '');
  if (identity === null) return undefined;
  const [, device, inode, binary = ''] = identity;
  const options = helpOptions(answers.get('help') ?? '');
  const runWith = options.get('run-with') ?? '';
  const devices = deviceNames(answers.get('devices') ?? '');
  const built = firstWords(answers.get('accelerators') ?? '').filter((name) => /^[a-z]+$/.test(name));
  return {
    binary,
    device: Number(device),
    inode: Number(inode),
    version: /version (\d{1,4}(?:\.\d{1,4}){1,3})/.exec(answers.get('version') ?? '')?.[1] ?? unknownVersion,
    // `-help` shows -sandbox in builds without seccomp too: only the trial run tells
    seccomp: answers.get('sandbox') === '0' && /\bspawn=/.test(options.get('sandbox') ?? ''),
    runWithChroot: /\bchroot=/.test(runWith),
    runWithUser: /\buser=/.test(runWith),
    chrootOption: options.has('chroot'),
    runasOption: options.has('runas'),
    runasNumeric: /\bnumeric uid:gid\b/.test(options.get('runas') ?? ''),
    blockdev: options.has('blockdev'),
    addFd: options.has('add-fd'),
    memfdBackend: objectNames(answers.get('objects') ?? '').includes('memory-backend-memfd'),
    // 5.0 to 5.2 have it and do not say so: they take -numa
    memoryBackendProperty: /\bmemory-backend=/.test(options.get('machine') ?? ''),
    numaMemdev: /\bnode\b.*\bmemdev=/.test(options.get('numa') ?? ''),
    userNetwork: /^-netdev user,/m.test(options.get('netdev') ?? ''),
    xenDomidRestrict: options.has('xen-domid-restrict'),
    machines: firstWords(answers.get('machines') ?? ''),
    fsdevDrivers: devices.some((name) => name.startsWith('virtio-9p'))
      ? fsdevDrivers(answers.get('help') ?? '')
      : [],
    devices,
    accelerators: {
      built,
      working: built.filter((name) => name === 'tcg' || (name === 'kvm' && answers.get('kvm') === 'works')),
    },
  };
}

/** Options of `-help` with their text, the lines that belong to them joined. */
function helpOptions(help: string): ReadonlyMap<string, string> {
  const options = new Map<string, string>();
  let name: string | undefined;
  for (const line of help.split('\n')) {
    const start = /^-([a-z][a-z0-9-]*)/.exec(line);
    if (start?.[1] !== undefined) name = start[1];
    else if (!/^[ \t]/.test(line)) name = undefined;
    if (name !== undefined) options.set(name, `${options.get(name) ?? ''}${line}\n`);
  }
  return options;
}

function fsdevDrivers(help: string): readonly string[] {
  const drivers = [...help.matchAll(/^-fsdev ([a-z]+),/gm)].map((match) => match[1] ?? '');
  return [...new Set(drivers)];
}

/** The first word of each line that is not a heading. */
function firstWords(text: string): readonly string[] {
  const words = text
    .split('\n')
    .flatMap((line) => /^([A-Za-z0-9][A-Za-z0-9._-]{0,63})(?= |$)(?!.*:$)/.exec(line)?.[1] ?? []);
  return [...new Set(words)].slice(0, namesLimit);
}

function deviceNames(text: string): readonly string[] {
  return [...text.matchAll(/^name "([A-Za-z0-9][A-Za-z0-9,._-]{0,63})"/gm)]
    .map((match) => match[1] ?? '')
    .slice(0, namesLimit);
}

/** Each on a line of its own, after blanks. */
function objectNames(text: string): readonly string[] {
  return [...text.matchAll(/^ *([a-z][a-z0-9-]{0,63})$/gm)]
    .map((match) => match[1] ?? '')
    .slice(0, namesLimit);
}
