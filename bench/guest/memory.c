/* Loads, stores and copies over more or less memory. */
#include "bench.h"
#include <string.h>

uint64_t stride(void)
{
	enum { WORDS = 1 << 20 };
	uint32_t *a = room(WORDS * sizeof *a);
	uint64_t sum = 0;

	for (int s = 0; s < STEPS; s++) {
		for (uint32_t by = 1; by <= 4096; by *= 4)
			for (uint32_t from = 0; from < (by < 16 ? by : 16); from++)
				for (uint32_t i = from; i < WORDS; i += by)
					a[i] += i ^ by;
		for (uint32_t i = 0; i < WORDS; i += 33)
			sum = mix(sum, a[i]);
		step();
	}
	return sum;
}

/* One cycle through all lines of 64 bytes, in random order (Sattolo's shuffle). */
static uint64_t chase(size_t bytes, unsigned loads_per_step)
{
	struct line {
		uint32_t next, rest[15];
	} *lines = room(bytes);
	uint32_t count = bytes / sizeof *lines, at = 0;
	uint64_t sum = 0, state = 3;

	for (uint32_t i = 0; i < count; i++)
		lines[i].next = i;
	for (uint32_t i = count - 1; i > 0; i--) {
		uint32_t j = next_random(&state) % i, other = lines[j].next;

		lines[j].next = lines[i].next;
		lines[i].next = other;
	}
	for (int s = 0; s < STEPS; s++) {
		for (unsigned i = 0; i < loads_per_step; i++)
			at = lines[at].next;
		sum = mix(sum, at);
		step();
	}
	return sum;
}

uint64_t chase_4m(void)
{
	return chase(4 << 20, 125000);
}

uint64_t chase_64m(void)
{
	return chase(64 << 20, 30000);
}

uint64_t memcpy_8m(void)
{
	enum { BYTES = 8 << 20 };
	char *from = room(BYTES), *to = room(BYTES);
	uint64_t sum = 0;

	make_text(from, BYTES, 4);
	for (int s = 0; s < STEPS; s++) {
		for (int i = 0; i < 6; i++) {
			from[(s * 977 + i) % BYTES]++;
			memcpy(to, from, BYTES);
			/* The compiler must not know that the copy is not needed. */
			__asm__ volatile("" : : "r"(to) : "memory");
		}
		sum = mix(sum, (unsigned char)to[(s * 977) % BYTES]);
		step();
	}
	return sum;
}

uint64_t memcpy_64(void)
{
	enum { BYTES = 1 << 16 };
	char *from = room(BYTES), *to = room(BYTES);
	uint64_t sum = 0, state = 5;

	make_text(from, BYTES, 5);
	for (int s = 0; s < STEPS; s++) {
		for (int i = 0; i < 100000; i++) {
			uint64_t r = next_random(&state);
			/* Of 57 to 64 bytes, at any address: a call of the library, not a copy in line. */
			size_t bytes = 57 + (r & 7);

			memcpy(to + (r >> 8) % (BYTES - 64), from + (r >> 32) % (BYTES - 64), bytes);
		}
		sum = mix(sum, (unsigned char)to[s * 1601 % BYTES]);
		step();
	}
	return sum;
}
