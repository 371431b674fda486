# Races: a name is a directory when the server looks, and a symbolic link out of the export when it acts. Each runs for a time and counts.
use strict;
use warnings;

our ($canary, $canary_name, $canary_directory, @ways_out);

# A race in which nothing was swapped yet, with too few tries, or that did not find the file inside, goes on for so long. Unit: seconds.
use constant LATE => 300;

# Does what goes through the name that is being swapped, until the time is over, it was tried often enough, the file inside was found and
# `swapped` is there; returns its tries, its hits, and how often it found the file that is inside.
sub hammer {
  my ($directory, $end, $wanted, $swapped) = @_;
  my ($tries, $hits, $inside) = (0, 0, 0);
  my $target = "$directory/$canary_name";
  while ($tries % 64 || now() < $end || now() < $end + LATE && ($tries < $wanted || !$inside || defined $swapped && !-e $swapped)) {
    my $kind = $tries++ % 8;
    if ($kind < 4) {
      if (sysopen(my $file, $target, O_RDONLY | O_NONBLOCK)) { sysread($file, my $text, 4096); $hits++ if holds_secret($text); $inside++ if defined $text && length $text }
    } elsif ($kind == 4) {
      if (sysopen(my $file, $target, O_RDWR | O_NONBLOCK)) { sysread($file, my $text, 4096); $hits++ if holds_secret($text); syswrite($file, 'ESCAPED') }
    } elsif ($kind == 5) {
      # as a directory held open while the name changes
      if (opendir(my $opened, $directory)) { $hits++ if grep { $_ eq "only-outside" } readdir $opened }
    } elsif ($kind == 6) {
      unlink "$directory/escaped-$tries" if write_file("$directory/escaped-$tries", 'ESCAPED');
    } else {
      chmod 0644, $target;
      set_xattr($target, 'user.escaped', 'x');
      rename("$directory/inside", "$directory/escaped-moved") && rename("$directory/escaped-moved", "$directory/inside");
    }
  }
  return ($tries, $hits, $inside);
}

# Two hammers on one name while `swap` runs; all are over when the time is, `wanted` tries were made and something was swapped.
sub race {
  my ($seconds, $wanted, $directory, $swap) = @_;
  pipe(my $read, my $write) or must(0, 'pipe');
  my $end = now() + $seconds;
  my $swaps = 0;
  my $swapped = $swap ? "/swapped-$$" : undef;
  my @over = map { "/over-$$-$_" } 0, 1;
  my @hammers = map {
    my $over = $_;
    sub {
      my ($tries, $hits, $inside) = hammer($directory, $end, $wanted / @over, $swapped);
      syswrite($write, "$tries $hits $inside 0\n");
      write_file($over, '');
    }
  } @over;
  # a try is one of a race while this goes on
  my $swapper = sub {
    while (now() < $end || now() < $end + LATE && grep { !-e } @over) {
      $swaps += $swap->();
      write_file($swapped, '') if $swaps && !-e $swapped;
    }
    syswrite($write, "0 0 0 $swaps\n");
  };
  my $passed = together(@hammers, $swap ? $swapper : ());
  close $write;
  unlink @over, defined $swapped ? $swapped : ();
  my ($found, $total) = (0, 0);
  while (my $line = <$read>) {
    my ($tries, $hits, $inside, $swapped) = split ' ', $line;
    count($tries, $hits);
    $found += $inside;
    $total += $swapped;
  }
  check($passed, 'a process failed');
  check(!$swap || $total > 0, 'nothing was swapped');
  # a server that refuses everything is not raced with
  check($found > 0, 'the file inside was never found');
}

# `swap` is a directory with a file called as the canary, or a link to the canary's own directory.
sub prepare_swap {
  my ($target) = @_;
  mkdir 'swap';
  write_file("swap/$canary_name", 'inside');
  write_file('swap/inside', 'inside');
  must(symlink($target, 'swap.link'), 'symlink');
}

# What a call that failed has left half done, the next ones bring to its end.
sub swap_once {
  rename('swap', 'swap.directory');
  my $swaps = rename('swap.link', 'swap') ? 1 : 0;
  rename('swap', 'swap.link');
  return rename('swap.directory', 'swap') ? $swaps + 1 : $swaps;
}

sub race_symlink {
  my ($seconds, $wanted) = @_;
  my $number = 0;
  my ($relative) = map { s{/[^/]+$}{}r } $ways_out[-2];
  for my $target ($canary_directory, $relative) {
    my $place = 'race-' . $number++;
    mkdir $place;
    chdir $place;
    prepare_swap($target);
    race($seconds / 2, $wanted / 2, 'swap', \&swap_once);
    chdir '..';
  }
}

# Inside a directory whose parents are moved to another depth meanwhile, `..` must not lead past the export.
sub race_parent {
  my ($seconds) = @_;
  mkdir $_ for 'deep', 'deep/a', 'deep/a/b', 'deep/a/b/c';
  my $home = POSIX::getcwd();
  my $end = now() + $seconds;
  pipe(my $read, my $write) or must(0, 'pipe');
  my $climb = sub {
    my ($tries, $hits) = (0, 0);
    # once at least, however late it begins
    while ($tries == 0 || now() < $end) {
      chdir "$home/deep/a/b/c" or chdir "$home/b/c" or next;
      for my $out (@ways_out) {
        $tries++;
        if (sysopen(my $file, $out, O_RDWR)) { sysread($file, my $text, 4096); $hits++ if holds_secret($text); syswrite($file, 'ESCAPED') }
      }
    }
    syswrite($write, "$tries $hits\n");
  };
  my $move = sub {
    while (now() < $end) { rename("$home/deep/a/b", "$home/b") && rename("$home/b", "$home/deep/a/b") or die }
  };
  my $passed = together($climb, $climb, $move);
  close $write;
  while (my $line = <$read>) { count(split ' ', $line) }
  check($passed, 'a process failed');
}

# Somebody on the host swaps `race-host/swap` of the export as long as `go` is beside it.
sub race_host {
  my ($share, $seconds, $wanted) = @_;
  my $place = "$share->{path}/race-host";
  must(-d $place, 'no race-host in the export');
  chdir $place;
  must(write_file('go', ''), 'go');
  race($seconds, $wanted, 'swap', undef);
  must(unlink('go'), 'go');
}

1;
