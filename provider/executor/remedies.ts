export const runAgain = 'Run it again: every step checks what is there and carries on.';
const uploadAgain =
  'Apply again: the file is sent anew. If it stays so, see whether something changes files below /var/lib/stockade on the host.';
const bug = 'This is a mistake of Stockade: report it, with the step and what it said.';

/** What to do, by the code with which a step ends. Whatever a step can end with is here: a test sees to it. */
export const remedies: Readonly<Record<string, string>> = {
  'guest-died':
    "Read QEMU's last words above; a wrong kernel, machine type or too little memory is what it is most often.",
  'domain-died':
    "Read xl's words above. What it is most often: too little free memory (xl info says free_memory), a user that is missing or has a domain's uid, a kernel that is no Linux, a directory /run/xen/qemu-root-N that was filled.",
  'guest-not-ready':
    'Look at the guest and its logs below /var/lib/stockade/guests on the host; the host may be overloaded.',
  'guest-still-runs':
    'See on the host why systemd cannot stop it: `systemctl status` and `journalctl -u` of the unit; then apply again.',
  'strays-left':
    'End the processes of that uid on the host (a process in state D waits for a disk or a network file system); then apply again.',
  leftovers:
    'See on the host what it is (`ps`, `ls -l`, `ipcs`), end or remove it by hand, then apply again; or raise last_domid of its stockade_qemu_users.',
  'leftovers-unknown':
    'See that xargs, grep, find, tr and awk work on the host and that /tmp, /var/tmp and /dev/shm can be read through in 30 s; then apply again.',
  'uid-forbidden': 'Choose another uid_base for its stockade_qemu_users.',
  'uid-locked':
    'See what holds the file below /run/stockade/uids on the host open (`fuser -v`), or whether /run is full; then apply again.',
  'lease-missing': runAgain,
  'no-space': 'Make room on the host, then apply again.',
  'apparmor-load':
    'The text says what apparmor_parser has against it; it wants AppArmor 3.0 or later. Put that right and apply again, or let guests do without: isolation = { off = ["lsm"] }.',
  'apparmor-remove':
    'Something still holds the profile in the kernel: the journal says what (journalctl -k). End it, or restart the host, then apply again.',
  'no-free-domid': 'Raise last_domid of its stockade_qemu_users.',
  'users-in-use':
    'Destroy that guest first, or leave first_domid and last_domid so that its domid stays between them.',
  'user-missing':
    'Apply the stockade_qemu_users it refers to first: refer to it by `users = stockade_qemu_users.x.id`.',
  'canary-user':
    "Apply the host's stockade_host first: it makes the user that canaries run as (`getent passwd` shows it).",
  'user-clash':
    'Somebody else has that user name or uid on the host (`getent passwd`): remove or renumber it, or choose another uid_base.',
  'uid-leased': 'A guest runs with that uid: destroy it first, or choose another uid_base.',
  'uid-base-conflict':
    'Leave uid_base out to share the users that are there, or destroy them first to have them made anew.',
  'passwd-locked':
    'Another program holds the lock of the password files: end it, or remove a left-over /etc/.pwd.lock, /etc/passwd.lock; then apply again.',
  'passwd-broken':
    'Put the password files of the host right: `pwck` and `grpck` show what is wrong; then apply again.',
  'host-in-use': "Destroy the fleet's guests and users on this host first.",
  'host-not-prepared': 'Make a stockade_host for it, and refer to it: `host = stockade_host.x.id`.',
  'no-qemu': 'Install QEMU on the host (Debian: `apt-get install qemu-system-x86`), or correct qemu_binary.',
  'no-xl':
    'Install Xen and its tools on the host (Debian: `apt-get install xen-system-amd64 qemu-system-xen`), or set toolstack = "qemu".',
  'xl-no-answer':
    'See on the host what `xl list -v` says; its services must run (systemctl status xenstored.service), and its tools be of the Xen that runs. Then apply again.',
  'domain-left': 'See what `xl list -v` shows of the domain, end it by `xl destroy`, then apply again.',
  'not-on-xen':
    'Boot the host with Xen, so that it is its control domain; its services must run (systemctl status xen.service).',
  'qemu-untrusted':
    'QEMU runs as root until it has locked itself in: give it and every directory above it to root (chown root) and let nobody else write there (chmod go-w).',
  'missing-program': 'Install the program on the host; on Debian, `apt-get install` of its package.',
  'no-supervisor': 'Boot the host with systemd as its init; other supervisors are not supported.',
  'not-a-directory':
    'Something else lies where a directory has to be: move it away on the host, then apply again.',
  'file-in-the-way': 'Move what lies at that path on the host away, then apply again.',
  'record-damaged':
    'Look at the file below /var/lib/stockade on the host; where nothing can be saved, remove it and apply again.',
  'record-foreign':
    'It is not ours to touch: give yours another name, or work with the configuration that owns it.',
  'record-exists': 'Import it, or remove it on the host.',
  'record-moved': 'Somebody else changed it meanwhile: plan and apply again.',
  'record-gone': 'Somebody else removed it meanwhile: plan and apply again.',
  'upload-directory':
    'See that /var/lib/stockade/files on the host is a directory of root with room; then apply again.',
  'upload-failed': 'See whether the disk of the host is full or failing (`df`, `dmesg`); then apply again.',
  'upload-incomplete': uploadAgain,
  'upload-corrupt': uploadAgain,
  'upload-name': bug,
  'upload-order': bug,
  'upload-unknown': bug,
  'bad-value-name': bug,
  'value-too-long': bug,
  'unknown-member': bug,
  stopped: runAgain,
  'step-failed': runAgain,
};
