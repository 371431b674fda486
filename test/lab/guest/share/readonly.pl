# A share that the host gives read-only, mounted writable: reading works and every way to write is refused. The host has put there:
# `file` ("read-only share\n"), `directory` with `inner` in it, `link` to `file`.
use strict;
use warnings;

sub run_readonly {
  my ($share) = @_;
  my $tag = $share->{tag};
  chdir $share->{path};
  step($tag, 'read', sub { my $text = read_file('file'); must(defined $text, 'read'); check($text eq "read-only share\n", 'content'); '' });
  step($tag, 'readdir', sub { check(join(' ', sort @{ read_directory('.') || [] }) eq 'directory file link', 'names'); '' });
  step($tag, 'readlink', sub {
    my $target = readlink 'link';
    must(defined $target, 'readlink');
    check($target eq 'file' && read_file('link') eq "read-only share\n", 'link');
    '';
  });
  my @writes = writes();
  while (my ($name, $attempt) = splice @writes, 0, 2) {
    step($tag, "no-$name", sub { refused($attempt) });
  }
  step($tag, 'unchanged', sub {
    check(join(' ', sort @{ read_directory('.') || [] }) eq 'directory file link', 'names');
    check(join(' ', @{ read_directory('directory') || [] }) eq 'inner', 'names below');
    check((read_file('file') || '') eq "read-only share\n", 'content');
    '';
  });
}

sub writes {
  return (
    'create' => sub { write_file('new', 'x') },
    'write' => sub { write_file('file', 'x', O_WRONLY) },
    'read-write' => sub { write_file('file', 'x', O_RDWR) },
    'append' => sub { write_file('file', 'x', O_WRONLY | O_APPEND) },
    'open-truncate' => sub { write_file('file', '', O_WRONLY | O_TRUNC) },
    'truncate' => sub { truncate('file', 0) },
    'rename' => sub { rename('file', 'new') },
    'rename-over' => sub { rename('file', 'directory/inner') },
    'unlink' => sub { unlink('file') },
    'mkdir' => sub { mkdir('new') },
    'rmdir' => sub { rmdir('directory') },
    'symlink' => sub { symlink('file', 'new') },
    'hard-link' => sub { link('file', 'new') },
    'chmod' => sub { chmod(0777, 'file') },
    'chown' => sub { chown(1, 1, 'file') },
    'chown-symlink' => sub { change_owner('link', 1, 1) },
    'utimes' => sub { set_times('file', 1, 1) },
    'xattr-set' => sub { set_xattr('file', 'user.stockade', 'x') },
    'fifo' => sub { make_node('new', S_IFIFO | 0600, 0) },
    'socket' => sub { make_node('new', S_IFSOCK | 0600, 0) },
    'char-device' => sub { make_node('new', S_IFCHR | 0600, device_number(1, 3)) },
  );
}

sub refused {
  my ($attempt) = @_;
  $! = 0;
  check(!$attempt->(), 'succeeded');
  my $error = error_name();
  check($error =~ /^(?:EROFS|EPERM|EACCES)$/, "refused with $error");
  return $error;
}

1;
