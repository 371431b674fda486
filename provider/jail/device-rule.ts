import { type ShellText, sh, word, words } from '../model/shell.ts';
import { deviceModel, type Findings } from './judge.ts';
import type { IsolationExpectation } from './launch-plan.ts';
import type { DeviceTrial, DeviceTrials, GuestObservation } from './observation.ts';

/**
 * Devices to try: no guest has them, opening them for reading does nothing, and one of them is on every host (a container has
 * /dev/tty alone). Patterns are expanded on the host.
 */
const tried = ['/dev/tty', '/dev/kmsg', '/dev/mem'] as const;
const disks = sh`/dev/[sv]da /dev/xvda /dev/nvme0n1 /dev/dm-0`;

/** One round goes through all guests in some milliseconds; a frozen cgroup would hold it up for good. Unit: seconds. */
const roundSeconds = 10;
const maxRounds = 3;

/**
 * The rule of version 2 is a program of the kernel's without a file: whether it holds shows when a process of the cgroup opens
 * a device. One shell does that for all guests: it writes itself (`0`) into each cgroup in turn, opens by redirection, goes on
 * to the next, and at the end back to where it came from. Deaf to SIGTERM, so that a unit that stops waits for it for some
 * microseconds and does not end it. Outside, where it begins, is the control: a device refused there too says nothing.
 * Arguments: GUEST DIRECTORY…  Prints `outside` or `guest NAME`; `entered`; `try DEVICE` with `opened` or the shell's complaint; `left`;
 * after the last `over`.
 */
const trialProgram: ShellText = sh`trap '' HUP INT TERM
try_all() {
  for device in $devices; do
    printf 'try %s\\n' "$device"
    ! command : <"$device" || echo opened
  done
}
# frozen DIRECTORY: whoever enters that stops there
frozen() {
  while read -r key value; do [ "$key $value" != 'frozen 1' ] || return 0; done <"$1/cgroup.events"
  read -r value <"$1/cgroup.freeze" && [ "$value" != 0 ]
}
devices=
for device in ${words(tried)} ${disks}; do
  if [ -c "$device" ] || [ -b "$device" ]; then devices="$devices $device"; fi
done
own=
while IFS=: read -r number name path; do [ "$number:$name" != 0: ] || own=$path; done </proc/self/cgroup
echo outside
try_all
while [ $# -gt 0 ]; do
  printf 'left\\nguest %s\\n' "$1"
  if frozen "$2"; then echo frozen
  elif command echo 0 >"$2/cgroup.procs"; then
    echo entered
    try_all
  fi
  shift 2
done
command echo 0 >"/sys/fs/cgroup$own/cgroup.procs" || :
printf 'left\\nover\\n'`;

/**
 * Part of the evidence section: prints what the trials in `$trials` (GUEST DIRECTORY…, parted by blanks) came to. Two forks, and
 * two more for each guest that ends while the trial is in its cgroup and takes it along: it has shown nothing then, and the
 * rest is tried anew.
 */
export const tryDevices: ShellText = sh`trial_rounds=0
set -f
set -- $trials
set +f
while [ $# -gt 0 ] && [ "$trial_rounds" -lt ${maxRounds} ]; do
  trial_rounds=$((trial_rounds + 1))
  said=$(LC_ALL=C timeout -s KILL ${roundSeconds} sh -c ${word(trialProgram.text)} sh "$@" 2>&1)
  printf '%s\\n' "$said"
  case $said in *guest*over | '') break ;; esac
  last=\${said##*'
guest '}
  last=\${last%%'
'*}
  while [ $# -gt 0 ]; do
    name=$1
    shift 2
    [ "$name" != "$last" ] || break
  done
done`;

/** Trials by guest; what is not in the grammar says nothing. */
export function parseTrials(text: string): DeviceTrials {
  const outside = new Map<string, DeviceTrial>();
  const guests = new Map<string, Map<string, DeviceTrial>>();
  let at: Map<string, DeviceTrial> | undefined;
  let name: string | undefined;
  let device: string | undefined;
  let entered = false;
  for (const line of text.split('\n')) {
    if (line === 'outside') [at, name, device, entered] = [outside, undefined, undefined, true];
    else if (line.startsWith('guest '))
      [at, name, device, entered] = [new Map(), line.slice(6), undefined, false];
    else if (line === 'entered') entered = true;
    else if (line === 'left') {
      if (name !== undefined && at !== undefined && entered) guests.set(name, at);
      [at, device] = [undefined, undefined];
    } else if (line.startsWith('try ')) device = line.slice(4);
    else if (at !== undefined && device !== undefined && entered) at.set(device, verdictOf(line));
  }
  return { outside, guests };
}

function verdictOf(line: string): DeviceTrial {
  if (line === 'opened') return 'opened';
  return line.endsWith(': Operation not permitted') ? 'refused' : 'failed otherwise';
}

/** Whose cgroup was tried, and what those in it may open all the same. */
interface DeviceRule {
  /** Of the trials: a guest's name, or that of a helper's unit. */
  readonly name: string;
  /** Names below /dev. */
  readonly deviceNodes: readonly string[];
  /** A guest whose disk is a device may open one of those. */
  readonly hasDevices: boolean;
}

export function deviceRuleOf(
  observation: GuestObservation,
  { deviceNodes }: IsolationExpectation,
): DeviceRule {
  const hasDevices = deviceModel(observation)?.openFiles?.some(({ type }) => type === 'b') === true;
  return { name: observation.guest, deviceNodes, hasDevices };
}

/** It may open none of the devices that somebody else on the host may. */
export function deviceRuleFindings(
  { outside, guests }: DeviceTrials,
  { name, deviceNodes, hasDevices }: DeviceRule,
): Findings {
  const inside = guests.get(name);
  if (inside === undefined) return { wrong: [], unknown: ['no device could be tried in the cgroup'] };
  const telling = [...outside.keys()].filter(
    (device) =>
      outside.get(device) !== 'refused' &&
      !deviceNodes.includes(device.slice('/dev/'.length)) &&
      (!hasDevices || (tried as readonly string[]).includes(device)),
  );
  const open = telling.filter((device) => inside.has(device) && inside.get(device) !== 'refused');
  const refused = telling.filter((device) => inside.get(device) === 'refused');
  return {
    wrong: open.map((device) => `the device rule lets ${device} through`),
    unknown: refused.length > 0 ? [] : ['no device could be tried that others may open'],
  };
}

export function deviceRuleRaw({ outside, guests }: DeviceTrials, name: string): readonly string[] {
  return [...(guests.get(name) ?? [])].map(
    ([device, verdict]) =>
      `open ${device}: ${verdict}; outside the cgroup: ${outside.get(device) ?? 'not tried'}`,
  );
}
