# What every task of the share guest uses: lines for the serial console, and system calls that perl has no name for.
# A line is `SHARE TAG STEP ok|fail DETAIL`; the last is `SHARE-DONE NUMBER_OF_LINES`.
use strict;
use warnings;
use Errno;
use Fcntl qw(:DEFAULT :mode :seek);
use POSIX ();

# Numbers of system calls (x86-64, arch/x86/entry/syscalls/syscall_64.tbl)
use constant {
  MKNOD => 133, MOUNT => 165, UMOUNT2 => 166, LSETXATTR => 189, LGETXATTR => 192, LLISTXATTR => 195, LREMOVEXATTR => 198,
  LCHOWN => 94, SETXATTR => 188, SYNC => 162, CLOCK_GETTIME => 228, OPENAT => 257, LINKAT => 265, UTIMENSAT => 280, NAME_TO_HANDLE_AT => 303,
  OPEN_BY_HANDLE_AT => 304,
};
use constant { AT_FDCWD => -100, AT_SYMLINK_NOFOLLOW => 0x100, AT_SYMLINK_FOLLOW => 0x400, MS_BIND => 4096, MNT_DETACH => 2 };

my $lines = 0;
my %error_names;
for my $name (sort keys %!) {
  no strict 'refs';
  my $number = eval { &{"Errno::$name"}() };
  $error_names{$number} = $name if defined $number && $name !~ /^(?:EWOULDBLOCK|EDEADLOCK|EOPNOTSUPP)$/;
}

# A detail never holds anything that ends a line or looks like another one.
sub printable {
  my ($text, $most) = @_;
  $text = substr($text, 0, $most);
  $text =~ s/([^ -\$&-~])/sprintf('%%%02X', ord $1)/ge;
  return $text;
}

sub say_line {
  my ($line) = @_;
  syswrite(STDOUT, "$line\n");
}

sub report {
  my ($tag, $step, $passed, $detail) = @_;
  $lines++;
  say_line(sprintf('SHARE %s %s %s %s', $tag, $step, $passed ? 'ok' : 'fail', printable($detail, 160)));
}

# Runs bodies that report side by side, each in a process of its own, and counts the lines of all.
sub reported_together {
  my (@bodies) = @_;
  pipe(my $read, my $write) or die;
  together(map {
    my $body = $_;
    sub { $lines = 0; $body->(); syswrite($write, "$lines\n") };
  } @bodies);
  close $write;
  while (my $count = <$read>) { $lines += $count }
}

sub report_end { say_line("SHARE-DONE $lines") }

sub error_name { return $error_names{ $! + 0 } || 'E' . ($! + 0) }

# For what must succeed: a failure ends the step and is its detail, the error's name first.
sub must {
  my ($result, $what) = @_;
  die error_name() . " $what\n" unless $result;
  return $result;
}

# For what must be so.
sub check {
  my ($so, $what) = @_;
  die "WRONG $what\n" unless $so;
}

# Runs one step; whatever it dies of is its failure. What it returns is the detail of its success.
sub step {
  my ($tag, $name, $body) = @_;
  my $detail = eval { $body->() };
  my $why = $@;
  chomp $why;
  report($tag, $name, $why eq '', $why eq '' ? (defined $detail ? $detail : '') : $why);
  return $why eq '';
}

sub mount_call {
  my ($source, $target, $type, $flags, $data) = @_;
  return syscall(MOUNT, $source, $target, $type, $flags, $data) == 0;
}

sub unmount { my ($target) = @_; return syscall(UMOUNT2, $target, MNT_DETACH) == 0 }

sub make_node { my ($path, $mode, $device) = @_; return syscall(MKNOD, $path, $mode, $device) == 0 }

sub device_number {
  my ($major, $minor) = @_;
  return (($minor & 0xff) | (($major & 0xfff) << 8) | (($minor & ~0xff) << 12)) + 0;
}

sub set_xattr {
  my ($path, $name, $value) = @_;
  return syscall(LSETXATTR, $path, $name, $value, length $value, 0) == 0;
}

sub get_xattr {
  my ($path, $name) = @_;
  my $room = "\0" x 65536;
  my $length = syscall(LGETXATTR, $path, $name, $room, length $room);
  return $length < 0 ? undef : substr($room, 0, $length);
}

sub list_xattrs {
  my ($path) = @_;
  my $room = "\0" x 65536;
  my $length = syscall(LLISTXATTR, $path, $room, length $room);
  return $length < 0 ? undef : [ split /\0/, substr($room, 0, $length) ];
}

# Of a symbolic link itself.
sub change_owner { my ($path, $user, $group) = @_; return syscall(LCHOWN, $path, $user, $group) == 0 }

sub remove_xattr { my ($path, $name) = @_; return syscall(LREMOVEXATTR, $path, $name) == 0 }

# Access and modification time in whole seconds; a symbolic link's own with NOFOLLOW.
sub set_times {
  my ($path, $accessed, $modified, $flags) = @_;
  return syscall(UTIMENSAT, AT_FDCWD, $path, pack('q<4', $accessed, 0, $modified, 0), $flags || 0) == 0;
}

# The guest's monotonic clock, in seconds.
sub now { return clock(1) }

sub wall { return clock(0) }

sub clock {
  my ($which) = @_;
  my $time = "\0" x 16;
  syscall(CLOCK_GETTIME, $which, $time);
  my ($seconds, $nanoseconds) = unpack('q<2', $time);
  return $seconds + $nanoseconds / 1e9;
}

sub write_file {
  my ($path, $content, $flags) = @_;
  sysopen(my $file, $path, defined $flags ? $flags : O_WRONLY | O_CREAT | O_EXCL, 0644) or return 0;
  my $written = length $content ? syswrite($file, $content) : 0;
  return close($file) && defined $written && $written == length $content;
}

sub read_file {
  my ($path) = @_;
  sysopen(my $file, $path, O_RDONLY) or return undef;
  my $content = '';
  while (1) {
    my $count = sysread($file, $content, 1 << 20, length $content);
    return undef unless defined $count;
    return $content unless $count;
  }
}

sub read_directory {
  my ($path) = @_;
  opendir(my $directory, $path) or return undef;
  return [ grep { $_ ne '.' && $_ ne '..' } readdir $directory ];
}

# Forgets what the guest's kernel remembers of the share.
sub drop_caches {
  syscall(SYNC);
  write_file('/proc/sys/vm/drop_caches', "3\n", O_WRONLY);
}

# Runs bodies side by side, each in a process of its own; true when all came through.
sub together {
  my (@bodies) = @_;
  my @children = map {
    my $body = $_;
    my $pid = fork;
    must(defined $pid, 'fork');
    unless ($pid) { my $passed = eval { $body->(); 1 }; POSIX::_exit($passed ? 0 : 1) }
    $pid;
  } @bodies;
  my $failed = 0;
  for my $child (@children) { waitpid($child, 0); $failed++ if $? }
  return $failed == 0;
}

1;
