# Times by the guest's clock. Two guests that run at once take turns by the wall clock, so that both meet the same machine: each
# works in small pieces, and only in its own slots; what is measured is the sum over its pieces.
use strict;
use warnings;
BEGIN { require '/share/bulk.pl' }

# Length of a slot, and how much of its end is left out, in which a piece would reach into the next. Unit: seconds.
use constant { SLOT => 1, EDGE => 0.2 };
# So many files are made in one piece.
use constant FILES => 20;

my ($turn, $worked, $behind);

# How far the guest's clock is behind the host's, which stamps new files with its own: the emulated one, by which the guest sets its own, begins
# each second at another moment in each guest. Unit: seconds.
sub clock_behind {
  my $second = sub {
    must(write_file('tick', ''), 'tick');
    my $modified = (stat 'tick')[9];
    must(unlink('tick'), 'tick');
    return $modified;
  };
  my $before = $second->();
  my $now;
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
  chdir $share->{path};
  if ($turn ne '') {
    $behind = clock_behind();
    my $left = $options->{begin} - wall() - $behind;
    select undef, undef, undef, $left if $left > 0;
  }
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
