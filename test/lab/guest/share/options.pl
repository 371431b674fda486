# What the options of a share change, by the first word of its tag: `ids`, `sub`, `cache`.
use strict;
use warnings;

sub run_task {
  my ($share, $options) = @_;
  my $tag = $share->{tag};
  my ($kind) = $tag =~ /^([a-z]+)/;
  chdir $share->{path};
  if ($kind eq 'ids') { id_steps($tag) }
  elsif ($kind eq 'sub') { submount_steps($tag) }
  elsif ($kind eq 'cache') { cache_steps($tag) }
  else { report($tag, 'task', 0, "EINVAL no options for $tag") }
}

sub owner_of { my @facts = lstat $_[0]; return @facts ? "$facts[4]:$facts[5]" : error_name() }

# The host has put `mapped` and `unmapped` there, and maps 0 and 1000 of the guest alone.
sub id_steps {
  my ($tag) = @_;
  step($tag, 'seen-mapped', sub { owner_of('mapped') });
  step($tag, 'seen-unmapped', sub { owner_of('unmapped') });
  step($tag, 'made', sub { must(write_file('made', 'x'), 'create'); owner_of('made') });
  step($tag, 'given', sub { must(write_file('given', 'x'), 'create'); must(chown(1000, 1000, 'given'), 'chown'); owner_of('given') });
  step($tag, 'given-unmapped', sub { must(write_file('kept', 'x'), 'create'); must(chown(5, 5, 'kept'), 'chown'); owner_of('kept') });
  step($tag, 'made-unmapped', sub {
    chmod 0777, '.';
    must(together(sub { $) = '5 5'; $> = 5; die if write_file('stranger', 'x') || !$!{EPERM} && !$!{EACCES} && !$!{EIO} }), 'a user that is not mapped makes a file');
    '';
  });
}

# `below` is a mount on the host, with `inner` in it.
sub submount_steps {
  my ($tag) = @_;
  step($tag, 'inner', sub { my $text = read_file('below/inner'); must(defined $text, 'read'); $text });
  step($tag, 'announced', sub {
    opendir(my $opened, 'below') or must(0, 'open');
    readdir $opened;
    (stat '.')[0] == (stat 'below')[0] ? 'no' : 'yes';
  });
}

# The host changes `told` once it has been read, and puts `go` there when that is done.
sub cache_steps {
  my ($tag) = @_;
  step($tag, 'first', sub { read_file('told') });
  step($tag, 'then', sub {
    my $end = now() + 120;
    until (-e 'go') { check(now() < $end, 'the host did nothing'); select(undef, undef, undef, 0.1) }
    read_file('told');
  });
}

1;
