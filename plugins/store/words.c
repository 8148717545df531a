/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * words.c - passages as the server's dictionaries have them, each word asked for once.
 *
 * Note: piece by piece. to_tsvector() takes most of its time to cut a text, letter by
 * letter, and says the same of the same word each time. No word of PostgreSQL's
 * parser goes on behind a blank, save tags; so a text is cut at blanks here, the server
 * tells once what it makes of a piece (and the blank before it, which may change how it
 * begins), and from that the same vector is put together.
 * Where it could differ the server is left to do it: a tag with blanks in it, too many
 * words, a dictionary that looks at several words (documents.lexemes() says so).
 * test_store.c compares the two.
 */
#include "store_priv.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WORDS_MOST (1u << 17)
#define SLOTS (WORDS_MOST * 2) /* of a table; a power of two */
#define LANGUAGES_MOST 64
#define LANGUAGE_LEN 64
#define BYTES_MOST ((size_t)64 << 20)
#define KEPT_S 60 /* dictionaries may be changed: what they said is asked again after that */
#define POSITION_MOST 16000 /* PostgreSQL counts to 16383 */
#define OCCURRENCES_MOST 255

struct piece {
	uint32_t at, len, hash, language; /* at: behind a blank */
	bool begins;       /* a text; others stand behind a blank, which the parser sees */
	uint32_t first, n; /* its lexemes, in uses */
	uint32_t span;     /* positions that it takes */
};

struct use {
	uint32_t lexeme, position; /* in the piece, from 1 */
};

struct lexeme {
	uint32_t at, len, hash;
	uint64_t begins;         /* its first eight bytes, which sort as the text does */
	uint32_t text;           /* of the text at hand, or what follows is of another */
	uint32_t n, first, last; /* its occurrences there */
};

struct occurrence {
	uint32_t position, next;
};

struct text {
	uint32_t language, from, to; /* its pieces, in sequence */
	bool whole;                  /* left to the server */
};

struct language {
	char name[LANGUAGE_LEN];
	bool given; /* not a null */
	bool whole;
};

/* A list that grows; each is used with one type. */
struct list {
	void *items;
	size_t n, room;
};

struct words {
	struct language languages[LANGUAGES_MOST];
	uint32_t n_languages;
	struct list bytes, pieces, uses, lexemes;
	uint32_t *piece_slots, *lexeme_slots; /* one more than the place; 0: free */
	time_t since;
	/* of a call */
	struct list texts, sequence, asked;
	/* of a text */
	struct list occurrences, distinct, built;
	uint32_t text;
	bool failed; /* out of memory; until the next call */
};

/* ---- lists ---- */

/* n more, not set; NULL: out of memory. */
static void *
more(struct words *w, struct list *l, size_t size, size_t n)
{
	if (l->n + n > l->room) {
		size_t room = (l->n + n) * 2 < 256 ? 256 : (l->n + n) * 2;
		void *items = realloc(l->items, room * size);

		if (!items) {
			w->failed = true;
			return NULL;
		}
		l->items = items;
		l->room = room;
	}
	l->n += n;
	return (char *)l->items + (l->n - n) * size;
}

static bool
add_u32(struct words *w, struct list *l, uint32_t v)
{
	uint32_t *to = more(w, l, sizeof *to, 1);

	if (to)
		*to = v;
	return to != NULL;
}

#define AT(list, type, i) (&((type *)(list).items)[i])

static const char *
bytes_at(const struct words *w, uint32_t at)
{
	return (const char *)w->bytes.items + at;
}

/* ---- life ---- */

struct words *
words_create(void)
{
	struct words *w = calloc(1, sizeof *w);

	if (!w)
		return NULL;
	w->piece_slots = calloc(SLOTS, sizeof *w->piece_slots);
	w->lexeme_slots = calloc(SLOTS, sizeof *w->lexeme_slots);
	if (w->piece_slots && w->lexeme_slots)
		return w;
	words_destroy(w);
	return NULL;
}

void
words_destroy(struct words *w)
{
	struct list *lists[] = {
		&w->bytes,    &w->pieces, &w->uses,        &w->lexemes,  &w->texts,
		&w->sequence, &w->asked,  &w->occurrences, &w->distinct, &w->built
	};

	for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
		free(lists[i]->items);
	free(w->piece_slots);
	free(w->lexeme_slots);
	free(w);
}

static void
forget(struct words *w)
{
	w->bytes.n = w->pieces.n = w->uses.n = w->lexemes.n = 0;
	w->n_languages = 0;
	memset(w->piece_slots, 0, SLOTS * sizeof *w->piece_slots);
	memset(w->lexeme_slots, 0, SLOTS * sizeof *w->lexeme_slots);
}

static time_t
seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return now.tv_sec;
}

/* What was asked and not answered is not known. */
static bool
is_stale(const struct words *w, time_t now)
{
	return w->failed || w->asked.n > 0 || now - w->since >= KEPT_S;
}

static bool
is_full(const struct words *w)
{
	return w->pieces.n > WORDS_MOST / 2 || w->lexemes.n > WORDS_MOST / 2 ||
	       w->bytes.n > BYTES_MOST / 4 || w->n_languages > LANGUAGES_MOST / 2;
}

void
words_begin(struct words *w)
{
	time_t now = seconds();

	if (is_stale(w, now) || is_full(w)) {
		forget(w);
		w->since = now;
	}
	w->texts.n = w->sequence.n = w->asked.n = 0;
	w->failed = false;
}

/* ---- a text in pieces ---- */

static uint32_t
language_of(struct words *w, const char *name)
{
	struct language *l;

	for (uint32_t i = 0; i < w->n_languages; i++) {
		l = &w->languages[i];
		if (l->given == (name != NULL) && (!name || strcmp(l->name, name) == 0))
			return i;
	}
	if (w->n_languages == LANGUAGES_MOST || (name && strlen(name) >= LANGUAGE_LEN))
		return UINT32_MAX;
	l = &w->languages[w->n_languages];
	memset(l, 0, sizeof *l);
	l->given = name != NULL;
	if (name)
		strcpy(l->name, name);
	return w->n_languages++;
}

static uint32_t
copy(struct words *w, const char *text, size_t len)
{
	uint32_t at = (uint32_t)w->bytes.n;
	char *to = more(w, &w->bytes, 1, len);

	if (to)
		memcpy(to, text, len);
	return at;
}

static bool
is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* FNV-1a, 32 bits (Fowler, Noll, Vo). */
static uint32_t
hash_of(const char *text, size_t len)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)text[i]) * 16777619u;
	return h;
}

/* The place of a piece, which is to be asked for when it is new; UINT32_MAX: there is no room. */
static uint32_t
find_piece(struct words *w, uint32_t language, const char *text, size_t len, bool begins)
{
	uint32_t h = hash_of(text, len) + language + begins, *slot;
	struct piece *p;

	for (size_t at = h % SLOTS;; at = (at + 1) % SLOTS) {
		slot = &w->piece_slots[at];
		if (*slot == 0)
			break;
		p = AT(w->pieces, struct piece, *slot - 1);
		if (p->hash == h && p->len == len && p->language == language &&
		    p->begins == begins && memcmp(bytes_at(w, p->at), text, len) == 0)
			return *slot - 1;
	}
	if (w->pieces.n >= WORDS_MOST || w->bytes.n + len > BYTES_MOST)
		return UINT32_MAX;
	p = more(w, &w->pieces, sizeof *p, 1);
	if (!p || !add_u32(w, &w->asked, (uint32_t)w->pieces.n - 1))
		return UINT32_MAX;
	copy(w, " ", 1);
	*p = (struct piece){ .at = copy(w, text, len),
		             .len = (uint32_t)len,
		             .hash = h,
		             .language = language,
		             .begins = begins };
	*slot = (uint32_t)w->pieces.n;
	return *slot - 1;
}

/* A tag that may go on behind the piece. */
static bool
begins_tag(const char *piece, size_t len)
{
	const char *end = piece + len, *tag = memchr(piece, '<', len);

	while (tag && tag + 1 < end) {
		size_t left = (size_t)(end - tag);

		if (!memchr(tag, '>', left) || memchr(tag, '"', left) || memchr(tag, '\'', left))
			return true;
		tag = memchr(tag + 1, '<', left - 1);
	}
	return false;
}

static bool
cut(struct words *w, uint32_t language, const char *text, size_t len)
{
	const char *begin = text, *end = text + len;

	while (text < end) {
		const char *piece = text;
		uint32_t place;

		while (text < end && !is_blank(*text))
			text++;
		if (text > piece) {
			if (begins_tag(piece, (size_t)(text - piece)))
				return false;
			place = find_piece(w, language, piece, (size_t)(text - piece),
			                   piece == begin);
			if (place == UINT32_MAX || !add_u32(w, &w->sequence, place))
				return false;
		}
		text++;
	}
	return true;
}

void
words_add(struct words *w, const char *language, const char *text, size_t len)
{
	uint32_t l = language_of(w, language);
	struct text *t = more(w, &w->texts, sizeof *t, 1);

	if (!t)
		return;
	t->language = l;
	t->from = (uint32_t)w->sequence.n;
	t->whole = l == UINT32_MAX || w->languages[l].whole || !cut(w, l, text, len);
	t->to = (uint32_t)w->sequence.n;
}

/* ---- asking ---- */

static const char ask_sql[] = "select documents.lexemes($1::text[], $2::int4[], $3::text[])";

static PGresult *
ask(const struct words *w, PGconn *db)
{
	enum { LANGUAGES, OWNERS, PIECES, COLUMNS };
	struct array columns[COLUMNS];
	const char *values[COLUMNS];
	int lengths[COLUMNS], formats[COLUMNS];
	PGresult *result = NULL;
	bool failed = false;

	array_init(&columns[LANGUAGES], ARRAY_TEXT);
	array_init(&columns[OWNERS], ARRAY_INT4);
	array_init(&columns[PIECES], ARRAY_TEXT);
	for (uint32_t i = 0; i < w->n_languages; i++)
		array_add_text(&columns[LANGUAGES],
		               w->languages[i].given ? w->languages[i].name : NULL);
	for (size_t i = 0; i < w->asked.n; i++) {
		const struct piece *p = AT(w->pieces, struct piece, *AT(w->asked, uint32_t, i));

		array_add_int4(&columns[OWNERS], p->language + 1);
		array_add(&columns[PIECES], bytes_at(w, p->begins ? p->at : p->at - 1),
		          p->begins ? p->len : p->len + 1);
	}
	for (int c = 0; c < COLUMNS; c++) {
		values[c] = columns[c].bytes;
		lengths[c] = (int)array_len(&columns[c]);
		formats[c] = 1;
		failed |= columns[c].failed;
	}
	if (!failed)
		result = PQexecParams(db, ask_sql, COLUMNS, NULL, values, lengths, formats, 1);
	for (int c = 0; c < COLUMNS; c++)
		array_done(&columns[c]);
	return result;
}

static uint32_t
find_lexeme(struct words *w, const char *text, size_t len)
{
	uint32_t h = hash_of(text, len), *slot;
	struct lexeme *x;

	for (size_t at = h % SLOTS;; at = (at + 1) % SLOTS) {
		slot = &w->lexeme_slots[at];
		if (*slot == 0)
			break;
		x = AT(w->lexemes, struct lexeme, *slot - 1);
		if (x->hash == h && x->len == len && memcmp(bytes_at(w, x->at), text, len) == 0)
			return *slot - 1;
	}
	if (w->lexemes.n >= WORDS_MOST || w->bytes.n + len > BYTES_MOST)
		return UINT32_MAX;
	x = more(w, &w->lexemes, sizeof *x, 1);
	if (!x)
		return UINT32_MAX;
	*x = (struct lexeme){ .at = copy(w, text, len), .len = (uint32_t)len, .hash = h };
	for (size_t i = 0; i < 8; i++)
		x->begins = x->begins << 8 | (i < len ? (unsigned char)text[i] : 0);
	*slot = (uint32_t)w->lexemes.n;
	return *slot - 1;
}

static uint32_t
get_u16(const char *p)
{
	return (uint32_t)(unsigned char)p[0] << 8 | (unsigned char)p[1];
}

/* The server's vector of a piece and, behind it, a number of ours: what stands last is not of the
 * piece, and says how many positions the piece takes. tsvectorsend() writes the count of lexemes in
 * four bytes and each as a text with a NUL, the count of positions and the positions in two. */
static bool
read_piece(struct words *w, uint32_t place, const char *vector, const char *end)
{
	uint32_t first = (uint32_t)w->uses.n, last = 0, kept = first;
	struct piece *p;

	for (vector += 4; vector < end;) {
		size_t len = strlen(vector);
		uint32_t lexeme = find_lexeme(w, vector, len), n = get_u16(vector + len + 1);

		vector += len + 3;
		if (lexeme == UINT32_MAX)
			return false;
		for (; n > 0; n--, vector += 2) {
			struct use *u = more(w, &w->uses, sizeof *u, 1);

			if (!u)
				return false;
			*u = (struct use){ lexeme, get_u16(vector) & 0x3fff };
			last = u->position > last ? u->position : last;
		}
	}
	if (last == 0)
		return false;
	for (uint32_t i = first; i < w->uses.n; i++)
		if (AT(w->uses, struct use, i)->position < last)
			*AT(w->uses, struct use, kept++) = *AT(w->uses, struct use, i);
	w->uses.n = kept;
	p = AT(w->pieces, struct piece, place);
	p->first = first;
	p->n = kept - first;
	p->span = last - 1;
	return true;
}

static void
read_answer(struct words *w, const PGresult *result)
{
	for (size_t i = 0; i < w->asked.n; i++) {
		uint32_t place = *AT(w->asked, uint32_t, i);
		const char *vector = PQgetvalue(result, (int)i, 0);
		struct language *l = &w->languages[AT(w->pieces, struct piece, place)->language];

		if (PQgetisnull(result, (int)i, 0))
			l->whole = true;
		else if (!l->whole &&
		         !read_piece(w, place, vector, vector + PQgetlength(result, (int)i, 0)))
			l->whole = true;
	}
	w->asked.n = 0;
}

PGresult *
words_ask(struct words *w, PGconn *db)
{
	PGresult *result;

	if (w->failed || w->asked.n == 0)
		return NULL;
	result = ask(w, db);
	if (result && PQresultStatus(result) != PGRES_TUPLES_OK)
		return result;
	if ((size_t)PQntuples(result) == w->asked.n)
		read_answer(w, result);
	else
		w->failed = true;
	PQclear(result);
	return NULL;
}

/* ---- putting together ---- */

static bool
occurs(struct words *w, uint32_t lexeme, uint32_t position)
{
	struct lexeme *x = AT(w->lexemes, struct lexeme, lexeme);
	uint32_t at = (uint32_t)w->occurrences.n;
	struct occurrence *o = more(w, &w->occurrences, sizeof *o, 1);

	if (!o)
		return false;
	*o = (struct occurrence){ position, UINT32_MAX };
	if (x->text != w->text) {
		x->text = w->text;
		x->n = 0;
		x->first = at;
		if (!add_u32(w, &w->distinct, lexeme))
			return false;
	} else {
		AT(w->occurrences, struct occurrence, x->last)->next = at;
	}
	x->last = at;
	return ++x->n <= OCCURRENCES_MOST;
}

static bool
collect(struct words *w, const struct text *t)
{
	uint32_t position = 0;

	w->occurrences.n = w->distinct.n = 0;
	w->text++;
	for (uint32_t i = t->from; i < t->to; i++) {
		const struct piece *p = AT(w->pieces, struct piece, *AT(w->sequence, uint32_t, i));

		for (uint32_t k = p->first; k < p->first + p->n; k++) {
			const struct use *u = AT(w->uses, struct use, k);

			if (!occurs(w, u->lexeme, position + u->position))
				return false;
		}
		position += p->span;
	}
	return position <= POSITION_MOST;
}

/* The order that tsvectorrecv() wants, so that it need not sort. */
static int
by_text(const void *a, const void *b, void *words)
{
	const struct words *w = words;
	const struct lexeme *x = AT(w->lexemes, struct lexeme, *(const uint32_t *)a);
	const struct lexeme *y = AT(w->lexemes, struct lexeme, *(const uint32_t *)b);
	uint32_t shorter = x->len < y->len ? x->len : y->len;
	int order;

	if (x->begins != y->begins)
		return x->begins < y->begins ? -1 : 1;
	order = memcmp(bytes_at(w, x->at), bytes_at(w, y->at), shorter);
	return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

static char *
put_u16(char *to, uint32_t v)
{
	to[0] = (char)(v >> 8);
	to[1] = (char)v;
	return to + 2;
}

static bool
build(struct words *w)
{
	size_t size = 4;
	char *to;

	for (size_t i = 0; i < w->distinct.n; i++) {
		const struct lexeme *x = AT(w->lexemes, struct lexeme,
		                            *AT(w->distinct, uint32_t, i));

		size += x->len + 3 + 2 * (size_t)x->n;
	}
	w->built.n = 0;
	to = more(w, &w->built, 1, size);
	if (!to)
		return false;
	to = put_u16(put_u16(to, 0), (uint32_t)w->distinct.n);
	for (size_t i = 0; i < w->distinct.n; i++) {
		const struct lexeme *x = AT(w->lexemes, struct lexeme,
		                            *AT(w->distinct, uint32_t, i));

		memcpy(to, bytes_at(w, x->at), x->len);
		to[x->len] = '\0';
		to = put_u16(to + x->len + 1, x->n);
		for (uint32_t o = x->first; o != UINT32_MAX;
		     o = AT(w->occurrences, struct occurrence, o)->next)
			to = put_u16(to, AT(w->occurrences, struct occurrence, o)->position);
	}
	return true;
}

void
words_terms(struct words *w, uint32_t text, struct array *to)
{
	const struct text *t = text < w->texts.n ? AT(w->texts, struct text, text) : NULL;

	if (!t || t->whole || w->failed || w->languages[t->language].whole || !collect(w, t)) {
		array_add(to, NULL, 0);
		return;
	}
	if (w->distinct.n > 1)
		qsort_r(w->distinct.items, w->distinct.n, sizeof(uint32_t), by_text, w);
	if (build(w))
		array_add(to, w->built.items, w->built.n);
	else
		array_add(to, NULL, 0);
}
