# A loop as scripts have it: arithmetic, tests, cases, substrings, a function; no program is started.
middle() {
	text=${1#?}
	text=${text%?}
}
sum=0 step=0
while [ $step -lt 40 ]; do
	i=0
	while [ $i -lt ${1:-250} ]; do
		sum=$(((sum * 31 + i) % 1000003))
		case $sum in
		*7) middle "<$sum>"; sum=$((text + 1)) ;;
		*[02468]) [ $sum -gt 500000 ] && sum=$((sum - 499999)) ;;
		esac
		i=$((i + 1))
	done
	step=$((step + 1))
	printf . >&9
done
echo $sum
