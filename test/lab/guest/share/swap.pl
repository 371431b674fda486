# Runs on the host: swaps `swap` in each directory between a directory and a link to TARGET, as fast as it goes, until it is killed or
# SECONDS are over. `swap` and `swap.link` change places in one step, so the name is always there.
#   perl swap.pl TARGET NAME SECONDS DIRECTORY...
# NAME is a file that both places hold.
use strict;
use warnings;
my ($target, $name, $seconds, @directories) = @ARGV;
for my $directory (@directories) {
  mkdir $directory;
  mkdir "$directory/swap" or die "$directory/swap: $!\n";
  for my $inside ($name, 'inside') {
    open(my $file, '>', "$directory/swap/$inside") or die "$inside: $!\n";
    print $file 'inside';
  }
  symlink($target, "$directory/swap.link") or die "swap.link: $!\n";
}
my ($renameat2, $here, $exchange) = (316, -100, 2);
my $end = time + $seconds;
while (time < $end) {
  for my $directory (@directories) {
    my ($one, $other) = ("$directory/swap", "$directory/swap.link");
    syscall($renameat2, $here, $one, $here, $other, $exchange) == 0 or die "renameat2: $!\n";
  }
}
