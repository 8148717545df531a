/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * status.c - statuses as words, and the fault that goes with one.
 */
#include <ctype.h>
#include <string.h>

#include "base/base.h"

const char *
status_text(enum status status)
{
	static const char *const texts[] = {
#define STATUS(name, text) [name] = text,
#include "base/status.def"
#undef STATUS
	};

	return (size_t)status < countof(texts) ? texts[status] : "unknown status";
}

/* Bytes that are no UTF-8 become '?', but for half a character at the end of a text that was cut.
 */
static void
clean_utf8(char *out, bool cut)
{
	size_t len = strlen(out);

	for (size_t at = text_utf8(out, len); at < len; at += text_utf8(out + at, len - at))
		if (cut && at + 3 >= len && (unsigned char)out[at] >= 0xc2)
			out[len = at] = '\0';
		else
			out[at] = '?';
}

/* One line of UTF-8, whatever the world put into it. */
static void
put(char *out, size_t size, const char *format, va_list args)
{
	int len = vsnprintf(out, size, format, args);

	clean_utf8(out, len >= (int)size);
	for (char *c = out; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = *c == '\n' || *c == '\t' ? ' ' : '?';
	for (size_t end = strlen(out); end > 0 && out[end - 1] == ' '; end--)
		out[end - 1] = '\0';
}

enum status
fault_set(struct fault *fault, enum status status, const char *format, ...)
{
	va_list args;

	if (!fault)
		return status;
	fault->status = status;
	fault->errnum = 0;
	va_start(args, format);
	put(fault->text, sizeof(fault->text), format, args);
	va_end(args);
	return status;
}

enum status
fault_errno(struct fault *fault, int errnum, const char *format, ...)
{
	va_list args;
	size_t len;

	if (!fault)
		return SYSTEM;
	fault->status = SYSTEM;
	fault->errnum = errnum;
	va_start(args, format);
	put(fault->text, sizeof(fault->text), format, args);
	va_end(args);
	len = strlen(fault->text);
	snprintf(fault->text + len, sizeof(fault->text) - len, ": %s", strerror(errnum));
	return SYSTEM;
}

void
fault_where(struct fault *fault, const char *format, ...)
{
	va_list args;

	if (!fault)
		return;
	va_start(args, format);
	put(fault->where, sizeof(fault->where), format, args);
	va_end(args);
}

void
fault_hint(struct fault *fault, const char *format, ...)
{
	va_list args;

	if (!fault)
		return;
	va_start(args, format);
	put(fault->hint, sizeof(fault->hint), format, args);
	va_end(args);
}

void
fault_print(const struct fault *fault, FILE *out)
{
	const char *text = fault->text[0] ? fault->text : status_text(fault->status);

	fputs("penstock: ", out);
	text_print(fault->where, out);
	fputs(fault->where[0] ? ": " : "", out);
	text_print(text, out);
	fputc('\n', out);
	if (!fault->hint[0])
		return;
	fputs("hint: ", out);
	text_print(fault->hint, out);
	fputc('\n', out);
}
