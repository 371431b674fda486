import { trustFunction } from '../../jail/trusted-files.ts';
import type { ReadSection } from '../../model/operation.ts';
import { sh, word } from '../../model/shell.ts';
import { findChecker } from './fd-checker.ts';

export const fdCheckSectionName = 'xen-handles';

/**
 * Has Xen's checker try what the handles of these domains' device models can still do. Devices are told by their numbers, not by
 * what a link says. The descriptors are taken by pidfd_getfd(2), of processes that xenstore names, which guests cannot write there; nothing
 * that guests write there is read.
 * One run of the checker serves all; where it gives up, each descriptor has one of its own, as long as there is time: what a device model has
 * made of its handles may hold the checker up. It opens event channels on a handle that is not restricted, and nothing on one that is.
 * Fields ended by NUL:
 *   (process UUID PID START DEVICE INODE COMPLETE | (handle DESCRIPTOR KIND VERDICT SAID)*)* | end
 * COMPLETE is 1 where every descriptor was looked at, no other one led to Xen afterwards, and the process
 * still lived; VERDICT is `pass`, `fail` or `none`. Nothing at all is said without a checker or python3.
 */
export function fdCheckSection(uuids: readonly string[]): ReadSection {
  return {
    name: fdCheckSectionName,
    arguments: uuids,
    body: sh`${trustFunction}
${findChecker}
xen_checker
[ -n "$checker" ] || exit 0
timeout ${storeSeconds} xenstore-ls -f /local/domain 2>/dev/null |
  grep -aE '^/local/domain/[0-9]+/(vm|image/device-model-pid) = "' | head -c ${storeLimitBytes} |
  timeout -s KILL ${allSeconds + graceSeconds} python3 -I -c ${word(program)} "$checker" "$@" 2>/dev/null || exit 1`,
  };
}

/** For xenstore's answer. Units: seconds, bytes. */
const storeSeconds = 30;
const storeLimitBytes = 1024 * 1024;
/** Descriptors of one device model that are looked at: an honest one has some forty, six of them Xen's. */
const maxDescriptors = 512;
const maxHandles = 64;
/** How long the checker may take for all of them at once, for one alone, and for whatever it is asked. Unit: seconds. */
const togetherSeconds = 45;
const aloneSeconds = 10;
const allSeconds = 90;
/** For its start, and for its last words. Unit: seconds. */
const graceSeconds = 15;

/** Python, as small as it gets: it runs from its argument, and leaves nothing on the host. */
const program = `
import ctypes, os, re, resource, stat, subprocess, sys, time

PIDFD_SEND_SIGNAL, PIDFD_OPEN, PIDFD_GETFD = 424, 434, 438
libc = ctypes.CDLL(None, use_errno=True)
checker, wanted = sys.argv[1], set(sys.argv[2:])
deadline = time.monotonic() + ${allSeconds}
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
kinds = {}
for kind in "privcmd", "evtchn", "gntdev", "hypercall", "gntalloc", "xenbus", "xenbus_backend":
    try:
        kinds[os.stat("/dev/xen/" + kind).st_rdev] = kind
    except OSError:
        pass

def say(*fields):
    for field in fields:
        sys.stdout.write(str(field).replace("\\0", "") + "\\0")

def domains():
    found = {}
    for line in sys.stdin.buffer.read().decode("ascii", "replace").split("\\n"):
        at = re.fullmatch(r'/local/domain/(\\d{1,5})/(?:vm = "/vm/([0-9a-f-]{36})"|image/device-model-pid = "(\\d{1,10})") *', line)
        if at:
            found.setdefault(int(at[1]), {}).update({"uuid": at[2]} if at[2] else {"pid": int(at[3])})
    for known in found.values():
        if known.get("uuid") in wanted and "pid" in known:
            yield known["uuid"], known["pid"]

def run(handles, seconds):
    if seconds <= 0:
        return {}, "there was no time left for it"
    words = [word for number, kind in handles for word in (kind, str(number), "handle")]
    try:
        told = subprocess.run([checker, *words], pass_fds=[number for number, _ in handles], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=seconds)
    except (OSError, subprocess.TimeoutExpired) as error:
        return {}, "it did not end in time" if isinstance(error, subprocess.TimeoutExpired) else str(error)
    verdicts = {}
    for line in told.stdout.decode("utf-8", "replace").splitlines():
        at = re.fullmatch(r"(\\w+) (pass|fail) (\\d+) (.*) handle", line)
        if at:
            verdicts[int(at[3])] = at[2], at[4]
    return verdicts, told.stderr.decode("utf-8", "replace").strip()[-400:]

def listed(pid):
    return sorted(map(int, os.listdir(f"/proc/{pid}/fd")))

def kind_of(pid, number):
    try:
        about = os.stat(f"/proc/{pid}/fd/{number}")
    except FileNotFoundError:
        return None
    return kinds.get(about.st_rdev) if stat.S_ISCHR(about.st_mode) else None

class Process:
    def __init__(self, uuid, pid):
        self.handles, complete = [], 1
        pidfd = libc.syscall(PIDFD_OPEN, pid, 0)
        if pidfd < 0:
            raise OSError("no such process")
        with open(f"/proc/{pid}/stat", "rb") as file:
            start = file.read().rpartition(b")")[2].split()[19].decode()
        program = os.stat(f"/proc/{pid}/exe")
        numbers = listed(pid)
        for number in numbers[:${maxDescriptors}]:
            kind = kind_of(pid, number)
            if kind is None:
                continue
            mine = libc.syscall(PIDFD_GETFD, pidfd, number, 0) if len(self.handles) < ${maxHandles} else -1
            if mine < 0 or kinds.get(os.fstat(mine).st_rdev) != kind:
                complete = 0
            if mine >= 0:
                self.handles.append((number, kind, mine))
        # one that was closed before it was looked at may have got another number, which was passed or not there yet
        again, seen = listed(pid), {number for number, _, _ in self.handles}
        if max(len(numbers), len(again)) > ${maxDescriptors}:
            complete = 0
        elif any(number not in seen and kind_of(pid, number) for number in again):
            complete = 0
        if libc.syscall(PIDFD_SEND_SIGNAL, pidfd, 0, None, 0):
            complete = 0
        os.close(pidfd)
        self.about = uuid, pid, start, program.st_dev, program.st_ino, complete

processes = []
for uuid, pid in domains():
    try:
        processes.append(Process(uuid, pid))
    except OSError:
        pass
known = ("privcmd", "evtchn", "gntdev")
checkable = [(mine, kind) for process in processes for _, kind, mine in process.handles if kind in known]
verdicts, trouble = run(checkable, ${togetherSeconds}) if checkable else ({}, "")
for index, process in enumerate(processes):
    say("process", *process.about)
    # no process takes the time of those after it
    until = time.monotonic() + (deadline - time.monotonic()) / (len(processes) - index)
    for number, kind, mine in process.handles:
        said = trouble
        verdict = verdicts.get(mine)
        if verdict is None and kind in known:
            alone, said = run([(mine, kind)], min(${aloneSeconds}, until - time.monotonic()))
            verdict = alone.get(mine)
        say("handle", number, kind, *(verdict or ("none", said)))
say("end")
`;
