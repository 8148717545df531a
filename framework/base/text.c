/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * text.c - numbers with units, near names, UTF-8, text for a terminal.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

struct unit {
	const char *name;
	int64_t factor;
};

static const struct unit durations[] = {
	{ "ns", 1 },       { "us", 1000 },      { "ms", MSEC },      { "s", SEC },
	{ "m", 60 * SEC }, { "min", 60 * SEC }, { "h", 3600 * SEC }, { "d", 86400 * SEC },
};
static const struct unit sizes[] = {
	{ "", 1 },
	{ "B", 1 },
	{ "KiB", KiB },
	{ "MiB", MiB },
	{ "GiB", KiB *MiB },
	{ "TiB", MiB *MiB },
	{ "kB", 1000 },
	{ "MB", 1000000 },
	{ "GB", 1000000000 },
	{ "TB", INT64_C(1000000000000) },
};

/* number [space] unit, e.g. "1.5 s"; the unit must be one of the table's */
static enum status
parse_unit(const char *text, const struct unit *units, size_t n, const char *what,
           const char *example, int64_t *ret, struct fault *fault)
{
	char *end;
	double number;

	errno = 0;
	number = strtod(text, &end);
	/* digits and a point: strtod() also takes signs, blanks, exponents, 0x10, nan and inf */
	if (end == text || errno || strspn(text, "0123456789.") != (size_t)(end - text))
		return fault_set(fault, INVALID, "'%s' is not a %s: write for example \"%s\"", text,
		                 what, example);
	if (number <= 0 && !*end) {
		*ret = 0;
		return OK;
	}
	while (*end == ' ')
		end++;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(end, units[i].name) != 0)
			continue;
		number *= (double)units[i].factor;
		if (number >= 9.2e18)
			return fault_set(fault, INVALID, "'%s' is too large", text);
		*ret = (int64_t)(number + 0.5);
		return OK;
	}
	return fault_set(fault, INVALID, "'%s' is not a %s: %s '%s'; write for example \"%s\"",
	                 text, what, *end ? "unknown unit" : "it has no unit", end, example);
}

enum status
text_duration(const char *text, int64_t *ret_ns, struct fault *fault)
{
	return parse_unit(text, durations, countof(durations), "duration", "250ms", ret_ns, fault);
}

enum status
text_size(const char *text, int64_t *ret_bytes, struct fault *fault)
{
	return parse_unit(text, sizes, countof(sizes), "size", "64MiB", ret_bytes, fault);
}

enum status
text_int(const char *text, int64_t least, int64_t most, int64_t *ret, struct fault *fault)
{
	char *end;
	long long v;

	errno = 0;
	v = strtoll(text, &end, 10);
	if (end == text || *end || !(text[0] == '-' || (text[0] >= '0' && text[0] <= '9')))
		return fault_set(fault, INVALID, "'%s' is not a whole number", text);
	if (errno || v < least || v > most)
		return fault_set(fault, INVALID, "%s is out of range: %" PRId64 " to %" PRId64,
		                 text, least, most);
	*ret = v;
	return OK;
}

const char *
text_bytes(int64_t bytes, char *out)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
	double v = (double)bytes;
	size_t u = 0;

	while (v >= 1024 && u + 1 < countof(units)) {
		v /= 1024;
		u++;
	}
	snprintf(out, 32, u && v < 100 ? "%.1f %s" : "%.0f %s", v, units[u]);
	return out;
}

const char *
text_ns(int64_t ns, char *out)
{
	double v = (double)ns;

	if (v < 1e3)
		snprintf(out, 32, "%.0f ns", v);
	else if (v < 1e6)
		snprintf(out, 32, v < 1e5 ? "%.1f us" : "%.0f us", v / 1e3);
	else if (v < 1e9)
		snprintf(out, 32, v < 1e8 ? "%.1f ms" : "%.0f ms", v / 1e6);
	else if (v < 120e9)
		snprintf(out, 32, "%.1f s", v / 1e9);
	else if (v < 7200e9)
		snprintf(out, 32, "%.0f min", v / 60e9);
	else
		snprintf(out, 32, "%.1f h", v / 3600e9);
	return out;
}

const char *
text_seconds(double seconds, char *out)
{
	if (seconds < 120)
		return text_ns((int64_t)(seconds * 1e9), out);
	if (seconds < 7200)
		snprintf(out, 32, "%.0f min", seconds / 60);
	else if (seconds < 172800)
		snprintf(out, 32, "%.0f h", seconds / 3600);
	else
		snprintf(out, 32, "%.0f d", seconds / 86400);
	return out;
}

const char *
text_count(int64_t n, char *out)
{
	char digits[24];
	size_t len, o = 0;

	snprintf(digits, sizeof(digits), "%" PRId64, n);
	len = strlen(digits);
	for (size_t i = 0; i < len; i++) {
		if (i > (digits[0] == '-') && (len - i) % 3 == 0)
			out[o++] = ' ';
		out[o++] = digits[i];
	}
	out[o] = '\0';
	return out;
}

/* ---- near names: edit distance with transpositions (optimal string alignment) ---- */

#define NAME_MOST 64

static unsigned
distance(const char *a, const char *b)
{
	unsigned rows[3][NAME_MOST + 1];
	size_t la = strlen(a), lb = strlen(b);

	if (la > NAME_MOST || lb > NAME_MOST)
		return UINT_MAX;
	for (size_t j = 0; j <= lb; j++)
		rows[0][j] = (unsigned)j;
	for (size_t i = 1; i <= la; i++) {
		unsigned *row = rows[i % 3], *up = rows[(i + 2) % 3], *upup = rows[(i + 1) % 3];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= lb; j++) {
			unsigned best = up[j - 1] + (a[i - 1] != b[j - 1]);

			if (up[j] + 1 < best)
				best = up[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    upup[j - 2] + 1 < best)
				best = upup[j - 2] + 1;
			row[j] = best;
		}
	}
	return rows[la % 3][lb];
}

const char *
text_nearest(const char *name, const char *const *names, size_t n)
{
	const char *best = NULL;
	unsigned least = (unsigned)strlen(name) / 3 + 1;

	for (size_t i = 0; i < n; i++) {
		unsigned d = distance(name, names[i]);

		if (d > least || (d == least && best))
			continue;
		least = d;
		best = names[i];
	}
	return best;
}

/* ---- UTF-8 (Unicode 15, table 3-7: well-formed sequences) ---- */

static size_t
sequence(const unsigned char *s, size_t left)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t n;

	if (s[0] < 0x80)
		return s[0] != 0;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (n > left)
		return 0;
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	if (s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

size_t
text_utf8(const char *text, size_t len)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t i = 0, n;

	while (i < len && (n = sequence(s + i, len - i)) > 0)
		i += n;
	return i;
}

void
text_clean(const char *text, size_t len, char *out, size_t out_size)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t o = 0, n;

	for (size_t i = 0; i < len; i += n) {
		n = sequence(s + i, len - i);
		bool harmless = n > 1 ? !(s[i] == 0xc2 && s[i + 1] < 0xa0)
		                      : n == 1 && s[i] >= 0x20 && s[i] != 0x7f;

		if (n == 0)
			n = 1;
		if (o + (harmless ? n : 1) >= out_size)
			break;
		if (harmless)
			memcpy(out + o, s + i, n);
		else
			out[o] = s[i] == '\n' || s[i] == '\t' ? ' ' : '?';
		o += harmless ? n : 1;
	}
	if (out_size)
		out[o] = '\0';
}

void
text_print(const char *text, FILE *out)
{
	size_t len = strlen(text), n;
	char clean[8]; /* of one character */

	for (size_t i = 0; i < len; i += n) {
		n = sequence((const unsigned char *)text + i, len - i);
		if (n == 0)
			n = 1;
		text_clean(text + i, n, clean, sizeof clean);
		fputs(text[i] == '\n' ? "\n" : clean, out);
	}
}
