# Many files, a large one, and two processes at once.
use strict;
use warnings;
use constant MIB => 1 << 20;

sub bulk_steps {
  my ($tag, $options) = @_;
  step($tag, 'many-files', sub { many_files($options->{files}) });
  step($tag, 'big-file', sub { big_file('big', $options->{big_mib}) });
  step($tag, 'two-processes', \&two_processes);
}

sub many_files {
  my ($count) = @_;
  must(mkdir('many'), 'mkdir');
  must(create_many('many', $count), 'create');
  my $listed = read_directory('many');
  my %names = map { $_ => 1 } @$listed;
  check(@$listed == $count && keys %names == $count, 'listed ' . @$listed . ", not $count");
  for my $name (@$listed) { must(unlink("many/$name"), 'unlink') }
  must(rmdir('many'), 'rmdir');
  return "files=$count";
}

sub create_many { my ($directory, $count) = @_; return create_files($directory, 1, $count) }

sub create_files {
  my ($directory, $first, $last) = @_;
  for my $number ($first .. $last) {
    sysopen(my $file, "$directory/file-$number", O_WRONLY | O_CREAT | O_EXCL, 0644) or return 0;
    close $file;
  }
  return 1;
}

# One MiB that tells its own place: blocks that are swapped, shifted or stale are noticed.
{
  my $noise;
  sub block {
    my ($number) = @_;
    unless ($noise) {
      my $state = 12345;
      $noise = pack 'N*', map { $state = ($state * 1103515245 + 12345) & 0x7fffffff } 1 .. 4096;
      $noise x= MIB / length($noise) + 1;
    }
    return pack('Q<', $number) . substr($noise, $number * 37 % 16384, MIB - 8);
  }
}

sub write_big {
  my ($name, $mib) = @_;
  sysopen(my $file, $name, O_WRONLY | O_CREAT | O_TRUNC, 0644) or must(0, 'create');
  for my $number (0 .. $mib - 1) { must((syswrite($file, block($number)) || 0) == MIB, 'write') }
  must(close($file), 'close');
}

sub big_file {
  my ($name, $mib) = @_;
  write_big($name, $mib);
  drop_caches();
  check((stat $name)[7] == $mib * MIB, 'size');
  sysopen(my $file, $name, O_RDONLY) or must(0, 'open');
  for my $number (0 .. $mib - 1) {
    my $block = '';
    while (length $block < MIB) {
      must(sysread($file, $block, MIB - length $block, length $block), 'read');
    }
    check($block eq block($number), "block $number");
  }
  must(unlink($name), 'unlink');
  return "mib=$mib";
}

# Each has files of its own, renames over one that both want, and every other block of one file.
sub two_processes {
  must(write_file('shared', ''), 'create');
  my $work = sub {
    my ($me) = @_;
    sysopen(my $shared, 'shared', O_RDWR) or die;
    for my $round (0 .. 99) {
      write_file("own-$me-$round", "$me $round") && read_file("own-$me-$round") eq "$me $round" or die;
      rename("own-$me-$round", 'wanted') or die;
      sysseek($shared, (2 * $round + $me) * 4096, SEEK_SET);
      (syswrite($shared, chr(65 + $me) x 4096) || 0) == 4096 or die;
    }
  };
  check(together(sub { $work->(0) }, sub { $work->(1) }), 'a process failed');
  check(read_file('shared') eq ('A' x 4096 . 'B' x 4096) x 100, 'blocks of one file');
  check(read_file('wanted') =~ /^[01] 99$/, 'the name that both wanted');
  check(!(grep { /^own-/ } @{ read_directory('.') }), 'a renamed file is still there');
  must(unlink('shared', 'wanted') == 2, 'unlink');
  return '';
}

1;
