# A script that starts programs, as most do: substitutions, pipes, subshells.
sum=0 step=0
while [ $step -lt 20 ]; do
	words=$(echo "one two three $step" | tr a-z A-Z | cut -d' ' -f1-3)
	count=$(printf '%s\n' $words | sort | wc -l)
	name=$(basename /usr/share/some/file$step.txt .txt)
	(cd /tmp && [ -d . ] && expr $step + 1 >/dev/null)
	sum=$((sum + count + ${#name}))
	step=$((step + 1))
	printf . >&9
done
echo $sum
