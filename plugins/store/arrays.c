/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arrays.c - build an array parameter in PostgreSQL's binary form.
 *
 *     i32 dimensions (1, or 0 when empty)   i32 has nulls   u32 element's Oid
 *     i32 elements   i32 lower bound        each: i32 length (-1: null), bytes
 *
 * Integers are big-endian. The form is the one that array_recv() reads,
 * src/backend/utils/adt/arrayfuncs.c.
 */
#include "store_priv.h"

#include <stdlib.h>
#include <string.h>

#define HEAD 20
#define HEAD_EMPTY 12             /* an array of no dimensions has no counts */
#define LONGEST ((size_t)1 << 29) /* a message to the server ends at 1 GiB */

static void
put_u32(char *to, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		to[i] = (char)(v >> (24 - 8 * i));
}

static char *
grow(struct array *a, size_t by)
{
	size_t room = a->room ? a->room : 256;
	char *bytes;

	if (a->failed || by > LONGEST || a->len + by > LONGEST) {
		a->failed = true;
		return NULL;
	}
	while (room < a->len + by)
		room *= 2;
	if (room > a->room) {
		bytes = realloc(a->bytes, room);
		if (!bytes) {
			a->failed = true;
			return NULL;
		}
		a->bytes = bytes;
		a->room = room;
	}
	bytes = a->bytes + a->len;
	a->len += by;
	return bytes;
}

void
array_init(struct array *a, enum array_type type)
{
	char *head;

	memset(a, 0, sizeof *a);
	head = grow(a, HEAD);
	if (!head)
		return;
	memset(head, 0, HEAD);
	put_u32(head + 8, (uint32_t)type);
	put_u32(head + 16, 1);
}

void
array_done(struct array *a)
{
	free(a->bytes);
	memset(a, 0, sizeof *a);
}

size_t
array_len(const struct array *a)
{
	return a->n == 0 ? HEAD_EMPTY : a->len;
}

void
array_add(struct array *a, const void *bytes, size_t len)
{
	char *at = len > LONGEST ? grow(a, len) : grow(a, 4 + (bytes ? len : 0));

	if (!at)
		return;
	put_u32(at, bytes ? (uint32_t)len : UINT32_MAX);
	if (bytes && len > 0)
		memcpy(at + 4, bytes, len);
	put_u32(a->bytes, 1);
	put_u32(a->bytes + 4, 1);
	put_u32(a->bytes + 12, ++a->n);
}

void
array_add_floats(struct array *a, const uint32_t *bits, uint32_t n)
{
	char *at = grow(a, (size_t)n * 8);

	if (!at || n == 0)
		return;
	for (uint32_t i = 0; i < n; i++, at += 8) {
		put_u32(at, 4);
		put_u32(at + 4, bits[i]);
	}
	put_u32(a->bytes, 1);
	a->n += n;
	put_u32(a->bytes + 12, a->n);
}

void
array_add_text(struct array *a, const char *text)
{
	array_add(a, text, text ? strlen(text) : 0);
}

void
array_add_int4(struct array *a, uint32_t v)
{
	char bytes[4];

	put_u32(bytes, v);
	array_add(a, bytes, sizeof bytes);
}

void
array_add_int8(struct array *a, int64_t v)
{
	char bytes[8];

	put_u32(bytes, (uint32_t)((uint64_t)v >> 32));
	put_u32(bytes + 4, (uint32_t)(uint64_t)v);
	array_add(a, bytes, sizeof bytes);
}
