/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * json.c - checks JSON text without making a tree of it.
 *
 * Reads every byte and trusts none: RFC 8259, UTF-8 without NUL in any form,
 * numbers that a double can hold, at most 64 levels deep; what passes here
 * passes PostgreSQL's json as well.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

struct reader {
	const char *start, *p, *end;
	unsigned depth;
	struct fault *fault;
};

static bool
refuse(struct reader *r, const char *at, const char *what)
{
	fault_set(r->fault, INVALID, "%s at byte %zu", what, (size_t)(at - r->start));
	return false;
}

static void
skip_space(struct reader *r)
{
	while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' || *r->p == '\t' || *r->p == '\r'))
		r->p++;
}

static bool
next_is(struct reader *r, char c)
{
	skip_space(r);
	if (r->p >= r->end || *r->p != c)
		return false;
	r->p++;
	return true;
}

bool
json_plain_word(const char *p)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
	uint64_t w, quote, slash;

	memcpy(&w, p, sizeof w);
	quote = w ^ ones * '"';
	slash = w ^ ones * '\\';
	return ((w | (w - ones * 0x20) | (quote - ones) | (slash - ones)) & tops) == 0;
}

int
json_hex4(const char *p)
{
	int v = 0;

	for (int i = 0; i < 4; i++) {
		char c = p[i];

		if (c >= '0' && c <= '9')
			v = v * 16 + (c - '0');
		else if ((c | 32) >= 'a' && (c | 32) <= 'f')
			v = v * 16 + ((c | 32) - 'a' + 10);
		else
			return -1;
	}
	return v;
}

static bool
check_unicode_escape(struct reader *r)
{
	const char *at = r->p;
	int v = r->end - at >= 6 ? json_hex4(at + 2) : -1, low;

	if (v < 0)
		return refuse(r, at, "bad \\u escape");
	if (v == 0)
		return refuse(r, at, "\\u0000, which no text of PostgreSQL can hold,");
	r->p += 6;
	if (v < 0xd800 || v > 0xdfff)
		return true;
	low = r->end - r->p >= 6 && r->p[0] == '\\' && r->p[1] == 'u' ? json_hex4(r->p + 2) : -1;
	if (v > 0xdbff || low < 0xdc00 || low > 0xdfff)
		return refuse(r, at, "half of a surrogate pair");
	r->p += 6;
	return true;
}

static bool
check_escape(struct reader *r)
{
	char c = r->end - r->p >= 2 ? r->p[1] : '\0';

	if (c == 'u')
		return check_unicode_escape(r);
	if (c == '\0' || !strchr("\"\\/bfnrt", c))
		return refuse(r, r->p, "bad escape");
	r->p += 2;
	return true;
}

/* Characters beyond ASCII. */
static bool
check_utf8(struct reader *r)
{
	size_t left = (size_t)(r->end - r->p), len;

	/* a character that the window cuts is left for the next */
	len = text_utf8(r->p, left < 64 ? left : 64);
	if (len == 0)
		return refuse(r, r->p, "invalid UTF-8");
	while (len > 0 && (unsigned char)*r->p >= 0x80) {
		r->p++;
		len--;
	}
	return true;
}

/* r->p stands behind the opening quote. */
static bool
check_string(struct reader *r)
{
	const char *at = r->p - 1;

	for (;;) {
		unsigned char c;

		while (r->end - r->p >= 8 && json_plain_word(r->p))
			r->p += 8;
		if (r->p >= r->end)
			return refuse(r, at, "unterminated string");
		c = (unsigned char)*r->p;
		if (c == '"') {
			r->p++;
			return true;
		}
		if (c == '\\') {
			if (!check_escape(r))
				return false;
		} else if (c < 0x20) {
			return refuse(r, r->p, "control byte in a string");
		} else if (c >= 0x80) {
			if (!check_utf8(r))
				return false;
		} else {
			r->p++;
		}
	}
}

static size_t
digits(struct reader *r)
{
	const char *from = r->p;

	while (r->p < r->end && *r->p >= '0' && *r->p <= '9')
		r->p++;
	return (size_t)(r->p - from);
}

double
json_double(const char *text, size_t len)
{
	char small[64], *copy = len < sizeof small ? small : mem_alloc(len + 1);
	double v;

	memcpy(copy, text, len);
	copy[len] = '\0';
	v = strtod(copy, NULL);
	if (copy != small)
		free(copy);
	return v;
}

static bool
check_number(struct reader *r)
{
	const char *at = r->p;
	bool exponent = false;

	if (*r->p == '-')
		r->p++;
	if (r->p < r->end && *r->p == '0')
		r->p++;
	else if (digits(r) == 0)
		return refuse(r, at, "unexpected character");
	if (r->p < r->end && *r->p == '.') {
		r->p++;
		if (digits(r) == 0)
			return refuse(r, at, "bad number");
	}
	if (r->p < r->end && (*r->p | 32) == 'e') {
		exponent = true;
		r->p++;
		if (r->p < r->end && (*r->p == '+' || *r->p == '-'))
			r->p++;
		if (digits(r) == 0)
			return refuse(r, at, "bad number");
	}
	/* below 300 digits and without exponent it is finite */
	if ((exponent || r->p - at > 300) && !isfinite(json_double(at, (size_t)(r->p - at))))
		return refuse(r, at, "number beyond a double");
	return true;
}

static bool
check_word(struct reader *r, const char *word, size_t len)
{
	if ((size_t)(r->end - r->p) < len || memcmp(r->p, word, len) != 0)
		return refuse(r, r->p, "unexpected character");
	r->p += len;
	return true;
}

static bool check_value(struct reader *r);

static bool
check_object(struct reader *r)
{
	if (next_is(r, '}'))
		return true;
	do {
		if (!next_is(r, '"'))
			return refuse(r, r->p, "expected a name in quotes");
		if (!check_string(r))
			return false;
		if (!next_is(r, ':'))
			return refuse(r, r->p, "expected ':'");
		if (!check_value(r))
			return false;
	} while (next_is(r, ','));
	return next_is(r, '}') || refuse(r, r->p, "expected ',' or '}'");
}

static bool
check_array(struct reader *r)
{
	if (next_is(r, ']'))
		return true;
	do {
		if (!check_value(r))
			return false;
	} while (next_is(r, ','));
	return next_is(r, ']') || refuse(r, r->p, "expected ',' or ']'");
}

static bool
check_nested(struct reader *r, bool (*check_inner)(struct reader *))
{
	if (r->depth == JSON_DEPTH)
		return refuse(r, r->p, "nested deeper than 64 levels");
	r->p++;
	r->depth++;
	if (!check_inner(r))
		return false;
	r->depth--;
	return true;
}

static bool
check_value(struct reader *r)
{
	skip_space(r);
	if (r->p >= r->end)
		return refuse(r, r->p, "text ends too early");
	switch (*r->p) {
	case '"': r->p++; return check_string(r);
	case '{': return check_nested(r, check_object);
	case '[': return check_nested(r, check_array);
	case 't': return check_word(r, "true", 4);
	case 'f': return check_word(r, "false", 5);
	case 'n': return check_word(r, "null", 4);
	default: return check_number(r);
	}
}

static enum status
check_whole(struct reader *r)
{
	if (!check_value(r))
		return INVALID;
	skip_space(r);
	if (r->p != r->end) {
		refuse(r, r->p, "more text after the value");
		return INVALID;
	}
	return OK;
}

enum status
json_check(const char *json, size_t len, unsigned depth, struct fault *fault)
{
	struct reader r = {
		.start = json, .p = json, .end = json + len, .depth = depth, .fault = fault
	};

	return check_whole(&r);
}

enum status
json_check_object(const char *json, size_t len, struct fault *fault)
{
	struct reader r = { .start = json, .p = json, .end = json + len, .fault = fault };

	skip_space(&r);
	if (r.p == r.end || *r.p != '{')
		return fault_set(fault, INVALID, "not a JSON object");
	return check_whole(&r);
}
