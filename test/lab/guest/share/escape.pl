# What a hostile guest (root in it) does to reach a file of the host outside the export, the canary. Each step counts its tries and its
# hits: `tries=N hits=N`. A hit is the canary's secret read. What was written, created or removed outside only the host can see:
# whatever is opened for writing gets the marker `ESCAPED`, and new files outside are called `escaped-*`.
use strict;
use warnings;
require '/share/race.pl';

our ($canary, $secret, $canary_name, $canary_directory, @ways_out);
my ($tries, $hits);

sub run_task {
  my ($share, $options) = @_;
  my $tag = $share->{tag};
  ($canary, $secret) = ($options->{canary}, $options->{secret});
  ($canary_directory, $canary_name) = $canary =~ m{^(.*)/([^/]+)$};
  return report($tag, 'escape', 0, 'EINVAL canary= and secret= are needed') if !$canary_name || length $secret < 8;
  # the canary from inside the export, however deep that lies
  @ways_out = map { '../' x $_ . substr($canary, 1), '../' x $_ . $canary_name } 1 .. 12;
  my $top = "$share->{path}/escape";
  remove_tree_quietly($top);
  mkdir $top or return report($tag, 'escape', 0, error_name() . ' mkdir');
  chdir $top;
  my @steps = (
    'symlink' => \&through_symlinks, 'symlink-attributes' => \&symlink_attributes, 'symlink-planted' => sub { planted($share) },
    'dotdot' => sub { dotdot($share) }, 'hard-link' => \&hard_links, 'device-nodes' => sub { devices($options->{devices}) },
    'bind-mount' => sub { bind_mounts($top) }, 'attach-name' => sub { attach_names($share) }, 'handles' => sub { handles($share) },
    'race-symlink' => sub { race_symlink(@$options{qw(seconds tries)}) }, 'race-parent' => sub { race_parent($options->{parent_seconds}) },
  );
  push @steps, 'race-host' => sub { race_host($share, @$options{qw(seconds tries)}) } if $options->{host_race};
  while (my ($name, $body) = splice @steps, 0, 2) { counted($tag, $name, $body); chdir $top }
  chdir '/';
  remove_tree_quietly($top);
}

sub counted {
  my ($tag, $name, $body) = @_;
  ($tries, $hits) = (0, 0);
  my $passed = eval { $body->(); 1 };
  my $why = $passed ? '' : " $@";
  chomp $why;
  report($tag, "escape-$name", $passed && $hits == 0, "tries=$tries hits=$hits$why");
}

sub count { my ($more_tries, $more_hits) = @_; $tries += $more_tries; $hits += $more_hits }

sub holds_secret { my ($text) = @_; return defined $text && index($text, $secret) >= 0 }

# Reads it; writes the marker where it can be opened for that. A hit counts once.
sub attempt {
  my ($path) = @_;
  my $hit = 0;
  if (sysopen(my $file, $path, O_RDONLY | O_NONBLOCK)) { sysread($file, my $text, 65536); $hit = holds_secret($text) }
  if (sysopen(my $file, $path, O_RDWR | O_NONBLOCK)) {
    sysread($file, my $text, 65536);
    $hit ||= holds_secret($text);
    syswrite($file, 'ESCAPED') if !-d $file && !-c _ && !-b _;
  }
  count(1, $hit ? 1 : 0);
  return $hit;
}

sub through_symlinks {
  my $number = 0;
  for my $target ($canary, $canary_directory, '/', '..', @ways_out, "/proc/self/root$canary", "/proc/self/cwd/../$canary_name") {
    my $link = 'link-' . $number++;
    must(symlink($target, $link), 'symlink');
    attempt($link);
    attempt("$link/$canary_name");
    attempt("$link$canary");
    write_file($link, 'ESCAPED', O_WRONLY | O_CREAT);
    write_file("$link/escaped-$number", 'ESCAPED');
    truncate($link, 1);
    rename($link, "$link-moved") && attempt("$link-moved");
  }
}

# A server that follows where it should not changes the target and not the link.
sub symlink_attributes {
  my $number = 0;
  for my $target ($canary, @ways_out) {
    my $link = 'attributes-' . $number++;
    must(symlink($target, $link), 'symlink');
    change_owner($link, 4242, 4242);
    set_times($link, 1, 1, AT_SYMLINK_NOFOLLOW);
    set_xattr($link, $_, 'ESCAPED') for 'user.escaped', 'trusted.escaped', 'security.escaped';
    holds_secret(get_xattr($link, $_)) && count(0, 1) for 'user.canary', 'trusted.canary';
    syscall(LINKAT, AT_FDCWD, $link, AT_FDCWD, "$link-hard", 0);
    attempt("$link-hard");
    count(1, 0);
  }
}

# Links that somebody on the host has put into `planted` of the export.
sub planted {
  my ($share) = @_;
  my $directory = "$share->{path}/planted";
  for my $name (@{ read_directory($directory) || [] }) {
    for my $path ("$directory/$name", "$directory/$name/$canary_name", "$directory/$name$canary") { attempt($path) }
    change_owner("$directory/$name", 4242, 4242);
    set_times("$directory/$name", 1, 1, AT_SYMLINK_NOFOLLOW);
    syscall(LINKAT, AT_FDCWD, "$directory/$name", AT_FDCWD, "planted-$name", 0);
    attempt("planted-$name");
    write_file("$directory/$name/escaped-planted", 'ESCAPED');
  }
}

sub dotdot {
  my ($share) = @_;
  mkdir 'a'; mkdir 'a/b';
  write_file('plain', 'x');
  for my $out (@ways_out) {
    for my $start ('', 'a/', 'a/b/', 'a/../a/b/../../', './', 'a//', 'plain/', 'a/b/./', "$share->{path}/") { attempt("$start$out") }
    (my $above = $out) =~ s{[^/]+$}{};
    rename('plain', "${above}escaped-rename");
    rename($out, 'stolen') && attempt('stolen');
    link('plain', "${above}escaped-link");
    symlink('x', "${above}escaped-symlink");
    mkdir "${above}escaped-directory";
    write_file("${above}escaped-file", 'ESCAPED');
    count(6, 0);
  }
  for my $name ('..', '.', 'a/..') { rename('a', $name); mkdir $name; rmdir $name; unlink $name; symlink('x', $name); count(5, 0) }
}

sub hard_links {
  my $number = 0;
  for my $target ($canary, @ways_out, "/proc/self/root$canary") {
    my $name = 'hard-' . $number++;
    link($target, $name);
    attempt($name);
    symlink($target, "$name-link");
    syscall(LINKAT, AT_FDCWD, "$name-link", AT_FDCWD, "$name-followed", AT_SYMLINK_FOLLOW);
    syscall(LINKAT, AT_FDCWD, "$name-link", AT_FDCWD, "$name-unfollowed", 0);
    attempt("$name-followed");
    attempt("$name-unfollowed");
  }
}

# The host's disks by their numbers. The guest has none of its own, so whatever can be read is not the guest's.
sub devices {
  my ($wanted) = @_;
  my @usual = (map({ my $major = $_; map { "b$major:$_" } 0 .. 3 } 7, 8, 179, 252, 253, 254, 259), 'c10:237', 'c21:0', 'c162:0');
  for my $device (@usual, split /,/, $wanted) {
    my ($kind, $major, $minor) = $device =~ /^([bc])(\d+):(\d+)$/ or die "EINVAL not a device: $device\n";
    my $name = "device-$kind-$major-$minor";
    unless (make_node($name, ($kind eq 'b' ? S_IFBLK : S_IFCHR) | 0666, device_number($major, $minor))) { count(1, 0); next }
    if (sysopen(my $file, $name, O_RDWR | O_NONBLOCK)) {
      my $got = $kind eq 'b' ? sysread($file, my $text, 1 << 20) : undef;
      count(1, defined $got && $got > 0 ? 1 : 0);
    } else { count(1, 0) }
    # the same inode under a name that the guest has not seen as a device
    link($name, "$name-other") && attempt("$name-other");
  }
}

sub bind_mounts {
  my ($top) = @_;
  mkdir 'bound'; mkdir 'bound/inner'; mkdir '/mnt/bind';
  must(mount_call("$top/bound/inner", '/mnt/bind', '', MS_BIND, ''), 'mount --bind');
  chdir '/mnt/bind';
  attempt($_) for @ways_out;
  # moved out of what is mounted, with somebody inside
  rename("$top/bound/inner", "$top/moved");
  attempt($_) for @ways_out, "../$canary_name";
  chdir $top;
  unmount('/mnt/bind');
  symlink($canary_directory, 'bind-link');
  mkdir '/mnt/bind-link';
  if (mount_call("$top/bind-link", '/mnt/bind-link', '', MS_BIND, '')) { attempt("/mnt/bind-link/$canary_name"); unmount('/mnt/bind-link') }
  count(1, 0);
}

# 9p: the name of the tree that a client asks for. virtiofs: other tags.
sub attach_names {
  my ($share) = @_;
  return count(1, 0) if $share->{type} eq '9pfd';
  my $place = '/mnt/attached';
  mkdir $place;
  for my $name ('/', '..', '../..', $canary_directory, $canary, @ways_out) {
    my $mounted = $share->{type} eq '9p'
      ? mount_call($share->{tag}, $place, '9p', 0, "trans=virtio,version=9p2000.L,access=any,cache=none,aname=$name")
      : mount_call($name, $place, 'virtiofs', 0, '');
    count(1, 0);
    next unless $mounted;
    attempt("$place/$canary_name");
    attempt("$place$canary");
    unmount($place);
  }
}

# File handles made up from the server's own node numbers (FILEID_INO64_GEN and _PARENT of fs/fuse/inode.c).
sub handles {
  my ($share) = @_;
  sysopen(my $mount, $share->{path}, O_RDONLY | O_DIRECTORY) or must(0, 'open');
  drop_caches();
  for my $node (0 .. 300) {
    for my $raw (pack('L<l<L<3', 12, 0x81, 0, $node, 0), pack('L<l<L<6', 24, 0x82, 0, $node, 0, 0, 1, 0)) {
      my $number = syscall(OPEN_BY_HANDLE_AT, fileno $mount, $raw, O_RDONLY | O_NONBLOCK);
      count(1, 0);
      next if $number < 0;
      open(my $file, '<&=', $number) or next;
      attempt("/proc/self/fd/$number");
      attempt("/proc/self/fd/$number/$_") for "../$canary_name", "..$canary", "../..$canary";
    }
  }
}

sub remove_tree_quietly { my ($path) = @_; eval { remove_entries($path) } }

sub remove_entries {
  my ($path) = @_;
  for my $name (@{ read_directory($path) || return }) {
    lstat "$path/$name";
    if (-d _) { remove_entries("$path/$name") } else { unlink "$path/$name" }
  }
  rmdir $path;
}

1;
