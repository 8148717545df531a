/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * unpacked.c - how much do the compressed streams of a PDF hold?
 *
 * Asked before poppler is, which would believe a document of a megabyte that
 * unpacks to a gigabyte. Nothing that the document says of itself is needed:
 * wherever a stream begins, it is tried. A stream in a stream, as an attacker
 * packs it, is unpacked twice. Pictures count as well, though no text is made
 * of them: `most` must be generous.
 */
#include "extract_pdf_priv.h"

#include <stdint.h>
#include <string.h>
#include <zlib.h>

#define DEEPEST 3 /* streams in streams */

struct count {
	size_t n, most;
};

/* One level: what comes out is counted, and handed on while it looks packed. */
struct level {
	z_stream z;
	bool open, ended;
};

static bool
looks_packed(const unsigned char *bytes, size_t len)
{
	return len >= 2 && (bytes[0] & 0x0f) == 8 && (bytes[0] >> 4) <= 7 &&
	       (bytes[0] * 256 + bytes[1]) % 31 == 0;
}

/* False: the count is over its most. */
static bool
feed(struct level *levels, unsigned depth, const unsigned char *bytes, size_t len,
     struct count *count)
{
	struct level *l = &levels[depth];
	unsigned char out[32768];
	int end = Z_OK;

	if (depth == DEEPEST || l->ended)
		return true;
	if (!l->open) {
		l->open = looks_packed(bytes, len) && inflateInit(&l->z) == Z_OK;
		l->ended = !l->open;
		if (!l->open)
			return true;
	}
	l->z.next_in = (unsigned char *)(uintptr_t)bytes;
	l->z.avail_in = (unsigned)len;
	while (end == Z_OK && (l->z.avail_in > 0 || l->z.avail_out == 0)) {
		size_t n;

		l->z.next_out = out;
		l->z.avail_out = sizeof out;
		end = inflate(&l->z, Z_NO_FLUSH);
		n = sizeof out - l->z.avail_out;
		count->n += n;
		if (count->n > count->most || (n > 0 && !feed(levels, depth + 1, out, n, count)))
			return false;
	}
	if (end != Z_OK && end != Z_BUF_ERROR)
		l->ended = true;
	return true;
}

/* Returns how far the stream reached into the bytes, as far as it is packed. */
static bool
count_stream(const unsigned char *bytes, size_t len, struct count *count)
{
	struct level levels[DEEPEST + 1] = { { .open = false } };
	size_t at = 0;
	bool within = true;

	while (within && at < len && !levels[0].ended) {
		size_t n = len - at < 65536 ? len - at : 65536;

		within = feed(levels, 0, bytes + at, n, count);
		at += n;
	}
	for (unsigned i = 0; i < DEEPEST; i++)
		if (levels[i].open)
			inflateEnd(&levels[i].z);
	return within;
}

bool
unpacks_beyond(const char *bytes, size_t len, size_t most)
{
	static const char word[] = "stream";
	struct count count = { 0, most };
	const char *p = bytes, *end = bytes + len;

	while ((p = memmem(p, (size_t)(end - p), word, sizeof word - 1)) != NULL) {
		p += sizeof word - 1;
		if (p < end && *p == '\r')
			p++;
		if (p < end && *p == '\n')
			p++;
		if (!count_stream((const unsigned char *)p, (size_t)(end - p), &count))
			return true;
	}
	return false;
}
