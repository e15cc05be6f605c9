/* What the rows of the bench share. Nothing here or in the rows depends on an architecture. */
#ifndef BENCH_H
#define BENCH_H

#include <stddef.h>
#include <stdint.h>

/* One row does its work in this many equal steps. */
#define STEPS 40

/* Says that a step is done: one byte to descriptor 9, where the agent that started us listens; else nothing. */
void step(void);

/* Ends the program with a sentence; errno is added to it. */
void die(const char *what) __attribute__((noreturn));

/* calloc, or die. */
void *room(size_t bytes);

/* A generator with a period of 2^64 - 1 (xorshift); `state` must not be 0. */
static inline uint64_t next_random(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return *state = x;
}

/* Mixes a value into a checksum (FNV-1a over 64-bit words). */
static inline uint64_t mix(uint64_t sum, uint64_t value)
{
	return (sum ^ value) * 0x100000001b3u;
}

/* The upper 64 bits of a product. Compilers for 32 bits have no type that holds it. */
static inline uint64_t multiply_high(uint64_t a, uint64_t b)
{
#ifdef __SIZEOF_INT128__
	return (uint64_t)(((unsigned __int128)a * b) >> 64);
#else
	uint64_t low = (a & 0xffffffff) * (b & 0xffffffff), one = (a >> 32) * (b & 0xffffffff);
	uint64_t other = (a & 0xffffffff) * (b >> 32);
	uint64_t middle = (low >> 32) + (one & 0xffffffff) + (other & 0xffffffff);

	return (a >> 32) * (b >> 32) + (one >> 32) + (other >> 32) + (middle >> 32);
#endif
}

/* Fills `bytes` with lines of made-up words, as compressible as prose. Not terminated. */
void make_text(char *text, size_t bytes, uint64_t seed);

/* Each returns a checksum of what it computed: the same on every machine. */
typedef uint64_t row_function(void);

row_function integer, multiply_divide;
row_function stride, chase_4m, chase_64m, memcpy_8m, memcpy_64;
row_function matmul, nbody, fir, vectors;
row_function strings, sha256, crc, lz;
row_function quicksort, recursion, interpreter, virtual_calls, set_jump;
row_function get_ppid, pipes, page_faults, map_unmap, fork_wait, fork_exec, tmpfs_reads;

#endif
