/* A bytecode interpreter with one big switch; its program counts primes and mixes the numbers that it meets. */
#include "bench.h"

enum code { PUSH, LOAD, STORE, ADD, MULTIPLY, MODULO, LESS, XOR, SHIFT, JUMP, JUMP_IF_ZERO, GET, PUT, DUP, STOP };

enum { LIMIT, I, J, COUNT, SUM, VARIABLES };

static int64_t run(const int16_t *program, int64_t limit, unsigned char *array)
{
	int64_t stack[16], *top = stack, variables[VARIABLES] = { limit };

	for (const int16_t *at = program;;) {
		switch ((enum code)*at++) {
		case PUSH: *++top = *at++; break;
		case LOAD: *++top = variables[*at++]; break;
		case STORE: variables[*at++] = *top--; break;
		case ADD: top--; *top += top[1]; break;
		case MULTIPLY: top--; *top = (int64_t)((uint64_t)*top * (uint64_t)top[1]); break;
		case MODULO: top--; *top %= top[1]; break;
		case LESS: top--; *top = *top < top[1]; break;
		case XOR: top--; *top ^= top[1]; break;
		case SHIFT: top--; *top = (int64_t)((uint64_t)*top >> top[1]); break;
		case JUMP: at += *at; break;
		case JUMP_IF_ZERO: at += *top-- ? 1 : *at; break;
		case GET: *top = array[*top]; break;
		case PUT: array[top[-1]] = (unsigned char)*top; top -= 2; break;
		case DUP: top++; *top = top[-1]; break;
		case STOP: return variables[COUNT] ^ variables[SUM];
		}
	}
}

uint64_t interpreter(void)
{
	enum { SIZE = 2500 };
	static const int16_t program[] = {
		/*  0 */ PUSH, 2, STORE, I,
		/*  4 */ LOAD, I, LOAD, LIMIT, LESS, JUMP_IF_ZERO, 58, /* to 68 */
		/* 11 */ LOAD, I, GET, JUMP_IF_ZERO, 3, /* to 18 */
		/* 16 */ JUMP, 41, /* to 58 */
		/* 18 */ LOAD, COUNT, PUSH, 1, ADD, STORE, COUNT,
		/* 25 */ LOAD, SUM, LOAD, I, MULTIPLY, DUP, PUSH, 7, SHIFT, XOR, LOAD, I, PUSH, 13, MODULO, ADD, STORE, SUM,
		/* 43 */ LOAD, I, LOAD, I, ADD, STORE, J,
		/* 50 */ JUMP, 19, /* to 70 */
		/* 52 */ STOP, STOP, STOP, STOP, STOP, STOP,
		/* 58 */ LOAD, I, PUSH, 1, ADD, STORE, I,
		/* 65 */ JUMP, -62, /* to 4 */
		/* 67 */ STOP,
		/* 68 */ STOP, STOP,
		/* 70 */ LOAD, J, LOAD, LIMIT, LESS, JUMP_IF_ZERO, -18, /* to 58 */
		/* 77 */ LOAD, J, PUSH, 1, PUT, LOAD, J, LOAD, I, ADD, STORE, J,
		/* 89 */ JUMP, -20, /* to 70 */
	};
	unsigned char *array = room(SIZE);
	uint64_t sum = 0;

	for (int s = 0; s < STEPS; s++) {
		for (int again = 0; again < 10; again++) {
			for (int i = 0; i < SIZE; i++)
				array[i] = 0;
			sum = mix(sum, (uint64_t)run(program, SIZE - again - s, array));
		}
		step();
	}
	return sum;
}
