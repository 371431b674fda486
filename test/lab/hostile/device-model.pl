# A device model that somebody has taken over: it takes a guest's identity exactly as QEMU does, and then does its worst with
# what is left to it. What the limits around it must bear is bounded here, for the sake of the machine it runs on.
#   perl device-model.pl SECONDS PROCESSES MEMORY_MIB QEMU_ARGUMENT...
# It ends after SECONDS whatever happens, has no more than PROCESSES at a time beside some twenty that it always has, and takes
# MEMORY_MIB at most. Every second it says on the serial console how far it came: a line `hostile NAME=VALUE ... end`.
use strict;
use POSIX ();
use Fcntl;

my ($seconds, $most, $memory, @qemu) = @ARGV;
my $end = time + $seconds;
my ($uid, $gid, $chroot, $monitor);
while (@qemu) {
  my $word = shift @qemu;
  ($uid, $gid) = ($1, $2) if $word =~ /^(?:user=)?(\d+):(\d+)$/;
  $chroot = $qemu[0] if $word eq '-chroot';
  $chroot = $1 if $word =~ /^chroot=(.*)$/;
  $monitor = $1 if $word =~ /^pipe,id=qmp,path=(.*)$/;
}
defined $uid && defined $chroot && defined $monitor or die "not started as QEMU is\n";

# Numbers of system calls and constants (x86-64)
use constant {
  MMAP => 9, MSYNC => 26, SHMGET => 29, SHMAT => 30, PTRACE => 101, SETRESUID => 117, SETRESGID => 119, SETGROUPS => 116,
  MKNOD => 133, SCHED_SETSCHEDULER => 144, CHROOT => 161, MOUNT => 165, SETHOSTNAME => 170, IOPL => 172,
  PIVOT_ROOT => 155, SETPRIORITY => 141, PRLIMIT => 302, UNSHARE => 272, SETNS => 308, OPENAT => 257, MEMFD => 319, BPF => 321,
  MQ_OPEN => 240, PIDFD_OPEN => 434, OPEN_BY_HANDLE => 304,
};

# As QEMU: what it needs as root first, then chroot, groups, group and user.
my @held;
for my $way (qw(in out)) {
  sysopen(my $pipe, "$monitor.$way", O_RDWR | O_NONBLOCK) or die "no monitor: $!\n";
  push @held, $pipe;
}
open(my $serial, '>&=', 3) or die "no serial console: $!\n";
pipe(my $told, my $tell) or die;
pipe(my $tokens, my $token) or die;
syswrite($token, 'x' x $most) == $most or die;
fcntl($_, F_SETFL, O_NONBLOCK | (fcntl($_, F_GETFL, 0) || 0)) for $told, $tell, $tokens, $token, $serial, \*STDERR;
syscall(CHROOT, $chroot) == 0 && chdir('/') or die "no chroot: $!\n";
my $groups = pack('L', $gid);
syscall(SETGROUPS, 1, $groups) == 0 && syscall(SETRESGID, $gid + 0, $gid + 0, $gid + 0) == 0 or die "no group: $!\n";
syscall(SETRESUID, $uid + 0, $uid + 0, $uid + 0) == 0 or die "no user: $!\n";

# Deaf to every signal that can be ignored. The clock alone ends it, even where it is process 1, which no default action ends.
$SIG{$_} = 'IGNORE' for qw(HUP INT QUIT TERM PIPE USR1 USR2 XFSZ XCPU TSTP TTIN TTOU IO VTALRM PROF WINCH CHLD);
sub leash { $SIG{ALRM} = sub { POSIX::_exit(0) }; alarm($end - time > 0 ? $end - time : 1) }
leash();

sub report { syswrite($tell, join('', map { "$_\n" } @_)) }

# role CODE: a process that does it, then idles on; roles are given before the bomb goes off and have no token.
sub role {
  my ($work) = @_;
  my $pid = fork;
  return if !defined $pid || $pid > 0;
  leash();
  $work->();
  sleep 1 while 1;
}

# Before it has children: whatever it reaches is somebody else's.
sub reach_others {
  my ($hit, $seen, $traced) = (0, 0, 0);
  for my $pid (2 .. 32768) {
    next if $pid == $$;
    $traced++ if syscall(PTRACE, 16, $pid, 0, 0) == 0;
    if (kill 'KILL', $pid) { $hit++ } elsif ($!{EPERM}) { $seen++ }
  }
  # the kernel calls that done wherever there is another process, even one that it must not touch: no count
  kill 'KILL', -1;
  report("killed $hit", "seen $seen", "traced $traced");
}

sub fill_files {
  my $made = 0;
  my @places = ('', '/', '/..', '/../../..', map { "/$_" } qw(dev dev/shm dev/mqueue proc proc/self/cwd run sys tmp var/tmp));
  for my $place (@places) {
    $made++ if sysopen(my $file, "$place/plant", O_RDWR | O_CREAT);
    $made++ if mkdir "$place/plants";
    $made++ if symlink '/etc/passwd', "$place/link";
    $made++ if syscall(MKNOD, "$place/disk", 0060666, 0x0801) == 0;
  }
  for my $fd (0 .. 255) {
    my $plant = 'plant';
    $made++ if syscall(OPENAT, $fd, $plant, O_RDWR | O_CREAT, 0600) >= 0;
  }
  for my $path (qw(/etc/passwd /proc/1/status /dev/null /dev/kmsg ../etc/passwd ../../../../etc/passwd)) {
    $made++ if sysopen(my $file, $path, O_RDONLY);
  }
  report("files $made");
}

# Each of these would be the end of a layer; says which of them were let through.
sub escape {
  my @through;
  my ($zero, $root, $here, $proc) = (0, '/', '.', 'proc');
  my $big = pack('QQ', 1 << 40, 1 << 40);
  my %attempts = (
    setuid => sub { syscall(SETRESUID, 0, 0, 0) == 0 },
    setgid => sub { syscall(SETRESGID, 0, 0, 0) == 0 },
    setgroups => sub { my $none = pack('L', 0); syscall(SETGROUPS, 1, $none) == 0 },
    chroot => sub { syscall(CHROOT, $here) == 0 },
    'user-namespace' => sub { syscall(UNSHARE, 0x10000000) == 0 },
    'mount-namespace' => sub { syscall(UNSHARE, 0x00020000) == 0 },
    mount => sub { syscall(MOUNT, $proc, $root, $proc, 0, 0) == 0 },
    'pivot-root' => sub { syscall(PIVOT_ROOT, $here, $here) == 0 },
    hostname => sub { my $name = 'mine'; syscall(SETHOSTNAME, $name, 4) == 0 },
    'raised-limit' => sub { syscall(PRLIMIT, 0, 6, $big, 0) == 0 },
    'real-time' => sub { my $one = pack('i', 1); syscall(SCHED_SETSCHEDULER, 0, 1, $one) == 0 },
    priority => sub { syscall(SETPRIORITY, 0, 0, -20) == 0 },
    'io-ports' => sub { syscall(IOPL, 3) == 0 },
    'message-queue' => sub { my $name = 'q'; syscall(MQ_OPEN, $name, O_RDWR | O_CREAT, 0600, 0) >= 0 },
    'open-by-handle' => sub { my $h = pack('LlQ', 8, 1, 0); syscall(OPEN_BY_HANDLE, 0, $h, 0) >= 0 },
    cgroup => sub { my $group; sysopen($group, '/sys/fs/cgroup/cgroup.procs', O_WRONLY) && syswrite($group, "$$\n") },
  );
  for my $name (sort keys %attempts) {
    my $done = eval { $attempts{$name}->() };
    push @through, $name if $done;
  }
  report('through ' . (join(',', @through) || 'none'));
}

sub open_files {
  my @files;
  my $name = 'file';
  while (@files < 100_000) {
    my $fd = syscall(MEMFD, $name, 0);
    last if $fd < 0;
    push @files, $fd;
  }
  report('open ' . scalar @files);
}

# A file that grows: how large one memfd gets, and what memory can be had, a third each of it, of shared memory and of files.
sub take_memory {
  my $share = int($memory / 3);
  my $name = 'memory';
  my ($file, $largest, $in_files) = (syscall(MEMFD, $name, 0), 0, 0);
  my $mib = "\1" x (1 << 20);
  open(my $one, '+<&=', $file) or return;
  while ($largest < $share * (1 << 20)) {
    my $wrote = syswrite($one, $mib);
    last unless $wrote;
    $largest += $wrote;
  }
  my @files;
  for (1 .. $share) {
    my $more = syscall(MEMFD, $name, 0);
    last if $more < 0;
    open($files[@files], '+<&=', $more) or last;
    my $wrote = syswrite($files[-1], $mib) or next;
    $in_files += $wrote;
  }
  my $shared = 0;
  my $segment = syscall(SHMGET, 0, $share << 20, 01600);
  if ($segment >= 0) {
    for (my $at = 0; $at < $share << 20; $at += 1 << 20) { shmwrite($segment, $mib, $at, 1 << 20) and $shared++ }
  }
  my @hoard;
  for (1 .. $share) { last unless eval { push @hoard, $mib . $_; 1 } }
  report("memfd $largest", 'memory ' . ($shared + @hoard + int($in_files >> 20)));
  sleep 1 while 1;
}

sub talk {
  my ($noise, $bytes, $until) = ("\e]0;forged\a" . ("\0 STOCKADE 7 ok \n" x 4000), 0, time + 4);
  while (time < $until) {
    my $wrote = 0;
    for my $where ($serial, \*STDERR, $held[1]) { $wrote += syswrite($where, $noise) || 0 }
    sysread($held[0], my $stolen, 65536);
    $bytes += $wrote;
    select(undef, undef, undef, 0.001) unless $wrote;
  }
  report('said ' . ($bytes >> 20));
}

# Its children are its like; some are done at once so that there is always a new one somewhere.
sub bomb {
  while (1) {
    unless (sysread($tokens, my $mine, 1)) { select(undef, undef, undef, 0.02); next }
    my $pid = fork;
    if (!defined $pid) { syswrite($token, 'x'); report('refused 1'); select(undef, undef, undef, 0.02); next }
    next if $pid;
    leash();
    if (rand() < 0.1) { syswrite($token, 'x'); POSIX::_exit(0) }
    POSIX::setsid();
  }
}

reach_others();
role(\&fill_files);
role(\&escape);
role(\&open_files);
role(\&take_memory);
role(\&talk);
role(sub { 1 while 1 }) for 1 .. 4;
# Away from its parent and its session, as a daemon goes.
role(sub { for (1, 2) { my $pid = fork; POSIX::_exit(0) if $pid; POSIX::setsid() } leash(); close STDIN });
role(\&bomb) for 1 .. 3;

my %far;
my $quiet = time + 6;
while (1) {
  select(undef, undef, undef, 0.5);
  while (sysread($told, my $lines, 65536)) {
    for (split /\n/, $lines) {
      my ($name, $value) = split / /;
      $far{$name} = $name eq 'refused' ? ($far{$name} || 0) + 1 : $value;
    }
  }
  next if time < $quiet;
  syswrite($serial, "\nhostile " . join(' ', map { "$_=$far{$_}" } sort keys %far) . " end\n");
}
