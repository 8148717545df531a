/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * man.c - a reader of manual pages: enough of man(7) and mdoc(7) to get their text.
 *
 * Requests are dropped, macros that set a font give their words, headings and
 * paragraphs become blocks. No macro is defined and no file is included.
 */
#include "extract_priv.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

struct page {
	struct blocks *b;
	struct found *found;
	bool lines; /* between .nf and .fi */
	bool verbatim;
};

/* ---- escapes ---- */

static const struct {
	const char *name, *text;
} characters[] = {
	{ "em", "—" },  { "en", "–" }, { "hy", "-" },  { "co", "©" }, { "rg", "®" }, { "bu", "•" },
	{ "dq", "\"" }, { "aq", "'" }, { "cq", "’" },  { "oq", "‘" }, { "lq", "“" }, { "rq", "”" },
	{ "ha", "^" },  { "ti", "~" }, { "rs", "\\" }, { "ga", "`" }, { "aa", "´" }, { "mu", "×" },
	{ "->", "→" },  { "<-", "←" }, { "<=", "≤" },  { ">=", "≥" }, { "+-", "±" }, { "de", "°" },
	{ "ae", "æ" },  { "ss", "ß" }, { "at", "@" },  { "sh", "#" }, { "Do", "$" }, { "ba", "|" },
};

static const char *
character(const char *name, size_t n)
{
	for (size_t i = 0; i < sizeof characters / sizeof characters[0]; i++)
		if (strlen(characters[i].name) == n && strncmp(characters[i].name, name, n) == 0)
			return characters[i].text;
	return "";
}

/* The name behind \f, \*, \( and the like: one character, (xx or [name]. Moves *p behind it. */
static size_t
escape_name(const char **p, const char *end, const char **ret)
{
	const char *at = *p;

	if (at < end && *at == '[') {
		*ret = ++at;
		while (at < end && *at != ']')
			at++;
		*p = at < end ? at + 1 : at;
		return (size_t)(at - *ret);
	}
	if (at < end && *at == '(') {
		*ret = at + 1;
		*p = end - at > 3 ? at + 3 : end;
		return (size_t)(*p - *ret);
	}
	*ret = at;
	*p = at < end ? at + 1 : at;
	return (size_t)(*p - at);
}

static void
skip_quoted(const char **p, const char *end)
{
	char quote;

	if (*p >= end)
		return;
	quote = *(*p)++;
	while (*p < end && *(*p)++ != quote)
		;
}

/* \s0, \s+2: another size. */
static void
skip_size(const char **p, const char *end)
{
	if (*p < end && (**p == '+' || **p == '-'))
		(*p)++;
	while (*p < end && isdigit((unsigned char)**p))
		(*p)++;
}

/* Is c one of those? */
static bool
among(char c, const char *those)
{
	return c != '\0' && strchr(those, c) != NULL;
}

/* Puts what an escape stands for; *p is behind the backslash. False: a comment, the line ends. */
static bool
escape(const char **p, const char *end, char *out, size_t *n)
{
	static const char marks[] = "-e\\ ~0'`.", texts[] = "-\\\\   '`."; /* one for one */
	char c = *p < end ? *(*p)++ : '\0', own[2] = { c, '\0' };
	const char *name, *value = "";
	size_t len;

	if (among(c, "\"#"))
		return false;
	if (among(c, marks)) {
		own[0] = texts[strchr(marks, c) - marks];
		value = own;
	} else if (among(c, "([")) {
		(*p)--;
		len = escape_name(p, end, &name);
		value = character(name, len);
	} else if (among(c, "f*nmMFg")) {
		escape_name(p, end, &name);
	} else if (c == 's') {
		skip_size(p, end);
	} else if (among(c, "whvlLNobDXZ")) {
		skip_quoted(p, end);
	} else if (!among(c, "&/,|^:%cp{}du")) {
		value = own;
	}
	len = strlen(value);
	memcpy(out + *n, value, len);
	*n += len;
	return true;
}

/* ---- lines ---- */

#define LINE_MOST 4096

/* An escape may take the first half of a character with it, and a long line end inside one. */
static size_t
drop_halves(char *text, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n;) {
		utf8proc_int32_t c;
		utf8proc_ssize_t len = utf8proc_iterate((const utf8proc_uint8_t *)text + i,
		                                        (utf8proc_ssize_t)(n - i), &c);

		if (len > 0)
			memmove(text + kept, text + i, (size_t)len);
		kept += len > 0 ? (size_t)len : 0;
		i += len > 0 ? (size_t)len : 1;
	}
	return kept;
}

/* A line with its escapes resolved, at most LINE_MOST bytes of it. */
static size_t
resolve(const char *line, const char *end, char *out)
{
	size_t n = 0;

	while (line < end && n < LINE_MOST - 16) {
		if (*line != '\\') {
			out[n++] = *line++;
			continue;
		}
		line++;
		if (!escape(&line, end, out, &n))
			break;
	}
	return drop_halves(out, n);
}

static void
give(struct page *page, const char *text, size_t n)
{
	if (page->lines) {
		blocks_lines(page->b, text, n);
		return;
	}
	blocks_words(page->b, text, n);
	blocks_words(page->b, " ", 1);
}

/* The next argument of a macro: a word, or what stands between quotes. */
static size_t
argument(const char **p, const char *end, const char **ret)
{
	size_t n;

	while (*p < end && (**p == ' ' || **p == '\t'))
		(*p)++;
	if (*p < end && **p == '"') {
		*ret = ++*p;
		while (*p < end && **p != '"')
			(*p)++;
		n = (size_t)(*p - *ret);
		*p += *p < end;
		return n;
	}
	*ret = *p;
	while (*p < end && **p != ' ' && **p != '\t')
		(*p)++;
	return (size_t)(*p - *ret);
}

static void
give_arguments(struct page *page, const char *p, const char *end, bool joined)
{
	char text[LINE_MOST];
	const char *arg;
	size_t n;

	while ((n = argument(&p, end, &arg)) > 0) {
		size_t len = resolve(arg, arg + n, text);

		blocks_words(page->b, text, len);
		if (!joined)
			blocks_words(page->b, " ", 1);
	}
	blocks_words(page->b, " ", 1);
}

static bool
is(const char *name, size_t n, const char *list)
{
	char padded[16];

	if (n == 0 || n > 3)
		return false;
	snprintf(padded, sizeof padded, " %.*s ", (int)n, name);
	return strstr(list, padded) != NULL;
}

static void
heading(struct page *page, int level, const char *p, const char *end)
{
	page->lines = false;
	blocks_heading(page->b, level);
	give_arguments(page, p, end, false);
	blocks_end(page->b);
}

static void
take_title(struct page *page, const char *p, const char *end)
{
	char text[LINE_MOST];
	const char *name, *section;
	size_t n = argument(&p, end, &name), s = argument(&p, end, &section), len;

	len = resolve(name, name + n, text);
	if (len > 0 && !page->found->title[0])
		snprintf(page->found->title, sizeof page->found->title, "%.*s(%.*s)", (int)len,
		         text, (int)s, section);
}

static void
macro(struct page *page, const char *line, const char *end)
{
	const char *p = line, *name;
	size_t n;

	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	name = p;
	while (p < end && *p != ' ' && *p != '\t')
		p++;
	n = (size_t)(p - name);
	if (is(name, n, " TH Dt "))
		take_title(page, p, end);
	else if (is(name, n, " Dd Os Bk Ek Sm "))
		return; /* the date, the system, and how lines are filled */
	else if (is(name, n, " SH Sh "))
		heading(page, 1, p, end);
	else if (is(name, n, " SS Ss "))
		heading(page, 2, p, end);
	else if (is(name, n, " PP P LP Pp TP HP sp Bl El It RS RE "))
		blocks_end(page->b);
	else if (is(name, n, " IP ")) {
		const char *mark;
		size_t len;

		blocks_end(page->b);
		len = argument(&p, end, &mark);
		give_arguments(page, mark, mark + len, false);
	} else if (is(name, n, " nf EX Bd ")) {
		blocks_end(page->b);
		page->lines = true;
	} else if (is(name, n, " fi EE Ed ")) {
		page->lines = false;
		blocks_end(page->b);
	} else if (is(name, n, " BR RB IR RI BI IB "))
		give_arguments(page, p, end, true);
	else if (
	    is(name, n,
	       " B I SM SB R UR MT Nm Nd Fl Ar Cm Op Pa Xr Em Sy Li Ql Dq Sq Va Fn Ev Ic Dv Er ") ||
	    (n == 2 && isupper((unsigned char)name[0]) && islower((unsigned char)name[1])))
		give_arguments(page, p, end, false);
	/* the others are requests: they set something and say nothing */
}

void
man_read(const char *text, size_t len, struct blocks *b, struct found *found)
{
	struct page page = { .b = b, .found = found };
	const char *end = text + len;
	char line[LINE_MOST];

	while (text < end) {
		const char *stop = memchr(text, '\n', (size_t)(end - text));
		const char *next = stop ? stop + 1 : end;

		if (!stop)
			stop = end;
		if (stop > text && stop[-1] == '\r')
			stop--;
		if (*text == '.' || *text == '\'')
			macro(&page, text + 1, stop);
		else if (stop == text)
			blocks_end(b);
		else
			give(&page, line, resolve(text, stop, line));
		text = next;
	}
	blocks_end(b);
}
