# Times by the guest's clock. Two guests that run at once take turns by the wall clock, so that both meet the same machine: each
# works in small pieces, and only in its own slots; what is measured is the sum over its pieces.
use strict;
use warnings;
BEGIN { require '/share/bulk.pl' }

# Length of a slot, and how much of its end is left out, in which a piece would reach into the next. Unit: seconds.
use constant { SLOT => 1, EDGE => 0.1 };
# So many files are made in one piece.
use constant FILES => 20;

my ($turn, $worked, $behind);

# The kernel set its clock by the whole seconds of the machine's own: how far it is behind that one. Unit: seconds.
sub clock_behind {
  my $second = sub { read_file('/sys/class/rtc/rtc0/since_epoch') + 0 };
  my ($before, $now) = ($second->());
  do { $now = $second->() } until $now != $before;
  return $now - wall();
}

# in_turn BODY: runs it in one of this guest's slots, and adds up how long it took
sub in_turn {
  my ($body) = @_;
  if ($turn ne '') {
    while (1) {
      my $time = (wall() + $behind) / SLOT - $turn;
      my $since = ($time - 2 * int($time / 2)) * SLOT;
      last if $since < SLOT - EDGE;
      select undef, undef, undef, 2 * SLOT - $since;
    }
  }
  my $start = now();
  my $result = $body->();
  $worked += now() - $start;
  return $result;
}

sub timed {
  my ($tag, $name, $what, $body) = @_;
  step($tag, $name, sub {
    $worked = 0;
    $body->();
    sprintf '%s seconds=%.3f', $what, $worked;
  });
}

sub read_through {
  my ($name, $mib) = @_;
  my $total = 0;
  sysopen(my $file, $name, O_RDONLY) or must(0, 'open');
  while ($total < $mib * MIB) {
    in_turn(sub {
      for (1 .. 8) {
        my $count = sysread($file, my $block, MIB);
        must(defined $count, 'read');
        $total += $count;
      }
    });
  }
  check($total == $mib * MIB && !sysread($file, my $beyond, 1), 'size');
}

sub run_task {
  my ($share, $options) = @_;
  my ($tag, $mib, $files) = ($share->{tag}, $options->{big_mib}, $options->{files});
  $turn = $options->{turn};
  $behind = clock_behind() if $turn ne '';
  chdir $share->{path};
  timed($tag, 'bench-write', "mib=$mib", sub { in_turn(sub { write_big('bench-data', $mib) }) });
  step($tag, 'bench-read', sub {
    my @seconds;
    for (1 .. $options->{reads}) {
      in_turn(\&drop_caches);
      $worked = 0;
      read_through('bench-data', $mib);
      push @seconds, $worked;
    }
    sprintf 'mib=%d seconds=%.3f', $mib, (sort { $a <=> $b } @seconds)[@seconds / 2];
  });
  timed($tag, 'bench-create', "files=$files", sub {
    must(mkdir('bench-files'), 'mkdir');
    for (my $first = 1; $first <= $files; $first += FILES) {
      my $last = $first + FILES - 1 < $files ? $first + FILES - 1 : $files;
      must(in_turn(sub { create_files('bench-files', $first, $last) }), 'create');
    }
  });
  return if $options->{keep};
  step($tag, 'bench-clean', sub {
    for my $name (@{ read_directory('bench-files') || [] }) { must(unlink("bench-files/$name"), 'unlink') }
    must(rmdir('bench-files') && unlink('bench-data'), 'unlink');
    '';
  });
}

1;
