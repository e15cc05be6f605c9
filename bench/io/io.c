/*
 * What the rows of `npm run bench:io` do in the guest. One argument names a file of rows, a line each: NAME KIND ARGUMENTS.
 * Before and after each it prints a line for the host: "@begin NAME", "@end NAME SECONDS AMOUNT".
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { large = 1 << 20, small = 4096, chunk = 128 * 1024 };

static char *buffer;

static void die(const char *what)
{
	printf("@failed %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static uint64_t next_random(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return *state = x;
}

static int open_disk(const char *path, int flags)
{
	int fd = open(path, flags);

	if (fd < 0)
		die(path);
	return fd;
}

/* The disk's first `bytes`, one after the other, so many times, past the guest's cache. */
static double sequential(const char *path, long bytes, long times, int writes)
{
	int fd = open_disk(path, O_RDWR | O_DIRECT);

	for (long done = 0; done < times * bytes; done += large) {
		long at = done % bytes;

		if (writes)
			memset(buffer, 1 + done / large, small);
		if ((writes ? pwrite : (ssize_t (*)(int, const void *, size_t, off_t))pread)(fd, buffer, large, at) != large)
			die("a large request");
	}
	if (writes && fsync(fd))
		die("fsync");
	close(fd);
	return (double)times * bytes;
}

/* As programs read: through the guest's cache, which has nothing of it yet. */
static double buffered(const char *path, long bytes, long times)
{
	int fd = open_disk(path, O_RDONLY);

	for (long done = 0; done < times * bytes; done += chunk) {
		if (done % bytes == 0)
			posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
		if (pread(fd, buffer, chunk, done % bytes) != chunk)
			die("a read");
	}
	close(fd);
	return (double)times * bytes;
}

/* `count` pages of the disk's first `bytes`, each waited for. */
static double scattered(const char *path, long bytes, long count, int writes)
{
	int fd = open_disk(path, O_RDWR | O_DIRECT);
	uint64_t random = 88172645463325252u;

	for (long i = 0; i < count; i++) {
		off_t at = next_random(&random) % (bytes / small) * small;

		if ((writes ? pwrite : (ssize_t (*)(int, const void *, size_t, off_t))pread)(fd, buffer, small, at) != small)
			die("a small request");
	}
	if (writes && fsync(fd))
		die("fsync");
	close(fd);
	return count;
}

static int dial(const char *port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	inet_pton(AF_INET, "10.0.2.2", &to.sin_addr);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to))
		die("connect");
	return fd;
}

/* All that the server sends. */
static double down(const char *port)
{
	int fd = dial(port);
	double sum = 0;
	ssize_t got;

	while ((got = read(fd, buffer, chunk)) > 0)
		sum += got;
	if (got < 0)
		die("read");
	close(fd);
	return sum;
}

/* `bytes` to the server, which answers with a byte when it has them all. */
static double up(const char *port, long bytes)
{
	int fd = dial(port);

	for (long done = 0; done < bytes;) {
		ssize_t sent = write(fd, buffer, chunk);

		if (sent < 0)
			die("write");
		done += sent;
	}
	shutdown(fd, SHUT_WR);
	if (read(fd, buffer, 1) != 1)
		die("the answer");
	close(fd);
	return bytes;
}

/* `count` connections at the same time, each of which is asked and answers. */
static double many(const char *port, long count)
{
	int *fds = calloc(count, sizeof *fds);

	for (long i = 0; i < count; i++)
		fds[i] = dial(port);
	for (long i = 0; i < count; i++)
		if (write(fds[i], "?", 1) != 1)
			die("write");
	for (long i = 0; i < count; i++)
		if (read(fds[i], buffer, 1) != 1)
			die("an answer");
	for (long i = 0; i < count; i++)
		close(fds[i]);
	free(fds);
	return count;
}

static double run(const char *kind, const char *where, long a, long b)
{
	if (!strcmp(kind, "read"))
		return sequential(where, a, b, 0);
	if (!strcmp(kind, "write"))
		return sequential(where, a, b, 1);
	if (!strcmp(kind, "buffered"))
		return buffered(where, a, b);
	if (!strcmp(kind, "scattered-read"))
		return scattered(where, a, b, 0);
	if (!strcmp(kind, "scattered-write"))
		return scattered(where, a, b, 1);
	if (!strcmp(kind, "down"))
		return down(where);
	if (!strcmp(kind, "up"))
		return up(where, a);
	if (!strcmp(kind, "many"))
		return many(where, a);
	errno = EINVAL;
	die(kind);
	return 0;
}

int main(int argc, char **argv)
{
	FILE *rows = argc > 1 ? fopen(argv[1], "r") : NULL;
	char name[64], kind[32], where[64];
	long a, b;

	setvbuf(stdout, NULL, _IONBF, 0);
	if (!rows || posix_memalign((void **)&buffer, 65536, large))
		die("the rows");
	memset(buffer, 'x', large);
	while (fscanf(rows, "%63s %31s %63s %ld %ld", name, kind, where, &a, &b) == 5) {
		double begin, amount;

		/* What the console still has to say is not the row's. */
		usleep(300000);
		printf("@begin %s\n", name);
		begin = now();
		amount = run(kind, where, a, b);
		printf("@end %s %.6f %.0f\n", name, now() - begin, amount);
	}
	return 0;
}
