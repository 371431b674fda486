import { lines, type ShellText, sh, word, words } from '../../provider/model/shell.ts';
import type { HostLink } from './addresses.ts';

export interface BootOptions {
  /** Holds `seed`, `lower`, `writable` and `root`; the script changes into it. */
  readonly directory: string;
  readonly hostName: string;
  readonly link: HostLink;
  /** Whose network namespace gets the machine's end of the link. */
  readonly machinePid: number;
  readonly cgroups: readonly string[];
  /** Size of the host's writable file system in memory; absent: on the machine's disk. */
  readonly diskMiB: number | undefined;
}

/**
 * Runs in a mount and a network namespace of its own and starts systemd-nspawn there. All it mounts and links lives in these
 * namespaces, so the kernel takes it away with the last process, however that ends.
 */
export function bootScript(options: BootOptions): ShellText {
  const { link } = options;
  const machine = sh`nsenter --net=/proc/${options.machinePid}/ns/net --`;
  return lines([
    sh`set -eu`,
    ...options.cgroups.map((directory) => enter(sh`${word(directory)}/starter`)),
    sh`cd ${word(options.directory)}`,
    // nspawn's bookkeeping, and the machine's own systemd, out of each other's sight.
    sh`mkdir -p /run/systemd`,
    sh`mount -t tmpfs -o mode=755 tmpfs /run/systemd`,
    ...writableLayer(options),
    sh`ip link set lo up`,
    sh`ip link add host0 type veth peer name ${word(link.machineInterface)} netns ${options.machinePid}`,
    sh`${machine} ip addr add ${word(`${link.machineAddress}/30`)} dev ${word(link.machineInterface)}`,
    sh`${machine} ip link set ${word(link.machineInterface)} up`,
    sh`ip addr add ${word(`${link.hostAddress}/30`)} dev host0`,
    sh`ip link set host0 up`,
    sh`ip route add default via ${word(link.machineAddress)}`,
    container(options),
  ]);
}

/** What each host has of its own starts as a copy of `seed`; `lower` is a link, since overlayfs cannot take every path. */
function writableLayer(options: BootOptions): readonly ShellText[] {
  const inMemory = sh`mount -t tmpfs -o mode=755,size=${options.diskMiB ?? 0}m tmpfs writable`;
  return [
    ...(options.diskMiB === undefined ? [] : [inMemory]),
    sh`[ -d writable/upper ] || cp -a seed writable/upper`,
    sh`rm -rf writable/work`,
    sh`mkdir writable/work`,
    sh`mount -t overlay -o lowerdir=lower,upperdir=writable/upper,workdir=writable/work,volatile overlay root`,
  ];
}

/**
 * nspawn ends with 133 when the host asked for a reboot. It lives in a process namespace whose end is the host's end, since the
 * host's systemd outlives a killed nspawn. Each boot has a control group of its own, since nspawn divides it.
 * nspawn's flags are those of a machine whose first process may be anything and whose control groups may be of version 1.
 */
function container(options: BootOptions): ShellText {
  const machine = words([`--machine=${options.hostName}`, `--hostname=${options.hostName}`]);
  const boot = lines([
    ...options.cgroups.map((directory) => enter(sh`${word(directory)}/boot$1`)),
    sh`exec systemd-nspawn --quiet --directory=root --boot ${machine} --register=no --keep-unit --capability=all \\
  --network-namespace-path=/proc/self/ns/net $tun --resolv-conf=off --timezone=off --link-journal=no --console=pipe`,
  ]);
  const boots = lines([
    sh`tun= boot=0 status=133`,
    sh`[ ! -c /dev/net/tun ] || tun=--bind=/dev/net/tun`,
    sh`export tun SYSTEMD_SECCOMP=0 SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1`,
    sh`while [ $status -eq 133 ]; do`,
    sh`  boot=$((boot + 1)) status=0`,
    sh`  sh -euc ${word(boot.text)} sh $boot || status=$?`,
    sh`done`,
    sh`exit $status`,
  ]);
  return sh`exec unshare --pid --fork --kill-child --mount-proc -- sh -euc ${word(boots.text)}`;
}

function enter(cgroup: ShellText): ShellText {
  return sh`mkdir -p ${cgroup} && echo $$ >${cgroup}/cgroup.procs`;
}
