/*
 * Whole trees as tar streams, the agent's "pack" and "unpack": in a process of its own like all of files.h, so that an image
 * needs no tar. What is unpacked stays below its folder, whatever the archive says: each name is resolved by the kernel with
 * RESOLVE_BENEATH, and nothing is written through what lies where a new thing is to be. src/api/trees.ts is the other end.
 */
#ifndef TREE_H
#define TREE_H

#include <linux/openat2.h>

/* Folders in each other. */
#define DEPTH_MOST 1000

/* A sentence about an entry, for the host to show. */
static long tree_error(long error, const char *name, const char *why)
{
	call(write, 2, name, strlen(name));
	if (why) {
		call(write, 2, ": ", 2);
		call(write, 2, why, strlen(why));
	}
	return error;
}

/* ---- packing ---- */

static u8 packed[1 << 18];
static size_t packed_length;
/* What is being packed, and its name as long as it is. */
static struct tar_entry packing;
static char **excluded;

static bool put_packed(void)
{
	bool done = write_all(1, packed, packed_length);
	packed_length = 0;
	return done;
}

/* Room for `n` bytes; NULL: the host takes no more. */
static u8 *room_packed(size_t n)
{
	if (packed_length + n > sizeof packed && !put_packed()) return NULL;
	return packed + packed_length;
}

static bool pad_packed(void)
{
	size_t n = -packed_length & (BLOCK - 1);
	u8 *to = room_packed(n);
	if (!to) return false;
	memset(to, 0, n);
	packed_length += n;
	return true;
}

/* As a shell's pattern, in which '*' and '?' stand for '/' as well. */
static bool matches(const char *pattern, const char *name)
{
	const char *star = NULL, *again = NULL;
	for (;;) {
		if (*pattern == '*') star = pattern++, again = name;
		else if (*name && (*pattern == '?' || *pattern == *name)) pattern++, name++;
		else if (!*name && !*pattern) return true;
		else if (star && *again) pattern = star + 1, name = ++again;
		else return false;
	}
}

/* A pattern with a slash is for the whole path, another for the last name. */
static bool is_excluded(const char *path, const char *last)
{
	for (char **pattern = excluded; *pattern; pattern++) {
		bool whole = false;
		for (const char *c = *pattern; *c; c++) whole |= *c == '/';
		if (matches(*pattern, whole ? path : last)) return true;
	}
	return false;
}

/* Whether a file system's files are made up by the kernel: nobody's data, and some without an end. */
static bool is_made_up(int at, const char *name)
{
	static const u32 kinds[] = {
		0x9fa0 /* proc */, 0x62656572 /* sysfs */, 0x27e0eb /* cgroup */, 0x63677270 /* cgroup2 */, 0x1cd1 /* devpts */,
		0x64626720 /* debugfs */, 0x74726163 /* tracefs */, 0x73636673 /* securityfs */, 0xcafe4a11 /* bpf */,
		0x19800202 /* mqueue */, 0x62656570 /* configfs */, 0x6165676c /* pstore */, 0x65735543 /* fusectl */,
		0xde5e81e4 /* efivarfs */,
	};
	long state[32] = { 0 };
	long fd = open_folder(at, name, O_NOFOLLOW);
	if (fd < 0) return false;
	long error = call(fstatfs, fd, state);
	call(close, fd);
	for (size_t i = 0; error == 0 && i < sizeof kinds / sizeof *kinds; i++)
		if ((u32)state[0] == kinds[i]) return true;
	return false;
}

static bool put_head(void)
{
	u8 *to = room_packed(TAR_HEAD_MOST);
	if (!to) return false;
	packed_length += tar_write((char *)to, &packing);
	return true;
}

/* As many bytes as the head says: a file that has become shorter has zeros behind its end, as tar does it. */
static long pack_contents(int fd, u64 size)
{
	bool over = false;
	while (size > 0) {
		u8 *to = room_packed(1);
		if (!to) return -EPIPE;
		u64 most = sizeof packed - packed_length;
		if (most > size) most = size;
		long n = over ? 0 : call(read, fd, to, most);
		if (n == -EINTR) continue;
		if (n < 0) return n;
		if (n == 0) {
			over = true;
			memset(to, 0, n = most);
		}
		packed_length += n;
		size -= n;
	}
	return pad_packed() ? 0 : -EPIPE;
}

static u64 device_of(const struct statx *s) { return (u64)s->stx_dev_major << 32 | s->stx_dev_minor; }

static long pack_folder(int at, const char *name, size_t length, u64 device, int depth);

/* `length`: of packing.name, which names it. What goes away meanwhile is left out. */
static long pack_one(int at, const char *name, size_t length, u64 device, int depth)
{
	struct statx s;
	int flags = depth == DEPTH_MOST ? 0 : AT_SYMLINK_NOFOLLOW;
	bool folder, first = depth == DEPTH_MOST;
	long fd = -1, error = call(statx, at, name, flags, STATX_BASIC_STATS, &s);
	if (error == 0 && (s.stx_mode & S_IFMT) == S_IFREG) {
		fd = call(openat, at, name, O_RDONLY | O_LARGEFILE | O_CLOEXEC | O_NONBLOCK | (first ? 0 : O_NOFOLLOW), 0);
		error = fd < 0 ? fd : call(statx, fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &s);
		if (error == 0 && (s.stx_mode & S_IFMT) != S_IFREG) error = -ENOENT;
	}
	if (error == -ENOENT && !first) error = 0;
	else if (error == 0) {
		packing.mode = s.stx_mode & 07777;
		packing.user = s.stx_uid;
		packing.group = s.stx_gid;
		packing.major = s.stx_rdev_major;
		packing.minor = s.stx_rdev_minor;
		packing.size = 0;
		packing.seconds = s.stx_mtime.tv_sec;
		packing.nanoseconds = s.stx_mtime.tv_nsec;
		packing.link[0] = 0;
		folder = false;
		switch (s.stx_mode & S_IFMT) {
		case S_IFREG: packing.type = '0', packing.size = s.stx_size; break;
		case S_IFDIR: packing.type = '5', folder = true; break;
		case S_IFCHR: packing.type = '3'; break;
		case S_IFBLK: packing.type = '4'; break;
		case S_IFIFO: packing.type = '6'; break;
		case S_IFLNK: {
			long n = call(readlinkat, at, name, packing.link, sizeof packing.link - 1);
			if (n < 0) return n == -ENOENT ? 0 : n;
			packing.type = '2';
			packing.link[n] = 0;
			break;
		}
		/* Sockets are somebody's who runs. */
		default: return 0;
		}
		if (folder) {
			if (length + 1 >= sizeof packing.name) return -ENAMETOOLONG;
			packing.name[length++] = '/';
			packing.name[length] = 0;
		}
		if (!put_head()) error = -EPIPE;
		else if (fd >= 0) error = pack_contents(fd, packing.size);
		else if (folder && (first || device_of(&s) == device || !is_made_up(at, name)))
			error = pack_folder(at, name, length, device_of(&s), depth);
	}
	if (fd >= 0) call(close, fd);
	return error;
}

static long pack_folder(int at, const char *name, size_t length, u64 device, int depth)
{
	char list[8192] __attribute__((aligned(8)));
	long n, error = 0;
	if (depth == 0) return -ELOOP;
	long fd = open_folder(at, name, depth == DEPTH_MOST ? 0 : O_NOFOLLOW);
	if (fd < 0) return fd == -ENOENT ? 0 : fd;
	/* "./" stands for the folder itself, and for nothing below it. */
	if (depth == DEPTH_MOST) length = 0;
	while (error == 0 && (n = call(getdents64, fd, list, sizeof list)) > 0) {
		for (long i = 0; i < n && error == 0; i += ((struct entry *)(list + i))->length) {
			struct entry *e = (struct entry *)(list + i);
			size_t own = strlen(e->name);
			if (is_dots(e->name)) continue;
			if (length + own + 1 >= sizeof packing.name) {
				error = -ENAMETOOLONG;
				break;
			}
			memcpy(packing.name + length, e->name, own + 1);
			if (is_excluded(packing.name, e->name)) continue;
			error = pack_one(fd, e->name, length + own, device, depth - 1);
		}
	}
	if (error == 0 && n < 0) error = n;
	call(close, fd);
	return error;
}

/* Path, patterns of what is left out. A folder's entries are named from it on, a file has its last name. */
static long do_pack(char **a)
{
	struct statx s;
	excluded = a + 1;
	long error = call(statx, AT_FDCWD, a[0], 0, STATX_TYPE, &s);
	if (error < 0) return error;
	const char *last = ".";
	if ((s.stx_mode & S_IFMT) != S_IFDIR)
		for (const char *c = last = a[0]; *c; c++)
			if (*c == '/' && c[1]) last = c + 1;
	if (strlen(last) >= sizeof packing.name) return -ENAMETOOLONG;
	memcpy(packing.name, last, strlen(last) + 1);
	error = pack_one(AT_FDCWD, a[0], strlen(last), 0, DEPTH_MOST);
	if (error < 0) return tree_error(error, packing.name, NULL);
	u8 *to = room_packed(2 * BLOCK);
	if (!to) return -EPIPE;
	memset(to, 0, 2 * BLOCK);
	packed_length += 2 * BLOCK;
	return put_packed() ? 0 : -EPIPE;
}

/* ---- unpacking ---- */

static u8 unpacked[1 << 18];
static size_t unpacked_at, unpacked_length;
static int root;
static bool root_made;
/* The folder that the last entry was put in: its name, "" for the root. */
static char parent_name[PATH_MAX];
static int parent = -1;
/* What is made in it may have its group, where that is not root's. */
static bool parent_gives_group;

/* Folders that entries are still put in: their times are set when that is over. Each is in the one before it. */
#define OPEN_FOLDERS 128
static struct open_folder {
	int fd;
	/* Of open_names. */
	size_t length;
	struct __kernel_timespec time;
} open_folders[OPEN_FOLDERS];
static size_t open_count;
static char open_names[PATH_MAX];

/* At least one byte more; 0: that was all, or -errno. */
static long more_unpacked(void)
{
	long n;
	if (unpacked_at < unpacked_length) return 1;
	unpacked_at = unpacked_length = 0;
	do n = call(read, 0, unpacked, sizeof unpacked);
	while (n == -EINTR);
	if (n > 0) unpacked_length = n;
	return n;
}

/* All of `n` bytes; NULL `to`: they are of no interest. 0 or -errno; -EBADMSG: the archive breaks off. */
static long take_unpacked(void *to, u64 n)
{
	while (n > 0) {
		long error = more_unpacked();
		if (error <= 0) return error < 0 ? error : -EBADMSG;
		u64 part = unpacked_length - unpacked_at;
		if (part > n) part = n;
		if (to) memcpy(to, unpacked + unpacked_at, part), to = (u8 *)to + part;
		unpacked_at += part;
		n -= part;
	}
	return 0;
}

static long open_beneath(const char *path, int flags)
{
	struct open_how how = { O_CLOEXEC | flags, 0, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS };
	return call(openat2, root, path, &how, sizeof how);
}

/* Takes out what says nothing ("./", "//", a slash at either end); false: it leads out. */
static bool clean(char *name)
{
	char *to = name, *at = name;
	while (*at) {
		size_t n = 0;
		while (at[n] && at[n] != '/') n++;
		if (n == 2 && at[0] == '.' && at[1] == '.') return false;
		if (n > 0 && !(n == 1 && at[0] == '.')) {
			if (to > name) *to++ = '/';
			memmove(to, at, n);
			to += n;
		}
		at += n;
		while (*at == '/') at++;
	}
	*to = 0;
	return true;
}

/* Splits "a/b" into the folder "a", or "" where there is none, and "b". */
static char *split(char *name)
{
	char *last = NULL;
	for (char *c = name; *c; c++)
		if (*c == '/') last = c;
	if (last) *last = 0;
	return last ? last + 1 : name;
}

/* Opens a folder below the root, made with those above it where it is not there. */
static long open_parent(const char *name)
{
	static char part[PATH_MAX];
	if (parent >= 0 && same(name, parent_name)) return parent;
	if (parent >= 0) call(close, parent);
	parent = -1;
	append((parent_name[0] = 0, parent_name), sizeof parent_name, name);
	long fd = open_beneath(*name ? name : ".", O_PATH | O_DIRECTORY);
	if (fd == -ENOENT) {
		int above = root;
		memcpy(part, name, strlen(name) + 1);
		for (char *at = part;; at++) {
			if (*at && *at != '/') continue;
			char end = *at;
			*at = 0;
			char *begin = at;
			while (begin > part && begin[-1] != '/') begin--;
			call(mkdirat, above, begin, 0755);
			if (above != root) call(close, above);
			fd = above = open_beneath(part, O_PATH | O_DIRECTORY);
			if (fd < 0 || !end) break;
			*at = end;
		}
	}
	if (fd < 0) return fd;
	struct statx s;
	parent = fd;
	parent_gives_group = call(statx, fd, "", AT_EMPTY_PATH, STATX_GID, &s) < 0 || s.stx_gid != 0;
	return fd;
}

/* `made`: it was made in `parent` just now, and is root's like whatever root makes. */
static long set_state(int fd, const struct tar_entry *e, bool made)
{
	long error = 0;
	if (!made || e->user || e->group || parent_gives_group) error = call(fchown, fd, e->user, e->group);
	/* After the owner: a change of that takes the bits for other users away. */
	if (error == 0) error = call(fchmod, fd, e->mode);
	return error;
}

static void close_folders(const char *name)
{
	while (open_count > 0) {
		struct open_folder *last = &open_folders[open_count - 1];
		size_t n = last->length;
		if (name && strlen(name) >= n && memcmp(name, open_names, n) == 0 && (n == 0 || !name[n] || name[n] == '/')) break;
		struct __kernel_timespec times[2] = { last->time, last->time };
		call(utimensat, last->fd, 0, times, 0);
		call(close, last->fd);
		open_count--;
	}
}

/* Sets the folder's time when all that is in it is there. */
static void keep_open(int fd, const char *name, const struct tar_entry *e)
{
	struct __kernel_timespec time = { e->seconds, e->nanoseconds };
	if (open_count == OPEN_FOLDERS) {
		/* So deep that the time of this one is of no interest. */
		call(close, fd);
		return;
	}
	memcpy(open_names, name, strlen(name) + 1);
	open_folders[open_count++] = (struct open_folder){ fd, strlen(name), time };
}

/* `name`: all of its name below the root. */
static long unpack_folder(int at, const char *last, const char *name, const struct tar_entry *e)
{
	long made = call(mkdirat, at, last, 0700);
	if (made < 0 && made != -EEXIST) return made;
	long fd = made == 0 ? open_folder(at, last, O_NOFOLLOW) : open_beneath(name, O_RDONLY | O_DIRECTORY);
	if (fd < 0) return fd;
	long error = set_state(fd, e, false);
	if (error < 0) call(close, fd);
	else keep_open(fd, same(name, ".") ? "" : name, e);
	return error;
}

/* A file that is there is replaced when the new one is whole. */
static long unpack_file(int at, const char *last, const struct tar_entry *e)
{
	static const char *const beside = ".unikvm-unpacking";
	const char *name = last;
	long fd = call(openat, at, name, O_WRONLY | O_CREAT | O_EXCL | O_LARGEFILE | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd == -EEXIST) {
		name = beside;
		call(unlinkat, at, name, 0);
		fd = call(openat, at, name, O_WRONLY | O_CREAT | O_EXCL | O_LARGEFILE | O_NOFOLLOW | O_CLOEXEC, 0600);
	}
	if (fd < 0) return fd;
	long error = 0;
	u64 left = e->size;
	while (left > 0 && error == 0) {
		long n = more_unpacked();
		if (n <= 0) {
			error = n < 0 ? n : -EBADMSG;
			break;
		}
		u64 part = unpacked_length - unpacked_at;
		if (part > left) part = left;
		n = call(write, fd, unpacked + unpacked_at, part);
		if (n == -EINTR) continue;
		if (n < 0) error = n;
		else unpacked_at += n, left -= n;
	}
	struct __kernel_timespec time = { e->seconds, e->nanoseconds }, times[2] = { time, time };
	if (error == 0) error = set_state(fd, e, true);
	if (error == 0) error = call(utimensat, fd, 0, times, 0);
	long closed = call(close, fd);
	if (error == 0) error = closed;
	if (error == 0 && name == beside) error = call(renameat2, at, beside, at, last, 0);
	if (error < 0) call(unlinkat, at, name, 0);
	return error == 0 ? take_unpacked(NULL, -e->size & (BLOCK - 1)) : error;
}

/* What is there makes room; a folder does not. */
static void make_room(int at, const char *last) { call(unlinkat, at, last, 0); }

static long unpack_link(int at, const char *last, const struct tar_entry *e)
{
	static char link[PATH_MAX];
	memcpy(link, e->link, sizeof link);
	if (!clean(link) || !*link) return tree_error(-EPERM, e->name, "a link to what is outside the folder");
	/* The thing itself: it would go to make room for its link. */
	if (same(link, e->name)) return 0;
	char *target = split(link);
	long from = open_beneath(target == link ? "." : link, O_PATH | O_DIRECTORY);
	if (from < 0) return from;
	make_room(at, last);
	long error = call(linkat, from, target, at, last, 0);
	call(close, from);
	return error;
}

static long unpack_entry(struct tar_entry *e)
{
	static char folder[PATH_MAX];
	struct __kernel_timespec time = { e->seconds, e->nanoseconds }, times[2] = { time, time };
	if (!clean(e->name)) return tree_error(-EPERM, e->name, "it leads out of the folder");
	close_folders(e->name);
	/* The folder itself, which stays as it is where it was there before: an archive of /tmp's would close it to others. */
	if (!*e->name) return e->type == '5' && root_made ? unpack_folder(root, ".", ".", e) : 0;
	memcpy(folder, e->name, strlen(e->name) + 1);
	char *last = split(folder);
	long at = open_parent(last == folder ? "" : folder), error;
	if (at < 0) return tree_error(at == -EXDEV ? -EPERM : at, e->name, at == -EXDEV ? "it leads out of the folder" : NULL);
	switch (e->type) {
	case '0':
	case '7':
		error = unpack_file(at, last, e);
		break;
	case '5':
		error = unpack_folder(at, last, e->name, e);
		break;
	case '2':
		make_room(at, last);
		error = call(symlinkat, e->link, at, last);
		if (error == 0) error = call(fchownat, at, last, e->user, e->group, AT_SYMLINK_NOFOLLOW);
		if (error == 0) error = call(utimensat, at, last, times, AT_SYMLINK_NOFOLLOW);
		break;
	case '1':
		error = unpack_link(at, last, e);
		/* Complained already. */
		if (error == -EPERM) return error;
		break;
	case '6':
		make_room(at, last);
		error = call(mknodat, at, last, S_IFIFO | e->mode, 0);
		break;
	case '3':
	case '4':
		return tree_error(-EPERM, e->name, "a device is not made from an archive");
	default:
		return tree_error(-EOPNOTSUPP, e->name, "an entry of a kind that is not known");
	}
	return error < 0 ? tree_error(error == -EXDEV ? -EPERM : error, e->name, NULL) : 0;
}

/* Path of the folder, which is made where it is not there. */
static long do_unpack(char **a)
{
	static struct tar_block block;
	static struct tar_said said;
	static struct tar_entry entry;
	static char text[PAX_MOST];
	char *make[] = { "755", "1", a[0] };
	struct statx s;
	root_made = call(statx, AT_FDCWD, a[0], 0, STATX_TYPE, &s) == -ENOENT;
	long error = do_mkdir(make);
	if (error < 0) return error;
	root = error = open_folder(AT_FDCWD, a[0], 0);
	if (error < 0) return error;
	for (bool any = false;; any = true) {
		error = more_unpacked();
		/* Some leave the end out. */
		if (error == 0 && any) break;
		if (error >= 0) error = take_unpacked(&block, sizeof block);
		if (error < 0) return tree_error(error, "the archive", "it breaks off");
		if (tar_is_zero(&block)) break;
		if (!tar_read(&block, &said, &entry)) return tree_error(-EBADMSG, "the archive", "what comes is no tar");
		if (entry.type == 'x' || entry.type == 'g' || entry.type == 'L' || entry.type == 'K') {
			u64 size = 0;
			tar_number(block.size, sizeof block.size, &size);
			if (size >= sizeof text) return tree_error(-EBADMSG, "the archive", "a head is too large");
			error = take_unpacked(text, size);
			if (error == 0) error = take_unpacked(NULL, -size & (BLOCK - 1));
			if (error < 0) return tree_error(error, "the archive", "it breaks off");
			text[size] = 0;
			bool known = entry.type == 'g' || (entry.type == 'x' ? tar_records(text, size, &said) : strlen(text) < PATH_MAX);
			if (!known) return tree_error(-EBADMSG, "the archive", "a head says what cannot be understood");
			if (entry.type == 'L') said.name = true, memcpy(said.entry.name, text, strlen(text) + 1);
			if (entry.type == 'K') said.link = true, memcpy(said.entry.link, text, strlen(text) + 1);
			continue;
		}
		error = unpack_entry(&entry);
		if (error < 0) return error;
		said.name = said.link = said.size = said.time = said.user = said.group = false;
	}
	close_folders(NULL);
	/* Whoever writes it is not held up. */
	while ((error = more_unpacked()) > 0) unpacked_at = unpacked_length;
	return error;
}

#endif
