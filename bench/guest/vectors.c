/* Vectors of 128 bits, through the compiler's own vector types. */
#include "bench.h"

typedef uint32_t words __attribute__((vector_size(16)));
typedef uint8_t bytes __attribute__((vector_size(16)));
typedef int32_t truths __attribute__((vector_size(16)));
typedef float floats __attribute__((vector_size(16)));

static inline floats choose(truths which, floats yes, floats no)
{
	return (floats)(((truths)yes & which) | ((truths)no & ~which));
}

uint64_t vectors(void)
{
	enum { COUNT = 1024 };
	static words a[COUNT];
	static bytes b[COUNT];
	static floats f[COUNT];
	uint64_t sum = 0, state = 7;

	for (int i = 0; i < COUNT; i++)
		for (int k = 0; k < 4; k++) {
			a[i][k] = (uint32_t)next_random(&state);
			f[i][k] = (float)(next_random(&state) % 1000);
		}
	for (int s = 0; s < STEPS; s++) {
		for (int again = 0; again < 60; again++) {
			words total = { 1, 2, 3, 4 };
			bytes seen = { 0 };
			floats most = { 0, 0, 0, 0 };
			const words turned = { 1, 2, 3, 0 };

			for (int i = 0; i < COUNT; i++) {
				total = total * 3 + (a[i] ^ (total >> 7));
				total = __builtin_shuffle(total, turned);
				seen += (bytes)total & (bytes)(b[i] > seen);
				b[i] = seen ^ (bytes)a[i];
				f[i] = choose(f[i] > most, f[i] - 1, f[i] + 2);
				most = choose(f[i] > most, f[i], most - 1);
			}
			for (int k = 0; k < 4; k++)
				sum = mix(sum, total[k] + (uint64_t)(int64_t)most[k]);
			for (int k = 0; k < 16; k++)
				sum = mix(sum, seen[k]);
		}
		step();
	}
	return sum;
}
