/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * blocks.c - the text that comes out, block by block.
 */
#include "extract_priv.h"

#include <stdlib.h>
#include <string.h>

void
blocks_init(struct blocks *b, size_t most)
{
	*b = (struct blocks){ .most = most, .fresh = true };
}

void
blocks_done(struct blocks *b)
{
	free(b->bytes);
	b->bytes = NULL;
}

static void
put(struct blocks *b, const char *bytes, size_t n)
{
	if (b->full || n > b->most - b->len) {
		b->full = true;
		return;
	}
	if (b->len + n + 1 > b->room) {
		size_t room = (b->len + n + 1) * 2;
		char *grown = realloc(b->bytes, room);

		if (!grown) {
			b->full = true;
			return;
		}
		b->bytes = grown;
		b->room = room;
	}
	memcpy(b->bytes + b->len, bytes, n);
	b->len += n;
	b->bytes[b->len] = '\0';
}

/* What stands before the first character of a block. */
static void
begin(struct blocks *b, char first)
{
	if (b->len > 0)
		put(b, "\n\n", 2);
	if (b->heading > 0) {
		put(b, "######", (size_t)b->heading);
		put(b, " ", 1);
	} else if (first == '#') {
		put(b, " ", 1);
	}
	b->fresh = b->space = false;
}

static void
note_heading(struct blocks *b, const char *word, size_t n, bool blank)
{
	size_t at = strlen(b->first_heading), most = sizeof b->first_heading - 1;

	if (at + n + 1 > most)
		return;
	if (at > 0 && blank)
		b->first_heading[at++] = ' ';
	memcpy(b->first_heading + at, word, n);
	b->first_heading[at + n] = '\0';
}

void
blocks_end(struct blocks *b)
{
	if (b->heading > 0 && !b->fresh && b->first_heading[0] != '\0')
		b->first_heading[sizeof b->first_heading - 1] = 1; /* complete */
	b->fresh = true;
	b->space = false;
	b->heading = 0;
}

void
blocks_heading(struct blocks *b, int level)
{
	blocks_end(b);
	b->heading = level;
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

void
blocks_words(struct blocks *b, const char *text, size_t len)
{
	size_t i = 0;

	while (i < len) {
		size_t from;
		bool blank;

		while (i < len && is_space(text[i])) {
			b->space = true;
			i++;
		}
		for (from = i; i < len && !is_space(text[i]) && text[i] != '\0'; i++)
			;
		if (i < len && text[i] == '\0')
			i++;
		if (i == from || text[from] == '\0')
			continue;
		blank = b->space && !b->fresh;
		if (b->fresh)
			begin(b, text[from]);
		else if (blank)
			put(b, " ", 1);
		b->space = false;
		put(b, text + from, i - from - (text[i - 1] == '\0'));
		if (b->heading > 0 && b->first_heading[sizeof b->first_heading - 1] == 0)
			note_heading(b, text + from, i - from - (text[i - 1] == '\0'), blank);
	}
}

void
blocks_lines(struct blocks *b, const char *text, size_t len)
{
	while (len > 0) {
		const char *end = memchr(text, '\n', len);
		size_t n = end ? (size_t)(end - text) : len, kept = n;

		while (kept > 0 && is_space(text[kept - 1]))
			kept--;
		if (kept == 0) {
			b->fresh = true; /* a blank line ends a block */
		} else if (b->fresh) {
			begin(b, text[0]);
			put(b, text, kept);
		} else {
			put(b, "\n", 1);
			put(b, text, kept);
		}
		text += n + (end != NULL);
		len -= n + (end != NULL);
	}
}
