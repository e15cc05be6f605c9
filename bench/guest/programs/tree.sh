# A tree of files for find: /tmp/tree, 60 folders of 40 files.
rm -rf /tmp/tree
folder=0
while [ $folder -lt 60 ]; do
	path=/tmp/tree/$((folder % 6))/folder$folder/deeper
	mkdir -p $path
	file=0
	while [ $file -lt 40 ]; do
		printf '%0*d' $((file * 3)) 0 >$path/file$((folder * file % 89)).$file
		file=$((file + 1))
	done
	folder=$((folder + 1))
done
