/* A small compressor of the LZ77 family: greedy, one hash table, byte-oriented tokens. Each step packs and unpacks. */
#include "bench.h"
#include <string.h>

enum { BYTES = 1 << 19, HASH = 1 << 13, LEAST = 4, MOST = 127 + LEAST };

static uint32_t hash_of(const unsigned char *at)
{
	uint32_t word = at[0] | at[1] << 8 | at[2] << 16 | (uint32_t)at[3] << 24;

	return word * 2654435761u >> 19;
}

/* Token 0x80 | (length - LEAST), then the distance in 2 bytes: a match. Else a count of 1 to 127, then these literals. */
static size_t pack(const unsigned char *in, size_t size, unsigned char *out)
{
	static uint32_t heads[HASH];
	size_t at = 0, literals = 0, to = 0;

	memset(heads, 0, sizeof heads);
	while (at < size) {
		size_t length = 0, from = 0;

		if (at + LEAST <= size) {
			uint32_t *head = &heads[hash_of(in + at)];

			from = *head;
			*head = (uint32_t)at;
			if (from < at && at - from < 65536)
				while (length < MOST && at + length < size && in[from + length] == in[at + length])
					length++;
		}
		if (length < LEAST) {
			at++;
			literals++;
		}
		if (literals && (length >= LEAST || literals == 127 || at == size)) {
			out[to++] = (unsigned char)literals;
			memcpy(out + to, in + at - literals, literals);
			to += literals;
			literals = 0;
		}
		if (length >= LEAST) {
			out[to++] = (unsigned char)(0x80 | (length - LEAST));
			out[to++] = (unsigned char)((at - from) & 255);
			out[to++] = (unsigned char)((at - from) >> 8);
			at += length;
		}
	}
	return to;
}

static size_t unpack(const unsigned char *in, size_t size, unsigned char *out)
{
	size_t at = 0, to = 0;

	while (at < size) {
		unsigned token = in[at++];

		if (token & 0x80) {
			size_t length = (token & 0x7f) + LEAST, distance = in[at] | in[at + 1] << 8;

			at += 2;
			for (; length > 0; length--, to++)
				out[to] = out[to - distance];
		} else {
			memcpy(out + to, in + at, token);
			at += token;
			to += token;
		}
	}
	return to;
}

uint64_t lz(void)
{
	unsigned char *text = room(BYTES), *packed = room(BYTES * 2), *back = room(BYTES);
	uint64_t sum = 0;

	for (int s = 0; s < STEPS; s++) {
		size_t size;

		if (s % 8 == 0)
			make_text((char *)text, BYTES, 11 + (uint64_t)s);
		size = pack(text, BYTES, packed);
		if (unpack(packed, size, back) != BYTES || memcmp(text, back, BYTES))
			die("what was unpacked is not what was packed");
		sum = mix(sum, size);
		step();
	}
	return sum;
}
