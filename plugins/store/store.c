/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * store.c - keep documents and their passages in PostgreSQL, searchable.
 *
 * All documents of a call go with one statement, documents.put() of
 * migrations/0004_duplicates.sql, inside the transaction that settles the jobs:
 * a document is stored exactly when its job is done. Never decides about one
 * job of several when SQL fails: the host undoes the call and runs its jobs one
 * by one, and then the error is that job's own.
 */
#include "store_priv.h"

#include "../chunk/passages.h"

#include <inttypes.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CALL_MOST 64 /* as PS_MAX_CALL() says below: the manifest takes no macro */

PS_OPTIONS(store,
           PS_SIZE(keep, "1KiB", 0, 1048576,
                   "the finished job keeps attributes up to this size, each; 0: all"),
           PS_BOOL(duplicates, true, "end new documents whose bytes are stored under another path"))

PS_COUNTERS(store, PS_COUNTER(documents, "documents", "documents written"),
            PS_COUNTER(passages, "passages", "passages written"))

/* In the order of documents.put()'s parameters. */
enum column {
	JOBS,
	JOB_PATHS,
	PATHS,
	SUMS,
	TITLES,
	LANGUAGES,
	MIMES,
	SIZES,
	ATTRIBUTES,
	OWNERS,
	PLACES,
	HEADINGS,
	BODIES,
	STARTS,
	LENGTHS,
	TERMS,
	DIMENSIONS,
	ENDS,
	SIGNATURES,
	NUMBERS,
	COLUMNS
};

static const enum array_type types[COLUMNS] = {
	[JOBS] = ARRAY_INT8,       [JOB_PATHS] = ARRAY_TEXT,  [PATHS] = ARRAY_TEXT,
	[SUMS] = ARRAY_BYTEA,      [TITLES] = ARRAY_TEXT,     [LANGUAGES] = ARRAY_TEXT,
	[MIMES] = ARRAY_TEXT,      [SIZES] = ARRAY_INT8,      [ATTRIBUTES] = ARRAY_TEXT,
	[OWNERS] = ARRAY_INT4,     [PLACES] = ARRAY_INT4,     [HEADINGS] = ARRAY_TEXT,
	[BODIES] = ARRAY_TEXT,     [STARTS] = ARRAY_INT4,     [LENGTHS] = ARRAY_INT4,
	[TERMS] = ARRAY_TSVECTOR,  [DIMENSIONS] = ARRAY_INT4, [ENDS] = ARRAY_INT4,
	[SIGNATURES] = ARRAY_TEXT, [NUMBERS] = ARRAY_FLOAT4,
};

static const char put_sql[] =
    "select documents.put($1::int8[], $2::text[], $3::text[], $4::bytea[], $5::text[],"
    " $6::text[], $7::text[], $8::int8[], $9::text[], $10::int4[], $11::int4[], $12::text[],"
    " $13::text[], $14::int4[], $15::int4[], $16::tsvector[], $17::int4[], $18::int4[], $19::text[],"
    " row($20::real[]), $21::boolean)";

/* One job that can be stored. */
struct item {
	struct ps_job *job;
	const char *path;
	unsigned char sum[32];
	bool has_sum;
	struct passages passages;
	bool replaced; /* a later job of the call has the same path, and wins */
};

struct batch {
	struct item items[CALL_MOST];
	uint32_t n;
	struct array columns[COLUMNS];
	uint32_t documents, passages;
	struct words *words;
};

/* ---- reading a job ---- */

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool
read_sum(const char *hex, unsigned char sum[32])
{
	if (strlen(hex) != 64)
		return false;
	for (int i = 0; i < 32; i++) {
		int high = hex_digit(hex[2 * i]), low = hex_digit(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		sum[i] = (unsigned char)(high << 4 | low);
	}
	return true;
}

/* PS_DONE so far, or the outcome that was set. */
static enum ps_outcome
read_job(struct ps_call *call, struct ps_job *job, struct item *item)
{
	const char *hex = ps_get_string(call, job->in, "sha256", NULL);
	const void *body;
	size_t len;

	memset(item, 0, sizeof *item);
	item->job = job;
	item->path = ps_get_string(call, job->in, "path", "");
	if (!item->path[0])
		return ps_fail(call, job, "NO_PATH", "the attribute path is missing or empty");
	item->has_sum = hex != NULL;
	if (hex && !read_sum(hex, item->sum))
		return ps_fail(call, job, "BAD_SHA256",
		               "the attribute sha256 is not 64 hex digits");
	body = ps_body(call, job->in, &len);
	if (!body && len > 0)
		return ps_retry(call, job, -1, "NO_BODY", "the body could not be fetched");
	if (!passages_open(body, len, &item->passages))
		return ps_fail(call, job, "NOT_PASSAGES",
		               "the body is not the output of the stage chunk or embed");
	return PS_DONE;
}

static struct batch *
read_call(struct ps_call *call)
{
	struct batch *batch = ps_alloc(call, sizeof *batch);

	for (uint32_t i = 0; i < call->n; i++) {
		struct item *item = &batch->items[batch->n];

		if (read_job(call, ps_job_at(call, i), item) != PS_DONE)
			continue;
		for (uint32_t k = 0; k < batch->n; k++)
			if (strcmp(batch->items[k].path, item->path) == 0)
				batch->items[k].replaced = true;
		batch->n++;
	}
	return batch;
}

/* ---- filling the columns ---- */

/* Its numbers go behind those of the passages before it, in binary; its signs as text. */
static void
add_vector(struct ps_call *call, struct batch *b, const struct passages *p, uint32_t i)
{
	uint32_t n = p->dimensions, *bits;
	char *signs;

	array_add_int4(&b->columns[DIMENSIONS], n);
	if (n == 0) {
		array_add_int4(&b->columns[ENDS], 0);
		array_add(&b->columns[SIGNATURES], NULL, 0);
		return;
	}
	bits = ps_alloc(call, n * sizeof *bits);
	signs = ps_alloc(call, n);
	for (uint32_t d = 0; d < n; d++) {
		float v = passages_get_float(p, i, d);

		memcpy(&bits[d], &v, sizeof v);
		signs[d] = v > 0 ? '1' : '0';
	}
	array_add_floats(&b->columns[NUMBERS], bits, n);
	array_add_int4(&b->columns[ENDS], b->columns[NUMBERS].n);
	array_add(&b->columns[SIGNATURES], signs, n);
}

static void
add_passages(struct ps_call *call, struct batch *b, const struct passages *p)
{
	for (uint32_t i = 0; i < p->n; i++) {
		struct passage passage = passages_get(p, i);

		array_add_int4(&b->columns[OWNERS], b->documents);
		array_add_int4(&b->columns[PLACES], i + 1);
		array_add(&b->columns[HEADINGS], passage.heading, passage.heading_length);
		array_add(&b->columns[BODIES], passage.text, passage.length);
		array_add_int4(&b->columns[STARTS], passage.offset);
		array_add_int4(&b->columns[LENGTHS], passage.length);
		words_terms(b->words, b->passages + i, &b->columns[TERMS]);
		add_vector(call, b, p, i);
	}
	b->passages += p->n;
}

static void
add_document(struct ps_call *call, struct batch *b, const struct item *item)
{
	const struct ps_message *in = item->job->in;
	int64_t size = ps_get_int(call, in, "size", -1);

	b->documents++;
	array_add_text(&b->columns[PATHS], item->path);
	array_add(&b->columns[SUMS], item->has_sum ? item->sum : NULL, sizeof item->sum);
	array_add_text(&b->columns[TITLES], ps_get_string(call, in, "title", NULL));
	array_add_text(&b->columns[LANGUAGES], ps_get_string(call, in, "language", NULL));
	array_add_text(&b->columns[MIMES], ps_get_string(call, in, "mime", NULL));
	if (size < 0)
		array_add(&b->columns[SIZES], NULL, 0);
	else
		array_add_int8(&b->columns[SIZES], size);
	array_add(&b->columns[ATTRIBUTES], in->attributes, in->attributes_len);
	add_passages(call, b, &item->passages);
}

static bool
fill(struct ps_call *call, struct batch *b)
{
	bool failed = false;

	for (int c = 0; c < COLUMNS; c++)
		array_init(&b->columns[c], types[c]);
	for (uint32_t i = 0; i < b->n; i++) {
		array_add_int8(&b->columns[JOBS], b->items[i].job->id);
		array_add_text(&b->columns[JOB_PATHS], b->items[i].path);
		if (!b->items[i].replaced)
			add_document(call, b, &b->items[i]);
	}
	for (int c = 0; c < COLUMNS; c++)
		failed |= b->columns[c].failed;
	return !failed;
}

/* The bodies of all passages, in the order in which fill() comes to them. */
static void
add_words(struct ps_call *call, struct batch *b)
{
	words_begin(b->words);
	for (uint32_t i = 0; i < b->n; i++) {
		const struct item *item = &b->items[i];
		const char *language = ps_get_string(call, item->job->in, "language", NULL);

		for (uint32_t k = 0; k < item->passages.n && !item->replaced; k++) {
			struct passage passage = passages_get(&item->passages, k);

			words_add(b->words, language, passage.text, passage.length);
		}
	}
}

/* ---- running the statements ---- */

static PGresult *
put(PGconn *db, struct batch *b, bool duplicates)
{
	const char *values[COLUMNS + 1];
	int lengths[COLUMNS + 1], formats[COLUMNS + 1];

	for (int c = 0; c < COLUMNS; c++) {
		values[c] = b->columns[c].bytes;
		lengths[c] = (int)array_len(&b->columns[c]);
		formats[c] = 1;
	}
	values[COLUMNS] = duplicates ? "t" : "f";
	lengths[COLUMNS] = formats[COLUMNS] = 0;
	return PQexecParams(db, put_sql, COLUMNS + 1, NULL, values, lengths, formats, 0);
}

/* Whether the same job may succeed later: the server's trouble (connection, resources, operator,
 * system), a conflict with another transaction, or a schema or a right that is not there yet. */
static bool
passes_by(const char *state)
{
	static const char classes[][3] = { "08", "25", "3F", "40", "42", "53", "55", "57", "58" };

	for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
		if (strncmp(state, classes[i], 2) == 0)
			return true;
	return false;
}

static void
all_retry(struct ps_call *call, struct batch *b, const char *code, const char *message)
{
	for (uint32_t i = 0; i < b->n; i++)
		ps_retry(call, b->items[i].job, -1, code, message);
}

/* Another host stored the same bytes since detect looked. Of several jobs it is not known which
 * one: none is DONE then, and the host runs them one by one. */
static bool
is_duplicate(const struct batch *b, const PGresult *result, const char *state)
{
	const char *name = PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME);

	return b->n == 1 && strcmp(state, "23505") == 0 && name &&
	       strcmp(name, "document_sha256") == 0;
}

static void
sql_failed(struct ps_call *call, struct batch *b, PGconn *db, const PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	const char *code;

	if (!state) { /* libpq's own error: the connection is gone */
		all_retry(call, b, "NO_DATABASE", PQerrorMessage(db));
		return;
	}
	if (is_duplicate(b, result, state)) {
		ps_discard(call, b->items[0].job, "DUPLICATE",
		           "the same bytes are stored under another path");
		return;
	}
	code = ps_printf(call, "SQL_%s", state);
	if (passes_by(state)) {
		all_retry(call, b, code, message);
		return;
	}
	for (uint32_t i = 0; i < b->n; i++)
		ps_fail(call, b->items[i].job, code, message);
}

static void
done(struct ps_call *call, struct ps_job *job)
{
	const struct store_options *opt = ps_options(call, store);

	ps_set_body(call, job->out, NULL, 0);
	if (opt->keep > 0)
		attributes_drop_big(call, job->out, (size_t)opt->keep);
	ps_done(call, job, NULL);
}

static void
finish(struct ps_call *call, struct batch *b, PGconn *db, const PGresult *result)
{
	if (PQresultStatus(result) != PGRES_TUPLES_OK) {
		sql_failed(call, b, db, result);
		return;
	}
	for (uint32_t i = 0; i < b->n; i++)
		done(call, b->items[i].job);
	ps_count(call, store_documents, b->documents);
	ps_count(call, store_passages, b->passages);
}

static void
store_batch(struct ps_call *call, struct batch *b)
{
	PGconn *db = ps_db(call);
	PGresult *result;

	if (!db) {
		all_retry(call, b, "NO_DATABASE", "the database is away");
		return;
	}
	add_words(call, b);
	result = words_ask(b->words, db);
	if (!result && !fill(call, b)) {
		all_retry(call, b, "NO_MEMORY", "the call does not fit into memory");
		return;
	}
	if (!result)
		result = put(db, b, ps_options(call, store)->duplicates);
	finish(call, b, db, result);
	PQclear(result);
}

static int
store_process(void *instance, void *thread, struct ps_call *call)
{
	struct batch *b = read_call(call);

	(void)instance;
	if (b->n == 0)
		return 0;
	b->words = thread;
	store_batch(call, b);
	for (int c = 0; c < COLUMNS; c++)
		array_done(&b->columns[c]);
	return 0;
}

/* ---- life ---- */

static int
store_thread_init(void *instance, void **ret_thread)
{
	(void)instance;
	*ret_thread = words_create();
	return *ret_thread ? 0 : 1;
}

static void
store_thread_fini(void *instance, void *thread)
{
	(void)instance;
	words_destroy(thread);
}

PS_STAGE(store, "1.0.0", "Keeps documents and their passages in PostgreSQL, searchable",
         PS_TRANSACTIONAL, PS_MAX_CALL(64), PS_THREAD_INIT(store_thread_init),
         PS_THREAD_FINI(store_thread_fini), PS_WITH_COUNTERS(store))
