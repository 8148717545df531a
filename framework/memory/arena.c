/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arena.c - what both arenas have in common, on top of arena_try().
 */
#include <stdlib.h>
#include <string.h>

#include "memory/memory.h"

void *
arena_alloc(struct arena *arena, size_t size)
{
	void *p = arena_try(arena, size);

	if (p)
		return p;
	fprintf(
	    stderr,
	    "penstock: a lease needs more memory than worker_memory allows: %zu bytes on top of %zu\n",
	    size, arena_used(arena));
	abort();
}

char *
arena_dupn(struct arena *arena, const char *text, size_t len)
{
	char *copy = arena_alloc(arena, len + 1);

	if (len)
		memcpy(copy, text, len);
	return copy;
}

char *
arena_vprintf(struct arena *arena, const char *format, va_list args)
{
	va_list again;
	char *text;
	int len;

	va_copy(again, args);
	len = vsnprintf(NULL, 0, format, again);
	va_end(again);
	check(len >= 0);
	text = arena_alloc(arena, (size_t)len + 1);
	vsnprintf(text, (size_t)len + 1, format, args);
	return text;
}

char *
arena_printf(struct arena *arena, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = arena_vprintf(arena, format, args);
	va_end(args);
	return text;
}
