# A QEMU that somebody has taken over, at the socket of the helper that serves its guest a directory: it speaks the helper's
# protocol and tries to read or change a canary file outside of the export.
#   perl proxy-client.pl NAME=VALUE...
#     socket=PATH        the helper's socket; connects again whenever the helper has ended
#     fd=NUMBER          or a connected descriptor; once only
#     export=DIRECTORY   as seen from here: a process of the host swaps files there, and the client looks what it could leave
#     canary=FILE        alone in its directory, which is emptied again and again
#     secret=TEXT        what the canary holds
#     seconds=60         how long each race runs; stop-at=N ends it after N hits
#     fuzz=200 seed=1    how many malformed messages, and which
#     only=NAME,...      these attacks alone
#     program=FILE       what the set-user-id file left in the export holds
# It must be root where the export and the canary are. For each attack it says `PROXY NAME tries=N hits=N ...`, then
# `PROXY-INSIDE ...`, what it could leave inside the export (in `hostile-left`), and at last `PROXY-DONE`.
use strict;
use warnings;
use Socket;
use Fcntl ':mode';
my ($here) = $0 =~ m{^(.*/)};
require "$here$_.pl" for qw(proxy-protocol proxy-attacks proxy-attacks-rare);

our %setting = (seconds => 60, 'stop-at' => 0, fuzz => 200, seed => 1, program => '/bin/true');
for (@ARGV) { /^([a-z-]+)=(.*)$/s or die "not NAME=VALUE: $_\n"; $setting{$1} = $2 }
defined $setting{$_} or die "no $_\n" for qw(export canary secret);
our $export = $setting{export};
our ($outside, $name) = $setting{canary} =~ m{^(/.+)/([^/]+)$} or die "not an absolute path: $setting{canary}\n";
our $secret = $setting{secret};
our $pointer = "$outside/pointer";
our (%beyond, $connection, $whole, %count);
$| = 1;
$SIG{PIPE} = 'IGNORE';

# Numbers of system calls (x86-64)
use constant { LSETXATTR => 189, LLISTXATTR => 195 };

our $mode = (stat $outside)[2] // die "no directory $outside\n";

# The canary, a symlink to its secret beside it, and an extended attribute where the file system has them.
sub restore {
  -d $outside || mkdir $outside;
  opendir(my $directory, $outside) or die "$outside: $!\n";
  for (grep { !/^\.\.?$/ } readdir $directory) {
    my $path = "$outside/$_";
    -d $path && !-l $path ? system('rm', '-rf', $path) : unlink $path;
  }
  open(my $file, '>', $setting{canary}) or die "$setting{canary}: $!\n";
  print $file $secret;
  close $file;
  chmod 0644, $setting{canary};
  chmod $mode & 07777, $outside;
  symlink $secret, $pointer;
  my ($path, $attribute, $value) = ($setting{canary}, 'user.secret', $secret . '');
  syscall(LSETXATTR, $path, $attribute, $value, length $value, 0);
  %beyond = ();
  remember($setting{canary}, $pointer, $outside);
}

# What must never be reached: the canary, its directory, and all directories above it and above the export.
sub remember {
  for my $path (@_) {
    my ($device, $inode) = lstat $path;
    $beyond{"$device:$inode"} = $path if defined $inode;
  }
  for my $leaf ($outside, $export) {
    for (my $path = $leaf; $path =~ s{/[^/]*$}{}; ) {
      my ($device, $inode) = stat($path eq '' ? '/' : $path);
      $beyond{"$device:$inode"} = $path;
    }
  }
}

sub fingerprint {
  my @stat = lstat $setting{canary} or return 'gone';
  my $room = 256;
  my ($path, $list) = ($setting{canary}, "\0" x $room);
  my $size = syscall(LLISTXATTR, $path, $list, $room);
  open(my $file, '<', $setting{canary}) or return 'unreadable';
  my $content = do { local $/; <$file> } // '';
  opendir(my $directory, $outside) or return 'gone';
  my $mode = (stat $outside)[2];
  return join '|', @stat[0 .. 7, 9], $size > 0 ? substr($list, 0, $size) : '', $content, $mode, sort readdir $directory;
}

sub connection {
  return $connection if $connection;
  if (defined $setting{fd}) {
    open($connection, '+<&=', delete $setting{fd}) or die "fd: $!\n";
    return $connection;
  }
  defined $setting{socket} or die "gone\n";
  for (1 .. 1000) {
    socket($connection, AF_UNIX, SOCK_STREAM, 0) or die "socket: $!\n";
    return $connection if connect($connection, pack_sockaddr_un($setting{socket}));
    select(undef, undef, undef, 0.01);
  }
  die "nobody listens at $setting{socket}: $!\n";
}

sub hang_up { $connection = undef }

# ask NAME, ARGUMENT...: status, and a file or bytes. A helper that ended, or says nothing, is left for the next one.
sub ask {
  my ($request, @arguments) = @_;
  my ($status, $came) = eval {
    ProxyProtocol::write_all(connection(), ProxyProtocol::request($request, @arguments));
    ProxyProtocol::answer(connection(), $request, 5);
  };
  return ($status, $came) if defined $status;
  die $@ if $@ !~ /^(ended|silent)$/;
  $count{ended}++;
  hang_up();
  return (-5, undef);
}

# What the helper must do for its guest; without it no attack means anything.
sub must {
  my ($status, $came) = ask(@_);
  $status >= 0 or die "the helper refused $_[0] $_[1]: " . -$status . "\n";
  return $came;
}

# Whether an answer reached something outside: by the identity of a passed file, its content, or the bytes that came.
sub reached {
  my ($request, $status, $came) = @_;
  return 0 if $status < 0 || !defined $came;
  if (ref $came) {
    my ($device, $inode, $mode) = stat $came;
    return 1 if $beyond{"$device:$inode"} || S_ISBLK($mode) || S_ISCHR($mode);
    my $room = 4096;
    my $content = "\0" x $room;
    return S_ISREG($mode) && sysread($came, $content, $room) && index($content, $secret) >= 0;
  }
  return 1 if $request eq 'LSTAT' && $beyond{ join ':', unpack 'QQ', $came };
  return index($came, $secret) >= 0;
}

# One try, counted, and judged by what came and by the canary itself.
sub try {
  my ($request, @arguments) = @_;
  $count{tries}++;
  my ($status, $came) = ask($request, @arguments);
  my $hit = reached($request, $status, $came);
  $hit = 1 if changed();
  $count{hits}++ if $hit;
  return ($status, $came, $hit);
}

sub changed {
  return 0 if fingerprint() eq $whole;
  restore();
  $whole = fingerprint();
  return 1;
}

# A directory of its own inside the export, as new, made through the helper.
sub prepare {
  system('rm', '-rf', "$export/hostile") == 0 or die "cannot empty $export/hostile\n";
  must('MKDIR', 0, 0, "hostile$_", 0755) for '', '/deep', '/deep/deeper';
  must('CREATE', 'hostile/file', 0101 | 02, 0644, 0, 0);
  restore();
  $whole = fingerprint();
}

opendir(my $alone, $outside) or die "$outside: $!\n";
my @company = grep { !/^\.\.?$/ && $_ ne $name && $_ ne 'pointer' } readdir $alone;
die "not alone in $outside: @company\n" if @company;
my %wanted = map { $_ => 1 } split /,/, $setting{only} // '';
srand $setting{seed};
for (ProxyAttacks::all()) {
  my ($attack, $run) = @$_;
  next if %wanted && !$wanted{$attack};
  %count = (tries => 0, hits => 0, ended => 0);
  prepare();
  $run->();
  my @more = map { "$_=$count{$_}" } grep { !/^(tries|hits)$/ } sort keys %count;
  print "PROXY $attack tries=$count{tries} hits=$count{hits} @more\n";
}
my %left = ProxyAttacks::leave();
print join(' ', 'PROXY-INSIDE', map { "$_=$left{$_}" } sort keys %left), "\n";
system('rm', '-rf', "$export/hostile");
print "PROXY-DONE\n";
