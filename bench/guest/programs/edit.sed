s/\<the \([a-z]*\)/\1 the/g
s/[aeiou]\{2,\}/<&>/g
/memory.*page/ {
	s/register/REGISTER/
	y/abc/ABC/
}
/^[m-z]/ {
	h
	s/\([a-z]*\) \([a-z]*\)/\2 \1/g
	G
	s/\n/ | /
}
s/ *$//
