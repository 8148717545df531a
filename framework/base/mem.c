/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mem.c - memory that is there, or the process is not.
 */
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

_Noreturn static void
out_of_memory(size_t size)
{
	fprintf(stderr, "penstock: out of memory: %zu bytes\n", size);
	abort();
}

void *
mem_alloc(size_t size)
{
	void *p = calloc(1, size ? size : 1);

	if (!p)
		out_of_memory(size);
	return p;
}

void *
mem_resize(void *old, size_t size)
{
	void *p = realloc(old, size ? size : 1);

	if (!p)
		out_of_memory(size);
	return p;
}

void *
mem_array(void *old, size_t n, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(n, size, &total))
		out_of_memory(SIZE_MAX);
	return mem_resize(old, total);
}

char *
mem_dupn(const char *text, size_t len)
{
	char *copy = mem_alloc(len + 1);

	memcpy(copy, text, len);
	return copy;
}

char *
mem_dup(const char *text)
{
	return mem_dupn(text, strlen(text));
}

char *
mem_printf(const char *format, ...)
{
	struct buf buf;
	va_list args;

	buf_init(&buf);
	va_start(args, format);
	buf_vprintf(&buf, format, args);
	va_end(args);
	return buf_steal(&buf);
}
