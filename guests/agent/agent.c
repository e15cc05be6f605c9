/*
 * unikvm-agent: runs programs in the guest for the host, any number at a time, and answers for files. It talks in frames
 * (frames.h) through one port of a virtio console. No C library: what it needs of the system is in system.h. As process 1 it
 * also mounts what every program expects and buries orphans.
 *
 * Everything waits in one place, epoll_pwait. Besides it is only waited for room in the port: the host takes what comes,
 * however slowly its own readers are, since each channel has no more on its way than its reader asked for.
 */
#include "system.h"
#include "frames.h"
#include "users.h"
#include "files.h"
#include "child.h"

#define PORT_NAME "org.unikvm.agent.0"
#define PROCESSES 1024
/* One frame more than may wait, so that frames of a few bytes never are too many. */
#define OUT_SIZE (2 * FRAME_MOST)

enum channel { IN = 0, OUT = 1, ERR = 2, COMPLAINTS = 3, CHANNELS = 4 };

struct process {
	/* 0: unused. */
	u32 id;
	int pid;
	/* Ours of its pipes, -1: closed. Of a terminal, IN and OUT. */
	int fd[CHANNELS];
	/* Whether epoll knows them. */
	bool watched[CHANNELS];
	/* What the host takes of OUT and ERR. */
	u32 credit[3];
	/* Input that the program has not taken, WINDOW bytes of room where there is some. */
	u8 *input;
	u32 input_at, input_length;
	/* Of its input it has taken so much that the host was not told of. */
	u32 taken;
	/* After it comes its end. */
	bool input_ends;
	bool terminal, begun, failed, exited;
	u32 status, signal;
};

static struct process processes[PROCESSES];
/* All that follow have never been used: few ever are, and each frame is about one of them. */
static int used;
static int port, poll, children;
static bool greeted;
static u8 in[FRAME_MOST], out[OUT_SIZE];
static size_t in_length, out_length;
static u8 request_bytes[REQUEST_MOST];
static size_t request_length;
static u32 request_stream;
static char *request_pointers[STRINGS_MOST];
static struct rlimit64 usual_descriptors;

static _Noreturn void die(const char *why, long error)
{
	complain(why, error);
	call(exit_group, 1);
	__builtin_unreachable();
}

/* ---- to the host ---- */

static void flush(void)
{
	for (size_t at = 0; at < out_length;) {
		long n = call(write, port, out + at, out_length - at);
		struct pollfd room = { port, POLLOUT, 0 };
		if (n > 0) at += n;
		else if (n == -EAGAIN) {
			call(ppoll, &room, 1, 0, 0, 8);
			/* Nobody is there at the host's end. */
			if (!(room.revents & POLLOUT)) nap(10);
		} else if (n != -EINTR) die("the port cannot be written", n);
	}
	out_length = 0;
}

static u8 *frame(u16 type, u16 channel, u32 stream, u32 length)
{
	struct head head = { length, type, channel, stream };
	if (out_length + FRAME_HEAD + length > sizeof out) flush();
	memcpy(out + out_length, &head, sizeof head);
	u8 *payload = out + out_length + FRAME_HEAD;
	out_length += FRAME_HEAD + length;
	return payload;
}

static void say(u16 type, u16 channel, u32 stream) { frame(type, channel, stream, 0); }

static void say_number(u16 type, u16 channel, u32 stream, u32 n)
{
	memcpy(frame(type, channel, stream, 4), &n, 4);
}

static void say_numbers(u16 type, u32 stream, u32 a, u32 b)
{
	u32 both[2] = { a, b };
	memcpy(frame(type, 0, stream, 8), both, 8);
}

/* ---- processes ---- */

static struct process *find(u32 id)
{
	if (id == 0) return NULL;
	for (int i = 0; i < used; i++)
		if (processes[i].id == id) return &processes[i];
	return NULL;
}

static void watch(struct process *p, int channel, bool on)
{
	if (p->fd[channel] < 0 || p->watched[channel] == on) return;
	struct epoll_event event = { channel == IN ? EPOLLOUT : EPOLLIN, (u64)(p - processes) * CHANNELS + channel };
	p->watched[channel] = on;
	call(epoll_ctl, poll, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, p->fd[channel], &event);
}

static void shut(struct process *p, int channel)
{
	watch(p, channel, false);
	if (p->fd[channel] >= 0) call(close, p->fd[channel]);
	p->fd[channel] = -1;
}

static void drop_input(struct process *p)
{
	if (p->input) call(munmap, p->input, WINDOW);
	p->input = NULL;
	p->input_length = 0;
	shut(p, IN);
}

/* Says what has become of it as soon as that is settled, and forgets it. */
static void settle(struct process *p)
{
	if (!p->exited || p->fd[COMPLAINTS] >= 0) return;
	if (p->begun) {
		say_numbers(EXITED, p->id, p->status, p->signal);
		p->begun = false;
		/* Its group may live on and write; nobody reads what it was given. */
		if (!p->terminal) drop_input(p);
	}
	if (p->fd[OUT] >= 0 || p->fd[ERR] >= 0) return;
	drop_input(p);
	say(DONE, 0, p->id);
	p->id = 0;
}

/* It reads no more. */
static void refuse_input(struct process *p)
{
	drop_input(p);
	say(END, IN, p->id);
}

/* Gives the program input, as far as it takes that: how much. -1: it reads no more, and the host was told. */
static long feed_bytes(struct process *p, const u8 *bytes, u32 length)
{
	u32 done = 0;
	while (done < length) {
		long n = call(write, p->fd[IN], bytes + done, length - done);
		if (n == -EINTR) continue;
		if (n == -EAGAIN) break;
		if (n <= 0) return refuse_input(p), -1;
		done += n;
	}
	p->taken += done;
	/* Each time costs the host a turn. It still has as much to give, so that it is never waited for in vain. */
	if (p->taken >= WINDOW / 2) {
		say_number(CREDIT, IN, p->id, p->taken);
		p->taken = 0;
	}
	return done;
}

/* Nothing waits for it. */
static void fed(struct process *p)
{
	watch(p, IN, false);
	if (p->input) call(munmap, p->input, WINDOW);
	p->input = NULL;
	if (!p->input_ends) return;
	/* A terminal stays: its end is a character (termios(3), VEOF). */
	if (p->terminal) call(write, p->fd[IN], "\4", 1), p->input_ends = false;
	else shut(p, IN);
}

/* Gives the program what waits for it. */
static void feed(struct process *p)
{
	if (p->fd[IN] >= 0 && p->input_length > 0) {
		long n = feed_bytes(p, p->input + p->input_at, p->input_length);
		if (n < 0) return;
		p->input_at += n;
		p->input_length -= n;
	}
	if (p->input_length > 0) watch(p, IN, true);
	else fed(p);
}

static void give_input(struct process *p, const u8 *bytes, u32 length)
{
	if (p->fd[IN] < 0 || p->input_ends) return;
	if (p->input_length + length > WINDOW) die("the host gave more input than there was room for", 0);
	/* What it takes at once is not kept. */
	if (p->input_length == 0) {
		long n = feed_bytes(p, bytes, length);
		if (n < 0) return;
		bytes += n;
		length -= n;
		if (length == 0) return fed(p);
	}
	if (!p->input) {
		long at = call(mmap, 0, WINDOW, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (at < 0 && at > -4096) return refuse_input(p);
		p->input = (u8 *)at;
		p->input_at = 0;
	}
	if (p->input_at + p->input_length + length > WINDOW) {
		memmove(p->input, p->input + p->input_at, p->input_length);
		p->input_at = 0;
	}
	memcpy(p->input + p->input_at + p->input_length, bytes, length);
	p->input_length += length;
	watch(p, IN, true);
}

static void end_channel(struct process *p, int channel)
{
	shut(p, channel);
	say(END, channel, p->id);
	settle(p);
}

/* One piece of what the program wrote. */
static void take_output(struct process *p, int channel)
{
	u32 most = FRAME_MOST - FRAME_HEAD;
	if (p->credit[channel] < most) most = p->credit[channel];
	if (out_length + FRAME_HEAD + most > sizeof out) flush();
	long n = call(read, p->fd[channel], out + out_length + FRAME_HEAD, most);
	if (n == -EAGAIN || n == -EINTR) return;
	/* A terminal that nobody has open any more answers EIO. */
	if (n <= 0) return end_channel(p, channel);
	struct head head = { n, DATA, channel, p->id };
	memcpy(out + out_length, &head, sizeof head);
	out_length += FRAME_HEAD + n;
	p->credit[channel] -= n;
	if (p->credit[channel] == 0) watch(p, channel, false);
	if (out_length >= FRAME_MOST) flush();
}

static void say_begun(struct process *p)
{
	say_number(SPAWNED, 0, p->id, p->pid);
	p->begun = true;
}

static void say_failed(struct process *p, u32 error, u32 step)
{
	say_numbers(FAILED, p->id, error, step);
	p->failed = true;
	shut(p, OUT);
	shut(p, ERR);
}

/* It runs, or says why it does not. */
static void hear_complaints(struct process *p)
{
	u32 why[2];
	long n = call(read, p->fd[COMPLAINTS], why, sizeof why);
	if (n == -EAGAIN || n == -EINTR) return;
	shut(p, COMPLAINTS);
	if (n == sizeof why) say_failed(p, why[0], why[1]);
	else say_begun(p);
	settle(p);
}

static void bury(void)
{
	int status;
	long pid;
	struct signalfd_siginfo ignored[16];
	while (call(read, children, ignored, sizeof ignored) > 0) {}
	while ((pid = call(wait4, -1, &status, WNOHANG, 0)) > 0) {
		for (int i = 0; i < used; i++) {
			struct process *p = &processes[i];
			if (p->id == 0 || p->exited || p->pid != pid) continue;
			p->exited = true;
			p->signal = status & 0x7f;
			p->status = p->signal ? 0 : status >> 8 & 0xff;
			settle(p);
			break;
		}
	}
}

static long open_terminal(const struct request *request, int *master, int *slave)
{
	int unlocked = 0;
	struct winsize size = { request->rows, request->columns, 0, 0 };
	long fd = call(openat, AT_FDCWD, "/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK, 0);
	if (fd < 0) return fd;
	*master = fd;
	call(ioctl, fd, TIOCSPTLCK, &unlocked);
	call(ioctl, fd, TIOCSWINSZ, &size);
	long other = call(ioctl, fd, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (other < 0) call(close, fd);
	*slave = other;
	return other < 0 ? other : 0;
}

static void set_nonblocking(int fd) { call(fcntl, fd, F_SETFL, O_NONBLOCK); }

/* Fills both sides; what was opened is closed again on an error. */
static long make_pipes(const struct request *request, struct process *p, struct ends *ends)
{
	int pair[2], opened[10], count = 0;
	long error = 0;
	bool terminal = request->flags & REQUEST_TERMINAL;
	ends->complaints = -1;
	for (int i = 0; i < CHANNELS && error >= 0; i++) {
		int *theirs = i == COMPLAINTS ? &ends->complaints : &ends->standard[i];
		p->fd[i] = -1;
		if (terminal && i < 3) continue;
		/* What becomes a program has the agent's memory until it is one. */
		if (i == COMPLAINTS && !(request->flags & REQUEST_BUILT_IN)) continue;
		if (i == IN && (request->flags & REQUEST_NO_INPUT)) {
			error = *theirs = call(openat, AT_FDCWD, "/dev/null", O_RDONLY | O_CLOEXEC, 0);
			if (error >= 0) opened[count++] = *theirs;
			continue;
		}
		error = call(pipe2, pair, O_CLOEXEC);
		if (error < 0) break;
		opened[count++] = pair[0];
		opened[count++] = pair[1];
		p->fd[i] = i == IN ? pair[1] : pair[0];
		*theirs = i == IN ? pair[0] : pair[1];
		set_nonblocking(p->fd[i]);
	}
	if (error >= 0 && terminal) {
		error = open_terminal(request, &p->fd[OUT], &ends->standard[0]);
		if (error >= 0) {
			opened[count++] = p->fd[OUT];
			opened[count++] = ends->standard[1] = ends->standard[2] = ends->standard[0];
			error = p->fd[IN] = call(fcntl, p->fd[OUT], F_DUPFD_CLOEXEC, 3);
		}
	}
	if (error >= 0) return 0;
	while (count > 0) call(close, opened[--count]);
	return error;
}

static void refuse(u32 stream, long error)
{
	say_numbers(FAILED, stream, -error, STEP_SYSTEM);
	say(DONE, 0, stream);
}

static void spawn(u32 stream, struct request *request, struct strings *strings)
{
	struct process *p = NULL;
	struct ends ends;
	if (stream == 0 || find(stream)) die("the host gave a stream's number twice", 0);
	for (int i = 0; i < PROCESSES && !p; i++)
		if (processes[i].id == 0) p = &processes[i];
	if (!p) return refuse(stream, -EAGAIN);
	if (p == processes + used) used++;
	memset(p, 0, sizeof *p);
	long error = make_pipes(request, p, &ends);
	if (error < 0) return refuse(stream, error);
	static volatile u32 why[2];
	why[0] = 0;
	ends.why = why;
	struct beginning beginning = { request, strings, ends, &usual_descriptors };
	long pid = begin_process(&beginning);
	for (int i = 0; i < 3; i++)
		if (i == 0 || !(request->flags & REQUEST_TERMINAL)) call(close, ends.standard[i]);
	if (ends.complaints >= 0) call(close, ends.complaints);
	if (pid < 0) {
		for (int i = 0; i < CHANNELS; i++) shut(p, i);
		return refuse(stream, pid);
	}
	p->id = stream;
	p->pid = pid;
	p->terminal = request->flags & REQUEST_TERMINAL;
	p->credit[OUT] = p->credit[ERR] = WINDOW;
	watch(p, OUT, true);
	watch(p, ERR, true);
	/* The agent waited until the program had begun, or the process ended. */
	if (p->fd[COMPLAINTS] >= 0) watch(p, COMPLAINTS, true);
	else if (why[0]) say_failed(p, why[0], why[1]);
	else say_begun(p);
}

/* ---- from the host ---- */

/* The time, randomness and name that this machine has, also after it was restored somewhere else. */
static void greet(const u8 *payload, u32 length)
{
	struct {
		u32 version, nanoseconds;
		u64 seconds;
		u8 random[64];
	} host;
	struct {
		int entropy, size;
		u8 bytes[64];
	} pool;
	u32 version = VERSION;
	if (length < sizeof host || length > sizeof host + 64) die("the host's first frame is none", 0);
	memcpy(&host, payload, sizeof host);
	if (host.version != VERSION) die("the host is of another version", 0);
	struct __kernel_timespec now = { host.seconds, host.nanoseconds };
	call(clock_settime, 0, &now);
	pool.entropy = 8 * sizeof pool.bytes;
	pool.size = sizeof pool.bytes;
	memcpy(pool.bytes, host.random, sizeof pool.bytes);
	long fd = call(openat, AT_FDCWD, "/dev/urandom", O_RDWR | O_CLOEXEC, 0);
	if (fd >= 0) {
		call(ioctl, fd, RNDADDENTROPY, &pool);
		call(ioctl, fd, RNDRESEEDCRNG, 0);
		call(close, fd);
	}
	if (length > sizeof host) call(sethostname, payload + sizeof host, length - sizeof host);
	greeted = true;
	memcpy(frame(HELLO, 0, 0, 4), &version, 4);
}

/* What is on disks is written, programs have their time, and the machine is off. */
static _Noreturn void shut_down(u32 grace)
{
	static char mounts[65536];
	flush();
	call(kill, -1, SIGTERM);
	for (u32 waited = 0; waited < grace; waited += 10) {
		int status;
		long pid;
		while ((pid = call(wait4, -1, &status, WNOHANG, 0)) > 0) {}
		if (pid == -ECHILD) break;
		nap(10);
	}
	call(kill, -1, SIGKILL);
	call(sync, 0);
	/* The second word of each line; the last mounted first. */
	long length = read_text("/proc/self/mounts", mounts, sizeof mounts);
	for (long at = length - 1; at > 0; at--) {
		if (at > 1 && mounts[at - 1] != '\n') continue;
		char *line = mounts + at, *place = line, *end;
		if (!starts(line, "/dev/")) continue;
		while (*place && *place != ' ') place++;
		if (!*place) continue;
		for (end = ++place; *end && *end != ' '; end++) {}
		*end = 0;
		call(umount2, place, 0);
	}
	call(sync, 0);
	call(reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_POWER_OFF, 0);
	for (;;) nap(1000);
}

static u32 number_of(const struct head *head, const u8 *payload)
{
	u32 n;
	if (head->length != 4) die("the host sent a frame of a wrong size", 0);
	memcpy(&n, payload, 4);
	return n;
}

static void hear_request(const struct head *head, const u8 *payload)
{
	static struct request request;
	static struct strings strings;
	if (request_length > 0 && head->stream != request_stream) die("the host mixed two requests", 0);
	if (request_length + head->length > sizeof request_bytes) die("the host sent too large a request", 0);
	memcpy(request_bytes + request_length, payload, head->length);
	request_length += head->length;
	request_stream = head->stream;
	if (head->channel != 0) return;
	if (!parse_request(request_bytes, request_length, &request, &strings, request_pointers))
		die("the host sent a request that is none", 0);
	request_length = 0;
	spawn(head->stream, &request, &strings);
}

static void hear(const struct head *head, const u8 *payload)
{
	struct process *p = find(head->stream);
	int channel = head->channel;
	u32 n;
	if (head->type == HELLO) return greet(payload, head->length);
	if (!greeted) die("the host did not begin with a greeting", 0);
	/* A stream that is not known any more: the host has not heard yet. */
	switch (head->type) {
	case SPAWN:
		return hear_request(head, payload);
	case DATA:
		if (channel != IN) die("the host wrote to an output", 0);
		if (p) give_input(p, payload, head->length);
		return;
	case END:
		if (!p) return;
		if (channel == IN) {
			p->input_ends = true;
			if (p->fd[IN] >= 0) feed(p);
		} else if (p->fd[channel] >= 0) end_channel(p, channel);
		return;
	case CREDIT:
		n = number_of(head, payload);
		if (!p || channel == IN) return;
		if (n > WINDOW - p->credit[channel]) die("the host wants more than a window", 0);
		p->credit[channel] += n;
		watch(p, channel, p->credit[channel] > 0);
		return;
	case SIGNAL:
		n = number_of(head, payload);
		if (p && n >= 1 && n <= SIGNALS) call(kill, -p->pid, n);
		return;
	case RESIZE:
		if (head->length != 4) die("the host sent a frame of a wrong size", 0);
		if (p && p->terminal && p->fd[OUT] >= 0) {
			struct winsize size = { payload[0] | payload[1] << 8, payload[2] | payload[3] << 8, 0, 0 };
			call(ioctl, p->fd[OUT], TIOCSWINSZ, &size);
		}
		return;
	case SHUTDOWN:
		shut_down(number_of(head, payload));
	default:
		die("the host sent a frame of a type that there is not", 0);
	}
}

/* A frame comes in as many pieces as the driver has pages for it: of one that has begun all is read before others have their turn. */
static void take_input(void)
{
	struct head head;
	size_t at = 0;
	do {
		long n = call(read, port, in + in_length, sizeof in - in_length), length;
		if (n == -EAGAIN || n == -EINTR) return;
		if (n < 0) die("the port cannot be read", n);
		/* Nobody is there at the host's end. */
		if (n == 0) return nap(10);
		in_length += n;
		while ((length = whole_frame(in + at, in_length - at, &head)) > 0) {
			hear(&head, in + at + FRAME_HEAD);
			at += length;
		}
		if (length < 0) die("the host sent what is no frame", 0);
	} while (at == 0);
	in_length -= at;
	memmove(in, in + at, in_length);
}

/* ---- beginning ---- */

static void prepare_system(void)
{
	static const struct { const char *source, *place, *type, *options; unsigned long flags; } mounts[] = {
		{ "proc", "/proc", "proc", NULL, 14 },
		{ "sysfs", "/sys", "sysfs", NULL, 14 },
		{ "devtmpfs", "/dev", "devtmpfs", NULL, 2 },
		{ "devpts", "/dev/pts", "devpts", "ptmxmode=666", 10 },
		{ "tmpfs", "/dev/shm", "tmpfs", NULL, 6 },
		{ "tmpfs", "/run", "tmpfs", "mode=755", 6 },
	};
	call(umask, 0);
	for (size_t i = 0; i < sizeof mounts / sizeof *mounts; i++) {
		call(mkdirat, AT_FDCWD, mounts[i].place, 0755);
		call(mount, mounts[i].source, mounts[i].place, mounts[i].type, mounts[i].flags, mounts[i].options);
	}
	call(symlinkat, "/proc/self/fd", AT_FDCWD, "/dev/fd");
	call(umask, 022);
	long fd = call(openat, AT_FDCWD, "/dev/console", O_RDWR | O_NOCTTY, 0);
	for (int i = 0; i < 3 && fd >= 0; i++) call(dup3, fd, i, 0);
}

/* The port by its name; the driver finds it a moment after it was loaded. */
static long open_port(void)
{
	static char list[65536];
	for (int tries = 0; tries < 6000; tries++) {
		long folder = open_folder(AT_FDCWD, "/sys/class/virtio-ports", 0), n;
		while (folder >= 0 && (n = call(getdents64, folder, list, sizeof list)) > 0) {
			for (long at = 0; at < n; at += ((struct entry *)(list + at))->length) {
				struct entry *e = (struct entry *)(list + at);
				char path[PATH_MAX] = "/sys/class/virtio-ports/", name[64];
				append(path, sizeof path, e->name);
				append(path, sizeof path, "/name");
				if (is_dots(e->name) || read_text(path, name, sizeof name) < 0) continue;
				if (!starts(name, PORT_NAME)) continue;
				path[0] = 0;
				append(path, sizeof path, "/dev/");
				append(path, sizeof path, e->name);
				call(close, folder);
				return call(openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC | O_NONBLOCK, 0);
			}
		}
		if (folder >= 0) call(close, folder);
		nap(10);
	}
	return -ENODEV;
}

static void add(int fd, u64 data)
{
	struct epoll_event event = { EPOLLIN, data };
	call(epoll_ctl, poll, EPOLL_CTL_ADD, fd, &event);
}

_Noreturn void begin(void)
{
	enum { PORT = PROCESSES * CHANNELS, CHILDREN };
	struct epoll_event events[64];
	u64 blocked = 1ULL << (SIGCHLD - 1);
	struct rlimit64 descriptors = { DESCRIPTORS, DESCRIPTORS };
	if (call(getpid, 0) == 1) prepare_system();
	/*
	 * Where memory is short it is the programs that make room, or the kernel says that it has none. Not even for the moment of
	 * a fork may it be otherwise: when all others are gone, that moment comes.
	 */
	write_text(OOM_SCORE, "-1000");
	/* Who closes a pipe early ends nobody here. */
	struct action ignore = { SIG_IGN, 0, 0, 0 };
	reset_signals();
	call(rt_sigaction, SIGPIPE, &ignore, 0, sizeof blocked);
	call(rt_sigprocmask, SIG_BLOCK, &blocked, 0, sizeof blocked);
	call(prctl, 36 /* PR_SET_CHILD_SUBREAPER */, 1);
	/* What it begins for root is root already (users.h). */
	u32 root_group = 0;
	call(setgroups, 1, &root_group);
	call(setresgid, 0, 0, 0);
	call(prlimit64, 0, RLIMIT_NOFILE, 0, &usual_descriptors);
	call(prlimit64, 0, RLIMIT_NOFILE, &descriptors, 0);
	poll = call(epoll_create1, EPOLL_CLOEXEC);
	children = call(signalfd4, -1, &blocked, sizeof blocked, SFD_CLOEXEC | SFD_NONBLOCK);
	port = open_port();
	if (port < 0) die("there is no port " PORT_NAME, port);
	add(port, PORT);
	add(children, CHILDREN);
	for (;;) {
		if (out_length > 0) flush();
		long n = call(epoll_pwait, poll, events, 64, -1, 0, 8);
		for (long i = 0; i < n; i++) {
			u64 what = events[i].data;
			struct process *p = &processes[what / CHANNELS];
			int channel = what % CHANNELS;
			if (what == PORT) take_input();
			else if (what == CHILDREN) bury();
			/* What came before it in this list may have closed it. */
			else if (!p->watched[channel]) continue;
			else if (channel == IN) feed(p);
			else if (channel == COMPLAINTS) hear_complaints(p);
			else take_output(p, channel);
		}
	}
}
