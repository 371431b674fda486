# More attacks of proxy-client.pl: those that need no time, and what a client can leave inside the export.
package ProxyAttacks;
use strict;
use warnings;
use Fcntl;

our ($made, $export, $outside, $name, $secret);

# Of files outside, by path or through a link; then what the link led to.
sub hard_link {
  main::must('SYMLINK', 0, 0, "$outside/$name", 'hostile/link');
  main::must('SYMLINK', 0, 0, far_up(), 'hostile/up');
  my @sources = map { "$_/$name" } $outside, far_up(), near_up(), 'hostile/up', 'hostile/deep/../../' . near_up();
  for my $source (@sources, 'hostile/link', 'hostile/link/.') {
    $made++;
    main::try('LINK', $source, "hostile/linked-$made");
    main::try('OPEN', "hostile/linked-$made", O_RDONLY | O_NONBLOCK);
    main::try('RENAME', $source, "hostile/moved-$made");
    main::try('OPEN', "hostile/moved-$made", O_RDONLY | O_NONBLOCK);
  }
}

# The disks of the machine, its memory, and zeros; only ever opened for reading.
sub device {
  my @nodes = ([0060666, 8, 0], [0060666, 254, 0], [0020666, 1, 1], [0020666, 1, 5]);
  if (open(my $disks, '<', '/proc/partitions')) {
    while (<$disks>) { unshift @nodes, [0060666, $1, $2] if /^\s*(\d+)\s+(\d+)\s+\d+\s/ && @nodes < 8 }
  }
  for (@nodes) {
    my ($mode, $major, $minor) = @$_;
    my $node = 'hostile/node-' . ++$made;
    main::try('MKNOD', 0, 0, $node, $mode, $major << 8 | $minor);
    main::try('OPEN', $node, $_) for O_RDONLY | O_NONBLOCK, O_PATH();
    main::try('CREATE', $node, O_RDONLY | O_NONBLOCK, 0666, 0, 0);
    main::try('MKNOD', 1000, 1000, "$node-theirs", $mode, $major << 8 | $minor);
    main::try('OPEN', "$node-theirs", O_RDONLY | O_NONBLOCK);
  }
}

# Paths and names at and over every limit, that end outside if anything cuts or forgets a part of them.
sub long {
  my $near = near_up();
  for my $length (255, 256, 1023, 1024, 4094 .. 4097, 8192, 32767, 32768, 60000) {
    my $rest = sub { my $free = $length - length "/$near"; $free > 0 ? $free : 0 };
    everything(substr('./' x 32768, 0, $rest->() & ~1) . $near);
    everything(substr('../' x 22000, 0, int($rest->() / 3) * 3) . substr $outside, 1);
    everything('n' x $rest->() . "/../$near");
  }
  # a string of 65,536 bytes would have the length 0
  main::try('SYMLINK', 0, 0, 't' x $_, "hostile/long-$_") for 4095, 4096, 32768;
}

# As the helper's C ends a string there, what follows must not count; and a name must not end earlier than it was checked.
sub nul {
  my ($near, $far) = (near_up(), far_up());
  everything($_) for ("$near\0", "\0$near", "hostile\0/../$near", "hostile/../$near\0/x", "hostile/file\0/../../$far", "$far\0\0");
  main::try('OPEN', "$near/$name\0$_", O_RDONLY) for '', '.txt', '/..', "\0";
  main::try('SYMLINK', 0, 0, "$outside\0x", 'hostile/nul');
  everything('hostile/nul');
}

# The doors that the kernel's own file systems have, also as they could be made in the export.
sub kernel_paths {
  main::must('MKDIR', 0, 0, "hostile/$_", 0755) for qw(proc dev);
  my @new = grep { (main::ask('MKDIR', 0, 0, $_, 0755))[0] >= 0 } '/proc', '/dev', '/sys';
  my @doors = ('/proc/self/root', '/proc/1/root', '/proc/self/cwd/../..', '/proc/1/cwd', '/proc/thread-self/root',
    '/proc/self/task/1/root', '/dev/fd/0/..', (map { "/proc/self/fd/$_" } 0 .. 9));
  everything("$_$outside") for @doors, map { "hostile$_" } @doors;
  for my $door ('/dev/mem', '/dev/kmsg', '/dev/sda', '/dev/zero', '/sys/kernel/vmcoreinfo', '/proc/kcore', '/proc/self/mem',
    '/proc/self/environ', '/proc/1/environ', '/proc/sysrq-trigger', '/sys/power/state') {
    main::try('OPEN', $door, O_RDONLY | O_NONBLOCK);
    main::try('LSTAT', $door);
    main::must('SYMLINK', 0, 0, $door, 'hostile/door-' . ++$made);
    main::try('OPEN', "hostile/door-$made", O_RDONLY | O_NONBLOCK);
  }
  main::ask('REMOVE', $_) for @new;
}

# Every flag alone and in pairs, of open and of create, at a link that leads outside.
sub flags {
  main::must('SYMLINK', 0, 0, "$outside/$name", 'hostile/link');
  main::must('SYMLINK', 0, 0, far_up() . "/$name", 'hostile/up');
  my @bits = (O_PATH(), O_TMPFILE(), O_CREAT, O_TRUNC, O_NOFOLLOW, O_DIRECTORY, O_APPEND, 040000, 02000000, 020000, 0200, 1, 2, 3);
  for my $path ('hostile/link', 'hostile/up', near_up() . "/$name") {
    for my $one (@bits) {
      for my $other (@bits) {
        main::try('OPEN', $path, $one | $other | O_NONBLOCK);
        main::try('CREATE', $path, $one | $other | O_NONBLOCK, 0666, 0, 0);
      }
    }
  }
}

# No attack on the helper's paths: a directory that it has passed to QEMU, which is outside of the helper's chroot, leads upwards
# unless there is nothing above it in its own tree of mounts. `above` counts steps to a directory other than the export's own,
# hits those known to be the host's.
sub descriptor {
  $main::count{above} = 0;
  my @held = map { (main::ask('OPEN', @$_))[1] } ['/', O_DIRECTORY], ['hostile', O_DIRECTORY], ['hostile/deep/deeper', O_DIRECTORY],
    ['/', O_PATH() | O_DIRECTORY];
  my $top = join ':', (stat $export)[0, 1];
  main::ask('RENAME', 'hostile/deep/deeper', 'hostile/moved');
  for my $directory (grep { defined } @held) {
    my @paths = map { (far_up() . "/$_") } $name, 'pointer';
    push @paths, near_up() . "/$name", "../" . near_up() . "/$name", map { '../' x $_ } 1 .. 20;
    for my $path (@paths) {
      $main::count{tries}++;
      my $descriptor = syscall(OPENAT(), fileno $directory, $path . '', O_PATH() | O_NOFOLLOW, 0);
      next if $descriptor < 0;
      open(my $file, '<&=', $descriptor) or next;
      my ($device, $inode) = stat $file;
      $main::count{hits}++ if $main::beyond{"$device:$inode"};
      # five steps up are past the top of the export from each of those held
      $main::count{above}++ if $path =~ m{^(\.\./){5,}$} && "$device:$inode" ne $top;
    }
  }
}

# Messages that are none: wrong sizes, types, lengths and numbers, and good ones with bytes changed. Each to a helper that still
# lives; one that died or waits for more is replaced.
sub malformed {
  my @paths = ('hostile/file', near_up() . "/$name", far_up() . "/$name", "hostile/link/$name");
  main::must('SYMLINK', 0, 0, $outside, 'hostile/link');
  my @numbers = (0, 1, 2, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 65535, 65536);
  my $number = sub { $numbers[rand @numbers] };
  my $bytes = sub { join '', map { chr int rand 256 } 1 .. rand $_[0] };
  my $good = sub {
    my ($request, $format) = @{ $ProxyProtocol::requests[rand @ProxyProtocol::requests] };
    return ProxyProtocol::request($request, map { $_ eq 's' ? $paths[rand @paths] : $number->() } split //, $format);
  };
  my @kinds = (
    sub { pack('LL', int rand 40, $number->()) . $bytes->(64) },
    sub { pack('LL', int(rand 24), 65536) . 'A' x 65536 },
    sub { my $payload = pack('S', $number->() & 0xffff) . $bytes->(200); pack('LL', 2 + int rand 20, length $payload) . $payload },
    sub { my $message = $good->(); substr($message, 8 + rand(length($message) - 8), 1) = chr int rand 256; $message },
    sub { my $message = $good->(); substr $message, 0, rand length $message },
    sub { $good->() . $good->() },
    sub { $bytes->(300) },
    $good,
  );
  for my $round (1 .. $main::setting{fuzz}) {
    $main::count{tries}++;
    my $alive = eval {
      ProxyProtocol::write_all(main::connection(), $kinds[$round % @kinds]->());
      ProxyProtocol::readable(main::connection(), 0.2) && sysread(main::connection(), my $answer, 1 << 17);
    };
    die $@ if $@ && $@ !~ /^ended$/;
    $main::count{hits}++ if main::changed();
    # after an answer the stream may be out of step: the next message meets a fresh helper, as after a death
    $main::count{ended}++ unless $alive;
    main::hang_up();
    last if !defined $main::setting{socket};
  }
}

# What any program of the host would find in the export afterwards, seen from the host; and what the helper gave away of itself.
sub leave {
  system('rm', '-rf', "$export/hostile-left") == 0 or die "cannot empty $export/hostile-left\n";
  main::must('MKDIR', 0, 0, 'hostile-left', 0755);
  open(my $program, '<', $main::setting{program}) or die "$main::setting{program}: $!\n";
  my $copy = main::must('CREATE', 'hostile-left/program', O_RDWR | O_CREAT | O_EXCL, 0755, 0, 0);
  ProxyProtocol::write_all($copy, do { local $/; <$program> });
  close $copy;
  main::ask('CHMOD', 'hostile-left/program', 06755);
  main::ask('MKNOD', 0, 0, 'hostile-left/disk', 0060666, 8 << 8);
  main::ask('MKNOD', 0, 0, 'hostile-left/zero', 0020666, 1 << 8 | 5);
  main::ask('LSETXATTR', 'hostile-left/program', 'security.capability', pack('V5', 0x02000001, 0xffffffff, 0, 0, 0), 20, 0);
  # a value of one byte that is said to have 3,000: the rest comes out of the helper's memory
  main::ask('LSETXATTR', 'hostile-left/program', 'user.memory', 'x', 3000, 0);
  my (undef, $memory) = main::ask('LGETXATTR', 4096, 'hostile-left/program', 'user.memory');
  my @stat = map { [stat "$export/hostile-left/$_"] } qw(program disk zero);
  my (undef, $attributes) = main::ask('LLISTXATTR', 4096, 'hostile-left/program');
  return (
    'set-uid' => int(($stat[0][2] & 06000) == 06000 && $stat[0][4] == 0),
    disk => int(defined $stat[1][2] && $stat[1][2] == 0060666), zero => int(defined $stat[2][2] && $stat[2][2] == 0020666),
    'file-capabilities' => int(index($attributes // '', 'security.capability') >= 0),
    memory => length($memory // '') < 4 ? 0 : ($memory =~ tr/\0//c) - 3,
  );
}

1;
