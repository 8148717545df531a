/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * units.c - cut a text into headings and sentences.
 *
 * Blocks are separated by blank lines; a heading is a line of its own that
 * opens a block with one to six '#'. Within a block, a full stop ends a
 * sentence unless it looks like that of an abbreviation, an initial or a
 * number: cutting too rarely only makes a passage longer, cutting too often
 * tears a thought apart. Never cuts inside a character.
 */
#include "chunk_priv.h"

#include <stdlib.h>
#include <string.h>

#define HEADING_MOST 300 /* bytes; a longer line is text */

/* ---- UTF-8 ---- */

static bool
continues(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* Bytes of the character, 0: invalid. The ranges are those of table 3-7 of the Unicode standard. */
static size_t
character(const unsigned char *p, size_t left)
{
	size_t len;

	if (p[0] < 0x80)
		return p[0] != 0;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (left < len)
		return 0;
	for (size_t i = 1; i < len; i++)
		if (!continues((char)p[i]))
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

bool
text_valid(const char *text, size_t len)
{
	for (size_t at = 0; at < len;) {
		size_t n = character((const unsigned char *)text + at, len - at);

		if (n == 0)
			return false;
		at += n;
	}
	return true;
}

static bool
blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool
digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (unsigned char)c >= 0x80;
}

/* ---- the list that grows ---- */

struct cutter {
	const char *text;
	const struct units_options *options;
	struct units *out;
	uint32_t at, characters; /* how many characters there are before byte `at` */
	bool block_begins;
};

static uint32_t
count_to(struct cutter *c, uint32_t byte)
{
	for (; c->at < byte; c->at++)
		c->characters += !continues(c->text[c->at]);
	return c->characters;
}

static void
add(struct cutter *c, uint32_t start, uint32_t end, uint32_t level)
{
	struct units *out = c->out;
	struct unit unit = { .start = start, .end = end, .level = level };

	if (out->n == out->room) {
		size_t room = out->room ? 2 * out->room : 64;
		struct unit *units = realloc(out->units, room * sizeof *units);

		if (!units) {
			out->failed = true;
			return;
		}
		out->units = units;
		out->room = room;
	}
	unit.from = count_to(c, start);
	unit.to = count_to(c, end);
	unit.first_of_block = c->block_begins;
	c->block_begins = false;
	out->units[out->n++] = unit;
}

static void
trim(const char *text, uint32_t *start, uint32_t *end)
{
	while (*start < *end && blank(text[*start]))
		(*start)++;
	while (*start < *end && blank(text[*end - 1]))
		(*end)--;
}

/* Where to cut [start, end), which is too long: behind the last line in the later half of what
 * fits, else behind the last word, else behind the last character. */
static uint32_t
cut_at(const struct cutter *c, uint32_t start, uint32_t end)
{
	uint32_t stop = start, line = 0, word = 0;

	for (uint32_t n = 0; stop < end; stop++) {
		if (!continues(c->text[stop]) && n++ == c->options->most)
			break;
		if (c->text[stop] == '\n' && n > c->options->most / 2)
			line = stop;
		else if (blank(c->text[stop]))
			word = stop;
	}
	if (stop == end)
		return end;
	if (blank(c->text[stop]))
		return stop;
	return line > start ? line : word > start ? word : stop;
}

static void
add_text(struct cutter *c, uint32_t start, uint32_t end)
{
	trim(c->text, &start, &end);
	while (start < end) {
		uint32_t cut = cut_at(c, start, end), last = cut;

		trim(c->text, &start, &last);
		add(c, start, last, 0);
		start = cut;
		trim(c->text, &start, &end);
	}
}

/* ---- sentences ---- */

/* English and German ones after which a sentence seldom ends, without their last full stop. */
static const char *const abbreviations[] = {
	"abb",  "abs",  "al",   "art", "bd",   "bspw", "bzgl", "bzw",  "ca",    "cf",   "ch",
	"chap", "co",   "corp", "d.h", "dept", "dr",   "e.g",  "ed",   "eds",   "eg",   "eq",
	"evtl", "fig",  "figs", "gem", "gen",  "ggf",  "hr",   "hrsg", "i.d.r", "i.e",  "ie",
	"inc",  "inkl", "jr",   "kap", "lt",   "ltd",  "max",  "min",  "mr",    "mrs",  "ms",
	"mt",   "nr",   "no",   "o.g", "op",   "p",    "pp",   "prof", "ref",   "refs", "resp",
	"s",    "s.o",  "s.u",  "sec", "sog",  "sr",   "st",   "str",  "tab",   "u.a",  "u.u",
	"usf",  "v",    "vgl",  "viz", "vol",  "vs",   "z.b",  "z.t",  "zzgl",
};

static bool
abbreviation(const char *word, size_t len)
{
	char small[8];

	if (len >= sizeof small)
		return false;
	for (size_t i = 0; i < len; i++)
		small[i] = word[i] >= 'A' && word[i] <= 'Z' ? (char)(word[i] + 32) : word[i];
	small[len] = '\0';
	for (size_t i = 0; i < sizeof abbreviations / sizeof abbreviations[0]; i++)
		if (strcmp(small, abbreviations[i]) == 0)
			return true;
	return false;
}

/* Whether the full stop at `dot` belongs to the word before it. */
static bool
stop_of_word(const struct cutter *c, uint32_t start, uint32_t dot)
{
	uint32_t word = dot;
	bool number = true, initial;

	while (word > start && (letter(c->text[word - 1]) || digit(c->text[word - 1]) ||
	                        (c->text[word - 1] == '.' && word < dot)))
		number &= digit(c->text[--word]);
	if (word == dot)
		return false;
	if (number) /* "1. First", "3. Oktober" */
		return word == start || (c->options->german && dot - word <= 2);
	initial = c->text[word] >= 'A' && c->text[word] <= 'Z' &&
	          (dot - word == 1 || c->text[dot - 2] == '.') && c->text[word] != 'I';
	return initial || abbreviation(c->text + word, dot - word);
}

/* Bytes of the mark at p that may end a sentence; *ret_wide: it needs no blank behind it. */
static uint32_t
end_mark(const char *p, uint32_t left, bool *ret_wide)
{
	static const char marks[][4] = { "…", "。", "！", "？" };

	*ret_wide = false;
	if (*p == '.' || *p == '!' || *p == '?')
		return 1;
	for (size_t i = 0; i < 4; i++)
		if (left >= 3 && memcmp(p, marks[i], 3) == 0) {
			*ret_wide = i > 0;
			return 3;
		}
	return 0;
}

static uint32_t
closing_mark(const char *p, uint32_t left)
{
	static const char *const marks[] = {
		"\"", "'", ")", "]", "*", "_", "”", "“", "’", "»", "」"
	};

	for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
		uint32_t len = (uint32_t)strlen(marks[i]);

		if (left >= len && memcmp(p, marks[i], len) == 0)
			return len;
	}
	return 0;
}

/* The end of the sentence that has a mark at `at`, or 0: it goes on. */
static uint32_t
sentence_end(const struct cutter *c, uint32_t start, uint32_t at, uint32_t end)
{
	const char *t = c->text;
	bool wide, any_wide = false, dot = t[at] == '.';
	uint32_t stop = at, len, next;

	while (stop < end && (len = end_mark(t + stop, end - stop, &wide)) > 0) {
		stop += len;
		any_wide |= wide;
	}
	while (stop < end && (len = closing_mark(t + stop, end - stop)) > 0)
		stop += len;
	if (any_wide || stop == end)
		return stop;
	if (!blank(t[stop]))
		return 0;
	for (next = stop; next < end && blank(t[next]); next++)
		;
	if (dot && ((t[next] >= 'a' && t[next] <= 'z') || stop_of_word(c, start, at)))
		return 0;
	return stop;
}

static void
cut_block(struct cutter *c, uint32_t start, uint32_t end)
{
	uint32_t stop, len;
	bool wide;

	trim(c->text, &start, &end);
	c->block_begins = true;
	for (uint32_t at = start; at < end; at++) {
		len = end_mark(c->text + at, end - at, &wide);
		stop = len ? sentence_end(c, start, at, end) : 0;
		if (stop == 0)
			continue;
		add_text(c, start, stop);
		start = stop;
		trim(c->text, &start, &end);
		at = start - 1;
	}
	add_text(c, start, end);
}

/* ---- blocks ---- */

static uint32_t
heading_level(const char *line, uint32_t len)
{
	uint32_t level = 0;

	while (level < len && line[level] == '#')
		level++;
	if (level < 1 || level > 6 || level == len || !blank(line[level]) || len > HEADING_MOST)
		return 0;
	return level;
}

bool
units_cut(const char *text, uint32_t len, const struct units_options *options, struct units *units)
{
	struct cutter c = { .text = text, .options = options, .out = units };
	uint32_t block = 0; /* where the block at hand begins */
	bool open = false;  /* the block has a line already */

	memset(units, 0, sizeof *units);
	for (uint32_t line = 0, next; line < len; line = next) {
		const char *feed = memchr(text + line, '\n', len - line);
		uint32_t start = line, end = feed ? (uint32_t)(feed - text) : len;
		uint32_t level;

		next = feed ? end + 1 : end;
		trim(text, &start, &end);
		level = open || start > line ? 0 : heading_level(text + start, end - start);
		if (start < end && level == 0) {
			open = true;
			continue;
		}
		if (open)
			cut_block(&c, block, line);
		open = false;
		block = next;
		c.block_begins = true;
		if (level > 0)
			add(&c, start, end, level);
	}
	if (open)
		cut_block(&c, block, len);
	return !units->failed;
}
