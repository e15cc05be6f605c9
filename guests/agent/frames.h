/*
 * Frames: what host and agent say to each other over one port. Little-endian:
 *
 *   u32 length of what follows the head, at most FRAME_MOST - FRAME_HEAD
 *   u16 type
 *   u16 channel: 0 stdin, 1 stdout, 2 stderr; of a frame that is about no channel, 0
 *   u32 stream: the process that it is about, a number that the host gave; 0: none
 *
 * src/vmm/agent/frames.ts says the same for the host. A frame that breaks these rules ends the agent: the host is the one
 * that it trusts, and a port whose frames are lost cannot be mended. Nothing here calls the system: it is fuzzed by itself.
 */
#ifndef FRAMES_H
#define FRAMES_H

#define FRAME_HEAD 12
#define FRAME_MOST 65536
/* What one side may send on a channel before the other has said that it wants more. */
#define WINDOW 262144
#define VERSION 1

enum type {
	/* Both ways, the first frame of each. Host: u32 version, u32 nanoseconds, u64 seconds of the time of day, 64 random bytes,
	 * the host's name. Agent: u32 version. */
	HELLO = 1,
	/* Host. See `struct request`. With channel 1 it is only a part, and the rest follows. */
	SPAWN = 2,
	/* Both ways: bytes of a channel, no more than there is credit for. */
	DATA = 3,
	/* Both ways. From who writes to the channel: that was all. From who reads: no more is wanted. */
	END = 4,
	/* Both ways: u32 more bytes are wanted. */
	CREDIT = 5,
	/* Host: u32 number, to the process group. */
	SIGNAL = 6,
	/* Host: u16 rows, u16 columns of the terminal. */
	RESIZE = 7,
	/* Host: u32 milliseconds that processes have after SIGTERM. */
	SHUTDOWN = 8,
	/* Agent: u32 process identifier; the program runs. */
	SPAWNED = 9,
	/* Agent: u32 errno, u32 at which step (see `enum step`); the program does not run. */
	FAILED = 10,
	/* Agent: u32 exit status, u32 signal or 0. */
	EXITED = 11,
	/* Agent: the last frame of a stream. */
	DONE = 12,
};

enum step { STEP_SYSTEM = 0, STEP_USER = 1, STEP_FOLDER = 2, STEP_PROGRAM = 3 };

struct head {
	u32 length;
	u16 type;
	u16 channel;
	u32 stream;
};

/* What to run. The strings follow, each with its zero byte: user, folder, arguments, environment. */
struct request {
	u32 flags;
	u16 rows, columns;
	u32 arguments, variables;
};
/* It gets a terminal. Its stdin is /dev/null. It is none of the guest's programs, but one that the agent has. */
enum { REQUEST_TERMINAL = 1, REQUEST_NO_INPUT = 2, REQUEST_BUILT_IN = 4 };
#define REQUEST_MOST (2 << 20)
#define STRINGS_MOST 65536

/* Whether `size` bytes begin with a frame: its whole length; 0: not all of it is there; -1: it is none. */
static long whole_frame(const u8 *bytes, size_t size, struct head *head)
{
	if (size < FRAME_HEAD) return 0;
	memcpy(head, bytes, FRAME_HEAD);
	if (head->length > FRAME_MOST - FRAME_HEAD || head->channel > 2) return -1;
	return size < FRAME_HEAD + head->length ? 0 : (long)(FRAME_HEAD + head->length);
}

struct strings {
	char *user, *folder;
	char **arguments, **variables;
};

/* Finds the strings; `pointers` has room for STRINGS_MOST. False: that is no request. */
static bool parse_request(u8 *bytes, size_t size, struct request *request, struct strings *strings, char **pointers)
{
	if (size < sizeof *request) return false;
	memcpy(request, bytes, sizeof *request);
	if (request->arguments < 1 || request->arguments > STRINGS_MOST / 2 - 2) return false;
	if (request->variables > STRINGS_MOST / 2 - 2) return false;
	if (bytes[size - 1] != 0) return false;
	u8 *at = bytes + sizeof *request, *end = bytes + size;
	u32 wanted = 2 + request->arguments + request->variables;
	strings->arguments = pointers;
	strings->variables = pointers + request->arguments + 1;
	for (u32 i = 0; i < wanted; i++) {
		if (at >= end) return false;
		if (i == 0) strings->user = (char *)at;
		else if (i == 1) strings->folder = (char *)at;
		else if (i - 2 < request->arguments) strings->arguments[i - 2] = (char *)at;
		else strings->variables[i - 2 - request->arguments] = (char *)at;
		while (*at) at++;
		at++;
	}
	strings->arguments[request->arguments] = NULL;
	strings->variables[request->variables] = NULL;
	return at == end;
}

#endif
