/* Who a program runs as: the guest's own /etc/passwd and /etc/group, read as passwd(5) and group(5) say. */
#ifndef USERS_H
#define USERS_H

#define DATABASE_MOST (1 << 20)
#define GROUPS_MOST 256
static char database[DATABASE_MOST];

struct user {
	u32 id, group;
	char name[256], home[PATH_MAX], shell[PATH_MAX];
	/* Of the group database; the first is its own. */
	u32 groups[GROUPS_MOST];
	int count;
};

/* Splits a line at its colons into at most `most` fields, in place; how many there are. */
static int fields(char *line, char **to, int most)
{
	int n = 0;
	for (; n < most; n++) {
		to[n] = line;
		while (*line && *line != ':') line++;
		if (!*line) return n + 1;
		*line++ = 0;
	}
	return n;
}

/* Takes the next line of the database, in place; NULL: there is none. */
static char *next_line(char **at)
{
	char *line = *at;
	if (!*line) return NULL;
	char *end = line;
	while (*end && *end != '\n') end++;
	*at = *end ? end + 1 : end;
	*end = 0;
	return line;
}

static bool all_digits(const char *s)
{
	if (!*s) return false;
	for (; *s; s++)
		if (*s < '0' || *s > '9') return false;
	return true;
}

/* A group's number, by name or as it stands; -1: there is none. */
static i64 find_group(const char *name)
{
	if (all_digits(name)) return number(name, 10);
	char *at = database, *line, *field[4];
	if (read_text("/etc/group", database, sizeof database) < 0) return -1;
	while ((line = next_line(&at)))
		if (fields(line, field, 4) >= 3 && same(field[0], name)) return number(field[2], 10);
	return -1;
}

/* Finds "name", "7" or either with ":group" behind it. Who is not in passwd(5) can be named by number. 0 or -errno. */
static long find_user(const char *wanted, struct user *user)
{
	char name[256] = "", group[256] = "";
	size_t length = 0;
	while (wanted[length] && wanted[length] != ':') length++;
	if (length >= sizeof name || strlen(wanted + length) >= sizeof group) return -EINVAL;
	memcpy(name, wanted, length);
	name[length] = 0;
	append(group, sizeof group, wanted + length);
	bool by_number = all_digits(name), found = false;
	user->group = 0;
	append(user->home, sizeof user->home, "/");
	append(user->shell, sizeof user->shell, "/bin/sh");
	append(user->name, sizeof user->name, name);
	if (by_number) {
		i64 id = number(name, 10);
		if (id < 0 || id >= 0xffffffffL) return -EINVAL;
		user->id = user->group = id;
	}
	char *at = database, *line, *field[7];
	if (read_text("/etc/passwd", database, sizeof database) < 0) database[0] = 0;
	while (!found && (line = next_line(&at))) {
		int n = fields(line, field, 7);
		if (n < 4 || !all_digits(field[2]) || !all_digits(field[3])) continue;
		found = by_number ? number(field[2], 10) == (i64)user->id : same(field[0], name);
		if (!found) continue;
		user->id = number(field[2], 10);
		user->group = number(field[3], 10);
		user->name[0] = 0;
		append(user->name, sizeof user->name, field[0]);
		if (n >= 6 && *field[5]) user->home[0] = 0, append(user->home, sizeof user->home, field[5]);
		if (n >= 7 && *field[6]) user->shell[0] = 0, append(user->shell, sizeof user->shell, field[6]);
	}
	/* An image without passwd(5) has root all the same. */
	if (!found && same(name, "root")) {
		user->id = user->group = 0;
		user->home[0] = 0;
		append(user->home, sizeof user->home, "/root");
	} else if (!found && !by_number) return -ENOENT;
	if (!*group) return 0;
	i64 id = find_group(group + 1);
	if (id < 0) return -ENOENT;
	user->group = id;
	return 0;
}

static bool is_member(char *members, const char *name)
{
	for (;;) {
		size_t n = 0;
		while (members[n] && members[n] != ',') n++;
		if (n == strlen(name) && memcmp(members, name, n) == 0) return true;
		if (!members[n]) return false;
		members += n + 1;
	}
}

/* Finds the groups that a user is in. */
static void find_groups(struct user *user)
{
	char *at = database, *line, *field[4];
	user->count = 0;
	user->groups[user->count++] = user->group;
	if (read_text("/etc/group", database, sizeof database) < 0) return;
	while (user->count < GROUPS_MOST && (line = next_line(&at)))
		if (fields(line, field, 4) == 4 && all_digits(field[2]) && is_member(field[3], user->name))
			user->groups[user->count++] = number(field[2], 10);
}

/* The user whom the last program was begun for, most are for the same, and the databases as they were then. */
static struct {
	struct user user;
	char wanted[256];
	struct statx files[2];
} last;

/* Zeros where there is none. To be read changes nothing of it. */
static void look_at_databases(struct statx *files)
{
	memset(files, 0, 2 * sizeof *files);
	call(statx, AT_FDCWD, "/etc/passwd", 0, STATX_BASIC_STATS, &files[0]);
	call(statx, AT_FDCWD, "/etc/group", 0, STATX_BASIC_STATS, &files[1]);
	for (int i = 0; i < 2; i++) memset(&files[i].stx_atime, 0, sizeof files[i].stx_atime);
}

/* As find_user and find_groups, which are only done again when the databases have changed. */
static long look_up(const char *wanted, const struct user **user)
{
	struct statx files[2];
	struct __kernel_timespec now;
	*user = &last.user;
	look_at_databases(files);
	if (*wanted && same(last.wanted, wanted) && memcmp(files, last.files, sizeof files) == 0) return 0;
	last.wanted[0] = last.user.name[0] = last.user.home[0] = last.user.shell[0] = 0;
	long error = find_user(wanted, &last.user);
	if (error < 0) return error;
	find_groups(&last.user);
	/* A file that is changed again right after it was read may have the same time. */
	call(clock_gettime, 0 /* CLOCK_REALTIME */, &now);
	for (int i = 0; i < 2; i++)
		if (files[i].stx_ctime.tv_sec + 2 >= now.tv_sec) return 0;
	memcpy(last.files, files, sizeof files);
	if (!append(last.wanted, sizeof last.wanted, wanted)) last.wanted[0] = 0;
	return 0;
}

/* Becomes that user, for good. 0 or -errno. */
static long become(const struct user *user)
{
	/* So it is already: what the agent begins is root, and in no other group. */
	if (user->id == 0 && user->group == 0 && user->count == 1) return 0;
	long error = call(setgroups, user->count, user->groups);
	if (error == 0) error = call(setresgid, user->group, user->group, user->group);
	if (error == 0) error = call(setresuid, user->id, user->id, user->id);
	return error;
}

#endif
