/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * features.c - a text as a vector of fixed length, by signed feature hashing.
 *
 * Features are words in small letters and their 3- to 5-grams, as fastText has
 * them (Bojanowski et al., Enriching Word Vectors with Subword Information,
 * 2017): so forms of one word, compounds and misspelt words are alike. Each is
 * hashed to a dimension and a sign, so that collisions cancel out on average
 * (Weinberger et al., Feature Hashing for Large Scale Multitask Learning, ICML
 * 2009). Weights are 1 + ln(count), a gram's a quarter of that.
 *
 * documents.embed() in plugins/store/migrations/0001_documents.sql makes the
 * same vector of a query: what changes here changes there, and every stored
 * vector is then to be made anew. test_embed.c compares the two.
 */
#include "embed_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MOST ((size_t)128 << 10)
#define WORD_MOST 40 /* characters; the rest of a longer one is left out */
#define GRAM_LEAST 3
#define GRAM_MOST 5
#define GRAM_WEIGHT 0.25

struct feature {
	uint64_t key; /* 0: free; else (hash << 1 | whole word) + 1 */
	uint32_t count;
};

/* ---- characters ---- */

/* The code point at p and its bytes; 0 for a byte that is no UTF-8, which separates words. */
static uint32_t
decode(const unsigned char *p, size_t left, size_t *ret_len)
{
	size_t len = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	uint32_t c = len == 1 ? p[0] : len == 2 ? p[0] & 0x1fu : len == 3 ? p[0] & 0xfu : p[0] & 7u;

	*ret_len = 1;
	if (len == 0 || len > left)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3fu);
	}
	*ret_len = len;
	return c;
}

static size_t
encode(uint32_t c, unsigned char *p)
{
	if (c < 0x80) {
		p[0] = (unsigned char)c;
		return 1;
	}
	if (c < 0x800) {
		p[0] = (unsigned char)(0xc0 | c >> 6);
		p[1] = (unsigned char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		p[0] = (unsigned char)(0xe0 | c >> 12);
		p[1] = (unsigned char)(0x80 | (c >> 6 & 0x3f));
		p[2] = (unsigned char)(0x80 | (c & 0x3f));
		return 3;
	}
	p[0] = (unsigned char)(0xf0 | c >> 18);
	p[1] = (unsigned char)(0x80 | (c >> 12 & 0x3f));
	p[2] = (unsigned char)(0x80 | (c >> 6 & 0x3f));
	p[3] = (unsigned char)(0x80 | (c & 0x3f));
	return 4;
}

/* Capitals of Latin, Greek and Cyrillic: `step` 0: each second one, its small letter behind it. */
static const struct {
	uint32_t from, to, step;
} capitals[] = {
	{ 'A', 'Z', 32 },     { 0xc0, 0xd6, 32 },   { 0xd8, 0xde, 32 },   { 0x100, 0x12e, 0 },
	{ 0x132, 0x136, 0 },  { 0x139, 0x147, 0 },  { 0x14a, 0x176, 0 },  { 0x178, 0x178, 0 },
	{ 0x179, 0x17d, 0 },  { 0x391, 0x3a1, 32 }, { 0x3a3, 0x3ab, 32 }, { 0x400, 0x40f, 80 },
	{ 0x410, 0x42f, 32 },
};

static uint32_t
fold(uint32_t c)
{
	for (size_t i = 0; i < sizeof capitals / sizeof capitals[0] && c >= capitals[i].from; i++) {
		if (c > capitals[i].to)
			continue;
		if (capitals[i].step > 0)
			return c + capitals[i].step;
		return c == 0x178 ? 0xff : (c - capitals[i].from) % 2 == 0 ? c + 1 : c;
	}
	return c;
}

/* What words are made of, as the bracket in documents.embed() says it; c is folded. */
static bool
of_word(uint32_t c)
{
	static const struct {
		uint32_t from, to;
	} ranges[] = {
		{ '0', '9' },       { 'a', 'z' },       { 0xaa, 0xaa },     { 0xb5, 0xb5 },
		{ 0xba, 0xba },     { 0xc0, 0xd6 },     { 0xd8, 0xf6 },     { 0xf8, 0x1fff },
		{ 0x2c00, 0x2fef }, { 0x3040, 0xd7ff }, { 0xf900, 0xfdff }, { 0x10000, 0x10ffff },
	};

	for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
		if (c <= ranges[i].to)
			return c >= ranges[i].from;
	return false;
}

/* ---- counting ---- */

/* FNV-1a, 32 bits (Fowler, Noll, Vo). */
#define HASH_BEGIN 2166136261u

static uint32_t
hash_on(uint32_t h, const unsigned char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		h = (h ^ bytes[i]) * 16777619u;
	return h;
}

static void
count(struct features *f, uint32_t h, bool whole)
{
	uint64_t key = ((uint64_t)h << 1 | whole) + 1;
	size_t at = (h ^ h >> 15) & (f->room - 1);

	while (f->slots[at].key != 0 && f->slots[at].key != key)
		at = (at + 1) & (f->room - 1);
	if (f->slots[at].key == 0) {
		f->slots[at].key = key;
		f->used[f->n_used++] = (uint32_t)at;
	}
	f->slots[at].count++;
}

/* A word as it stands between its marks: "=word" is the word, grams are of "<word>". */
struct word {
	unsigned char bytes[(WORD_MOST + 2) * 4];
	size_t at[WORD_MOST + 3]; /* where each character begins; the last: where they end */
	size_t n;                 /* characters, with the mark in front */
};

static void
word_begin(struct word *w)
{
	w->at[0] = 0;
	w->at[1] = 1;
	w->n = 1;
}

static void
word_add(struct word *w, uint32_t c)
{
	if (w->n > WORD_MOST)
		return;
	w->at[w->n + 1] = w->at[w->n] + encode(c, w->bytes + w->at[w->n]);
	w->n++;
}

/* All that begin at character i: the hash of a longer one goes on from that of the shorter. */
static void
count_grams(struct features *f, const struct word *w, size_t i)
{
	size_t end = i + GRAM_LEAST;
	uint32_t h = hash_on(HASH_BEGIN, w->bytes + w->at[i], w->at[end] - w->at[i]);

	count(f, h, false);
	for (; end < i + GRAM_MOST && end < w->n; end++) {
		h = hash_on(h, w->bytes + w->at[end], w->at[end + 1] - w->at[end]);
		count(f, h, false);
	}
}

static void
word_end(struct features *f, struct word *w)
{
	if (w->n == 1)
		return;
	w->bytes[0] = '=';
	count(f, hash_on(HASH_BEGIN, w->bytes, w->at[w->n]), true);
	w->bytes[0] = '<';
	w->bytes[w->at[w->n]] = '>';
	w->at[w->n + 1] = w->at[w->n] + 1;
	w->n++;
	for (size_t i = 0; i + GRAM_LEAST <= w->n; i++)
		count_grams(f, w, i);
	word_begin(w);
}

static size_t
within(size_t len)
{
	return len < TEXT_MOST ? len : TEXT_MOST;
}

static bool
make_room(struct features *f, size_t room)
{
	features_done(f);
	f->slots = calloc(room, sizeof *f->slots);
	f->used = malloc(room * sizeof *f->used);
	if (!f->slots || !f->used) {
		features_done(f);
		return false;
	}
	f->room = room;
	return true;
}

/* A word of n bytes has one feature whole and at most 3n grams, with its marks: eight slots for
 * each byte are always enough. Only those that the last text used are cleared: they are few. */
bool
features_clear(struct features *f, size_t text_len)
{
	size_t room = 1024;

	while (room < within(text_len) * 8)
		room *= 2;
	if (room > f->room)
		return make_room(f, room);
	for (size_t i = 0; i < f->n_used; i++)
		f->slots[f->used[i]] = (struct feature){ 0 };
	f->n_used = 0;
	return true;
}

void
features_count(struct features *f, const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text;
	struct word word;
	size_t step;

	len = within(len);
	word_begin(&word);
	for (size_t i = 0; i < len; i += step) {
		uint32_t c = fold(decode(p + i, len - i, &step));

		if (of_word(c))
			word_add(&word, c);
		else
			word_end(f, &word);
	}
	word_end(f, &word);
}

/* ---- the vector ---- */

void
features_vector(const struct features *f, double *vector, uint32_t dimensions)
{
	double square = 0;

	for (uint32_t d = 0; d < dimensions; d++)
		vector[d] = 0;
	for (size_t i = 0; i < f->n_used; i++) {
		const struct feature *slot = &f->slots[f->used[i]];
		uint32_t h = (uint32_t)((slot->key - 1) >> 1);
		bool whole = (slot->key - 1) & 1;
		double weight = (slot->count == 1 ? 1 : 1 + log(slot->count)) *
		                (whole ? 1 : GRAM_WEIGHT);

		vector[(h ^ h >> 16) % dimensions] += h >> 31 ? -weight : weight;
	}
	for (uint32_t d = 0; d < dimensions; d++)
		square += vector[d] * vector[d];
	for (uint32_t d = 0; d < dimensions && square > 0; d++)
		vector[d] /= sqrt(square);
}

void
features_done(struct features *f)
{
	free(f->slots);
	free(f->used);
	memset(f, 0, sizeof *f);
}
