/*
 * The bench's end inside the guest. It reads from the console
 *
 *     run ID NAME ARGUMENT...      runs a program and measures it
 *     prepare ID NAME ARGUMENT...  the same, but what it wrote becomes the file /tmp/input
 *     end
 *
 * and answers each with lines of its own, which may come after other things on the console:
 *
 *     @bench ready UPTIME
 *     @bench begin ID
 *     @bench end ID STATUS NANOSECONDS BYTES HASH STEPS
 *
 * STATUS is the exit status, 128 + N for signal N. NANOSECONDS are of CLOCK_MONOTONIC from before the fork to the exit.
 * BYTES and HASH (FNV-1a, 64 bits) are of what the program wrote to its standard output. STEPS are the times, in
 * microseconds since the begin and separated by commas ("-" if there are none), at which it wrote a byte to descriptor 9.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { WORDS = 64, STEPS = 200, PROGRESS = 9 };

static const char output[] = "/tmp/output", errors[] = "/tmp/errors", input[] = "/tmp/input";

static void fail(const char *what)
{
	printf("@bench failed %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now(void)
{
	struct timespec time;

	if (clock_gettime(CLOCK_MONOTONIC, &time))
		fail("clock_gettime");
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* The console as our standard streams: nothing echoed, nothing changed. */
static void take_console(void)
{
	struct termios mode;
	int console = open("/dev/console", O_RDWR | O_NOCTTY);

	if (console < 0)
		fail("/dev/console");
	if (!tcgetattr(console, &mode)) {
		mode.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
		tcsetattr(console, TCSANOW, &mode);
	}
	dup2(console, 0);
	dup2(console, 1);
	dup2(console, 2);
	if (console > 2)
		close(console);
	setvbuf(stdout, NULL, _IOLBF, 0);
}

static void redirect(const char *file, int flags, int as)
{
	int opened = open(file, flags, 0600);

	if (opened < 0 || dup2(opened, as) < 0)
		_exit(126);
	if (opened != as)
		close(opened);
}

static void become(char **words, int progress, const sigset_t *old)
{
	sigprocmask(SIG_SETMASK, old, NULL);
	if (dup2(progress, PROGRESS) < 0)
		_exit(126);
	redirect(access(input, F_OK) ? "/dev/null" : input, O_RDONLY, 0);
	redirect(output, O_WRONLY | O_CREAT | O_TRUNC, 1);
	redirect(errors, O_WRONLY | O_CREAT | O_TRUNC, 2);
	execvp(words[0], words);
	perror(words[0]);
	_exit(127);
}

struct run {
	int status, steps;
	uint64_t nanoseconds, step[STEPS];
};

static void note_steps(int progress, uint64_t begin, struct run *run)
{
	char bytes[64];
	ssize_t count = read(progress, bytes, sizeof bytes);

	for (; count > 0 && run->steps < STEPS; count--)
		run->step[run->steps++] = now() - begin;
}

static void execute(char **words, struct run *run)
{
	sigset_t child_ended, old;
	int progress[2], ended, status;
	uint64_t begin;
	pid_t child;

	sigemptyset(&child_ended);
	sigaddset(&child_ended, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child_ended, &old);
	ended = signalfd(-1, &child_ended, SFD_CLOEXEC);
	if (ended < 0 || pipe2(progress, O_CLOEXEC | O_NONBLOCK))
		fail("pipe");
	begin = now();
	child = fork();
	if (child < 0)
		fail("fork");
	if (!child)
		become(words, progress[1], &old);
	for (;;) {
		struct pollfd ready[] = { { progress[0], POLLIN, 0 }, { ended, POLLIN, 0 } };

		if (poll(ready, 2, -1) < 0)
			continue;
		if (ready[0].revents & POLLIN)
			note_steps(progress[0], begin, run);
		if (ready[1].revents & POLLIN) {
			struct signalfd_siginfo info;

			if (read(ended, &info, sizeof info) < 0 || waitpid(child, &status, WNOHANG) != child)
				continue;
			run->nanoseconds = now() - begin;
			break;
		}
	}
	note_steps(progress[0], begin, run);
	close(progress[0]);
	close(progress[1]);
	close(ended);
	sigprocmask(SIG_SETMASK, &old, NULL);
	run->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void print_result(const char *id, const struct run *run)
{
	uint64_t hash = 0xcbf29ce484222325u, bytes = 0;
	FILE *file = fopen(output, "r");

	if (file) {
		char block[4096];

		for (size_t got; (got = fread(block, 1, sizeof block, file)) > 0; bytes += got)
			for (size_t i = 0; i < got; i++)
				hash = (hash ^ (unsigned char)block[i]) * 0x100000001b3u;
		fclose(file);
	}
	printf("\n@bench end %s %d %llu %llu %016llx ", id, run->status, (unsigned long long)run->nanoseconds,
	       (unsigned long long)bytes, (unsigned long long)hash);
	for (int i = 0; i < run->steps; i++)
		printf("%s%llu", i ? "," : "", (unsigned long long)run->step[i] / 1000);
	printf("%s\n", run->steps ? "" : "-");
}

/* The beginning of what a program that failed said. */
static void print_errors(const char *id)
{
	FILE *file = fopen(errors, "r");
	char line[256];

	for (int i = 0; file && i < 8 && fgets(line, sizeof line, file); i++)
		printf("@bench error %s %s%s", id, line, strchr(line, '\n') ? "" : "\n");
	if (file)
		fclose(file);
}

int main(void)
{
	char line[4096], uptime[64] = "";
	FILE *file;

	take_console();
	signal(SIGPIPE, SIG_IGN);
	file = fopen("/proc/uptime", "r");
	if (!file || !fgets(uptime, sizeof uptime, file))
		fail("/proc/uptime");
	fclose(file);
	printf("\n@bench ready %s\n", strtok(uptime, " "));
	while (fgets(line, sizeof line, stdin)) {
		char *words[WORDS + 1] = { 0 };
		struct run run = { 0 };
		int count = 0;

		for (char *word = strtok(line, " \n"); word && count < WORDS; word = strtok(NULL, " \n"))
			words[count++] = word;
		if (count == 1 && !strcmp(words[0], "end"))
			return 0;
		if (count < 3)
			continue;
		sync();
		printf("\n@bench begin %s\n", words[1]);
		execute(words + 2, &run);
		if (run.status)
			print_errors(words[1]);
		if (!strcmp(words[0], "prepare") && !run.status && rename(output, input))
			fail("rename");
		print_result(words[1], &run);
	}
	return 0;
}
