/* Who a program runs as: the guest's own /etc/passwd and /etc/group, read as passwd(5) and group(5) say. */
#ifndef USERS_H
#define USERS_H

#define DATABASE_MOST (1 << 20)
#define GROUPS_MOST 256
static char database[DATABASE_MOST];

struct user {
	u32 id, group;
	char name[256], home[PATH_MAX], shell[PATH_MAX];
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

/* Becomes that user, for good. 0 or -errno. */
static long become(const struct user *user)
{
	static u32 groups[GROUPS_MOST];
	int count = 0;
	groups[count++] = user->group;
	char *at = database, *line, *field[4];
	if (read_text("/etc/group", database, sizeof database) < 0) database[0] = 0;
	while (count < GROUPS_MOST && (line = next_line(&at)))
		if (fields(line, field, 4) == 4 && all_digits(field[2]) && is_member(field[3], user->name))
			groups[count++] = number(field[2], 10);
	long error = call(setgroups, count, groups);
	if (error == 0) error = call(setresgid, user->group, user->group, user->group);
	if (error == 0) error = call(setresuid, user->id, user->id, user->id);
	return error;
}

#endif
