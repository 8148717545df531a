/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * buf.c - a growing byte string that always ends with a NUL.
 */
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

void
buf_init(struct buf *buf)
{
	*buf = (struct buf){ 0 };
}

void
buf_done(struct buf *buf)
{
	free(buf->data);
	buf_init(buf);
}

void
buf_reset(struct buf *buf)
{
	buf->len = 0;
	if (buf->data)
		buf->data[0] = '\0';
}

char *
buf_reserve(struct buf *buf, size_t more)
{
	size_t need = buf->len + more + 1;

	check(need > buf->len);
	if (need > buf->cap) {
		size_t cap = buf->cap ? buf->cap * 2 : 128;

		buf->cap = cap > need ? cap : need;
		buf->data = mem_resize(buf->data, buf->cap);
		buf->data[buf->len] = '\0';
	}
	return buf->data + buf->len;
}

void
buf_add(struct buf *buf, const void *bytes, size_t len)
{
	char *at = buf_reserve(buf, len);

	if (len)
		memcpy(at, bytes, len);
	buf->len += len;
	buf->data[buf->len] = '\0';
}

void
buf_adds(struct buf *buf, const char *text)
{
	buf_add(buf, text, strlen(text));
}

void
buf_addc(struct buf *buf, char c)
{
	buf_add(buf, &c, 1);
}

void
buf_vprintf(struct buf *buf, const char *format, va_list args)
{
	va_list again;
	int len;

	va_copy(again, args);
	len = vsnprintf(NULL, 0, format, again);
	va_end(again);
	check(len >= 0);
	vsnprintf(buf_reserve(buf, (size_t)len), (size_t)len + 1, format, args);
	buf->len += (size_t)len;
}

void
buf_printf(struct buf *buf, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	buf_vprintf(buf, format, args);
	va_end(args);
}

/* One byte of ASCII as it stands in a JSON string. */
static void
add_json_byte(struct buf *buf, unsigned char c)
{
	static const char named[] = "\b\f\n\r\t\"\\", letters[] = "bfnrt\"\\";
	const char *at = c ? strchr(named, c) : NULL;

	if (at) {
		buf_addc(buf, '\\');
		buf_addc(buf, letters[at - named]);
	} else if (c < 0x20 || c == 0x7f) {
		buf_printf(buf, "\\u%04x", c);
	} else {
		buf_addc(buf, (char)c);
	}
}

void
buf_add_json(struct buf *buf, const char *text, size_t len)
{
	size_t valid = 0; /* what is left of a valid run */

	buf_addc(buf, '"');
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (valid == 0)
			valid = text_utf8(text + i, len - i);
		if (c < 0x80)
			add_json_byte(buf, c);
		else if (valid > 0)
			buf_addc(buf, (char)c);
		else
			buf_adds(buf, "\ufffd");
		valid -= valid > 0;
	}
	buf_addc(buf, '"');
}

char *
buf_steal(struct buf *buf)
{
	char *data = buf->data ? buf->data : mem_alloc(1);

	buf_init(buf);
	return data;
}
