/* The library's functions on strings, over lines of text. */
#include "bench.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t strings(void)
{
	enum { BYTES = 1 << 18 };
	char *text = room(BYTES + 1), *copy = room(BYTES + 1), number[64];
	uint64_t sum = 0;

	for (int s = 0; s < STEPS; s++) {
		char *line, *rest;
		unsigned count = 0;

		make_text(text, BYTES, 8 + (uint64_t)s);
		strcpy(copy, text);
		for (line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
			char *found = strstr(line, "register"), *last = strrchr(line, ' ');

			sum = mix(sum, strlen(line));
			if (found)
				sum = mix(sum, (uint64_t)(found - line));
			if (last)
				sum += (uint64_t)(strcmp(last, " memory") > 0) + strcspn(last, "aeiou");
			sum += memchr(line, 'z', strlen(line)) ? 1 : 0;
			for (char *c = line; *c; c++)
				*c = (char)toupper((unsigned char)*c);
			snprintf(number, sizeof number, "%u:%s:%x", count++, "line", (unsigned)sum & 0xffff);
			sum += strtoul(number, NULL, 10) + (uint64_t)(strncmp(line, text, 20) > 0);
		}
		step();
	}
	return sum;
}
