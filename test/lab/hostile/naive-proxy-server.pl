# The control of the tests of shares: it speaks virtfs-proxy-helper's protocol and serves a directory honestly, but without a
# chroot: paths are only joined to the export. With `checking` it first refuses `..` and looks for symlinks in every component,
# as a careful program would that knows nothing of races.
#   perl naive-proxy-server.pl SOCKET EXPORT plain|checking
use strict;
use warnings;
use Socket;
use Fcntl;
my ($here) = $0 =~ m{^(.*/)};
require "${here}proxy-protocol.pl";

my ($path, $export, $mode) = @ARGV;
$mode =~ /^(plain|checking)$/ or die "plain or checking?\n";
use constant { EPERM => 1, LCHOWN => 94, MKNOD => 133, LSETXATTR => 189, LGETXATTR => 192, LLISTXATTR => 195,
  LREMOVEXATTR => 198, UTIMENSAT => 280, STATFS => 137, OPEN => 2, AT_FDCWD => -100 };
$SIG{PIPE} = 'IGNORE';
umask 0;

# Where a path of the client lies, and nothing where it is refused. As for a C program, a NUL ends it.
sub place {
  my ($asked) = @_;
  $asked =~ s/\0.*//s;
  return "$export/$asked" if $mode eq 'plain';
  my $sofar = $export;
  for my $part (split m{/+}, $asked) {
    return undef if $part eq '..';
    $sofar .= "/$part";
    return undef if -l $sofar;
  }
  return $sofar;
}

# 0 and more, or the negative error number
sub outcome { return $_[0] ? 0 : -($! + 0) }
sub called { return $_[0] < 0 ? -($! + 0) : $_[0] }

my %serve = (
  OPEN => sub { called(syscall(OPEN, $_[0], $_[1] + 0, 0)) },
  CREATE => sub { called(syscall(OPEN, $_[0], $_[1] + 0, $_[2] + 0)) },
  MKNOD => sub { called(syscall(MKNOD, $_[2], $_[3] + 0, $_[4] + 0)) },
  MKDIR => sub { outcome(mkdir $_[2], $_[3]) },
  SYMLINK => sub { outcome(symlink $_[2], $_[3]) },
  LINK => sub { outcome(link $_[0], $_[1]) },
  LSTAT => sub {
    my @stat = lstat $_[0] or return -($! + 0);
    my ($dev, $ino, $mode, $links, $uid, $gid, $rdev, $size) = @stat;
    return (0, pack('QQQLLLQ10', $dev, $ino, $links, $mode, $uid, $gid, $rdev, $size, @stat[11, 12], (0) x 6));
  },
  READLINK => sub { my $target = readlink $_[0]; defined $target ? (0, pack('S/a*', $target)) : -($! + 0) },
  STATFS => sub { my $room = 256; my $buffer = "\0" x $room; (called(syscall(STATFS, $_[0], $buffer)), "\0" x 88) },
  CHMOD => sub { outcome(chmod $_[1], $_[0]) },
  CHOWN => sub { called(syscall(LCHOWN, $_[0], $_[1] + 0, $_[2] + 0)) },
  TRUNCATE => sub { outcome(truncate $_[0], $_[1]) },
  UTIME => sub { my $times = pack('Q4', @_[1 .. 4]); called(syscall(UTIMENSAT, AT_FDCWD, $_[0], $times, 0x100)) },
  RENAME => sub { outcome(rename $_[0], $_[1]) },
  REMOVE => sub { outcome(-d $_[0] && !-l $_[0] ? rmdir $_[0] : unlink $_[0]) },
  LGETXATTR => sub {
    my $value = "\0" x $_[0];
    my $size = called(syscall(LGETXATTR, $_[1], $_[2], $value, $_[0] + 0));
    return $size < 0 ? $size : (0, pack('S/a*', substr $value, 0, $size));
  },
  LLISTXATTR => sub {
    my $value = "\0" x $_[0];
    my $size = called(syscall(LLISTXATTR, $_[1], $value, $_[0] + 0));
    return $size < 0 ? $size : (0, pack('S/a*', substr $value, 0, $size));
  },
  LSETXATTR => sub { called(syscall(LSETXATTR, $_[0], $_[1], $_[2], $_[3] + 0, $_[4] + 0)) },
  LREMOVEXATTR => sub { called(syscall(LREMOVEXATTR, $_[0], $_[1])) },
  GETVERSION => sub { (0, pack('Q', 0)) },
);
# Which arguments are paths of the export
my %paths = ((map { $_ => [0] } keys %serve), MKNOD => [2], MKDIR => [2], SYMLINK => [3], LINK => [0, 1], RENAME => [0, 1],
  LGETXATTR => [1], LLISTXATTR => [1]);

sub serve {
  my ($client) = @_;
  while (defined(my $header = ProxyProtocol::read_all($client, 8))) {
    my ($type, $size) = unpack 'LL', $header;
    my $name = ($ProxyProtocol::requests[$type - 2] || [''])->[0];
    return if $type < 2 || !$name || $size > 65536;
    my $payload = ProxyProtocol::read_all($client, $size) // return;
    my @arguments = unpack $ProxyProtocol::template{$name}, $payload;
    my $refused = 0;
    for my $at (@{ $paths{$name} }) {
      $arguments[$at] = place($arguments[$at] // '') // do { $refused = 1; last };
    }
    my ($status, $bytes) = $refused ? -EPERM : $serve{$name}->(@arguments);
    if ($name eq 'OPEN' || $name eq 'CREATE') {
      ProxyProtocol::send_descriptor($client, $status, $status < 0 ? undef : $status) or return;
      open(my $sent, '<&=', $status) if $status >= 0;    # closed at the end of this turn
      next;
    }
    $bytes = pack('l', $status) if $status < 0 || !defined $bytes;
    my $kind = $status < 0 ? ProxyProtocol::ERROR() : ProxyProtocol::SUCCESS();
    syswrite($client, pack('LL', $kind, length $bytes) . $bytes) or return;
  }
}

unlink $path;
my $listening;
socket($listening, AF_UNIX, SOCK_STREAM, 0) && bind($listening, pack_sockaddr_un($path)) && listen($listening, 1)
  or die "$path: $!\n";
while (accept(my $client, $listening)) {
  serve($client);
  close $client;
}
