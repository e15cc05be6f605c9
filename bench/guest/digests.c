/* SHA-256 (FIPS 180-4, "SHA-256") and CRC-32 (ISO 3309's polynomial, a table of 256). */
#include "bench.h"

static uint32_t turn(uint32_t x, int by)
{
	return x >> by | x << (32 - by);
}

static uint32_t constants[64];

/* Whether (x / 2^32)^3 <= n. x is below 2^35, so its cube is below 2^105. */
static int cube_is_at_most(uint64_t x, uint32_t n)
{
	uint64_t square = x * x, high = multiply_high(square, x) + multiply_high(x, x) * x;
	uint64_t most = (uint64_t)n << 32;

	return high < most || (high == most && square * x == 0);
}

/* The constants are the first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
static void make_constants(void)
{
	int count = 0;

	for (uint32_t n = 2; count < 64; n++) {
		int prime = 1;
		uint64_t low = 0, high = (uint64_t)8 << 32;

		for (uint32_t d = 2; d * d <= n; d++)
			prime = prime && n % d;
		if (!prime)
			continue;
		while (high - low > 1) {
			uint64_t middle = (low + high) / 2;

			if (cube_is_at_most(middle, n))
				low = middle;
			else
				high = middle;
		}
		constants[count++] = (uint32_t)low;
	}
}

static void block(uint32_t h[8], const unsigned char *data)
{
	uint32_t w[64], v[8];

	for (int i = 0; i < 16; i++)
		w[i] = (uint32_t)data[4 * i] << 24 | data[4 * i + 1] << 16 | data[4 * i + 2] << 8 | data[4 * i + 3];
	for (int i = 16; i < 64; i++)
		w[i] = w[i - 16] + (turn(w[i - 15], 7) ^ turn(w[i - 15], 18) ^ w[i - 15] >> 3) + w[i - 7] +
		       (turn(w[i - 2], 17) ^ turn(w[i - 2], 19) ^ w[i - 2] >> 10);
	for (int i = 0; i < 8; i++)
		v[i] = h[i];
	for (int i = 0; i < 64; i++) {
		uint32_t one = v[7] + (turn(v[4], 6) ^ turn(v[4], 11) ^ turn(v[4], 25)) +
			       ((v[4] & v[5]) ^ (~v[4] & v[6])) + constants[i] + w[i];
		uint32_t two = (turn(v[0], 2) ^ turn(v[0], 13) ^ turn(v[0], 22)) +
			       ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));

		for (int k = 7; k > 0; k--)
			v[k] = v[k - 1];
		v[4] += one;
		v[0] = one + two;
	}
	for (int i = 0; i < 8; i++)
		h[i] += v[i];
}

uint64_t sha256(void)
{
	enum { BYTES = 1 << 19 };
	uint32_t h[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
			  0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };
	char *text = room(BYTES);
	uint64_t sum = 0;

	make_constants();
	make_text(text, BYTES, 9);
	for (int s = 0; s < STEPS; s++) {
		for (int at = 0; at < BYTES; at += 64)
			block(h, (unsigned char *)text + at);
		step();
	}
	for (int i = 0; i < 8; i++)
		sum = mix(sum, h[i]);
	return sum;
}

uint64_t crc(void)
{
	enum { BYTES = 1 << 21 };
	static uint32_t table[256];
	unsigned char *text = room(BYTES);
	uint32_t value = ~0u;

	make_text((char *)text, BYTES, 10);
	for (uint32_t i = 0; i < 256; i++) {
		table[i] = i;
		for (int bit = 0; bit < 8; bit++)
			table[i] = table[i] & 1 ? table[i] >> 1 ^ 0xedb88320 : table[i] >> 1;
	}
	for (int s = 0; s < STEPS; s++) {
		for (int i = 0; i < BYTES; i++)
			value = value >> 8 ^ table[(value ^ text[i]) & 255];
		step();
	}
	return ~value;
}
