/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lines.c - from characters and their boxes to blocks of text.
 *
 * A page has no paragraphs, only lines at places. A line that stands further
 * below the one before than is usual on its page begins a block; so does one
 * of larger letters, which is a heading.
 */
#include "extract_pdf_priv.h"

#include <stdlib.h>
#include <string.h>

#define LINES_MOST 20000 /* of a page; what is more is one block with the last */

struct line {
	const char *text;
	size_t len;
	double top, height; /* of its tallest letter; 0: not known */
};

/* ---- the text ---- */

void
text_init(struct text *t, size_t most)
{
	*t = (struct text){ .most = most };
}

void
text_done(struct text *t)
{
	free(t->bytes);
	*t = (struct text){ 0 };
}

static void
put(struct text *t, const char *bytes, size_t len)
{
	if (t->full || t->no_memory)
		return;
	if (t->len + len > t->most) {
		t->full = true;
		return;
	}
	if (t->len + len + 1 > t->room) {
		size_t room = 2 * (t->len + len) + 4096;
		char *grown = realloc(t->bytes, room);

		if (!grown) {
			t->no_memory = true;
			return;
		}
		t->bytes = grown;
		t->room = room;
	}
	memcpy(t->bytes + t->len, bytes, len);
	t->len += len;
	t->bytes[t->len] = '\0';
}

static void
end_block(struct text *t)
{
	if (t->len > 0)
		put(t, "\n\n", 2);
}

/* ---- lines of a page ---- */

static size_t
characters(const char *text, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += ((unsigned char)text[i] & 0xc0) != 0x80;
	return n;
}

/* Poppler gives a box for each character of the text, ends of lines included. */
static void
measure(struct line *line, const PopplerRectangle *boxes, guint n_boxes, size_t first)
{
	size_t n = characters(line->text, line->len);

	line->top = line->height = 0;
	for (size_t i = first; i < first + n && i < n_boxes; i++) {
		double height = boxes[i].y2 - boxes[i].y1;

		if (height > line->height) {
			line->height = height;
			line->top = boxes[i].y1;
		}
	}
}

static size_t
split_lines(const char *page, const PopplerRectangle *boxes, guint n_boxes, struct line *lines)
{
	size_t n = 0, at = 0;

	while (*page && n < LINES_MOST) {
		struct line *line = &lines[n];

		line->text = page;
		line->len = n + 1 < LINES_MOST ? strcspn(page, "\n\f") : strlen(page);
		measure(line, boxes, n_boxes, at);
		at += characters(line->text, line->len);
		page += line->len;
		if (*page) {
			page++;
			at++;
		}
		while (line->len > 0 && strchr(" \t\r", line->text[line->len - 1]))
			line->len--;
		n += line->len > 0;
	}
	return n;
}

static int
by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* 0 when there is nothing to go by. */
static double
median(double *values, size_t n)
{
	if (n == 0)
		return 0;
	qsort(values, n, sizeof *values, by_size);
	return values[n / 2];
}

/* What is usual on a page: the height of a line, and from one to the next. */
static void
usual(const struct line *lines, size_t n, double *values, double *ret_height, double *ret_pitch)
{
	size_t k = 0;

	for (size_t i = 0; i < n; i++)
		if (lines[i].height > 0)
			values[k++] = lines[i].height;
	*ret_height = median(values, k);
	k = 0;
	for (size_t i = 1; i < n; i++)
		if (lines[i].top - lines[i - 1].top > 0)
			values[k++] = lines[i].top - lines[i - 1].top;
	*ret_pitch = median(values, k);
}

static int
heading_level(const struct line *line, double height)
{
	if (height <= 0 || line->height < 1.15 * height || line->len > 200)
		return 0;
	return line->height >= 1.7 * height ? 1 : line->height >= 1.35 * height ? 2 : 3;
}

/* Upwards is the next column, or a page's foot that was drawn first. */
static bool
begins_block(const struct line *line, const struct line *before, double height, double pitch)
{
	double step = line->top - before->top;

	if (line->height == 0 || before->height == 0)
		return false;
	return step < -0.5 * height || step > 1.35 * pitch || step > 2.5 * height;
}

/* "exam-" and "ple" are one word; "well-" and "Known" are not. */
static bool
joins(const struct text *t, const struct line *next)
{
	return t->len > 1 && t->bytes[t->len - 1] == '-' && next->text[0] >= 'a' &&
	       next->text[0] <= 'z' && t->bytes[t->len - 2] >= 'a' && t->bytes[t->len - 2] <= 'z';
}

static void
put_heading(struct text *t, const struct line *line, int level)
{
	end_block(t);
	put(t, "###", (size_t)level);
	put(t, " ", 1);
	put(t, line->text, line->len);
	if (!t->first_heading[0]) {
		size_t n = line->len < sizeof t->first_heading ? line->len
		                                               : sizeof t->first_heading - 1;

		memcpy(t->first_heading, line->text, n);
		while (n > 0 && n < line->len && ((unsigned char)line->text[n] & 0xc0) == 0x80)
			n--;
		t->first_heading[n] = '\0';
	}
}

/* No line of the text may look like a heading that it is not. */
static void
put_line(struct text *t, const struct line *line)
{
	if (line->text[0] == '#' && (t->len == 0 || t->bytes[t->len - 1] == '\n'))
		put(t, " ", 1);
	put(t, line->text, line->len);
}

void
text_add_page(struct text *t, const char *page, const PopplerRectangle *boxes, guint n_boxes)
{
	struct line *lines = calloc(LINES_MOST, sizeof *lines);
	double *values = calloc(LINES_MOST, sizeof *values), height, pitch;
	int level, last = 0;
	size_t n;

	if (!lines || !values) {
		t->no_memory = true;
	} else {
		n = split_lines(page, boxes, n_boxes, lines);
		usual(lines, n, values, &height, &pitch);
		for (size_t i = 0; i < n; i++) {
			level = heading_level(&lines[i], height);
			if (level > 0) {
				put_heading(t, &lines[i], level);
			} else if (i == 0 || last > 0 ||
			           begins_block(&lines[i], &lines[i - 1], height, pitch)) {
				end_block(t);
				put_line(t, &lines[i]);
			} else if (joins(t, &lines[i])) {
				t->len--;
				put(t, lines[i].text, lines[i].len);
			} else {
				put(t, "\n", 1);
				put_line(t, &lines[i]);
			}
			last = level;
		}
	}
	free(lines);
	free(values);
}
