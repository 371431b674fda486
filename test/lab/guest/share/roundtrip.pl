# Everything that programs do with files, checked by reading it back.
use strict;
use warnings;
require '/share/names.pl';
require '/share/bulk.pl';
require '/share/readonly.pl';

sub run_task {
  my ($share, $options) = @_;
  return run_readonly($share) if $share->{readonly};
  my ($tag, $top) = ($share->{tag}, "$share->{path}/roundtrip");
  mkdir $top or return report($tag, 'create', 0, error_name() . ' mkdir of the working directory');
  chdir $top;
  file_steps($tag);
  name_space_steps($tag);
  attribute_steps($tag);
  xattr_steps($tag);
  node_steps($tag);
  size_steps($tag);
  name_steps($tag);
  bulk_steps($tag, $options);
  step($tag, 'after-remount', sub { after_remount($share, $top) });
  step($tag, 'cleanup', sub { chdir '/'; remove_tree($top); check(!-e $top, 'still there'); '' });
}

sub file_steps {
  my ($tag) = @_;
  step($tag, 'create', sub {
    must(write_file('file', ''), 'create');
    check(!write_file('file', ''), 'a second exclusive create succeeds');
    check($!{EEXIST}, 'the second create does not say EEXIST');
    '';
  });
  step($tag, 'write', sub { must(write_file('file', "one\n", O_WRONLY), 'write'); '' });
  step($tag, 'read', sub { my $text = read_file('file'); must(defined $text, 'read'); check($text eq "one\n", 'content'); '' });
  step($tag, 'append', sub {
    must(write_file('file', "two\n", O_WRONLY | O_APPEND), 'append');
    check(read_file('file') eq "one\ntwo\n", 'content');
    '';
  });
  step($tag, 'fsync', sub {
    sysopen(my $file, 'file', O_RDWR) or must(0, 'open');
    must(syscall(74, fileno $file) == 0, 'fsync');
    must(syscall(75, fileno $file) == 0, 'fdatasync');
    '';
  });
}

sub name_space_steps {
  my ($tag) = @_;
  step($tag, 'rename', sub {
    must(rename('file', 'renamed'), 'rename');
    check(!-e 'file' && read_file('renamed') eq "one\ntwo\n", 'names');
    '';
  });
  step($tag, 'rename-over', sub {
    must(write_file('victim', 'old'), 'create');
    must(rename('renamed', 'victim'), 'rename');
    check(!-e 'renamed' && read_file('victim') eq "one\ntwo\n", 'content');
    '';
  });
  step($tag, 'unlink', sub { must(unlink('victim'), 'unlink'); check(!-e 'victim', 'still there'); '' });
  step($tag, 'unlink-open', sub {
    sysopen(my $file, 'unlinked', O_RDWR | O_CREAT | O_EXCL, 0600) or must(0, 'create');
    must(unlink('unlinked'), 'unlink');
    must(defined syswrite($file, 'ghost'), 'write');
    sysseek($file, 0, SEEK_SET);
    must(defined sysread($file, my $text, 10), 'read');
    check($text eq 'ghost', 'content');
    '';
  });
  step($tag, 'mkdir', sub { must(mkdir('directory', 0750), 'mkdir'); check(((stat 'directory')[2] & 07777) == 0750, 'mode'); '' });
  step($tag, 'rename-directory', sub {
    must(mkdir('from'), 'mkdir') && must(mkdir('to'), 'mkdir') && must(write_file('from/inner', 'x'), 'create');
    must(rename('from', 'to/moved'), 'rename');
    check(read_file('to/moved/inner') eq 'x', 'content');
    '';
  });
  step($tag, 'rmdir', sub {
    check(!rmdir('to') && ($!{ENOTEMPTY} || $!{EEXIST}), 'a full directory is removed, or the error is another');
    must(rmdir('directory'), 'rmdir');
    check(!-e 'directory', 'still there');
    '';
  });
  step($tag, 'symlink', sub {
    must(write_file('target', 'aim'), 'create');
    must(symlink('target', 'link'), 'symlink') && must(symlink('/no/such/place', 'dangling'), 'symlink');
    check(-l 'link' && read_file('link') eq 'aim', 'not followed');
    '';
  });
  step($tag, 'readlink', sub {
    my ($near, $far) = (readlink 'link', readlink 'dangling');
    must(defined $near && defined $far, 'readlink');
    check($near eq 'target' && $far eq '/no/such/place', 'target');
    '';
  });
  step($tag, 'hard-link', sub {
    must(link('target', 'second'), 'link');
    my @facts = stat 'second';
    check($facts[3] == 2 && $facts[1] == (stat 'target')[1], 'link count or inode');
    must(unlink('second'), 'unlink');
    check((stat 'target')[3] == 1, 'link count afterwards');
    '';
  });
}

sub attribute_steps {
  my ($tag) = @_;
  must(write_file('attributes', 'x'), 'create');
  my $mode = sub { (stat 'attributes')[2] & 07777 };
  step($tag, 'chmod', sub { must(chmod(0640, 'attributes'), 'chmod'); check($mode->() == 0640, 'mode'); '' });
  step($tag, 'chmod-setuid', sub { must(chmod(06755, 'attributes'), 'chmod'); check($mode->() == 06755, 'mode'); '' });
  step($tag, 'chown', sub {
    must(chown(1234, 5678, 'attributes'), 'chown');
    my @facts = stat 'attributes';
    check($facts[4] == 1234 && $facts[5] == 5678, 'owner');
    '';
  });
  step($tag, 'chown-symlink', sub {
    must(change_owner('dangling', 1234, 5678), 'lchown');
    my @facts = lstat 'dangling';
    check($facts[4] == 1234 && $facts[5] == 5678, 'owner');
    '';
  });
  step($tag, 'utimes', sub {
    must(set_times('attributes', 1000000000, 1234567890), 'utimensat');
    my @facts = stat 'attributes';
    check($facts[8] == 1000000000 && $facts[9] == 1234567890, 'times');
    '';
  });
}

sub xattr_steps {
  my ($tag) = @_;
  my $value = join '', map { chr } 0 .. 255;
  step($tag, 'xattr-set', sub { must(set_xattr('attributes', 'user.stockade', $value), 'setxattr'); '' });
  step($tag, 'xattr-get', sub {
    my $got = get_xattr('attributes', 'user.stockade');
    must(defined $got, 'getxattr');
    check($got eq $value, 'value');
    '';
  });
  step($tag, 'xattr-list', sub {
    my $names = list_xattrs('attributes');
    must(defined $names, 'listxattr');
    check((grep { $_ eq 'user.stockade' } @$names) == 1, 'not listed');
    check(!(grep { /virtfs/ } @$names), 'the host keeps its own there');
    '';
  });
  step($tag, 'xattr-remove', sub {
    must(remove_xattr('attributes', 'user.stockade'), 'removexattr');
    check(!defined get_xattr('attributes', 'user.stockade'), 'still there');
    '';
  });
}

sub node_steps {
  my ($tag) = @_;
  my $kind = sub { my ($name, $type) = @_; check(((lstat $name)[2] & S_IFMT) == $type, 'kind') };
  step($tag, 'fifo', sub {
    must(make_node('fifo', S_IFIFO | 0600, 0), 'mknod');
    $kind->('fifo', S_IFIFO);
    sysopen(my $pipe, 'fifo', O_RDWR) or must(0, 'open');
    syswrite($pipe, 'through') && sysread($pipe, my $text, 7);
    check($text eq 'through', 'content');
    '';
  });
  step($tag, 'socket', sub { must(make_node('socket', S_IFSOCK | 0600, 0), 'mknod'); $kind->('socket', S_IFSOCK); '' });
  for my $each ([ 'char-device', S_IFCHR, 1, 3 ], [ 'block-device', S_IFBLK, 7, 300 ]) {
    my ($name, $type, @numbers) = @$each;
    step($tag, $name, sub {
      must(make_node($name, $type | 0600, device_number(@numbers)), 'mknod');
      $kind->($name, $type);
      check((stat $name)[6] == device_number(@numbers), 'numbers');
      '';
    });
  }
}

sub size_steps {
  my ($tag) = @_;
  my $size = sub { (stat 'sized')[7] };
  must(write_file('sized', 'abcdefgh'), 'create');
  step($tag, 'truncate-down', sub { must(truncate('sized', 3), 'truncate'); check(read_file('sized') eq 'abc', 'content'); '' });
  step($tag, 'truncate-up', sub {
    must(truncate('sized', 5000), 'truncate');
    check($size->() == 5000 && read_file('sized') eq 'abc' . "\0" x 4997, 'content');
    '';
  });
  step($tag, 'sparse', sub {
    sysopen(my $file, 'sparse', O_RDWR | O_CREAT | O_EXCL, 0644) or must(0, 'create');
    sysseek($file, 5_000_000_000, SEEK_SET) && must(defined syswrite($file, 'end'), 'write');
    close $file;
    my @facts = stat 'sparse';
    check($facts[7] == 5_000_000_003, 'size');
    sysopen($file, 'sparse', O_RDONLY) && sysseek($file, 4_999_999_999, SEEK_SET) && sysread($file, my $text, 10);
    check($text eq "\0end", 'content');
    must(unlink('sparse'), 'unlink');
    sprintf 'kib=%d', $facts[12] / 2;
  });
}

# What was said to be there is there for who looks at it anew.
sub after_remount {
  my ($share, $top) = @_;
  my @before = stat 'attributes';
  chdir '/';
  must(syscall(UMOUNT2, $share->{path}, 0) == 0, 'umount');
  mount_share($share);
  must(chdir($top), 'chdir');
  my @after = stat 'attributes';
  check("@before[2, 4, 5, 7, 9]" eq "@after[2, 4, 5, 7, 9]", 'mode, owner, size or time');
  check((readlink('link') || '') eq 'target' && read_file('sized') eq 'abc' . "\0" x 4997, 'content');
  check(((lstat 'fifo')[2] & S_IFMT) == S_IFIFO, 'kind of the FIFO') if -e 'fifo';
  return '';
}

sub remove_tree {
  my ($path) = @_;
  for my $name (@{ read_directory($path) || [] }) {
    my $entry = "$path/$name";
    lstat $entry;
    if (-d _) { remove_tree($entry) } else { must(unlink($entry), 'unlink') }
  }
  must(rmdir($path), 'rmdir');
}

1;
