/*
 * Floating point. Sums are exact or rounded before they count, since a machine with fused operations rounds less often.
 */
#include "bench.h"
#include <math.h>

uint64_t matmul(void)
{
	enum { N = 96 };
	static double a[N][N], b[N][N], c[N][N];
	uint64_t sum = 0;

	for (int s = 0; s < STEPS; s++) {
		for (int i = 0; i < N; i++)
			for (int j = 0; j < N; j++) {
				a[i][j] = (i * 7 + j * 3 + s) % 101;
				b[i][j] = (i * 5 + j * 11 + s) % 97;
			}
		for (int i = 0; i < N; i++)
			for (int j = 0; j < N; j++) {
				double dot = 0;

				for (int k = 0; k < N; k++)
					dot += a[i][k] * b[k][j];
				c[i][j] = dot;
			}
		sum = mix(sum, (uint64_t)c[s][(s * 31) % N]);
		step();
	}
	return sum;
}

/* The Sun and the giant planets; units of the Computer Language Benchmarks Game's problem of that name. */
uint64_t nbody(void)
{
	enum { BODIES = 5 };
	struct body {
		double x[3], v[3], mass;
	} bodies[BODIES] = {
		{ { 0, 0, 0 }, { 0, 0, 0 }, 39.478 },
		{ { 4.841, -1.160, -0.104 }, { 0.606, 2.812, -0.025 }, 0.0377 },
		{ { 8.343, 4.125, -0.404 }, { -1.011, 1.826, 0.0084 }, 0.0113 },
		{ { 12.894, -15.111, -0.223 }, { 1.083, 0.869, -0.0108 }, 0.00172 },
		{ { 15.380, -25.919, 0.179 }, { 0.979, 0.594, -0.0348 }, 0.00203 },
	};
	double energy = 0;

	for (int s = 0; s < STEPS; s++) {
		for (int round = 0; round < 3000; round++) {
			for (int i = 0; i < BODIES; i++)
				for (int j = i + 1; j < BODIES; j++) {
					struct body *a = &bodies[i], *b = &bodies[j];
					double d[3], square = 0, pull;

					for (int k = 0; k < 3; k++) {
						d[k] = a->x[k] - b->x[k];
						square += d[k] * d[k];
					}
					pull = 0.001 / (square * sqrt(square));
					for (int k = 0; k < 3; k++) {
						a->v[k] -= d[k] * b->mass * pull;
						b->v[k] += d[k] * a->mass * pull;
					}
				}
			for (int i = 0; i < BODIES; i++)
				for (int k = 0; k < 3; k++)
					bodies[i].x[k] += 0.001 * bodies[i].v[k];
		}
		step();
	}
	for (int i = 0; i < BODIES; i++)
		for (int k = 0; k < 3; k++)
			energy += 0.5 * bodies[i].mass * bodies[i].v[k] * bodies[i].v[k];
	return (uint64_t)llround(energy * 1e6);
}

/* Single precision: 32 taps over whole samples, so that every sum is exact. */
uint64_t fir(void)
{
	enum { TAPS = 32, SAMPLES = 4096 };
	static float taps[TAPS], in[SAMPLES + TAPS], out[SAMPLES];
	uint64_t sum = 0, state = 6;

	for (int i = 0; i < TAPS; i++)
		taps[i] = (float)(i % 9 - 4);
	for (int s = 0; s < STEPS; s++) {
		for (int i = 0; i < SAMPLES + TAPS; i++)
			in[i] = (float)((int)(next_random(&state) % 2048) - 1024);
		for (int again = 0; again < 4; again++)
			for (int i = 0; i < SAMPLES; i++) {
				float value = 0;

				for (int k = 0; k < TAPS; k++)
					value += taps[k] * in[i + k];
				out[i] = value + (float)again;
			}
		for (int i = 0; i < SAMPLES; i += 61)
			sum = mix(sum, (uint64_t)(int64_t)out[i]);
		step();
	}
	return sum;
}
