import { isBlockDevicePath } from '../spec/disk-rules.ts';
import { joined, lines, sh, type ShellText, word, words } from '../model/shell.ts';
import { digits } from './evidence-stream.ts';
import { descriptorDisks, writableBytes } from './disk-sizes.ts';
import type { LaunchDisk, LaunchPlan } from './launch-plan.ts';
import type { GuestObservation } from './observation.ts';
import type { LauncherStep } from './step.ts';
import { trustRemedy } from './trusted-files.ts';

/** One image of a plan; images are numbered from 1, each disk before what it stands on. */
interface Image {
  readonly number: number;
  readonly path: string;
  readonly format: LaunchDisk['format'];
  readonly disk: LaunchDisk;
  /** It is the disk itself and not what that stands on. */
  readonly top: boolean;
}

/** As many lines as this has the record that the launcher leaves for the evidence. */
export function imageCount(disks: readonly LaunchDisk[]): number {
  return imagesOf(disks).length;
}

/** Those that QEMU opens by their path, to read: each has to be seen from the guest's root. */
export function imagesByPath(disks: readonly LaunchDisk[]): readonly string[] {
  const opened = descriptorDisks(disks);
  const paths = imagesOf(disks).filter(
    ({ top, disk, path }) => !(top && opened.has(disk)) && !isBlockDevicePath(path),
  );
  return [...new Set(paths.map(({ path }) => path))];
}

function imagesOf(disks: readonly LaunchDisk[]): readonly Image[] {
  return disks
    .flatMap((disk) => [
      { path: disk.path, format: disk.format, disk, top: true },
      ...disk.backing.map((image) => ({ ...image, disk, top: false })),
    ])
    .map((image, index) => ({ ...image, number: index + 1 }));
}

/**
 * Opens what the guest writes to, and block devices: descriptors 4 to 9, passed on by `-add-fd`; `undefined` for a guest without disks.
 * It wants the host's view of files and devices.
 * Device and inode of each image go into the file `disks` of the guest's run directory, a line each: the evidence compares.
 */
export function disksStep(plan: Pick<LaunchPlan, 'disks'>): LauncherStep | undefined {
  if (plan.disks.length === 0) return undefined;
  const images = imagesOf(plan.disks);
  return {
    name: 'disks',
    comment: sh`What the guest writes to is opened here and locked; an image leads nowhere but to the images it is said to stand on`,
    body: lines([
      resolve(images),
      ...images.map(kindCheck),
      trustCheck(images),
      ...sizeChecks(images),
      ...headerChecks(images),
      ...[...descriptorDisks(plan.disks)].map(([disk, descriptor]) => opening(images, disk, descriptor)),
    ]),
  };
}

function variable(image: Image): ShellText {
  return sh`"$image_${image.number}"`;
}

function resolve(images: readonly Image[]): ShellText {
  return sh`  set -- ${words(images.map(({ path }) => path))}
  for path do [ -e "$path" ] || fail "$path is not there"; done
  found=$(readlink -e -- "$@") || fail "cannot resolve $*"
  {
${lines(images.map(({ number }) => sh`    IFS= read -r image_${number}`))}
  } <<END
$found
END`;
}

/** QEMU opens some of them by their path, so a path must be the file's own; a block device is opened here by what it led to. */
function kindCheck(image: Image): ShellText {
  const file = variable(image);
  if (isBlockDevicePath(image.path))
    return sh`  [ -b ${file} ] || fail ${word(`${image.path} is no block device`)}`;
  return sh`  [ ${file} = ${word(image.path)} ] || fail ${word(`${image.path} leads over a symbolic link: give the file's own path, `)}${file}
  [ -f ${file} ] || fail ${word(`${image.path} is no regular file`)}`;
}

function trustCheck(images: readonly Image[]): ShellText {
  const files = images.filter(({ path }) => !isBlockDevicePath(path)).map(variable);
  if (files.length === 0) return sh`  :`;
  return sh`  refused=$(stockade_untrusted ${joined(files)})
  [ -z "$refused" ] || fail "$refused: ${trustRemedy}"`;
}

function sizeChecks(images: readonly Image[]): readonly ShellText[] {
  const read = images.map(({ number }) => sh`    read -r _ _ bytes_${number} owner_${number}`);
  const checks = images.flatMap((image) => {
    const most = image.top ? writableBytes(image.disk) : undefined;
    const owner = sh`  [ "$owner_${image.number}" = 0 ] || fail ${word(`${image.path} is not root's`)}`;
    if (most === undefined) return [owner];
    const tooLarge = word(`${image.path} is larger than its size_mib allows: `);
    return [
      owner,
      sh`  [ "$bytes_${image.number}" -le ${most} ] || fail ${tooLarge}"$bytes_${image.number} bytes, not ${most}"`,
    ];
  });
  return [
    sh`  shown=$(stat -L -c '%d %i %s %u' -- ${joined(images.map(variable))}) || fail 'cannot look at the images'
  printf '%s\\n' "$shown" >"$run/disks" || fail "cannot write $run/disks"
  {
${lines(read)}
  } <<END
$shown
END`,
    ...checks,
  ];
}

/**
 * qcow2's header (docs/interop/qcow2.txt of QEMU): magic and version in bytes 0 to 7, virtual size 24 to 31, encryption 32 to 35,
 * incompatible features 72 to 79 from version 3 on, bit 2 of them an external data file. A name of a backing file in it is harmless: QEMU is told what to
 * take instead. That of a data file it would open, so such an image is refused.
 */
function headerChecks(images: readonly Image[]): readonly ShellText[] {
  const wanted = images.filter(({ format }) => format === 'qcow2');
  if (wanted.length === 0) return [];
  return [
    sh`  # header IMAGE BYTES BYTE...: the first 80 of an image that may be BYTES large for its guest
  header() {
    image=$1 most=$2
    shift 2
    [ $# -eq 80 ] && [ "$1$2$3$4" = 514649fb ] || fail "$image is no qcow2 image"
    case $5$6$7$8 in
      00000002) features=00 ;;
      00000003) features=\${80} ;;
      *) fail "$image is of an unknown version of qcow2" ;;
    esac
    case $features in ?[4567cdef]) fail "$image keeps its data in another file that it names: such an image is not taken" ;; esac
    [ "\${33}\${34}\${35}\${36}" = 00000000 ] || fail "$image is encrypted: such an image is not taken"
    size=$((0x\${25}\${26}\${27}\${28}\${29}\${30}\${31}\${32}))
    [ "$most" = any ] || [ "$size" -le "$most" ] || fail "$image is larger for the guest than its size_mib: $size bytes, not $most"
  }
  headers=$(head -qc 80 -- ${joined(wanted.map(variable))} | od -An -v -w80 -tx1) || fail 'cannot read the headers'
  {
${lines(wanted.map(headerCheck))}
  } <<END
$headers
END`,
  ];
}

function headerCheck(image: Image): ShellText {
  const { sizeMib } = image.disk;
  const most =
    !image.top || image.disk.readonly || sizeMib === undefined ? sh`any` : sh`${sizeMib * 1_048_576}`;
  return sh`    IFS= read -r bytes || :
    header ${variable(image)} ${most} $bytes`;
}

/** Guests keep each other out by a lock on what they have open; QEMU's own locks on the same files come on top. */
function opening(images: readonly Image[], disk: LaunchDisk, descriptor: number): ShellText {
  const image = images.find((each) => each.top && each.disk === disk);
  if (image === undefined) throw new Error(`the disk ${disk.name} has no image`);
  const [direction, lock] = disk.readonly ? [sh`<`, sh`-s`] : [sh`<>`, sh`-x`];
  return sh`  command exec ${descriptor}${direction}${variable(image)} || fail ${word(`cannot open ${disk.path}`)}
  flock ${lock} -w 5 ${descriptor} || fail ${word(`${disk.path} is in use, by another guest or by the host`)}`;
}

/** The launcher's record of disk images: a line of device, inode and more for each. */
export function parseImages(text: string | undefined): GuestObservation['images'] {
  const images = (text ?? '')
    .trimEnd()
    .split('\n')
    .map((line) => {
      const [device, inode] = line.split(' ').map(digits);
      return device === undefined || inode === undefined ? undefined : { device, inode };
    });
  return images.every((image) => image !== undefined) ? images : undefined;
}
