/* Calls: through pointers, of themselves, through tables, and left by a jump. */
#include "bench.h"
#include <setjmp.h>

struct item {
	uint64_t key;
	uint32_t place;
};

typedef int compare_function(const void *, const void *);

static int by_key(const void *a, const void *b)
{
	const struct item *one = a, *two = b;

	return one->key < two->key ? -1 : one->key > two->key ? 1 : (int)(one->place - two->place);
}

static void sort(struct item *items, int low, int high, compare_function *compare)
{
	while (low < high) {
		struct item middle = items[low + (high - low) / 2];
		int i = low, j = high;

		while (i <= j) {
			while (compare(&items[i], &middle) < 0)
				i++;
			while (compare(&items[j], &middle) > 0)
				j--;
			if (i <= j) {
				struct item other = items[i];

				items[i++] = items[j];
				items[j--] = other;
			}
		}
		/* The shorter part by a call, the longer one here. */
		if (j - low < high - i) {
			sort(items, low, j, compare);
			low = i;
		} else {
			sort(items, i, high, compare);
			high = j;
		}
	}
}

uint64_t quicksort(void)
{
	enum { ITEMS = 24000 };
	struct item *items = room(ITEMS * sizeof *items);
	/* The compiler must not know which function it is. */
	compare_function *volatile compare = by_key;
	uint64_t sum = 0, state = 12;

	for (int s = 0; s < STEPS; s++) {
		for (uint32_t i = 0; i < ITEMS; i++)
			items[i] = (struct item){ next_random(&state) >> 44, i };
		sort(items, 0, ITEMS - 1, compare);
		for (int i = 0; i < ITEMS; i += 100)
			sum = mix(sum, items[i].key);
		step();
	}
	return sum;
}

__attribute__((noinline, noipa)) static uint64_t fibonacci(uint64_t n)
{
	return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

__attribute__((noinline, noipa)) static uint64_t ackermann(uint64_t m, uint64_t n)
{
	return !m ? n + 1 : ackermann(m - 1, n ? ackermann(m, n - 1) : 1);
}

__attribute__((noinline, noipa)) static uint64_t queens(uint32_t all, uint32_t columns, uint32_t left, uint32_t right)
{
	uint64_t found = 0;

	if (columns == all)
		return 1;
	for (uint32_t free = all & ~(columns | left | right), bit; free; free ^= bit) {
		bit = free & -free;
		found += queens(all, columns | bit, (left | bit) << 1, (right | bit) >> 1);
	}
	return found;
}

uint64_t recursion(void)
{
	uint64_t sum = 0;

	for (int s = 0; s < STEPS; s++) {
		sum = mix(sum, fibonacci(27 + (uint64_t)s % 3));
		sum = mix(sum, ackermann(2, 400 + (uint64_t)s));
		sum = mix(sum, queens(511, 0, 0, 0));
		step();
	}
	return sum;
}

struct shape;
struct shape_class {
	uint64_t (*area)(const struct shape *);
	uint64_t (*edge)(const struct shape *);
	void (*grow)(struct shape *, uint32_t);
};
struct shape {
	const struct shape_class *class;
	uint32_t a, b;
};

static uint64_t area_square(const struct shape *s) { return (uint64_t)s->a * s->a; }
static uint64_t area_box(const struct shape *s) { return (uint64_t)s->a * s->b; }
static uint64_t area_half(const struct shape *s) { return (uint64_t)s->a * s->b / 2; }
static uint64_t area_round(const struct shape *s) { return (uint64_t)s->a * s->a * 355 / 113; }
static uint64_t edge_square(const struct shape *s) { return 4u * s->a; }
static uint64_t edge_box(const struct shape *s) { return 2u * (s->a + s->b); }
static uint64_t edge_half(const struct shape *s) { return s->a + s->b + (s->a > s->b ? s->a : s->b); }
static uint64_t edge_round(const struct shape *s) { return 2u * s->a * 355 / 113; }
static void grow_one(struct shape *s, uint32_t by) { s->a = (s->a + by) & 1023; }
static void grow_both(struct shape *s, uint32_t by)
{
	s->a = (s->a + by) & 1023;
	s->b = (s->b + 2 * by) & 1023;
}

uint64_t virtual_calls(void)
{
	enum { SHAPES = 512 };
	static const struct shape_class classes[] = {
		{ area_square, edge_square, grow_one }, { area_box, edge_box, grow_both },
		{ area_half, edge_half, grow_both },	{ area_round, edge_round, grow_one },
		{ area_box, edge_half, grow_one },	{ area_square, edge_round, grow_both },
	};
	struct shape *shapes = room(SHAPES * sizeof *shapes);
	uint64_t sum = 0, state = 13;

	for (int i = 0; i < SHAPES; i++) {
		uint64_t r = next_random(&state);

		shapes[i] = (struct shape){ &classes[r % 6], (uint32_t)(r >> 20) & 1023, (uint32_t)(r >> 40) & 1023 };
	}
	for (int s = 0; s < STEPS; s++) {
		for (int again = 0; again < 500; again++)
			for (int i = 0; i < SHAPES; i++) {
				struct shape *shape = &shapes[i];

				sum += shape->class->area(shape);
				sum ^= shape->class->edge(shape);
				shape->class->grow(shape, (uint32_t)sum & 7);
			}
		step();
	}
	return sum;
}

static jmp_buf place;

__attribute__((noinline, noipa)) static int deeper(int depth, int value)
{
	if (depth < 0)
		return 0;
	if (!depth)
		longjmp(place, value);
	return deeper(depth - 1, value) + 1;
}

__attribute__((noinline, noipa)) static int there_and_back(int depth, int value)
{
	int got = setjmp(place);

	return got ? got : deeper(depth, value);
}

uint64_t set_jump(void)
{
	uint64_t sum = 0;

	for (int s = 0; s < STEPS; s++) {
		for (int i = 0; i < 80000; i++)
			sum = mix(sum, (uint64_t)there_and_back(i & 7, i % 5 + 1));
		step();
	}
	return sum;
}
