/*
 * Tar's heads as bytes. Source: POSIX.1-2017, pax, "pax Interchange Format" and "ustar Interchange Format"; of GNU tar, long
 * names ('L', 'K') and numbers in base 256. Nothing here calls the system: it is fuzzed by itself.
 */
#ifndef TAR_H
#define TAR_H

#define BLOCK 512
/* Of what a pax head holds; longer ones are none that we read. */
#define PAX_MOST 65536
/* The largest number in a field of 12 and of 8 octal digits with their zero. */
#define OCTAL_12 077777777777UL
#define OCTAL_8 07777777UL

struct tar_block {
	char name[100], mode[8], user[8], group[8], size[12], time[12], sum[8], type, link[100];
	char magic[6], version[2], user_name[32], group_name[32], major[8], minor[8], prefix[155], rest[12];
};
_Static_assert(sizeof(struct tar_block) == BLOCK, "a block of tar has 512 bytes");

/* One thing in an archive. */
struct tar_entry {
	char type;
	u32 mode, user, group, major, minor;
	u64 size;
	int64_t seconds;
	u32 nanoseconds;
	/* With room for PATH_MAX bytes each, the zero included. */
	char name[PATH_MAX], link[PATH_MAX];
};

/* What pax heads and GNU's said of the entry that follows. */
struct tar_said {
	bool name, link, size, time, user, group;
	struct tar_entry entry;
};

/* ---- reading ---- */

/* As octal digits, or base 256 where the first bit is set; false: it is neither, or negative, or too large. */
static bool tar_number(const char *field, size_t length, u64 *to)
{
	u64 n = 0;
	size_t i = 0;
	if (field[0] & 0x80) {
		for (i = 0; i < length; i++) {
			u8 byte = i == 0 ? field[0] & 0x7f : (u8)field[i];
			if (n >> 55) return false;
			n = n << 8 | byte;
		}
		*to = n;
		return true;
	}
	while (i < length && field[i] == ' ') i++;
	for (; i < length && field[i] >= '0' && field[i] <= '7'; i++) {
		if (n >> 60) return false;
		n = n << 3 | (field[i] - '0');
	}
	if (i < length && field[i] && field[i] != ' ') return false;
	*to = n;
	return true;
}

/* The sum of its bytes, with blanks for the sum itself. */
static u32 tar_sum(const struct tar_block *block)
{
	u32 sum = 0;
	for (size_t i = 0; i < sizeof *block; i++) {
		bool own = i >= offsetof(struct tar_block, sum) && i < offsetof(struct tar_block, type);
		sum += own ? ' ' : ((const u8 *)block)[i];
	}
	return sum;
}

static bool tar_is_zero(const struct tar_block *block)
{
	for (size_t i = 0; i < sizeof *block; i++)
		if (((const u8 *)block)[i]) return false;
	return true;
}

/* A field that ends with a zero or is full; its length. */
static size_t tar_text(char *to, const char *field, size_t length)
{
	size_t n = 0;
	while (n < length && field[n]) n++;
	memcpy(to, field, n);
	to[n] = 0;
	return n;
}

/* What a block says, and what was said before it; false: that is no head. */
static bool tar_read(const struct tar_block *block, const struct tar_said *said, struct tar_entry *e)
{
	u64 sum, mode, user, group, size, time, major = 0, minor = 0;
	if (!tar_number(block->sum, sizeof block->sum, &sum) || sum != tar_sum(block)) return false;
	if (!tar_number(block->mode, sizeof block->mode, &mode)) return false;
	if (!tar_number(block->user, sizeof block->user, &user)) return false;
	if (!tar_number(block->group, sizeof block->group, &group)) return false;
	if (!tar_number(block->size, sizeof block->size, &size)) return false;
	/* A time before 1970 is of no use to anybody. */
	if (!tar_number(block->time, sizeof block->time, &time)) time = 0;
	bool is_ustar = memcmp(block->magic, "ustar", 5) == 0;
	if (is_ustar) {
		tar_number(block->major, sizeof block->major, &major);
		tar_number(block->minor, sizeof block->minor, &minor);
	}
	if (user > 0xffffffffUL || group > 0xffffffffUL) return false;
	e->type = block->type ? block->type : '0';
	e->mode = mode & 07777;
	e->user = said->user ? said->entry.user : user;
	e->group = said->group ? said->entry.group : group;
	e->size = said->size ? said->entry.size : size;
	e->seconds = said->time ? said->entry.seconds : (int64_t)time;
	e->nanoseconds = said->time ? said->entry.nanoseconds : 0;
	e->major = major;
	e->minor = minor;
	size_t at = 0;
	if (said->name) memcpy(e->name, said->entry.name, PATH_MAX);
	else {
		/* Only POSIX's magic, with its zero, has a prefix; GNU's has other things there. */
		if (is_ustar && !block->magic[5] && block->prefix[0]) {
			at = tar_text(e->name, block->prefix, sizeof block->prefix);
			e->name[at++] = '/';
		}
		tar_text(e->name + at, block->name, sizeof block->name);
	}
	if (said->link) memcpy(e->link, said->entry.link, PATH_MAX);
	else tar_text(e->link, block->link, sizeof block->link);
	if (e->size >> 62) return false;
	/* Before there was a type for folders they ended with a slash. */
	at = strlen(e->name);
	if (e->type == '0' && at > 0 && e->name[at - 1] == '/') e->type = '5';
	return true;
}

/* Decimal digits up to `end`, of which one may be a point; false: there are none. */
static bool tar_decimal(const char *at, const char *end, u64 *whole, u32 *billionths)
{
	u32 scale = 100000000;
	const char *begin = at;
	*whole = 0;
	*billionths = 0;
	for (; at < end && *at >= '0' && *at <= '9'; at++) {
		if (*whole > 0x7fffffffffffUL) return false;
		*whole = *whole * 10 + (*at - '0');
	}
	if (at == begin) return false;
	if (at < end && *at == '.')
		for (at++; at < end && *at >= '0' && *at <= '9'; at++, scale /= 10) *billionths += scale * (*at - '0');
	return at == end;
}

static bool tar_key(const char *at, size_t length, const char *key)
{
	return length == strlen(key) && memcmp(at, key, length) == 0;
}

static bool tar_copy(char *to, const char *at, const char *end)
{
	size_t n = end - at;
	if (n >= PATH_MAX) return false;
	for (size_t i = 0; i < n; i++)
		if (!at[i]) return false;
	memcpy(to, at, n);
	to[n] = 0;
	return true;
}

/* Takes a pax head's records; false: they are none, or say something that we cannot do. */
static bool tar_records(const char *bytes, size_t size, struct tar_said *said)
{
	const char *at = bytes, *all = bytes + size;
	while (at < all) {
		u64 length = 0, number;
		u32 fraction;
		const char *record = at;
		for (; at < all && *at >= '0' && *at <= '9' && length <= size; at++) length = length * 10 + (*at - '0');
		if (at == all || *at != ' ' || length > (size_t)(all - record) || length < (size_t)(at - record) + 3) return false;
		const char *key = at + 1, *end = record + length - 1, *value = key;
		if (*end != '\n') return false;
		while (value < end && *value != '=') value++;
		if (value == end) return false;
		size_t n = value++ - key;
		struct tar_entry *e = &said->entry;
		if (tar_key(key, n, "path")) {
			if (!(said->name = tar_copy(e->name, value, end))) return false;
		} else if (tar_key(key, n, "linkpath")) {
			if (!(said->link = tar_copy(e->link, value, end))) return false;
		} else if (tar_key(key, n, "size")) {
			if (!(said->size = tar_decimal(value, end, &e->size, &fraction)) || fraction) return false;
		} else if (tar_key(key, n, "mtime")) {
			bool negative = value < end && *value == '-';
			if (!tar_decimal(value + negative, end, &number, &fraction)) return false;
			e->seconds = negative ? 0 : (int64_t)number;
			e->nanoseconds = negative ? 0 : fraction;
			said->time = true;
		} else if (tar_key(key, n, "uid")) {
			if (!tar_decimal(value, end, &number, &fraction) || fraction || number > 0xffffffffUL) return false;
			e->user = number;
			said->user = true;
		} else if (tar_key(key, n, "gid")) {
			if (!tar_decimal(value, end, &number, &fraction) || fraction || number > 0xffffffffUL) return false;
			e->group = number;
			said->group = true;
		} else if (n > 11 && memcmp(key, "GNU.sparse.", 11) == 0) return false;
		at = record + length;
	}
	return true;
}

/* ---- writing ---- */

static void tar_octal(char *field, size_t length, u64 n)
{
	field[length - 1] = 0;
	for (size_t i = length - 1; i-- > 0; n >>= 3) field[i] = '0' + (n & 7);
}

/* Appends "LENGTH KEY=VALUE\n" at `at`; where it ends. */
static size_t tar_record(char *to, size_t at, const char *key, const char *value)
{
	size_t rest = strlen(key) + strlen(value) + 3, length = rest + 1, digits = 1;
	for (size_t n = 10; length >= n; n *= 10) length = rest + ++digits;
	for (size_t i = digits, n = length; i-- > 0; n /= 10) to[at + i] = '0' + n % 10;
	char *p = to + at + digits;
	*p++ = ' ';
	for (; *key; key++) *p++ = *key;
	*p++ = '=';
	for (; *value; value++) *p++ = *value;
	*p++ = '\n';
	return at + length;
}

static void tar_digits(char *to, u64 n)
{
	char digits[24];
	int at = sizeof digits;
	do digits[--at] = '0' + n % 10;
	while (n /= 10);
	memcpy(to, digits + at, sizeof digits - at);
	to[sizeof digits - at] = 0;
}

static void tar_put_block(char *to, const struct tar_entry *e, char type, u64 size)
{
	struct tar_block *block = (struct tar_block *)to;
	memset(block, 0, sizeof *block);
	size_t n = strlen(e->name), l = strlen(e->link);
	memcpy(block->name, e->name, n < sizeof block->name ? n : sizeof block->name);
	if (type == '1' || type == '2') memcpy(block->link, e->link, l < sizeof block->link ? l : sizeof block->link);
	tar_octal(block->mode, sizeof block->mode, e->mode & 07777);
	tar_octal(block->user, sizeof block->user, e->user <= OCTAL_8 ? e->user : 0);
	tar_octal(block->group, sizeof block->group, e->group <= OCTAL_8 ? e->group : 0);
	tar_octal(block->size, sizeof block->size, size <= OCTAL_12 ? size : 0);
	bool in_field = e->seconds >= 0 && (u64)e->seconds <= OCTAL_12;
	tar_octal(block->time, sizeof block->time, in_field ? e->seconds : 0);
	block->type = type;
	memcpy(block->magic, "ustar", 6);
	memcpy(block->version, "00", 2);
	tar_octal(block->major, sizeof block->major, e->major & OCTAL_8);
	tar_octal(block->minor, sizeof block->minor, e->minor & OCTAL_8);
	tar_octal(block->sum, 7, tar_sum(block));
	block->sum[7] = ' ';
}

/* Bytes that `tar_write` may write. */
#define TAR_HEAD_MOST (4 * BLOCK + 2 * PATH_MAX)

/* The entry's head, with a pax head before it where it needs one; its length. */
static size_t tar_write(char *to, const struct tar_entry *e)
{
	char *records = to + BLOCK, text[64];
	size_t length = 0;
	if (strlen(e->name) > sizeof ((struct tar_block *)0)->name) length = tar_record(records, length, "path", e->name);
	if (strlen(e->link) > sizeof ((struct tar_block *)0)->link) length = tar_record(records, length, "linkpath", e->link);
	if (e->size > OCTAL_12) tar_digits(text, e->size), length = tar_record(records, length, "size", text);
	if (e->user > OCTAL_8) tar_digits(text, e->user), length = tar_record(records, length, "uid", text);
	if (e->group > OCTAL_8) tar_digits(text, e->group), length = tar_record(records, length, "gid", text);
	if (e->nanoseconds > 0 && e->seconds >= 0) {
		tar_digits(text, e->seconds);
		size_t n = strlen(text);
		text[n] = '.';
		for (size_t i = 9, left = e->nanoseconds; i > 0; i--, left /= 10) text[n + i] = '0' + left % 10;
		text[n + 10] = 0;
		length = tar_record(records, length, "mtime", text);
	}
	size_t at = 0;
	if (length > 0) {
		tar_put_block(to, e, 'x', length);
		at = BLOCK + (length + BLOCK - 1) / BLOCK * BLOCK;
		memset(records + length, 0, at - BLOCK - length);
	}
	tar_put_block(to + at, e, e->type, e->size);
	return at + BLOCK;
}

#endif
