# The share guest's only program. The kernel's command line says what it does:
#   share=TAG:9p|virtiofs[:ro][:MODE]   mounted at /mnt/TAG; several. `ro`: the host gives it read-only (it is mounted writable here, so
#                                       that the host has to refuse). MODE: 9p's cache mode (none, loose, fscache, mmap)
#   task=roundtrip|escape|bench|options roundtrip on a read-only share tries every way to write instead
#   files=N big_mib=N                   how many files in one directory, how large the large file
#   reads=N                             bench: how often the large file is read; the median counts
#   turn=0|1 begin=SECONDS              bench: works in every other slot of the host's clock alone, and not before that time of it
#   keep=1                              bench: its files stay; taking them away takes as long as making them
#   canary=/PATH secret=TEXT            escape: a file of the host outside the export, and what it holds
#   devices=b254:0,c21:0                escape: device nodes to try
#   seconds=N tries=N                   escape: how long each race for a link is run at least, and how often it is tried
#   parent_seconds=N                    escape: how long the race for a moved parent is run
#   host_race=1                         escape: somebody on the host swaps race-host/swap meanwhile
#   stay=1                              do not power off
#   at_once=1                           all shares at the same time: what is run for a time costs that time once
use strict;
use warnings;
BEGIN { require '/share/report.pl' }

my %options = (files => 10000, big_mib => 256, reads => 9, seconds => 60, tries => 0, parent_seconds => 10, task => '', canary => '', secret => '', devices => '', host_race => 0, keep => 0, turn => '', begin => 0, at_once => 0);
my @shares;
for my $word (split ' ', read_file('/proc/cmdline')) {
  my ($name, $value) = $word =~ /^([a-z_]+)=(.*)$/ or next;
  if ($name eq 'share') { push @shares, share_of($value) }
  elsif (exists $options{$name}) { $options{$name} = $value }
}

sub share_of {
  my ($tag, $type, @more) = split /:/, $_[0];
  my $readonly = @more && $more[0] eq 'ro' ? shift @more : '';
  return { tag => $tag, type => $type, readonly => $readonly ne '', mode => $more[0], path => "/mnt/$tag" };
}

sub mount_share {
  my ($share, $more) = @_;
  mkdir $share->{path};
  if ($share->{type} eq 'virtiofs') {
    must(mount_call($share->{tag}, $share->{path}, 'virtiofs', 0, ''), 'mount');
  } elsif ($share->{type} eq '9p') {
    my $cache = $share->{mode} || 'none';
    my $data = "trans=virtio,version=9p2000.L,msize=262144,access=any,cache=$cache" . ($more || '');
    must(mount_call($share->{tag}, $share->{path}, '9p', 0, $data), 'mount');
  } elsif ($share->{type} eq '9pfd') {
    # a server behind a virtio serial port, which takes the place of QEMU's own
    sysopen(my $port, '/dev/vport0p1', O_RDWR) or die error_name() . " /dev/vport0p1\n";
    $share->{port} = $port;
    my $number = fileno $port;
    my $data = "trans=fd,rfdno=$number,wfdno=$number,version=9p2000.L,msize=8192,access=any,cache=none";
    must(mount_call($share->{tag}, $share->{path}, '9p', 0, $data), 'mount');
  } else {
    die "EINVAL no such kind of share\n";
  }
  return join ' ', $share->{type}, $share->{readonly} ? 'ro' : 'rw';
}

$SIG{PIPE} = 'IGNORE';
umask 022;
my %tasks = (roundtrip => 'roundtrip.pl', escape => 'escape.pl', bench => 'bench.pl', options => 'options.pl');
my $file = $tasks{ $options{task} };
if (!defined $file) {
  report('-', 'task', 0, "EINVAL no task $options{task}");
} else {
  require "/share/$file";
  if ($options{at_once}) { reported_together(map { my $share = $_; sub { serve($share) } } @shares) }
  else { serve($_) for @shares }
}
report_end();

sub serve {
  my ($share) = @_;
  step($share->{tag}, 'mount', sub { mount_share($share) }) or return;
  run_task($share, \%options);
  step($share->{tag}, 'unmount', sub { chdir '/'; must(syscall(UMOUNT2, $share->{path}, 0) == 0, 'umount'); '' });
}
