# The protocol between QEMU's 9p proxy driver and virtfs-proxy-helper (hw/9pfs/9p-proxy.h, QEMU 1.1 to 9.1): a header of two
# 32-bit numbers, type and size, then at most 64 KiB; numbers in the machine's own order, strings behind a 16-bit length.
package ProxyProtocol;
use strict;
use warnings;
use Socket;

# Numbers of system calls (x86-64)
use constant { SENDMSG => 46, RECVMSG => 47, CLOCK_GETTIME => 228 };
# What the helper sends beside a descriptor
use constant { DESCRIPTOR_FOLLOWS => 0x7fffffff, SUCCESS => 0, ERROR => 1 };

# In the order of their numbers, from 2; with the formats QEMU 7.2 sends: s string, d 32 bits, q 64 bits.
our @requests = (
  [OPEN => 'sd'], [CREATE => 'sdddd'], [MKNOD => 'ddsdq'], [MKDIR => 'ddsd'], [SYMLINK => 'ddss'], [LINK => 'ss'],
  [LSTAT => 's'], [READLINK => 'sd'], [STATFS => 's'], [CHMOD => 'sd'], [CHOWN => 'sdd'], [TRUNCATE => 'sq'],
  [UTIME => 'sqqqq'], [RENAME => 'ss'], [REMOVE => 's'], [LGETXATTR => 'dss'], [LLISTXATTR => 'ds'],
  [LSETXATTR => 'sssdd'], [LREMOVEXATTR => 'ss'], [GETVERSION => 's'],
);
my %packed = (s => 'S/a*', d => 'L', q => 'Q');
our (%number, %template);
for my $at (0 .. $#requests) {
  my ($name, $format) = @{ $requests[$at] };
  $number{$name} = $at + 2;
  $template{$name} = join ' ', map { $packed{$_} } split //, $format;
}

sub request {
  my ($name, @arguments) = @_;
  my $payload = pack $template{$name}, @arguments;
  return pack('LL', $number{$name}, length $payload) . $payload;
}

# The monotonic clock, in seconds.
sub now {
  my $room = 16;
  my $time = "\0" x $room;
  syscall(CLOCK_GETTIME, 1, $time);
  my ($seconds, $nanoseconds) = unpack 'qq', $time;
  return $seconds + $nanoseconds / 1e9;
}

sub readable {
  my ($socket, $seconds) = @_;
  my $wanted = '';
  vec($wanted, fileno $socket, 1) = 1;
  return select($wanted, undef, undef, $seconds) > 0;
}

# recvmsg(2) and sendmsg(2) by hand: Perl's own recv drops descriptors. The buffers are made at run time, for the kernel writes
# into them: a constant's would be shared.
sub receive_descriptor {
  my ($socket) = @_;
  my ($size, $room) = (4, 64);
  my ($data, $control) = ("\0" x $size, "\0" x $room);
  my $vector = pack('PQ', $data, $size);
  my $message = pack('QQPQPQQ', 0, 0, $vector, 1, $control, $room, 0);
  my $got = syscall(RECVMSG, fileno $socket, $message, 0);
  die "ended\n" if $got <= 0;
  my $answer = unpack 'l', $data;
  return ($answer, undef) if $answer != DESCRIPTOR_FOLLOWS;
  my ($length, $level, $type, $descriptor) = unpack 'Qlll', $control;
  die "no descriptor came\n" unless $length == 20 && $level == SOL_SOCKET && $type == 1;
  open(my $file, '+<&=', $descriptor) or die "descriptor $descriptor: $!\n";
  return (0, $file);
}

sub send_descriptor {
  my ($socket, $answer, $descriptor) = @_;
  my $data = pack('l', defined $descriptor ? DESCRIPTOR_FOLLOWS : $answer);
  my $control = defined $descriptor ? pack('Qllll', 20, SOL_SOCKET, 1, $descriptor, 0) : '';
  my $vector = pack('PQ', $data, 4);
  my $message = pack('QQPQPQQ', 0, 0, $vector, 1, $control, length $control, 0);
  return syscall(SENDMSG, fileno $socket, $message, 0) == 4;
}

# All bytes, or nothing once the other side has ended.
sub read_all {
  my ($socket, $size) = @_;
  my $bytes = '';
  while (length $bytes < $size) {
    my $got = sysread($socket, $bytes, $size - length $bytes, length $bytes);
    return undef unless $got;
  }
  return $bytes;
}

sub write_all {
  my ($socket, $bytes) = @_;
  my $at = 0;
  while ($at < length $bytes) {
    my $wrote = syswrite($socket, $bytes, length($bytes) - $at, $at) or die "ended\n";
    $at += $wrote;
  }
}

# The answer to a request that was sent: a status (0 and more, or a negative error number), and what came with it: a file, or bytes.
sub answer {
  my ($socket, $name, $patience) = @_;
  readable($socket, $patience) or die "silent\n";
  return receive_descriptor($socket) if $name eq 'OPEN' || $name eq 'CREATE';
  my $header = read_all($socket, 8) // die "ended\n";
  my ($type, $size) = unpack 'LL', $header;
  my $bytes = read_all($socket, $size) // die "ended\n";
  return (unpack('l', $bytes), undef) if $type == ERROR;
  return (0, $bytes);
}

1;
