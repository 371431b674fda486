import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { GuestDesired, GuestShare } from '../../provider/resources/guest/desired.ts';
import { sh, words } from '../../provider/model/shell.ts';
import { guestCommandLine, microvmCommandLine } from '../lab/guest/init.ts';
import { readShareReport, type ShareReport } from '../lab/guest/share-report.ts';
import type { LabHost } from '../lab/lab.ts';
import type { Suite } from '../lab/recipe.ts';
import type { Core } from './core.fixture.ts';
import { ends } from './preparation.fixture.ts';

type Failing = Readonly<Record<string, string>>;
export type Driver = Exclude<GuestShare['driver'], 'auto'>;

/** Device nodes are denied by the rule of the helper's unit. The rest is what the drivers cannot do without a jail either. */
const noDevices: Failing = { 'char-device': 'EPERM', 'block-device': 'EPERM' };
/** They are kept by names below /proc, which is not in an empty chroot. */
const noXattr: Failing = Object.fromEntries(
  ['set', 'get', 'list', 'remove'].map((what) => [`xattr-${what}`, 'EACCES']),
);
/** What each driver of a suite does not do in its jail, and how it fails. */
export const failing: Readonly<Record<Suite, Readonly<Partial<Record<Driver, Failing>>>>> = {
  bookworm: {
    // The helper keeps but CAP_DAC_OVERRIDE effective after the first file that the guest's root makes.
    proxy: { chown: 'EPERM', 'chown-symlink': 'EPERM', ...noDevices },
    virtiofs: noDevices,
    local: noXattr,
  },
  trixie: { virtiofs: noDevices, local: noXattr },
};
/** The same of what is only read. A symbolic link that the host made is none of a mapped model: there it would be a file. */
export const readOnlyFailing: Readonly<Partial<Record<Driver, Failing>>> = { local: { readlink: 'ELOOP' } };
/** Every driver that the suite has. */
export const driversOf = (suite: Suite): readonly Driver[] => Object.keys(failing[suite]) as Driver[];

/** Where the exports of these tests are: below a directory that only root may enter. */
export const closedDirectory = '/srv/closed';

export const shareOf = (
  tag: string,
  change: Partial<GuestShare> = {},
  source = `${closedDirectory}/${tag}`,
): GuestShare => ({
  tag,
  source,
  readonly: false,
  driver: 'auto',
  writers: 'one',
  maxFileMib: 65_536,
  ...change,
});

/** The directories of the shares; a read-only one holds what the guest's task looks for. */
export async function makeSources(host: LabHost, shares: readonly GuestShare[]): Promise<void> {
  for (const { source, readonly, driver } of shares) {
    const directory = host.pathFromHere(source);
    mkdirSync(join(directory, readonly ? 'directory' : ''), { recursive: true });
    // QEMU itself writes there, as its guest's user; nobody else gets in from above
    if (driver === 'local') chmodSync(directory, 0o777);
    if (!readonly) continue;
    writeFileSync(join(directory, 'file'), 'read-only share\n');
    writeFileSync(join(directory, 'directory/inner'), '');
    symlinkSync('file', join(directory, 'link'));
  }
  await host.run(sh`mkdir -p ${words([closedDirectory])} && chmod 0700 ${words([closedDirectory])}`);
}

/** A guest that does the task on its shares and powers off; with `stay=1` in the task it stays. */
export function shareGuest(
  core: Core,
  name: string,
  shares: readonly GuestShare[],
  task: string,
  change: Partial<GuestDesired> = {},
): GuestDesired {
  const base = change.machine === 'microvm' ? microvmCommandLine : guestCommandLine;
  const mounts = shares.map(
    ({ tag, driver, readonly }) =>
      `share=${tag}:${driver === 'virtiofs' ? 'virtiofs' : '9p'}${readonly ? ':ro' : ''}`,
  );
  return core.guest(name, {
    memoryMib: 384,
    kernel: { kind: 'host', path: '/root/share-kernel' },
    initrd: { kind: 'host', path: '/root/share-initrd' },
    commandLine: [base, 'panic=-1', 'no_timer_check', ...mounts, task].join(' '),
    serialLogMaxKib: 1024,
    shares,
    ...change,
  });
}

/** Starts the guest as Apply does, and reads what it reports of its shares. */
export async function runShareGuest(host: LabHost, core: Core, guest: GuestDesired): Promise<ShareReport> {
  const { results } = await core.apply(core.wish([guest]));
  const wrong = ends(results).filter((end) => !/^(same|changed) /.test(end));
  if (wrong.length > 0) throw new Error([...wrong, await journal(host)].join('\n'));
  return readShareReport(await consoleUntil(core, guest.name, /^SHARE-DONE .*\n/m));
}

/** What the guest has printed once that is there, or when it has ended; after 25 minutes whatever it is: before the time of the longest tests is over. */
export async function consoleUntil(core: Core, guest: string, wanted: RegExp): Promise<Buffer> {
  const end = Date.now() + 1_500_000;
  while (Date.now() < end) {
    const runs = (await core.unitProperty(guest, 'ActiveState')) === 'active';
    const said = await core.serialLog(guest);
    if (!runs || wanted.test(said.toString('latin1'))) return said;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  return core.serialLog(guest);
}

/** What the helpers said, for people. */
export const journal = (host: LabHost): Promise<string> =>
  host.run(sh`journalctl --no-pager --quiet --output=short-monotonic --unit='stockade-*'`);
