import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../process.ts';

/** debootstrap's own default mirror, where the hosts' root file system comes from too. */
function defaultMirror(): string {
  const program = readFileSync('/usr/sbin/debootstrap', 'utf8');
  const mirror = /^DEF_MIRROR="([^"]+)"$/m.exec(program)?.[1];
  if (mirror === undefined) throw new Error('cannot find the default mirror in /usr/sbin/debootstrap');
  return mirror;
}

const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** The downloaded package files. */
export interface GuestPackages {
  readonly kernel: string;
  readonly busybox: string;
}

/**
 * Downloads what a guest is made of, with a package list of its own below `work`: neither the machine's suite nor its
 * packages matter, its proxy settings do.
 */
export async function downloadPackage(
  work: string,
  suite: string,
  [kernelPackage, busybox]: readonly [string, string],
): Promise<GuestPackages> {
  const options = privateApt(work, suite);
  await run('apt-get', [...options, 'update']);
  const depends = await run('apt-cache', [...options, 'depends', '--important', kernelPackage]);
  const kernel = /Depends: (linux-image-\S+)/.exec(depends)?.[1];
  if (kernel === undefined)
    throw new Error(`${kernelPackage} of Debian ${suite} depends on no kernel package`);
  await run('apt-get', [...options, 'download', kernel, busybox], { cwd: work });
  return { kernel: downloaded(work, kernel), busybox: downloaded(work, busybox) };
}

/** Extracts the members of a Debian package that match the patterns. */
export async function unpackPackage(
  packageFile: string,
  directory: string,
  patterns: readonly string[],
): Promise<void> {
  const script =
    'file=$1 directory=$2; shift 2; dpkg-deb --fsys-tarfile "$file" | tar -xC "$directory" --wildcards "$@"';
  await run('sh', ['-c', script, 'sh', packageFile, directory, ...patterns]);
}

function privateApt(work: string, suite: string): readonly string[] {
  for (const directory of ['lists/partial', 'archives/partial']) {
    mkdirSync(join(work, 'apt', directory), { recursive: true });
  }
  const sources = join(work, 'apt/sources.list');
  writeFileSync(sources, `deb [arch=amd64 signed-by=${keyring}] ${defaultMirror()} ${suite} main\n`);
  writeFileSync(join(work, 'apt/status'), '');
  const settings = {
    'Dir::State::lists': join(work, 'apt/lists'),
    'Dir::State::status': join(work, 'apt/status'),
    'Dir::Cache': join(work, 'apt'),
    'Dir::Etc::sourcelist': sources,
    'Dir::Etc::sourceparts': '/dev/null',
    'Acquire::Languages': 'none',
    'APT::Sandbox::User': 'root',
  };
  return ['-q', ...Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`])];
}

function downloaded(work: string, name: string): string {
  const file = readdirSync(work).find((entry) => entry.startsWith(`${name}_`) && entry.endsWith('.deb'));
  if (file === undefined) throw new Error(`apt-get downloaded no ${name}`);
  return join(work, file);
}
