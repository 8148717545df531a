/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * chunk.c - cut a text into passages that a search can answer with.
 *
 * units.c finds headings and sentences; here they are packed into passages of
 * at most `size` characters. A passage is one slice of the text, never more
 * than size + min characters long. It ends where a section does, unless the
 * section is shorter than `min`: then the next is joined to it. What a long
 * section is cut into overlaps by whole sentences.
 */
#include "chunk_priv.h"
#include "passages.h"

#include <penstock.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

PS_OPTIONS(chunk, PS_INT(size, 1200, 100, 20000, "most characters of a passage"),
           PS_INT(overlap, 150, 0, 10000,
                  "most characters that a passage repeats of the one before, whole sentences"),
           PS_INT(min, 200, 0, 10000,
                  "a section or a rest shorter than this is joined to its neighbour"))

PS_COUNTERS(chunk, PS_COUNTER(passages, "passages", "passages made"))

struct text_buffer {
	char *bytes;
	size_t len, room;
};

struct packer {
	const char *text;
	const struct unit *units;
	size_t n_units;
	uint32_t size, overlap, min;

	/* the heading of each level above, as units; SIZE_MAX: none */
	size_t above[7];
	struct text_buffer headings; /* paths, one behind another */
	uint32_t path, path_len;     /* the present one */
	bool path_stale;

	/* the passage at hand: units first to last */
	bool open, continued; /* continued: the one before was cut off for its size */
	size_t first, last;
	uint32_t heading, heading_len;

	struct passage *passages;
	size_t n, room;
	bool failed;
};

/* ---- heading paths ---- */

static void
append(struct packer *p, const char *bytes, size_t len)
{
	struct text_buffer *b = &p->headings;

	if (b->len + len > b->room) {
		size_t room = 2 * (b->len + len) + 64;
		char *grown = realloc(b->bytes, room);

		if (!grown) {
			p->failed = true;
			return;
		}
		b->bytes = grown;
		b->room = room;
	}
	memcpy(b->bytes + b->len, bytes, len);
	b->len += len;
}

/* "## Joins ##" without its marks. */
static void
append_heading(struct packer *p, const struct unit *u)
{
	uint32_t start = u->start + u->level, end = u->end;

	while (start < end && (p->text[start] == ' ' || p->text[start] == '\t'))
		start++;
	while (end > start && p->text[end - 1] == '#')
		end--;
	while (end > start && (p->text[end - 1] == ' ' || p->text[end - 1] == '\t'))
		end--;
	append(p, p->text + start, end - start);
}

static void
make_path(struct packer *p)
{
	static const char arrow[] = " > ";

	if (!p->path_stale)
		return;
	p->path_stale = false;
	p->path = (uint32_t)p->headings.len;
	for (int level = 1; level <= 6; level++) {
		if (p->above[level] == SIZE_MAX)
			continue;
		if (p->headings.len > p->path)
			append(p, arrow, sizeof arrow - 1);
		append_heading(p, &p->units[p->above[level]]);
	}
	p->path_len = (uint32_t)p->headings.len - p->path;
}

static void
enter_section(struct packer *p, size_t i)
{
	uint32_t level = p->units[i].level;

	p->above[level] = i;
	for (uint32_t deeper = level + 1; deeper <= 6; deeper++)
		p->above[deeper] = SIZE_MAX;
	p->path_stale = true;
}

/* ---- passages ---- */

static uint32_t
characters(const struct packer *p, size_t first, size_t last)
{
	return p->units[last].to - p->units[first].from;
}

static void
begin(struct packer *p, size_t first, size_t last, bool continued)
{
	make_path(p);
	p->open = true;
	p->continued = continued;
	p->first = first;
	p->last = last;
	p->heading = p->path;
	p->heading_len = p->path_len;
}

static void
emit(struct packer *p)
{
	struct passage *to;

	if (p->n == p->room) {
		size_t room = p->room ? 2 * p->room : 32;
		struct passage *grown = realloc(p->passages, room * sizeof *grown);

		if (!grown) {
			p->failed = true;
			return;
		}
		p->passages = grown;
		p->room = room;
	}
	to = &p->passages[p->n++];
	memset(to, 0, sizeof *to);
	to->offset = p->units[p->first].start;
	to->length = p->units[p->last].end - to->offset;
	to->heading_offset = p->heading;
	to->heading_length = p->heading_len;
}

/* Ends the passage at hand where a section or the text ends. A short rest goes to the passage that
 * it was cut off from, of which it begins with a repetition. */
static void
close_section(struct packer *p)
{
	struct passage *before = p->n > 0 ? &p->passages[p->n - 1] : NULL;
	size_t fresh = p->first;

	p->open = false;
	if (p->continued && before) {
		while (p->units[fresh].start < before->offset + before->length)
			fresh++;
		if (characters(p, fresh, p->last) < p->min) {
			before->length = p->units[p->last].end - before->offset;
			return;
		}
	}
	emit(p);
}

/* The passage at hand is full before unit i: goes on in a new one, which repeats whole sentences.
 */
static void
overflow(struct packer *p, size_t i)
{
	size_t first = i;

	emit(p);
	while (first - 1 > p->first && p->units[first - 1].level == 0 &&
	       characters(p, first - 1, p->last) <= p->overlap &&
	       characters(p, first - 1, i) <= p->size)
		first--;
	begin(p, first, i, p->units[i - 1].level == 0);
}

/* A block that will not fit anyway better begins a passage, if this one is well filled. */
static bool
better_break(const struct packer *p, size_t i)
{
	size_t end = i;

	if (!p->units[i].first_of_block || characters(p, p->first, p->last) < p->size / 3 * 2)
		return false;
	while (end + 1 < p->n_units && !p->units[end + 1].first_of_block)
		end++;
	return characters(p, p->first, end) > p->size;
}

static void
take_text(struct packer *p, size_t i)
{
	if (!p->open)
		begin(p, i, i, false);
	else if (characters(p, p->first, i) > p->size || better_break(p, i))
		overflow(p, i);
	else
		p->last = i;
}

static void
take_heading(struct packer *p, size_t i)
{
	bool alone = i + 1 == p->n_units ||
	             (p->units[i + 1].level > 0 && p->units[i + 1].level <= p->units[i].level);

	if (p->open && (characters(p, p->first, p->last) >= p->min || p->continued ||
	                characters(p, p->first, i) > p->size))
		close_section(p);
	enter_section(p, i);
	if (!alone)
		return; /* inside a passage it comes in with the text below it, or stays out */
	if (p->open)
		p->last = i;
	else /* nothing stands below it: its words are to be found all the same */
		begin(p, i, i, false);
}

static void
pack(struct packer *p)
{
	for (int level = 0; level <= 6; level++)
		p->above[level] = SIZE_MAX;
	for (size_t i = 0; i < p->n_units; i++)
		if (p->units[i].level > 0)
			take_heading(p, i);
		else
			take_text(p, i);
	if (p->open)
		close_section(p);
}

/* ---- the stage ---- */

static enum ps_outcome
write_body(struct ps_call *call, struct ps_message *out, const struct packer *p, uint32_t len)
{
	uint32_t n = (uint32_t)p->n, headings = (uint32_t)p->headings.len;
	size_t whole = passages_size(n, 0, headings, len);
	unsigned char *bytes = ps_alloc(call, whole);

	passages_begin(bytes, n, 0, headings, len);
	for (uint32_t i = 0; i < n; i++)
		passages_put(bytes, i, &p->passages[i]);
	if (headings > 0)
		memcpy(bytes + whole - len - headings, p->headings.bytes, headings);
	memcpy(bytes + whole - len, p->text, len);
	if (ps_set_body(call, out, bytes, whole) != PS_OK)
		return ps_fail(call, ps_this(call), "TOO_LARGE",
		               "the text and its passages are larger than a body may be");
	ps_set_int(call, out, "passages", (int64_t)n);
	ps_count(call, chunk_passages, n);
	return ps_done(call, ps_this(call), NULL);
}

static enum ps_outcome
chunk_text(struct ps_call *call, struct ps_message *out, struct packer *p, uint32_t len,
           struct units *units)
{
	const struct chunk_options *opt = ps_options(call, chunk);
	const char *language = ps_get_string(call, ps_this(call)->in, "language", "");
	struct units_options cut = { .most = (uint32_t)opt->size,
		                     .german = strncmp(language, "de", 2) == 0 ||
		                               strcmp(language, "german") == 0 };

	if (!units_cut(p->text, len, &cut, units))
		return ps_retry(call, ps_this(call), -1, "NO_MEMORY", "out of memory");
	if (units->n == 0)
		return ps_discard(call, ps_this(call), "NO_TEXT", "there is no text in it");
	p->units = units->units;
	p->n_units = units->n;
	p->size = (uint32_t)opt->size;
	p->overlap = (uint32_t)opt->overlap;
	p->min = (uint32_t)opt->min;
	pack(p);
	if (p->failed)
		return ps_retry(call, ps_this(call), -1, "NO_MEMORY", "out of memory");
	return write_body(call, out, p, len);
}

static enum ps_outcome
chunk(struct ps_call *call, const struct ps_message *in, struct ps_message *out)
{
	struct packer p = { 0 };
	struct units units = { 0 };
	enum ps_outcome outcome;
	size_t len;

	p.text = ps_body(call, in, &len);
	if (!p.text && len > 0)
		return ps_retry(call, ps_this(call), -1, "NO_BODY",
		                "the body could not be fetched");
	if (!p.text)
		return ps_discard(call, ps_this(call), "NO_TEXT", "there is no body");
	if (len > UINT32_MAX / 2 || !text_valid(p.text, len))
		return ps_fail(call, ps_this(call), "NOT_TEXT",
		               "the body is not UTF-8 without NUL");
	outcome = chunk_text(call, out, &p, (uint32_t)len, &units);
	free(units.units);
	free(p.passages);
	free(p.headings.bytes);
	return outcome;
}

PS_STAGE_EACH(chunk, "1.0.0", "Cuts a text into passages at headings, blocks and sentences",
              PS_WITH_COUNTERS(chunk))
