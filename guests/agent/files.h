/*
 * What the agent does itself with files, each in a process of its own as a program would: arguments in, bytes through stdin
 * and stdout, and the errno as the exit status. So a file that blocks holds up nobody else, an abort is a signal, and an
 * image needs no programs. src/api/fs.ts is the other end.
 */
#ifndef FILES_H
#define FILES_H

static u8 piece[262144];

/* Copies until the end, or `most` bytes. 0 or -errno. */
static long copy(int from, int to, u64 most)
{
	while (most > 0) {
		long n = call(read, from, piece, most < sizeof piece ? most : sizeof piece);
		if (n == -EINTR) continue;
		if (n <= 0) return n;
		long error = put_all(to, piece, n);
		if (error < 0) return error;
		most -= n;
	}
	return 0;
}

/* As 13 numbers: mode, size, inode, links, user, group, device, special device, block size, blocks, and atime, mtime, ctime in
 * nanoseconds. */
static long file_state(char **a, int flags)
{
	struct statx s;
	long error = call(statx, AT_FDCWD, a[0], flags, STATX_BASIC_STATS, &s);
	if (error < 0) return error;
#define NANOSECONDS(t) ((t).tv_sec * 1000000000LL + (t).tv_nsec)
	u64 all[] = { s.stx_mode, s.stx_size, s.stx_ino, s.stx_nlink, s.stx_uid, s.stx_gid,
		      (u64)s.stx_dev_major << 32 | s.stx_dev_minor, (u64)s.stx_rdev_major << 32 | s.stx_rdev_minor,
		      s.stx_blksize, s.stx_blocks, NANOSECONDS(s.stx_atime), NANOSECONDS(s.stx_mtime),
		      NANOSECONDS(s.stx_ctime) };
	return write_all(1, all, sizeof all) ? 0 : -EPIPE;
}

static long do_stat(char **a) { return file_state(a, 0); }
static long do_lstat(char **a) { return file_state(a, AT_SYMLINK_NOFOLLOW); }

static long do_readlink(char **a)
{
	char target[PATH_MAX];
	long n = call(readlinkat, AT_FDCWD, a[0], target, sizeof target);
	if (n < 0) return n;
	return write_all(1, target, n) ? 0 : -EPIPE;
}

struct entry {
	u64 inode;
	int64_t offset;
	u16 length;
	u8 type;
	char name[];
};

static bool is_dots(const char *name)
{
	return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

static long open_folder(int at, const char *path, int flags)
{
	return call(openat, at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags, 0);
}

/* DT_ values of getdents64(2). */
enum { TYPE_UNKNOWN = 0, TYPE_FOLDER = 4 };

static u8 type_of(int at, const char *name, u8 known)
{
	struct statx s;
	if (known != TYPE_UNKNOWN) return known;
	if (call(statx, at, name, AT_SYMLINK_NOFOLLOW, STATX_TYPE, &s) < 0) return known;
	return s.stx_mode >> 12;
}

/* Each as its type and its name with a zero byte. */
static long do_readdir(char **a)
{
	static char out[65536];
	long fd = open_folder(AT_FDCWD, a[0], 0), n;
	if (fd < 0) return fd;
	while ((n = call(getdents64, fd, piece, 65536)) > 0) {
		size_t used = 0;
		for (long at = 0; at < n; at += ((struct entry *)(piece + at))->length) {
			struct entry *e = (struct entry *)(piece + at);
			size_t length = strlen(e->name) + 1;
			if (is_dots(e->name)) continue;
			if (used + 1 + length > sizeof out) {
				if (!write_all(1, out, used)) return -EPIPE;
				used = 0;
			}
			out[used++] = type_of(fd, e->name, e->type);
			memcpy(out + used, e->name, length);
			used += length;
		}
		if (!write_all(1, out, used)) return -EPIPE;
	}
	return n;
}

/* MODE, "1" if folders above are made too and one that is there is none too many, path. */
static long do_mkdir(char **a)
{
	long mode = number(a[0], 8);
	char *path = a[2];
	if (!same(a[1], "1")) return call(mkdirat, AT_FDCWD, path, mode);
	for (char *at = path + (*path == '/'); ; at++) {
		if (*at && *at != '/') continue;
		char end = *at;
		*at = 0;
		long error = call(mkdirat, AT_FDCWD, path, mode);
		if (error == -EEXIST) {
			struct statx s;
			error = call(statx, AT_FDCWD, path, 0, STATX_TYPE, &s);
			/* At the end as node:fs, and further up as mkdir(2). */
			if (error == 0 && (s.stx_mode & S_IFMT) != S_IFDIR) error = end ? -ENOTDIR : -EEXIST;
		}
		*at = end;
		if (error < 0) return error;
		while (*at == '/' && at[1] == '/') at++;
		if (!*at || !at[1]) return 0;
	}
}

static long remove_all(int at, const char *name, int depth)
{
	long error = call(unlinkat, at, name, 0);
	if (error != -EISDIR && error != -EPERM) return error;
	if (depth == 0) return -ELOOP;
	long fd = open_folder(at, name, O_NOFOLLOW);
	if (fd < 0) return fd == -ENOTDIR ? error : fd;
	/* Removing moves what a folder lists: it is read again until there is nothing left that can be removed. */
	for (bool removed = true; removed;) {
		char list[4096] __attribute__((aligned(8)));
		long n;
		removed = false;
		error = 0;
		call(lseek, fd, 0, 0);
		while ((n = call(getdents64, fd, list, sizeof list)) > 0) {
			for (long i = 0; i < n; i += ((struct entry *)(list + i))->length) {
				struct entry *e = (struct entry *)(list + i);
				if (is_dots(e->name)) continue;
				long failed = remove_all(fd, e->name, depth - 1);
				if (failed == 0) removed = true;
				else if (failed != -ENOENT) error = failed;
			}
		}
		if (n < 0) error = n;
	}
	call(close, fd);
	long last = call(unlinkat, at, name, AT_REMOVEDIR);
	return error < 0 ? error : last;
}

/* "1" if folders go with what is in them, "1" if what is not there is no error, path. */
static long do_rm(char **a)
{
	/* Each level holds a descriptor and a list of names on the stack. */
	long error = same(a[0], "1") ? remove_all(AT_FDCWD, a[2], 1000) : call(unlinkat, AT_FDCWD, a[2], 0);
	return error == -ENOENT && same(a[1], "1") ? 0 : error;
}

static long do_rename(char **a) { return call(renameat2, AT_FDCWD, a[0], AT_FDCWD, a[1], 0); }
static long do_symlink(char **a) { return call(symlinkat, a[0], AT_FDCWD, a[1]); }
static long do_chmod(char **a) { return call(fchmodat, AT_FDCWD, a[1], number(a[0], 8)); }

/* First byte, how many at most ("-": all), path. */
static long do_read(char **a)
{
	i64 start = number(a[0], 10), most = same(a[1], "-") ? 0x7fffffffffffL : number(a[1], 10);
	if (start < 0 || most < 0) return -EINVAL;
	long fd = call(openat, AT_FDCWD, a[2], O_RDONLY | O_LARGEFILE | O_CLOEXEC, 0);
	if (fd < 0) return fd;
	/* A folder opens, and says what it is only when it is read. */
	if (start > 0) {
		long error = seek(fd, start);
		if (error < 0) return error;
	}
	return copy(fd, 1, most);
}

/* "w", "a" or "wx" as node:fs, MODE, path. */
static long do_write(char **a)
{
	long mode = number(a[1], 8);
	int how = same(a[0], "a") ? O_APPEND : same(a[0], "wx") ? O_EXCL | O_TRUNC : O_TRUNC;
	if (mode < 0) return -EINVAL;
	long fd = call(openat, AT_FDCWD, a[2], O_WRONLY | O_CREAT | O_LARGEFILE | O_CLOEXEC | how, mode);
	if (fd < 0) return fd;
	long error = copy(0, fd, ~0ULL);
	/* The disk may be full only now. */
	long closed = call(close, fd);
	return error < 0 ? error : closed;
}

#include "limits.h"
#include "tar.h"
#include "tree.h"

struct built_in {
	const char *name;
	/* How many it has. */
	u32 least, most;
	long (*run)(char **arguments);
};

static const struct built_in built_ins[] = {
	{ "stat", 1, 1, do_stat },
	{ "lstat", 1, 1, do_lstat },
	{ "readlink", 1, 1, do_readlink },
	{ "readdir", 1, 1, do_readdir },
	{ "mkdir", 3, 3, do_mkdir },
	{ "rm", 3, 3, do_rm },
	{ "rename", 2, 2, do_rename },
	{ "symlink", 2, 2, do_symlink },
	{ "chmod", 2, 2, do_chmod },
	{ "read", 3, 3, do_read },
	{ "write", 3, 3, do_write },
	{ "pack", 1, STRINGS_MOST, do_pack },
	{ "unpack", 1, 1, do_unpack },
	{ "limit", 1, 1, do_limit },
};

/* The exit status: an errno. */
static int run_built_in(char **arguments, u32 count)
{
	for (size_t i = 0; i < sizeof built_ins / sizeof *built_ins; i++) {
		const struct built_in *one = &built_ins[i];
		if (!same(one->name, arguments[0])) continue;
		return count - 1 < one->least || count - 1 > one->most ? EINVAL : (int)-one->run(arguments + 1);
	}
	return ENOSYS;
}

#endif
