/* What the kernel does for a program. */
#define _GNU_SOURCE
#include "bench.h"
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

uint64_t get_ppid(void)
{
	uint64_t same = 0;
	long parent = getppid();

	for (int s = 0; s < STEPS; s++) {
		for (int i = 0; i < 25000; i++)
			same += syscall(SYS_getppid) == parent;
		step();
	}
	return same;
}

/* A byte to another process and back. */
uint64_t pipes(void)
{
	int there[2], back[2], status;
	unsigned char byte = 0;
	uint64_t sum = 0;
	pid_t other;

	if (pipe(there) || pipe(back))
		die("pipe");
	other = fork();
	if (other < 0)
		die("fork");
	if (!other) {
		close(there[1]);
		while (read(there[0], &byte, 1) == 1) {
			byte++;
			if (write(back[1], &byte, 1) != 1)
				die("write");
		}
		_exit(0);
	}
	for (int s = 0; s < STEPS; s++) {
		for (int i = 0; i < 200; i++) {
			byte = (unsigned char)(byte * 3);
			if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
				die("read");
			sum = mix(sum, byte);
		}
		step();
	}
	close(there[1]);
	if (waitpid(other, &status, 0) != other || status)
		die("the other process failed");
	return sum;
}

/* Whole pages that were never touched: as many on every machine, of the size that it has. */
uint64_t page_faults(void)
{
	enum { PAGES = 128 };
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint64_t touched = 0;

	for (int s = 0; s < STEPS; s++) {
		for (int again = 0; again < 4; again++) {
			char *memory = mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

			if (memory == MAP_FAILED)
				die("mmap");
			madvise(memory, PAGES * page, MADV_NOHUGEPAGE);
			for (size_t i = 0; i < PAGES; i++) {
				touched += memory[i * page] == 0;
				memory[i * page + i] = 1;
			}
			if (munmap(memory, PAGES * page))
				die("munmap");
		}
		step();
	}
	return touched;
}

uint64_t map_unmap(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int file = open("/proc/self/exe", O_RDONLY);
	uint64_t sum = 0;

	if (file < 0)
		die("/proc/self/exe");
	for (int s = 0; s < STEPS; s++) {
		for (int i = 0; i < 200; i++) {
			char *code = mmap(NULL, 2 * page, PROT_READ, MAP_PRIVATE, file, 0);
			char *data = mmap(NULL, 8 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

			if (code == MAP_FAILED || data == MAP_FAILED || mprotect(data, page, PROT_READ))
				die("mmap");
			sum = mix(sum, (unsigned char)code[i % 4]);
			if (munmap(code, 2 * page) || munmap(data, 8 * page))
				die("munmap");
		}
		step();
	}
	return sum;
}

static int wait_for(pid_t child)
{
	int status;

	if (child < 0)
		die("fork");
	if (waitpid(child, &status, 0) != child)
		die("waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

uint64_t fork_wait(void)
{
	uint64_t sum = 0;

	for (int s = 0; s < STEPS; s++) {
		for (int i = 0; i < 10; i++) {
			pid_t child = fork();

			if (!child)
				_exit((s + i) & 127);
			sum = mix(sum, (uint64_t)wait_for(child));
		}
		step();
	}
	return sum;
}

uint64_t fork_exec(void)
{
	static char name[] = "rows", what[] = "nothing";
	char *arguments[] = { name, what, NULL };
	uint64_t good = 0;

	for (int s = 0; s < STEPS; s++) {
		for (int i = 0; i < 3; i++) {
			pid_t child = fork();

			if (!child) {
				execv("/proc/self/exe", arguments);
				_exit(127);
			}
			good += wait_for(child) == 0;
		}
		step();
	}
	return good;
}

uint64_t tmpfs_reads(void)
{
	enum { BYTES = 4 << 20, BLOCK = 4096 };
	char *data = room(BYTES), buffer[BLOCK];
	int file = open("/dev/shm", O_TMPFILE | O_RDWR, 0600);
	uint64_t sum = 0, state = 14;

	if (file < 0)
		die("/dev/shm");
	make_text(data, BYTES, 14);
	if (write(file, data, BYTES) != BYTES)
		die("write");
	for (int s = 0; s < STEPS; s++) {
		for (int i = 0; i < 3000; i++) {
			off_t at = (off_t)(next_random(&state) % (BYTES / BLOCK)) * BLOCK;

			if (pread(file, buffer, BLOCK, at) != BLOCK)
				die("pread");
			sum = mix(sum, (unsigned char)buffer[i % BLOCK]);
		}
		step();
	}
	return sum;
}
