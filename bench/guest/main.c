/* `rows NAME` runs one row and prints its checksum; `rows text BYTES` prints made-up text; `rows nothing` does nothing. */
#include "bench.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
	const char *name;
	row_function *run;
} rows[] = {
	{ "integer", integer },
	{ "multiply-divide", multiply_divide },
	{ "stride", stride },
	{ "chase-4m", chase_4m },
	{ "chase-64m", chase_64m },
	{ "memcpy-8m", memcpy_8m },
	{ "memcpy-64", memcpy_64 },
	{ "matmul", matmul },
	{ "nbody", nbody },
	{ "fir", fir },
	{ "vectors", vectors },
	{ "strings", strings },
	{ "sha256", sha256 },
	{ "crc", crc },
	{ "lz", lz },
	{ "quicksort", quicksort },
	{ "recursion", recursion },
	{ "interpreter", interpreter },
	{ "virtual-calls", virtual_calls },
	{ "setjmp", set_jump },
	{ "getppid", get_ppid },
	{ "pipe", pipes },
	{ "page-faults", page_faults },
	{ "mmap", map_unmap },
	{ "fork", fork_wait },
	{ "fork-exec", fork_exec },
	{ "tmpfs-reads", tmpfs_reads },
};

void step(void)
{
	if (write(9, ".", 1) < 0)
		return; /* Nobody listens. */
}

void die(const char *what)
{
	perror(what);
	exit(1);
}

void *room(size_t bytes)
{
	void *memory = calloc(1, bytes);

	if (!memory)
		die("no memory");
	return memory;
}

void make_text(char *text, size_t bytes, uint64_t seed)
{
	static const char *const words[] = {
		"the", "of", "and", "a", "in", "machine", "page", "word", "memory", "which", "register", "that",
		"stores", "loads", "is", "was", "for", "it", "with", "as", "interrupt", "on", "be", "at", "by",
		"translation", "had", "not", "are", "but", "from", "or", "have", "an", "they", "branch",
	};
	size_t at = 0, column = 0;

	while (at < bytes) {
		uint64_t r = next_random(&seed);
		const char *word = words[(r >> 8) % (r & 1 ? 12 : sizeof words / sizeof *words)];

		while (*word && at < bytes) {
			text[at++] = *word++;
			column++;
		}
		if (at < bytes)
			text[at++] = column > 70 ? '\n' : ' ';
		column = column > 70 ? 0 : column + 1;
	}
}

static int print_text(size_t bytes)
{
	char *text = room(bytes);

	make_text(text, bytes, 88172645463325252u);
	fwrite(text, 1, bytes, stdout);
	return fflush(stdout) ? 1 : 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "nothing"))
		return 0;
	if (argc == 3 && !strcmp(argv[1], "text"))
		return print_text(strtoul(argv[2], NULL, 10));
	for (size_t i = 0; argc == 2 && i < sizeof rows / sizeof *rows; i++) {
		if (strcmp(argv[1], rows[i].name))
			continue;
		printf("%016llx\n", (unsigned long long)rows[i].run());
		return 0;
	}
	fprintf(stderr, "usage: rows NAME | rows text BYTES | rows nothing; names:");
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		fprintf(stderr, " %s", rows[i].name);
	fprintf(stderr, "\n");
	return 2;
}
