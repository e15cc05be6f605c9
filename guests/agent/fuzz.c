/*
 * The agent's readers of frames, requests and heads of tars, given whatever comes on stdin: built for the host, with the
 * compiler's checks of memory and undefined behaviour. Prints how many of each it found; fuzz.test.ts makes the input.
 */
#include <linux/limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
#include "frames.h"
#include "tar.h"

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

/* A tar's head, and what comes before one; what is read is written and read again as the same. */
static unsigned long heads_in(const u8 *bytes, size_t size)
{
	static struct tar_said said;
	static struct tar_entry entry, again;
	static struct tar_block block;
	static char head[TAR_HEAD_MOST];
	unsigned long found = 0;
	memset(&said, 0, sizeof said);
	for (size_t at = 0; at + BLOCK <= size; at += BLOCK) {
		memcpy(&block, bytes + at, BLOCK);
		char *exact = malloc(size - at);
		memcpy(exact, bytes + at, size - at);
		/* A pax head's records end where it says, or anywhere. */
		if (!tar_records(exact, size - at, &said)) memset(&said, 0, sizeof said);
		size_t end = 0;
		while (end < size - at && exact[end]) end++;
		tar_records(exact, end, &said);
		free(exact);
		if (tar_is_zero(&block) || !tar_read(&block, &said, &entry)) continue;
		found++;
		size_t length = tar_write(head, &entry);
		if (length > sizeof head || length % BLOCK != 0) abort();
		u64 records = 0;
		memset(&said, 0, sizeof said);
		memcpy(&block, head, BLOCK);
		if (length > BLOCK) {
			if (block.type != 'x' || !tar_number(block.size, sizeof block.size, &records)) abort();
			if (!tar_records(head + BLOCK, records, &said)) abort();
			memcpy(&block, head + length - BLOCK, BLOCK);
		}
		if (!tar_read(&block, &said, &again)) abort();
		bool folder = again.type == '5' && entry.type == '0';
		if (strcmp(entry.name, again.name) || entry.size != again.size || entry.user != again.user) abort();
		if (entry.mode != again.mode || (entry.type != again.type && !folder)) abort();
		memset(&said, 0, sizeof said);
	}
	return found;
}

int main(void)
{
	static u8 all[1 << 26];
	size_t size = fread(all, 1, sizeof all, stdin);
	unsigned long cases = 0, frames = 0, requests = 0, broken = 0, heads = 0;
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
		heads += heads_in(exact, length);
		free(exact);
		at += length;
		cases++;
	}
	printf("%lu cases, %lu frames, %lu requests, %lu broken, %lu heads\n", cases, frames, requests, broken, heads);
	return 0;
}
