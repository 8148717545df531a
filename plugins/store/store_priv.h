/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * store_priv.h - what the files of store share.
 */
#ifndef STORE_PRIV_H
#define STORE_PRIV_H

#include <libpq-fe.h>
#include <penstock.h>

/* ---- arrays.c: PostgreSQL's binary form of a one-dimensional array ---- */

enum array_type { /* the Oid of the element's type */
	          ARRAY_BYTEA = 17,
	          ARRAY_INT8 = 20,
	          ARRAY_INT4 = 23,
	          ARRAY_TEXT = 25,
	          ARRAY_FLOAT4 = 700,
	          ARRAY_TSVECTOR = 3614
};

struct array {
	char *bytes;
	size_t len, room;
	uint32_t n;
	bool failed; /* out of memory, or longer than a parameter may be; sticks */
};

void array_init(struct array *array, enum array_type type);
void array_done(struct array *array);
/* Bytes to send. */
size_t array_len(const struct array *array);
/* NULL adds a null. */
void array_add(struct array *array, const void *bytes, size_t len);
void array_add_text(struct array *array, const char *text);
void array_add_int4(struct array *array, uint32_t v);
void array_add_int8(struct array *array, int64_t v);
/* Bits of IEEE 754 floats, n of them. */
void array_add_floats(struct array *array, const uint32_t *bits, uint32_t n);

/* ---- words.c: what to_tsvector() makes of texts, each word asked for once ---- */

struct words;                     /* of one thread */
struct words *words_create(void); /* NULL: out of memory */
void words_destroy(struct words *words);
/* Begins a call: its texts count from 0. */
void words_begin(struct words *words);
/* One more text of the call. language as documents.config() takes it; may be NULL. */
void words_add(struct words *words, const char *language, const char *text, size_t len);
/* Asks for all words of these texts that are new. NULL, or the result of SQL that failed, which the
 * caller clears. */
PGresult *words_ask(struct words *words, PGconn *db);
/* Adds the tsvector of the text, or a null: then the server is to make it. */
void words_terms(struct words *words, uint32_t text, struct array *to);

/* ---- attributes.c ---- */

/* Removes the top-level members whose value is written in more than `most` bytes. */
void attributes_drop_big(struct ps_call *call, struct ps_message *m, size_t most);

#endif
