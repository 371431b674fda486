# Times by the guest's clock.
use strict;
use warnings;
BEGIN { require '/share/bulk.pl' }

sub run_task {
  my ($share, $options) = @_;
  my ($tag, $mib, $files) = ($share->{tag}, $options->{big_mib}, $options->{files});
  chdir $share->{path};
  step($tag, 'bench-write', sub {
    my $start = now();
    write_big('bench-data', $mib);
    sprintf 'mib=%d seconds=%.3f', $mib, now() - $start;
  });
  drop_caches();
  step($tag, 'bench-read', sub {
    my $start = now();
    my $total = 0;
    sysopen(my $file, 'bench-data', O_RDONLY) or must(0, 'open');
    while (1) {
      my $count = sysread($file, my $block, MIB);
      must(defined $count, 'read');
      last unless $count;
      $total += $count;
    }
    check($total == $mib * MIB, 'size');
    sprintf 'mib=%d seconds=%.3f', $mib, now() - $start;
  });
  step($tag, 'bench-create', sub {
    must(mkdir('bench-files'), 'mkdir');
    my $start = now();
    must(create_many('bench-files', $files), 'create');
    sprintf 'files=%d seconds=%.3f', $files, now() - $start;
  });
  return if $options->{keep};
  step($tag, 'bench-clean', sub {
    for my $name (@{ read_directory('bench-files') || [] }) { must(unlink("bench-files/$name"), 'unlink') }
    must(rmdir('bench-files') && unlink('bench-data'), 'unlink');
    '';
  });
}

1;
