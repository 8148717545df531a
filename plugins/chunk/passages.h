/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * passages.h - the body that chunk makes, embed adds vectors to, store keeps.
 *
 * A text with the places of its passages; passages may overlap, so the text
 * stands there once. Offsets and lengths are bytes and never cut a character.
 *
 *     "PSPG"                      magic
 *     u32 version                 1
 *     u32 n                       passages
 *     u32 dimensions              of each vector; 0: there are none yet
 *     u32 headings_len, text_len  bytes
 *     n times                     u32 offset and length in the text,
 *                                 u32 offset and length of its heading path
 *     n * dimensions              f32
 *     headings                    UTF-8: "Queries > Joins" of each passage
 *     text                        UTF-8, without NUL
 *
 * Numbers are little-endian, floats IEEE 754, and nothing is aligned: read
 * through the functions below. They include nothing of penstock, and a reader
 * checks the whole of it in passages_open(), so that get needs no checks.
 */
#ifndef PASSAGES_H
#define PASSAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PASSAGES_HEAD ((size_t)24)
#define PASSAGES_ROW ((size_t)16)
#define PASSAGES_VERSION 1u
#define PASSAGES_DIMENSIONS_MOST 4096u

struct passages {
	const unsigned char *bytes;
	uint32_t n, dimensions;
	const char *headings, *text;
	uint32_t headings_len, text_len;
};

struct passage {
	const char *text, *heading; /* not NUL-terminated */
	uint32_t offset, length, heading_offset, heading_length;
};

static inline uint32_t
passages_u32(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline void
passages_put_u32(unsigned char *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (unsigned char)(v >> 8 * i);
}

static inline struct passage
passages_get(const struct passages *p, uint32_t i)
{
	const unsigned char *row = p->bytes + PASSAGES_HEAD + PASSAGES_ROW * i;
	struct passage r = { NULL,
		             NULL,
		             passages_u32(row),
		             passages_u32(row + 4),
		             passages_u32(row + 8),
		             passages_u32(row + 12) };

	r.text = p->text + r.offset;
	r.heading = p->headings + r.heading_offset;
	return r;
}

static inline float
passages_get_float(const struct passages *p, uint32_t i, uint32_t dimension)
{
	size_t at = (size_t)i * p->dimensions + dimension;
	uint32_t bits = passages_u32(p->bytes + PASSAGES_HEAD + PASSAGES_ROW * p->n + 4 * at);
	float v;

	memcpy(&v, &bits, sizeof v);
	return v;
}

/* Bytes of a whole body with these members, without overflow: at most about 2^48 * 16. */
static inline size_t
passages_size(uint32_t n, uint32_t dimensions, uint32_t headings_len, uint32_t text_len)
{
	return PASSAGES_HEAD + (size_t)n * (PASSAGES_ROW + (size_t)4 * dimensions) + headings_len +
	       text_len;
}

/* False: these are no passages, and *ret is not to be read. It points into the bytes. */
static inline bool
passages_open(const void *bytes, size_t len, struct passages *ret)
{
	const unsigned char *p = bytes;

	if (!p || len < PASSAGES_HEAD || memcmp(p, "PSPG", 4) != 0 ||
	    passages_u32(p + 4) != PASSAGES_VERSION)
		return false;
	ret->bytes = p;
	ret->n = passages_u32(p + 8);
	ret->dimensions = passages_u32(p + 12);
	ret->headings_len = passages_u32(p + 16);
	ret->text_len = passages_u32(p + 20);
	if (ret->dimensions > PASSAGES_DIMENSIONS_MOST ||
	    passages_size(ret->n, ret->dimensions, ret->headings_len, ret->text_len) != len)
		return false;
	ret->text = (const char *)p + (len - ret->text_len);
	ret->headings = ret->text - ret->headings_len;
	for (uint32_t i = 0; i < ret->n; i++) {
		struct passage a = passages_get(ret, i);

		if (a.offset > ret->text_len || a.length > ret->text_len - a.offset ||
		    a.heading_offset > ret->headings_len ||
		    a.heading_length > ret->headings_len - a.heading_offset)
			return false;
	}
	return true;
}

/* Writes the head and, at passages_size(), lets the caller fill rows, vectors and texts: rows
 * through passages_put(), the rest behind them in the order that is drawn above. */
static inline void
passages_begin(unsigned char *bytes, uint32_t n, uint32_t dimensions, uint32_t headings_len,
               uint32_t text_len)
{
	memcpy(bytes, "PSPG", 4);
	passages_put_u32(bytes + 4, PASSAGES_VERSION);
	passages_put_u32(bytes + 8, n);
	passages_put_u32(bytes + 12, dimensions);
	passages_put_u32(bytes + 16, headings_len);
	passages_put_u32(bytes + 20, text_len);
}

static inline void
passages_put(unsigned char *bytes, uint32_t i, const struct passage *passage)
{
	unsigned char *row = bytes + PASSAGES_HEAD + PASSAGES_ROW * i;

	passages_put_u32(row, passage->offset);
	passages_put_u32(row + 4, passage->length);
	passages_put_u32(row + 8, passage->heading_offset);
	passages_put_u32(row + 12, passage->heading_length);
}

/* All of `p` but its vectors, to passages_size() bytes with other dimensions; the vectors are the
 * caller's to put. */
static inline void
passages_copy(unsigned char *bytes, const struct passages *p, uint32_t dimensions)
{
	size_t texts = (size_t)p->headings_len + p->text_len;
	size_t len = passages_size(p->n, dimensions, p->headings_len, p->text_len);

	passages_begin(bytes, p->n, dimensions, p->headings_len, p->text_len);
	memcpy(bytes + PASSAGES_HEAD, p->bytes + PASSAGES_HEAD, PASSAGES_ROW * p->n);
	memcpy(bytes + len - texts, p->headings, texts);
}

static inline void
passages_put_float(unsigned char *bytes, uint32_t n, size_t at, float v)
{
	uint32_t bits;

	memcpy(&bits, &v, sizeof bits);
	passages_put_u32(bytes + PASSAGES_HEAD + PASSAGES_ROW * n + 4 * at, bits);
}

#endif
