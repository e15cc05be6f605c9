# A report as Perl is used for: regular expressions, hashes, sorting, sprintf.
use strict;
use warnings;

open(my $progress, '>&=', 9) or die "descriptor 9: $!";
my @words = qw(alpha beta gamma delta error warning page memory interrupt disk);
my ($seed, $sum) = (11, 0);

sub next_random { $seed = ($seed * 1103515245 + 12345) & 0x7fffffff; return $seed >> 8; }

sub line {
    my ($i) = @_;
    my $word = $words[next_random() % @words];
    return sprintf('2024-%02d-%02d %s[%d]: %s took %d ms at 0x%x', 1 + $i % 12, 1 + $i % 28, $word,
        next_random() % 1000, $words[$i % @words], next_random() % 5000, next_random());
}

for my $step (1 .. 20) {
    my (%count, %time, %by_month);
    for my $i (1 .. 1500) {
        my $line = line($i);
        next unless $line =~ /^(\d+)-(\d+)-\d+ (\w+)\[(\d+)\]: (\w+) took (\d+) ms at 0x([0-9a-f]+)$/;
        my ($month, $who, $what, $took) = ($2, $3, $5, $6);
        $count{$who}++;
        $time{$what} += $took;
        push @{ $by_month{$month} }, $took if $who ne $what;
        (my $short = $line) =~ s/\b(\w)\w*?(\w)\b/$1$2/g;
        $short =~ tr/a-z/A-Z/;
        $sum += length($short) + ($short =~ /ER.*PE/ ? 1 : 0);
    }
    for my $month (sort keys %by_month) {
        my @sorted = sort { $a <=> $b } @{ $by_month{$month} };
        $sum += $sorted[ @sorted / 2 ];
    }
    $sum += join(',', map { "$_=$count{$_}:" . ($time{$_} // 0) } sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count) =~ tr/0-9//;
    syswrite($progress, '.');
}
print "$sum\n";
