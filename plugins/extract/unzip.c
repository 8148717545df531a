/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * unzip.c - gzip in memory, with a bound on what comes out.
 */
#include "extract_priv.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

bool
unzip_is_gzip(const char *bytes, size_t len)
{
	return len > 2 && bytes[0] == '\x1f' && bytes[1] == '\x8b';
}

static bool
make_room(char **out, size_t *room, size_t len, size_t most)
{
	size_t more = *room * 2 > most + 1 ? most + 1 : *room * 2;
	char *grown;

	if (len < *room)
		return true;
	grown = realloc(*out, more);
	if (!grown)
		return false;
	*out = grown;
	*room = more;
	return true;
}

/* Members stand one behind another in a file; what is behind the last one is left alone. */
static enum unzip
inflate_all(z_stream *z, size_t most, char **out, size_t *len)
{
	size_t room = 65536;
	int got = Z_OK;

	*out = malloc(room);
	if (!*out)
		return UNZIP_NO_MEMORY;
	for (;;) {
		if (*len > most)
			return UNZIP_TOO_LARGE;
		if (!make_room(out, &room, *len, most))
			return UNZIP_NO_MEMORY;
		z->next_out = (unsigned char *)*out + *len;
		z->avail_out = (unsigned)(room - *len < UINT_MAX ? room - *len : UINT_MAX);
		got = inflate(z, Z_NO_FLUSH);
		*len = (size_t)((char *)z->next_out - *out);
		if (got == Z_STREAM_END) {
			if (!unzip_is_gzip((const char *)z->next_in, z->avail_in))
				return *len > most ? UNZIP_TOO_LARGE : UNZIP_OK;
			inflateReset(z);
		} else if (got == Z_MEM_ERROR) {
			return UNZIP_NO_MEMORY;
		} else if (got == Z_BUF_ERROR ||
		           (got == Z_OK && z->avail_in == 0 && z->avail_out > 0)) {
			return UNZIP_TRUNCATED;
		} else if (got != Z_OK) {
			return UNZIP_CORRUPT;
		}
	}
}

enum unzip
unzip_all(const char *bytes, size_t len, size_t most, char **ret, size_t *ret_len)
{
	z_stream z = { .next_in = (unsigned char *)bytes, .avail_in = (unsigned)len };
	enum unzip end;

	*ret = NULL;
	*ret_len = 0;
	if (len > UINT_MAX)
		return UNZIP_TOO_LARGE;
	if (inflateInit2(&z, 15 + 16) != Z_OK)
		return UNZIP_NO_MEMORY;
	end = inflate_all(&z, most, ret, ret_len);
	inflateEnd(&z);
	if (end != UNZIP_OK) {
		free(*ret);
		*ret = NULL;
	}
	return end;
}
