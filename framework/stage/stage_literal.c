/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stage_literal.c - constants and strings as C's source has them.
 *
 * The macros of penstock.h put into a plugin's manifest what stands in its
 * source: expressions such as 64 * 1024, adjacent literals, C's own escapes.
 * Written for files that mean harm: see tests/fuzz.
 */
#include "stage/stage_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- constants as C writes them ---- */

struct constant {
	const char *p;
	unsigned depth;
	bool good;
};

static double constant_shift(struct constant *c);

static void
constant_space(struct constant *c)
{
	while (*c->p == ' ')
		c->p++;
}

static bool
constant_next(struct constant *c, const char *op)
{
	size_t len = strlen(op);

	constant_space(c);
	if (strncmp(c->p, op, len) != 0)
		return false;
	c->p += len;
	return true;
}

static double
constant_atom(struct constant *c)
{
	char *end;
	double v;

	if (++c->depth > 32) {
		c->good = false;
		return 0;
	}
	if (constant_next(c, "-")) {
		v = -constant_atom(c);
	} else if (constant_next(c, "(")) {
		v = constant_shift(c);
		c->good = c->good && constant_next(c, ")");
	} else {
		constant_space(c);
		c->good = c->good && ((*c->p >= '0' && *c->p <= '9') || *c->p == '.');
		if (!c->good)
			return 0;
		v = strtod(c->p, &end);
		c->good = end != c->p && isfinite(v);
		c->p = end;
		c->p += strspn(c->p, "uUlLfF");
	}
	c->depth--;
	return v;
}

static double
constant_product(struct constant *c)
{
	double v = constant_atom(c);

	while (c->good && constant_next(c, "*"))
		v *= constant_atom(c);
	return v;
}

static double
constant_sum(struct constant *c)
{
	double v = constant_product(c);

	while (c->good) {
		if (constant_next(c, "+"))
			v += constant_product(c);
		else if (constant_next(c, "-"))
			v -= constant_product(c);
		else
			break;
	}
	return v;
}

static double
constant_shift(struct constant *c)
{
	double v = constant_sum(c);

	while (c->good && constant_next(c, "<<"))
		v = ldexp(v, (int)fmax(0, fmin(64, constant_sum(c))));
	return v;
}

bool
stage_constant(const char *text, double *ret)
{
	struct constant c = { text, 0, true };
	double v = constant_shift(&c);

	constant_space(&c);
	if (!c.good || *c.p != '\0' || !isfinite(v))
		return false;
	*ret = v;
	return true;
}

/* ---- from C's literals to JSON's strings ---- */

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if ((c | 32) >= 'a' && (c | 32) <= 'f')
		return (c | 32) - 'a' + 10;
	return -1;
}

/* p stands behind the backslash; returns where the escape ends. */
static const char *
tidy_escape(const char *p, const char *end, struct buf *out)
{
	static const char from[] = "ave?'", to[] = "\a\v\033?'";
	const char *known;
	unsigned v = 0;
	int n = 0;

	if (p == end)
		return p;
	known = *p ? strchr(from, *p) : NULL;
	if (known) {
		buf_printf(out, "\\u%04x", (unsigned)to[known - from]);
		return p + 1;
	}
	if (*p == 'x') {
		for (p++; p < end && hex_digit(*p) >= 0; p++)
			v = (v << 4 | (unsigned)hex_digit(*p)) & 0xff;
		buf_printf(out, "\\u%04x", v);
		return p;
	}
	if (*p >= '0' && *p <= '7') {
		for (; p < end && n < 3 && *p >= '0' && *p <= '7'; p++, n++)
			v = (v << 3 | (unsigned)(*p - '0')) & 0xff;
		buf_printf(out, "\\u%04x", v);
		return p;
	}
	buf_addc(out, '\\');
	buf_addc(out, *p);
	return p + 1;
}

/* p stands behind an opening quote; returns where the closing one of the last adjacent literal
 * ends. */
static const char *
tidy_string(const char *p, const char *end, struct buf *out)
{
	while (p < end) {
		if (*p == '\\') {
			p = tidy_escape(p + 1, end, out);
		} else if (*p == '"') {
			const char *next = p + 1;

			while (next < end && (*next == ' ' || *next == '\t'))
				next++;
			if (next == end || *next != '"') {
				buf_addc(out, '"');
				return p + 1;
			}
			p = next + 1;
		} else {
			buf_addc(out, *p++);
		}
	}
	return p;
}

void
stage_literal_tidy(const char *text, size_t len, struct buf *out)
{
	const char *p = text, *end = text + len;

	while (p < end) {
		buf_addc(out, *p);
		p = *p == '"' ? tidy_string(p + 1, end, out) : p + 1;
	}
}
