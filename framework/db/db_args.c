/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * db_args.c - arguments of a statement, in PostgreSQL's binary forms.
 *
 * Values point at the caller's bytes, at the struct's own scratch space, or
 * into the arena: a struct db_args is never copied. The forms are those of
 * array_recv, multirange_recv and range_recv.
 */
#include "db/db_priv.h"

#include <endian.h>
#include <limits.h>
#include <string.h>

enum {
	OID_BOOL = 16,
	OID_BYTEA = 17,
	OID_INT8 = 20,
	OID_INT2 = 21,
	OID_INT4 = 23,
	OID_TEXT = 25,
	OID_JSON = 114,
	OID_FLOAT8 = 701,
	OID_UUID = 2950,
	OID_INT8MULTIRANGE = 4536,

	OID_JSONS = 199,
	OID_BYTEAS = 1001,
	OID_INT2S = 1005,
	OID_INT4S = 1007,
	OID_TEXTS = 1009,
	OID_INT8S = 1016,
	OID_FLOAT8S = 1022,
	OID_INT8MULTIRANGES = 6157
};

void
db_args_init(struct db_args *args)
{
	args->n = 0;
}

static void
add(struct db_args *args, unsigned type, const void *value, size_t len, int format)
{
	check(args->n < DB_ARGS_MAX);
	check(len <= INT_MAX);
	args->types[args->n] = type;
	args->values[args->n] = value;
	args->lengths[args->n] = (int)len;
	args->formats[args->n++] = format;
}

static void
add_scratch(struct db_args *args, unsigned type, const void *bytes, size_t len)
{
	check(args->n < DB_ARGS_MAX);
	memcpy(args->scratch[args->n], bytes, len);
	add(args, type, args->scratch[args->n], len, 1);
}

void
db_arg_null(struct db_args *args)
{
	add(args, 0, NULL, 0, 0);
}

void
db_arg_int2(struct db_args *args, int16_t v)
{
	uint16_t big = htobe16((uint16_t)v);

	add_scratch(args, OID_INT2, &big, sizeof big);
}

void
db_arg_int4(struct db_args *args, int32_t v)
{
	uint32_t big = htobe32((uint32_t)v);

	add_scratch(args, OID_INT4, &big, sizeof big);
}

void
db_arg_int8(struct db_args *args, int64_t v)
{
	uint64_t big = htobe64((uint64_t)v);

	add_scratch(args, OID_INT8, &big, sizeof big);
}

void
db_arg_bool(struct db_args *args, bool v)
{
	char byte = v;

	add_scratch(args, OID_BOOL, &byte, 1);
}

void
db_arg_double(struct db_args *args, double v)
{
	uint64_t big;

	memcpy(&big, &v, sizeof big);
	big = htobe64(big);
	add_scratch(args, OID_FLOAT8, &big, sizeof big);
}

void
db_arg_text(struct db_args *args, const char *text)
{
	add(args, 0, text, text ? strlen(text) : 0, 0);
}

void
db_arg_bytes(struct db_args *args, const void *bytes, size_t len)
{
	add(args, OID_BYTEA, bytes, len, 1);
}

void
db_arg_uuid(struct db_args *args, const struct uuid *uuid)
{
	add_scratch(args, OID_UUID, uuid->bytes, sizeof uuid->bytes);
}

/* ---- arrays: dimensions, has-null flag, element type, then (length, lower bound) and the elements
 * ---- */

static char *
put_16(char *at, uint16_t v)
{
	v = htobe16(v);
	memcpy(at, &v, sizeof v);
	return at + sizeof v;
}

static char *
put_32(char *at, uint32_t v)
{
	v = htobe32(v);
	memcpy(at, &v, sizeof v);
	return at + sizeof v;
}

static char *
put_64(char *at, uint64_t v)
{
	v = htobe64(v);
	memcpy(at, &v, sizeof v);
	return at + sizeof v;
}

/* Room for the header and `payload` bytes; *ret_at is where the elements go. */
static char *
array_begin(struct db_args *args, struct arena *arena, unsigned array, unsigned element, size_t n,
            size_t payload, bool nulls)
{
	size_t size = n > 0 ? 20 + payload : 12;
	char *bytes = arena_alloc(arena, size), *at = bytes;

	check(n <= INT_MAX);
	at = put_32(at, n > 0 ? 1 : 0);
	at = put_32(at, nulls);
	at = put_32(at, element);
	if (n > 0) {
		at = put_32(at, (uint32_t)n);
		at = put_32(at, 1);
	}
	add(args, array, bytes, size, 1);
	return at;
}

void
db_arg_int2s(struct db_args *args, struct arena *arena, const int16_t *v, size_t n)
{
	char *at = array_begin(args, arena, OID_INT2S, OID_INT2, n, n * (4 + sizeof *v), false);

	for (size_t i = 0; i < n; i++)
		at = put_16(put_32(at, sizeof *v), (uint16_t)v[i]);
}

void
db_arg_int4s(struct db_args *args, struct arena *arena, const int32_t *v, size_t n)
{
	char *at = array_begin(args, arena, OID_INT4S, OID_INT4, n, n * (4 + sizeof *v), false);

	for (size_t i = 0; i < n; i++)
		at = put_32(put_32(at, sizeof *v), (uint32_t)v[i]);
}

void
db_arg_int8s(struct db_args *args, struct arena *arena, const int64_t *v, size_t n)
{
	char *at = array_begin(args, arena, OID_INT8S, OID_INT8, n, n * (4 + sizeof *v), false);

	for (size_t i = 0; i < n; i++)
		at = put_64(put_32(at, sizeof *v), (uint64_t)v[i]);
}

void
db_arg_doubles(struct db_args *args, struct arena *arena, const double *v, size_t n)
{
	char *at = array_begin(args, arena, OID_FLOAT8S, OID_FLOAT8, n, n * (4 + sizeof *v), false);

	for (size_t i = 0; i < n; i++) {
		uint64_t bits;

		memcpy(&bits, &v[i], sizeof bits);
		at = put_64(put_32(at, sizeof *v), bits);
	}
}

static void
add_strings(struct db_args *args, struct arena *arena, unsigned array, unsigned element,
            const struct db_bytes *v, size_t n)
{
	size_t payload = 4 * n;
	bool nulls = false;
	char *at;

	for (size_t i = 0; i < n; i++) {
		payload += v[i].bytes ? v[i].len : 0;
		nulls = nulls || !v[i].bytes;
	}
	at = array_begin(args, arena, array, element, n, payload, nulls);
	for (size_t i = 0; i < n; i++) {
		check(v[i].len <= INT_MAX);
		at = put_32(at, v[i].bytes ? (uint32_t)v[i].len : UINT32_MAX);
		if (v[i].bytes && v[i].len > 0) {
			memcpy(at, v[i].bytes, v[i].len);
			at += v[i].len;
		}
	}
}

void
db_arg_texts(struct db_args *args, struct arena *arena, const struct db_bytes *v, size_t n)
{
	add_strings(args, arena, OID_TEXTS, OID_TEXT, v, n);
}

void
db_arg_jsons(struct db_args *args, struct arena *arena, const struct db_bytes *v, size_t n)
{
	add_strings(args, arena, OID_JSONS, OID_JSON, v, n);
}

void
db_arg_byteas(struct db_args *args, struct arena *arena, const struct db_bytes *v, size_t n)
{
	add_strings(args, arena, OID_BYTEAS, OID_BYTEA, v, n);
}

/* ---- sets of ids ---- */

#define RANGE_SIZE 25 /* flags, and two bounds of 8 bytes with their lengths */
#define RANGE_LOWER_INCLUSIVE 0x02

static size_t
count_ranges(const struct db_ids *set)
{
	size_t ranges = 0;

	for (size_t i = 0; i < set->n; i++) {
		check(i == 0 || set->ids[i] > set->ids[i - 1]);
		ranges += i == 0 || set->ids[i] != set->ids[i - 1] + 1;
	}
	return ranges;
}

static char *
put_range(char *at, int64_t from, int64_t to)
{
	at = put_32(at, RANGE_SIZE);
	*at++ = RANGE_LOWER_INCLUSIVE;
	at = put_64(put_32(at, 8), (uint64_t)from);
	return put_64(put_32(at, 8), (uint64_t)to);
}

static char *
put_ranges(char *at, const struct db_ids *set)
{
	size_t first = 0;

	for (size_t i = 1; i <= set->n; i++)
		if (i == set->n || set->ids[i] != set->ids[i - 1] + 1) {
			at = put_range(at, set->ids[first], set->ids[i - 1] + 1);
			first = i;
		}
	return at;
}

void
db_arg_multiranges(struct db_args *args, struct arena *arena, const struct db_ids *v, size_t n)
{
	size_t *ranges = arena_alloc(arena, (n + 1) * sizeof *ranges), payload = 0;
	char *at;

	for (size_t i = 0; i < n; i++) {
		ranges[i] = count_ranges(&v[i]);
		payload += 8 + ranges[i] * (4 + RANGE_SIZE);
	}
	at = array_begin(args, arena, OID_INT8MULTIRANGES, OID_INT8MULTIRANGE, n, payload, false);
	for (size_t i = 0; i < n; i++) {
		at = put_32(at, (uint32_t)(4 + ranges[i] * (4 + RANGE_SIZE)));
		at = put_32(at, (uint32_t)ranges[i]);
		at = put_ranges(at, &v[i]);
	}
}
