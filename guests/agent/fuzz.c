/*
 * The agent's readers of frames and requests, given whatever comes on stdin: built for the host, with the compiler's checks of
 * memory and undefined behaviour. Prints how many frames and requests it found; fuzz.test.ts makes the input.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
#include "frames.h"

static char *pointers[STRINGS_MOST];

/* In memory of exactly that size, so that a byte too many is noticed. */
static bool request_in(const u8 *bytes, size_t size)
{
	struct request request;
	struct strings strings;
	u8 *exact = malloc(size ? size : 1);
	memcpy(exact, bytes, size);
	bool is = parse_request(exact, size, &request, &strings, pointers);
	size_t length = 0;
	if (is) {
		length = strlen(strings.user) + strlen(strings.folder);
		for (u32 i = 0; i < request.arguments; i++) length += strlen(strings.arguments[i]);
		for (u32 i = 0; i < request.variables; i++) length += strlen(strings.variables[i]);
		if (strings.arguments[request.arguments] || strings.variables[request.variables]) abort();
		if (length > size) abort();
	}
	free(exact);
	return is;
}

int main(void)
{
	static u8 all[1 << 24];
	size_t size = fread(all, 1, sizeof all, stdin);
	unsigned long cases = 0, frames = 0, requests = 0, broken = 0;
	/* Cases of u32 length and so many bytes. */
	for (size_t at = 0; at + 4 <= size;) {
		u32 length;
		memcpy(&length, all + at, 4);
		at += 4;
		if (length > size - at) return 2;
		u8 *exact = malloc(length ? length : 1);
		memcpy(exact, all + at, length);
		struct head head;
		long one = 0;
		for (size_t in = 0; (one = whole_frame(exact + in, length - in, &head)) > 0; in += one) {
			frames++;
			if (in + one > length || head.length + FRAME_HEAD != (u32)one) abort();
			requests += request_in(exact + in + FRAME_HEAD, head.length);
		}
		broken += one < 0;
		requests += request_in(exact, length);
		free(exact);
		at += length;
		cases++;
	}
	printf("%lu cases, %lu frames, %lu requests, %lu broken\n", cases, frames, requests, broken);
	return 0;
}
