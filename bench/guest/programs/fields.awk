# Fields, arrays, regular expressions, numbers and strings of a text.
{
	for (i = 1; i <= NF; i++) {
		count[$i]++
		weight[length($i)] += log(length($i) + 1) * sqrt(NR)
		if ($i ~ /^[mr].*[er]$/) found = found substr($i, 1, 1)
	}
	line = $0
	changed += gsub(/[aeiou]+/, "<&>", line)
	seen[substr(line, 5, 6)] = NR
	if (length(found) > 200) found = substr(found, 100)
	if (NR % 200 == 0) total += split(line, parts, /[<>]/) + index(line, "r>")
}
END {
	for (word in count) total += count[word] * length(word)
	for (n = 1; n < 20; n++) if (n in weight) printf "%d %.4f\n", n, weight[n]
	print total, changed, length(seen), toupper(found)
}
