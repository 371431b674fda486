# Runs on the host: swaps `swap` in each directory between a directory and a link to TARGET, as fast as it goes while the guest has put `go`
# there, until it is killed or SECONDS are over. `swap` and `swap.link` change places in one step, so the name is always there. How often
# they did in each is printed when it is killed, in the order of the directories.
#   perl swap.pl TARGET NAME SECONDS DIRECTORY...
# NAME is a file that both places hold.
use strict;
use warnings;
my ($target, $name, $seconds, @directories) = @ARGV;
for my $directory (@directories) {
  mkdir $directory;
  # QEMU itself writes there as its guest's user
  chmod 0777, $directory;
  mkdir "$directory/swap" or die "$directory/swap: $!\n";
  for my $inside ($name, 'inside') {
    open(my $file, '>', "$directory/swap/$inside") or die "$inside: $!\n";
    print $file 'inside';
  }
  symlink($target, "$directory/swap.link") or die "swap.link: $!\n";
}
my ($renameat2, $here, $exchange) = (316, -100, 2);
my $end = time + $seconds;
my %swaps = map { $_ => 0 } @directories;
$SIG{TERM} = sub { print 'swaps=', join(',', @swaps{@directories}), "\n"; exit };
while (time < $end) {
  my @wanted = grep { -e "$_/go" } @directories;
  # nobody is to lose a processor to it meanwhile
  select(undef, undef, undef, 0.02) unless @wanted;
  for my $directory (@wanted) {
    my ($one, $other) = ("$directory/swap", "$directory/swap.link");
    for (1 .. 100) { syscall($renameat2, $here, $one, $here, $other, $exchange) == 0 or die "renameat2: $!\n" }
    $swaps{$directory} += 100;
  }
}
