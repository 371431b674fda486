# What a QEMU that was taken over could try: as root before it has dropped its privileges, then as the guest's user.
# usage: perl lsm-attempts.pl PID: PID is a process that somebody else started. Prints NAME=done or NAME=refused, a line each.
use strict;
use warnings;
my ($other) = @ARGV;
# syscall wants strings that it could write to
my ($none, $mnt, $tmpfs, $node) = ('none', '/mnt', 'tmpfs', '/srv/node');
$| = 1;
sub report { my ($name, $done) = @_; print "$name=", ($done ? 'done' : 'refused'), "\n" }
sub opens { my ($mode, $path) = @_; my $ok = open(my $file, $mode, $path); close $file if $ok; return $ok }

report('root-reads-shadow', opens('<', '/etc/shadow'));
report('root-reads-leases', opens('<', '/var/lib/stockade/guests/plain/lease'));
report('root-writes', opens('>', '/srv/written'));
report('root-mounts', syscall(165, $none, $mnt, $tmpfs, 0, 0) == 0);
report('root-makes-nodes', syscall(133, $node, 0020600, (1 << 8) | 3) == 0);
report('root-opens-packet-socket', socket(my $packet, 17, 3, 0));
report('root-signals-others', kill(18, $other) == 1);
report('root-traces-others', syscall(101, 16, $other + 0, 0, 0) == 0);
# as QEMU has to
report('root-reads-kernels', opens('<', '/srv/kernels/still'));
$) = '399999 399999';
$> = 399999;
report('user-reads-passwd', opens('<', '/etc/passwd'));
report('user-lists-processes', opens('<', "/proc/$other/status"));
report('user-writes', opens('>', '/tmp/written'));
report('user-executes', system('/bin/true') == 0);
report('user-reads-libraries', opens('<', '/usr/bin/perl'));
