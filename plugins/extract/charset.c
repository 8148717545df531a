/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * charset.c - any text to UTF-8.
 *
 * A byte order mark goes before what a document says of itself, and valid
 * UTF-8 before a guess. What cannot be converted becomes U+FFFD.
 */
#include "extract_priv.h"

#include <errno.h>
#include <iconv.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utf8proc.h>

#define DECLARED_WITHIN 2048 /* bytes */

bool
charset_is_utf8(const char *text, size_t len)
{
	const utf8proc_uint8_t *p = (const utf8proc_uint8_t *)text;
	utf8proc_ssize_t left = (utf8proc_ssize_t)len;

	while (left > 0) {
		utf8proc_int32_t c;
		utf8proc_ssize_t n = *p < 0x80 ? 1 : utf8proc_iterate(p, left, &c);

		if (n < 1 || *p == 0)
			return false;
		p += n;
		left -= n;
	}
	return true;
}

static bool
has_wide_mark(const char *text, size_t len)
{
	return len >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0);
}

bool
charset_is_binary(const char *text, size_t len)
{
	size_t control = 0, look = len < 65536 ? len : 65536;

	if (has_wide_mark(text, len))
		return false;
	for (size_t i = 0; i < look; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == 0)
			return true;
		control += c < 32 && c != '\n' && c != '\t' && c != '\r' && c != '\f' && c != 27;
	}
	return control * 10 > look;
}

/* The value behind charset= or encoding= in the head of a document. */
static bool
declared(const char *text, size_t len, char *out, size_t size)
{
	static const char *const keys[] = { "charset=", "encoding=" };
	size_t look = len < DECLARED_WITHIN ? len : DECLARED_WITHIN;

	for (size_t k = 0; k < 2; k++) {
		size_t key = strlen(keys[k]);

		for (size_t i = 0; i + key < look; i++) {
			size_t n = 0;

			if (strncasecmp(text + i, keys[k], key) != 0)
				continue;
			i += key;
			while (i < look && (text[i] == '"' || text[i] == '\'' || text[i] == ' '))
				i++;
			while (i < look && n + 1 < size &&
			       strchr("\"'> ;/?\t\r\n", text[i]) == NULL)
				out[n++] = text[i++];
			out[n] = '\0';
			return n > 0;
		}
	}
	return false;
}

/* Grows as it goes; a byte that is not of the encoding is replaced. */
static bool
convert(iconv_t cd, const char *text, size_t len, char **ret, size_t *ret_len)
{
	size_t room = len * 2 + 64, left = room, in_left = len;
	char *out = malloc(room), *at = out, *in = (char *)text;

	while (out && in_left > 0) {
		if (left < 16 ||
		    (iconv(cd, &in, &in_left, &at, &left) == (size_t)-1 && errno == E2BIG)) {
			size_t used = (size_t)(at - out);
			char *grown = realloc(out, room * 2);

			if (!grown) {
				free(out);
				return false;
			}
			out = grown;
			at = out + used;
			left += room;
			room *= 2;
		} else if (in_left > 0 && (errno == EILSEQ || errno == EINVAL)) {
			memcpy(at, "\xef\xbf\xbd", 3);
			at += 3;
			left -= 3;
			in++;
			in_left--;
			errno = 0;
		}
	}
	if (!out)
		return false;
	*ret = out;
	*ret_len = (size_t)(at - out);
	return true;
}

static bool
from(const char *encoding, const char *text, size_t len, char **ret, size_t *ret_len)
{
	iconv_t cd = iconv_open("UTF-8", encoding);
	bool good;

	if (cd == (iconv_t)-1)
		return false;
	good = convert(cd, text, len, ret, ret_len);
	iconv_close(cd);
	return good;
}

bool
charset_to_utf8(const char *text, size_t len, bool html, const char *fallback, char **ret,
                size_t *ret_len, bool *ret_owned)
{
	char named[64];

	*ret_owned = true;
	if (has_wide_mark(text, len))
		return from(text[0] == '\xff' ? "UTF-16LE" : "UTF-16BE", text + 2, len - 2, ret,
		            ret_len);
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		text += 3;
		len -= 3;
	}
	if (charset_is_utf8(text, len)) {
		*ret = (char *)text;
		*ret_len = len;
		*ret_owned = false;
		return true;
	}
	if (html && declared(text, len, named, sizeof named) && strcasecmp(named, "utf-8") != 0 &&
	    strcasecmp(named, "utf8") != 0 && from(named, text, len, ret, ret_len))
		return true;
	return from(fallback, text, len, ret, ret_len);
}
