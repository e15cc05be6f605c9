/* Whole numbers in registers. */
#include "bench.h"

uint64_t integer(void)
{
	uint64_t sum = 0, state = 1;

	for (int s = 0; s < STEPS; s++) {
		for (int i = 0; i < 1500000; i++) {
			uint64_t x = next_random(&state);
			uint32_t low = (uint32_t)x;

			if (x & 4)
				sum += low ^ (x >> 40);
			else
				sum -= (low << 3) | (low >> 29);
		}
		step();
	}
	return sum;
}

uint64_t multiply_divide(void)
{
	uint64_t sum = 0, state = 2;

	for (int s = 0; s < STEPS; s++) {
		for (int i = 0; i < 1000000; i++) {
			uint64_t x = next_random(&state), y = (x >> 40) + 3;
			int64_t negative = -(int64_t)(x >> 8);

			sum += x / y + x % (y | 1);
			sum ^= (uint64_t)(negative / (int64_t)y);
			sum += (uint32_t)x / (uint32_t)y + (uint32_t)x % 1000;
			sum ^= multiply_high(x, sum);
			sum += x * y;
		}
		step();
	}
	return sum;
}
