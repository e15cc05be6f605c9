/*
 * How many processes the guest's programs may be, all together, threads counted: a control group of theirs (the kernel's
 * "Control Group v2", section "PID"), which each joins before it begins. Where the kernel has none that counts them it is
 * RLIMIT_NPROC, which holds for users other than root. Whoever is root in the guest can undo either.
 */
#ifndef LIMITS_H
#define LIMITS_H

#define GROUPS "/sys/fs/cgroup"
#define GROUP GROUPS "/unikvm"
/* PID_MAX_LIMIT. */
#define PROCESSES_MOST (4 << 20)

/* 0: the group is there, and has this limit. */
static long make_group(const char *most)
{
	long error = write_text(GROUPS "/cgroup.subtree_control", "+pids");
	if (error < 0) {
		/* Nobody has mounted it. */
		if (call(mount, "cgroup2", GROUPS, "cgroup2", 14, 0) < 0) return error;
		error = write_text(GROUPS "/cgroup.subtree_control", "+pids");
		if (error < 0) {
			call(umount2, GROUPS, 0);
			return error;
		}
	}
	call(mkdirat, AT_FDCWD, GROUP, 0755);
	return write_text(GROUP "/pids.max", most);
}

/* How many at most. EOPNOTSUPP: it holds for users other than root alone. What runs already is not counted. */
static long do_limit(char **a)
{
	i64 most = number(a[0], 10);
	if (most < 1 || most > PROCESSES_MOST) return -EINVAL;
	if (make_group(a[0]) == 0) return 0;
	struct rlimit64 both = { most, most };
	/* Of the agent, whose programs have it from there. */
	long error = call(prlimit64, call(getppid, 0), RLIMIT_NPROC, &both, 0);
	return error < 0 ? error : -EOPNOTSUPP;
}

static i64 number_in(const char *path)
{
	char text[32];
	return read_text(path, text, sizeof text) < 0 ? -1 : number(text, 10);
}

/* Whether there may be such a group: to look for it costs each program a thirtieth of its beginning. */
static bool limited;

/* By what is to become a program. -EAGAIN: there are as many as may be. */
static long join_group(void)
{
	if (!limited || write_text(GROUP "/cgroup.procs", "0") < 0) return 0;
	/* Who joins is not held up by the limit, and counts already. */
	i64 most = number_in(GROUP "/pids.max");
	return most >= 0 && number_in(GROUP "/pids.current") > most ? -EAGAIN : 0;
}

#endif
