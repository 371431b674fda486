# The attacks of proxy-client.pl, in the order they run: each a name and a subroutine that tries, by main::try, which counts.
package ProxyAttacks;
use strict;
use warnings;
use Fcntl;

# Numbers of system calls and constants (x86-64)
use constant { PRCTL => 157, OPENAT => 257, RENAMEAT2 => 316, AT_FDCWD => -100, EXCHANGE => 2, O_PATH => 010000000,
  O_TMPFILE => 020200000 };
our ($made, $export, $outside, $name, $secret) = (0);

sub all {
  ($export, $outside, $name, $secret) = ($main::export, $main::outside, $main::name, $main::secret);
  return (
    ['symlink-absolute', \&symlink_absolute], ['symlink-relative', \&symlink_relative], ['dotdot', \&dotdot],
    ['race', \&race], ['renamed-parent', \&renamed_parent], ['hard-link', \&hard_link], ['device', \&device],
    ['long', \&long], ['nul', \&nul], ['kernel-paths', \&kernel_paths], ['flags', \&flags],
    ['descriptor', \&descriptor], ['malformed', \&malformed],
  );
}

# Enough to pass the root from anywhere, then down to the canary's directory; and without one step too many.
sub far_up { return '../' x 20 . substr $outside, 1 }
sub near_up { my $depth = () = $export =~ m{/[^/]+}g; return '../' x $depth . substr $outside, 1 }

# Every operation, with each of its paths in the directory that leads outside.
sub everything {
  my ($directory) = @_;
  my $canary = "$directory/$name";
  my $plant = sub { $made++; "$directory/planted-$made" };
  my $inside = sub { $made++; "hostile/taken-$made" };
  main::try(@$_) for (
    [OPEN => $canary, O_RDONLY | O_NONBLOCK], [OPEN => $canary, O_RDWR], [OPEN => $canary, O_PATH],
    [OPEN => $canary, O_WRONLY | O_TRUNC], [OPEN => $directory, O_DIRECTORY], [OPEN => $directory, O_PATH],
    [OPEN => $directory, O_TMPFILE | O_RDWR], [OPEN => "$directory/..", O_DIRECTORY],
    [CREATE => $plant->(), O_RDWR | O_CREAT | O_EXCL, 0666, 0, 0],
    [CREATE => $canary, O_RDWR | O_CREAT | O_TRUNC, 0666, 0, 0], [CREATE => $plant->(), O_RDWR | O_CREAT, 0666, 1000, 1000],
    [MKNOD => 0, 0, $plant->(), 0010666, 0], [MKDIR => 0, 0, $plant->(), 0777],
    [SYMLINK => 0, 0, $secret, $plant->()], [LINK => $canary, $inside->()], [LINK => 'hostile/file', $plant->()],
    [LSTAT => $canary], [LSTAT => $directory], [LSTAT => "$directory/."], [READLINK => "$directory/pointer", 4096],
    [STATFS => $canary], [CHMOD => $canary, 0], [CHMOD => $directory, 0777], [CHOWN => $canary, 1, 1],
    [TRUNCATE => $canary, 1], [UTIME => $canary, 1, 0, 1, 0], [RENAME => $canary, $inside->()],
    [RENAME => 'hostile/file', $plant->()], [RENAME => 'hostile/deep', $plant->()], [REMOVE => $canary],
    [LGETXATTR => 4096, $canary, 'user.secret'], [LLISTXATTR => 4096, $canary],
    [LSETXATTR => $canary, 'user.hostile', 'x', 1, 0], [LREMOVEXATTR => $canary, 'user.secret'], [GETVERSION => $canary],
  );
}

sub through_links {
  my (%targets) = @_;
  for my $link (sort keys %targets) {
    main::must('SYMLINK', 0, 0, $targets{$link}, "hostile/$link");
    everything("hostile/$link");
    everything("hostile/deep/../$link");
    main::must('SYMLINK', 0, 0, "$targets{$link}/$name", "hostile/$link-file");
    main::try('OPEN', "hostile/$link-file", $_) for O_RDONLY, O_RDWR, O_PATH, O_WRONLY | O_TRUNC;
    main::try('CREATE', "hostile/$link-file", O_RDWR | O_CREAT, 0666, 0, 0);
    main::try('CHMOD', "hostile/$link-file", 0777);
    main::try('TRUNCATE', "hostile/$link-file", 1);
  }
}

sub symlink_absolute { through_links(link => $outside, slashes => "//$outside", dots => "/../..$outside") }
sub symlink_relative { through_links(near => '../' . near_up(), far => far_up(), chain => "deep/deeper/../../../" . far_up()) }

sub dotdot {
  my ($far, $near) = (far_up(), near_up());
  everything($_) for (
    $far, $near, "/$far", "/..//$near", "./.././$far", "hostile/../$near", "hostile/deep/../../$near", "hostile/$far",
    "hostile/deep/deeper/$far", "hostile/file/../../$near", "hostile/missing/../../$near", "hostile//..//../$far",
    "$far/../" . ($outside =~ m{([^/]+)$})[0], "$near/.", "hostile/deep/./.././.././$near", 'hostile/..;/' . $far,
    '..\\' . $near,
  );
}

# Swaps two names by rename as fast as it can, in a process of its own, while CODE runs.
sub while_swapped {
  my ($one, $other, $code) = @_;
  pipe(my $told, my $tell) or die "pipe: $!\n";
  my $parent = $$;
  my $swapper = fork // die "fork: $!\n";
  if (!$swapper) {
    syscall(PRCTL, 1, 9, 0, 0, 0);
    my ($swaps, $on) = (0, getppid() == $parent);
    $SIG{TERM} = sub { $on = 0 };
    while ($on) { $swaps++ if syscall(RENAMEAT2, AT_FDCWD, $one, AT_FDCWD, $other, EXCHANGE) == 0 }
    syswrite($tell, "$swaps\n");
    require POSIX;
    POSIX::_exit(0);
  }
  close $tell;
  my $fine = eval { $code->(); 1 };
  my $problem = $@;
  kill 'TERM', $swapper;
  my $swaps = <$told>;
  waitpid $swapper, 0;
  die $problem unless $fine;
  $main::count{swaps} = int($swaps // 0);
}

# Until the time is over, or as many hits as are enough.
sub for_a_while {
  my ($turn) = @_;
  my $end = ProxyProtocol::now() + $main::setting{seconds};
  my $enough = $main::setting{'stop-at'};
  my $turns = 0;
  while (ProxyProtocol::now() < $end && (!$enough || $main::count{hits} < $enough)) { $turn->($turns++) }
}

# `door` is in turn a directory with a file of the canary's name, and a symlink to the canary's directory. `inside` and `refused`
# say how often either was met: both, or it was no race.
sub race {
  $main::count{$_} = 0 for qw(inside refused);
  main::must('MKDIR', 0, 0, 'hostile/door', 0755);
  main::must('CREATE', "hostile/door/$name", 0101 | 02, 0644, 0, 0);
  main::must('SYMLINK', 0, 0, $outside, 'hostile/other');
  my $door = "hostile/door/$name";
  my @turns = (
    [OPEN => $door, O_RDONLY | O_NONBLOCK], [OPEN => "hostile/door/$name", O_RDWR], [LSTAT => $door], [CHMOD => $door, 0644],
    [CREATE => 'hostile/door/planted', O_RDWR | O_CREAT, 0666, 0, 0], [REMOVE => 'hostile/door/planted'],
    [TRUNCATE => $door, 1], [OPEN => 'hostile/door', O_DIRECTORY], [LGETXATTR => 4096, $door, 'user.secret'],
    [OPEN => 'hostile/door/../door/planted', O_RDONLY],
  );
  while_swapped("$export/hostile/door", "$export/hostile/other", sub {
    for_a_while(sub {
      my ($status, undef, $hit) = main::try(@{ $turns[$_[0] % @turns] });
      $main::count{ $status < 0 ? 'refused' : 'inside' }++ unless $hit;
    });
  });
}

# A tree moves up and down while the helper is on its way through it.
sub renamed_parent {
  main::must('MKDIR', 0, 0, "hostile/$_", 0755) for qw(tree tree/a tree/a/b tree/a/b/c high high/c);
  my ($far, $near) = (far_up(), near_up());
  my @ways = map { ("hostile/tree/a/b/c/$_", "hostile/tree/a/b/c/../c/$_") } ($far, '../../../../../' . $near);
  while_swapped("$export/hostile/tree/a/b", "$export/hostile/high", sub {
    for_a_while(sub {
      my $way = $ways[$_[0] % @ways];
      main::try('OPEN', "$way/$name", O_RDONLY);
      main::try('CREATE', "$way/planted", O_RDWR | O_CREAT, 0666, 0, 0);
      main::try('RENAME', 'hostile/tree/a/b/c', 'hostile/high/d');
      main::try('RENAME', 'hostile/high/d', 'hostile/tree/a/b/c');
    });
  });
}

1;
