/* From the fork to the program: what a new process does before it is somebody else. */
#ifndef CHILD_H
#define CHILD_H

static const char *const default_path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/* The value of NAME= among variables, or NULL. */
static const char *variable(char **variables, const char *name)
{
	for (; *variables; variables++)
		if (starts(*variables, name)) return *variables + strlen(name);
	return NULL;
}

/* proc(5): -1000 is who is never killed for want of memory, 0 what others are. */
#define OOM_SCORE "/proc/self/oom_score_adj"

/* access(2): whether it is there. Not among the kernel's headers. */
#define F_OK 0

/* As execvp(3) does it; returns -errno only. */
static long run_program(char **arguments, char **variables)
{
	static char *script[STRINGS_MOST];
	char path[PATH_MAX];
	const char *name = arguments[0], *at = variable(variables, "PATH=");
	bool in_path = true, denied = false;
	for (const char *c = name; *c; c++)
		if (*c == '/') in_path = false;
	if (!*name) return -ENOENT;
	if (!at || !in_path) at = in_path ? default_path : "";
	for (;;) {
		size_t n = 0;
		while (at[n] && at[n] != ':') n++;
		path[0] = 0;
		if (in_path) {
			if (n + 2 + strlen(name) > sizeof path) goto next;
			memcpy(path, at, n);
			path[n] = 0;
			append(path, sizeof path, n ? "/" : "./");
		}
		if (!append(path, sizeof path, name)) return -ENAMETOOLONG;
		/* An execve that finds nothing costs a tenth of what beginning a program does; most folders have no such program. */
		long error = in_path ? call(faccessat, AT_FDCWD, path, F_OK) : 0;
		if (error != -ENOENT && error != -ENOTDIR) error = call(execve, path, arguments, variables);
		if (error == -ENOEXEC) {
			/* A script without a line that says whose. */
			script[0] = "sh";
			script[1] = path;
			for (u32 i = 1; (script[i + 1] = arguments[i]); i++) {}
			return call(execve, "/bin/sh", script, variables);
		}
		if (error == -EACCES) denied = true;
		else if (error != -ENOENT && error != -ENOTDIR) return error;
		if (!in_path) return error;
	next:
		if (!at[n]) return denied ? -EACCES : -ENOENT;
		at += n + 1;
	}
}

/* What a program finds in its environment unless the host says otherwise. */
static char **with_defaults(char **variables, const struct user *user, bool terminal)
{
	static char *all[STRINGS_MOST], texts[5][PATH_MAX + 16];
	const char *const defaults[][2] = {
		{ "PATH=", default_path }, { "HOME=", user->home }, { "USER=", user->name },
		{ "SHELL=", user->shell }, { "TERM=", terminal ? "xterm-256color" : NULL },
	};
	u32 n = 0;
	for (size_t i = 0; i < 5; i++) {
		if (!defaults[i][1] || variable(variables, defaults[i][0])) continue;
		texts[i][0] = 0;
		append(texts[i], sizeof texts[i], defaults[i][0]);
		append(texts[i], sizeof texts[i], defaults[i][1]);
		all[n++] = texts[i];
	}
	while (*variables && n < STRINGS_MOST - 1) all[n++] = *variables++;
	all[n] = NULL;
	return all;
}

struct action {
	void (*handler)(int);
	unsigned long flags;
	void (*restorer)(void);
	u64 mask;
};

/* Signals as a program expects them, whoever began the agent; what a process ignores its programs would ignore, too. */
static void reset_signals(void)
{
	struct action usual = { 0 };
	for (int i = 1; i <= SIGNALS; i++) call(rt_sigaction, i, &usual, 0, sizeof usual.mask);
}

/* What the agent has of its own: a signal that it ignores, signals that it blocks, and descriptors that it may have. */
static void forget_agent(const struct rlimit64 *descriptors)
{
	u64 none = 0;
	struct action usual = { 0 };
	call(rt_sigaction, SIGPIPE, &usual, 0, sizeof usual.mask);
	call(rt_sigprocmask, SIG_SETMASK, &none, 0, sizeof none);
	call(prlimit64, 0, RLIMIT_NOFILE, descriptors, 0);
}

struct ends {
	/* Of its own for each of stdin, stdout, stderr; all the same for a terminal. */
	int standard[3];
	/* Where it says why it does not run: it closes by itself when the program begins. -1: in memory that it shares with the agent. */
	int complaints;
	volatile u32 *why;
};

static _Noreturn void fail_child(const struct ends *ends, long error, u32 step)
{
	u32 why[2] = { (u32)-error, step };
	if (ends->complaints >= 0) write_all(ends->complaints, why, sizeof why);
	else ends->why[0] = why[0], ends->why[1] = why[1];
	call(exit_group, 127);
	__builtin_unreachable();
}

static _Noreturn void child(const struct request *request, struct strings *strings, struct ends ends,
			    const struct rlimit64 *descriptors)
{
	const struct user *user;
	long error;
	forget_agent(descriptors);
	write_text(OOM_SCORE, "0");
	call(setsid, 0);
	/* Pipes may lie where they are to go. */
	for (int i = 0; i < 3; i++) {
		if (ends.standard[i] > 2) continue;
		ends.standard[i] = call(fcntl, ends.standard[i], F_DUPFD_CLOEXEC, 3);
	}
	for (int i = 0; i < 3; i++) {
		error = call(dup3, ends.standard[i], i, 0);
		if (error < 0) fail_child(&ends, error, STEP_SYSTEM);
	}
	if (request->flags & REQUEST_TERMINAL) call(ioctl, 0, TIOCSCTTY, 0);
	if (request->flags & REQUEST_BUILT_IN) {
		/* No program follows at whose beginning the rest would close: the agent's end of its own stdin, above all. */
		if (call(close_range, 3, ~0U, 0) < 0)
			for (int i = 3; i < DESCRIPTORS; i++) call(close, i);
		call(umask, 022);
		call(exit_group, run_built_in(strings->arguments, request->arguments));
	}
	error = join_group();
	if (error < 0) fail_child(&ends, error, STEP_SYSTEM);
	error = look_up(*strings->user ? strings->user : "0", &user);
	if (error == 0) error = become(user);
	if (error < 0) fail_child(&ends, error, STEP_USER);
	const char *folder = *strings->folder ? strings->folder : user->home;
	error = call(chdir, folder);
	/* A home that is not there keeps nobody from working. */
	if (error < 0 && folder == user->home) error = call(chdir, "/");
	if (error < 0) fail_child(&ends, error, STEP_FOLDER);
	call(umask, 022);
	char **variables = with_defaults(strings->variables, user, request->flags & REQUEST_TERMINAL);
	fail_child(&ends, run_program(strings->arguments, variables), STEP_PROGRAM);
}

struct beginning {
	const struct request *request;
	struct strings *strings;
	struct ends ends;
	const struct rlimit64 *descriptors;
};

static void begin_child(void *of)
{
	struct beginning *b = of;
	child(b->request, b->strings, b->ends, b->descriptors);
}

/*
 * The new process, or -errno. What becomes a program is begun in the agent's memory, as posix_spawn(3) does it: to copy that for
 * the moment until it has another costs half of what its beginning costs. The agent waits meanwhile. What the agent does
 * itself lives on beside it, and has a copy.
 */
static long begin_process(struct beginning *b)
{
	static char stack[65536] __attribute__((aligned(16)));
	if (!(b->request->flags & REQUEST_BUILT_IN)) return new_program(begin_child, b, stack + sizeof stack);
	limited |= same(b->strings->arguments[0], "limit");
	long pid = new_process();
	if (pid == 0) begin_child(b);
	return pid;
}

#endif
