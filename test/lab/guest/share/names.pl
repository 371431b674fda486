# Names that programs and helpers have trouble with.
use strict;
use warnings;

sub name_steps {
  my ($tag) = @_;
  my %names = (
    'name-newline' => "two\nlines", 'name-quotes' => q('single' "double" `back`), 'name-dash' => '-rf',
    'name-255-bytes' => 'n' x 255, 'name-utf8' => "\xc3\xa9\xe2\x82\xac\xf0\x9f\xa6\x80", 'name-invalid-utf8' => "\xff\xfe\xc3",
    'name-backslash' => 'a\\b\\', 'name-spaces' => '  a  ', 'name-controls' => join('', map { chr } 1 .. 31, 127),
  );
  for my $step (sort keys %names) {
    my $name = $names{$step};
    step($tag, $step, sub {
      must(mkdir($step), 'mkdir');
      must(write_file("$step/$name", $step), 'create');
      my $listed = read_directory($step);
      check(@$listed == 1 && $listed->[0] eq $name, 'listed as another');
      check(read_file("$step/$name") eq $step, 'content');
      must(rename("$step/$name", "$step/plain") && rename("$step/plain", "$step/$name"), 'rename');
      must(symlink($name, "$step/link"), 'symlink');
      check(readlink("$step/link") eq $name && read_file("$step/link") eq $step, 'link');
      must(unlink("$step/$name", "$step/link") == 2 && rmdir($step), 'unlink');
      '';
    });
  }
  step($tag, 'name-256-bytes', sub {
    check(!write_file('n' x 256, ''), 'taken');
    check($!{ENAMETOOLONG}, 'error ' . error_name());
    '';
  });
}

1;
