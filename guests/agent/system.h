/*
 * The system calls that the agent makes, and the little that a program without a C library lacks. An architecture adds its
 * entry and its way into the kernel in a file of its own; everything else is the same for all that are little-endian.
 * A call returns what the kernel does: -errno on an error.
 */
#ifndef SYSTEM_H
#define SYSTEM_H

#include <asm/poll.h>
#include <asm/stat.h>
#include <asm/termios.h>
#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/eventpoll.h>
#include <linux/fcntl.h>
#include <linux/limits.h>
#include <linux/mman.h>
#include <linux/random.h>
#include <linux/reboot.h>
#include <linux/resource.h>
#include <linux/sched.h>
#include <linux/signal.h>
#include <linux/signalfd.h>
#include <linux/stat.h>
#include <linux/time.h>
#include <linux/wait.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t i64;

#if defined(__powerpc64__)
#include "powerpc64.h"
#elif defined(__x86_64__)
#include "x86_64.h"
#elif defined(__i386__)
#include "i386.h"
#else
#error "the agent does not know this architecture"
#endif
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "frames are little-endian, and so is the agent");

#define call(number, ...) call_(number, __VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define call_(number, a, b, c, d, e, f, ...) \
	raw_call(__NR_##number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

#define SIGNALS 64
/* That the agent may have open. */
#define DESCRIPTORS 16384
/* Pages are at most so large. */
#define PAGE_MOST 65536

/* The compiler makes calls of these. */
#if defined(__x86_64__) || defined(__i386__)
/* Processors, and those of unikvm, do this by the page. */
void *memcpy(void *to, const void *from, size_t n)
{
	void *t = to;
	__asm__ volatile("rep movsb" : "+D"(t), "+S"(from), "+c"(n) : : "memory");
	return to;
}

void *memset(void *to, int value, size_t n)
{
	void *t = to;
	__asm__ volatile("rep stosb" : "+D"(t), "+c"(n) : "a"(value) : "memory");
	return to;
}
#else
void *memcpy(void *to, const void *from, size_t n)
{
	u8 *t = to;
	const u8 *f = from;
	for (; n >= 32; n -= 32, t += 32, f += 32) {
		u64 a, b, c, d;
		__builtin_memcpy(&a, f, 8);
		__builtin_memcpy(&b, f + 8, 8);
		__builtin_memcpy(&c, f + 16, 8);
		__builtin_memcpy(&d, f + 24, 8);
		__builtin_memcpy(t, &a, 8);
		__builtin_memcpy(t + 8, &b, 8);
		__builtin_memcpy(t + 16, &c, 8);
		__builtin_memcpy(t + 24, &d, 8);
	}
	for (; n >= 8; n -= 8, t += 8, f += 8) __builtin_memcpy(t, f, 8);
	while (n--) *t++ = *f++;
	return to;
}

void *memset(void *to, int value, size_t n)
{
	u8 *t = to;
	u64 word = 0x0101010101010101ULL * (u8)value;
	for (; n >= 8; n -= 8, t += 8) __builtin_memcpy(t, &word, 8);
	while (n--) *t++ = value;
	return to;
}
#endif

void *memmove(void *to, const void *from, size_t n)
{
	u8 *t = to;
	const u8 *f = from;
	if (t <= f) return memcpy(to, from, n);
	while (n--) t[n] = f[n];
	return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const u8 *x = a, *y = b;
	for (; n--; x++, y++)
		if (*x != *y) return *x - *y;
	return 0;
}

size_t strlen(const char *s)
{
	size_t n = 0;
	while (s[n]) n++;
	return n;
}

static bool same(const char *a, const char *b)
{
	size_t n = strlen(a);
	return n == strlen(b) && memcmp(a, b, n) == 0;
}

static bool starts(const char *s, const char *with)
{
	while (*with)
		if (*s++ != *with++) return false;
	return true;
}

/* Puts `from` behind what is in `to`, as far as there is room in `size` bytes; false: it was cut off. */
static bool append(char *to, size_t size, const char *from)
{
	size_t at = strlen(to);
	while (*from && at + 1 < size) to[at++] = *from++;
	to[at] = 0;
	return !*from;
}

/* Digits to the first other character; -1: there is none, or the number is too large. */
static i64 number(const char *s, int base)
{
	i64 n = 0;
	const char *begin = s;
	for (; *s >= '0' && *s < '0' + base; s++) {
		n = n * base + (*s - '0');
		if (n > 0x7fffffffffffL) return -1;
	}
	return s == begin ? -1 : n;
}

static void append_number(char *to, size_t size, unsigned long n)
{
	char digits[24];
	int at = sizeof digits - 1;
	digits[at] = 0;
	do digits[--at] = '0' + n % 10;
	while (n /= 10);
	append(to, size, digits + at);
}

/* On the console, for who looks for a reason. */
static void complain(const char *what, long error)
{
	char line[160] = "unikvm-agent: ";
	append(line, sizeof line - 1, what);
	if (error < 0) {
		append(line, sizeof line - 1, ": error ");
		append_number(line, sizeof line - 1, -error);
	}
	append(line, sizeof line, "\n");
	call(write, 2, line, strlen(line));
}

static void nap(long milliseconds)
{
	struct __kernel_timespec time = { milliseconds / 1000, milliseconds % 1000 * 1000000 };
	call(clock_nanosleep, 1 /* CLOCK_MONOTONIC */, 0, &time, 0);
}

/* All of it, to what blocks. 0 or -errno. */
static long put_all(int fd, const void *bytes, size_t n)
{
	const u8 *at = bytes;
	while (n > 0) {
		long done = call(write, fd, at, n);
		if (done == -EINTR) continue;
		if (done <= 0) return done < 0 ? done : -EIO;
		at += done;
		n -= done;
	}
	return 0;
}

/* The same; false: it could not be written. */
static bool write_all(int fd, const void *bytes, size_t n)
{
	return put_all(fd, bytes, n) == 0;
}

/* To a byte of a file, from its beginning. 0 or -errno. */
static long seek(int fd, u64 to)
{
#if __SIZEOF_LONG__ == 8
	long at = call(lseek, fd, to, 0);
	return at < 0 ? at : 0;
#else
	u64 at;
	return call(_llseek, fd, to >> 32, to, &at, 0);
#endif
}

/* A file's contents as a string, cut off at its room; its length, or -errno. */
static long read_text(const char *path, char *to, size_t size)
{
	long fd = call(openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0) return fd;
	size_t at = 0;
	while (at + 1 < size) {
		long n = call(read, fd, to + at, size - 1 - at);
		if (n == -EINTR) continue;
		if (n <= 0) break;
		at += n;
	}
	to[at] = 0;
	call(close, fd);
	return at;
}

/* A text to a file that is there, as one of the kernel's. 0 or -errno. */
static long write_text(const char *path, const char *text)
{
	long fd = call(openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0);
	if (fd < 0) return fd;
	long n = call(write, fd, text, strlen(text));
	call(close, fd);
	return n < 0 ? n : 0;
}

#endif
