/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_embed.c - vectors: what is alike, and that SQL makes the same ones.
 */
#include "../chunk/passages.h"

#include "support/cluster.h"
#include "support/stage_bench.h"

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define EMBED TEST_BUILD_DIR "/plugins/embed.so"

static struct bench bench;
static struct passages got;

static enum status
open_with(int64_t dimensions)
{
	const struct bench_option options[] = {
		{ "dimensions", CONFIG_T_INT, dimensions, NULL, 0 },
		{ NULL, 0, 0, NULL, 0 },
	};

	return bench_open(&bench, EMBED, options, 1);
}

static struct stage_job *
run(const void *bytes, size_t len)
{
	struct stage_job *job = bench_job(&bench, 1, "{}", NULL);

	job->in.body = bytes;
	job->in.body_len = len;
	bench_run(&bench, &job, 1);
	return job;
}

/* One passage for each text, all below one heading; `got` has them with vectors. */
static void
embed_texts(const char *heading, const char *const *texts, uint32_t n)
{
	struct buf all = { 0 };
	uint32_t h = (uint32_t)strlen(heading);
	struct stage_job *job;
	unsigned char *bytes;
	size_t len;

	for (uint32_t i = 0; i < n; i++)
		buf_printf(&all, "%s", texts[i]);
	len = passages_size(n, 0, h, (uint32_t)all.len);
	bytes = arena_alloc(bench.arena, len);
	passages_begin(bytes, n, 0, h, (uint32_t)all.len);
	for (uint32_t i = 0, at = 0; i < n; i++) {
		struct passage p = { .offset = at,
			             .length = (uint32_t)strlen(texts[i]),
			             .heading_length = h };

		passages_put(bytes, i, &p);
		at += p.length;
	}
	memcpy(bytes + len - all.len - h, heading, h);
	if (all.len > 0)
		memcpy(bytes + len - all.len, all.data, all.len);
	buf_done(&all);
	job = run(bytes, len);
	if (job->ps.outcome != PS_DONE)
		fail_msg("outcome %u %s", job->ps.outcome, job->ps.code ? job->ps.code : "");
	assert_true(passages_open(job->out.body, job->out.body_len, &got));
	assert_int_equal(got.n, n);
}

static double
cosine(uint32_t a, uint32_t b)
{
	double sum = 0;

	for (uint32_t d = 0; d < got.dimensions; d++)
		sum += (double)passages_get_float(&got, a, d) *
		       (double)passages_get_float(&got, b, d);
	return sum;
}

static void
texts_and_places_pass_unchanged(void **state)
{
	static const char *const texts[] = { "First passage.", "Zweite, längere." };

	(void)state;
	assert_int_equal(open_with(64), OK);
	embed_texts("Head", texts, 2);
	assert_int_equal(got.dimensions, 64);
	assert_int_equal(passages_get(&got, 1).offset, 14);
	assert_memory_equal(passages_get(&got, 1).text, texts[1], strlen(texts[1]));
	assert_memory_equal(passages_get(&got, 1).heading, "Head", 4);
	bench_close(&bench);
}

static void
vectors_have_length_one_and_are_the_same_each_time(void **state)
{
	static const char *const texts[] = { "Some words about nothing", "Some words about nothing",
		                             "" };

	(void)state;
	assert_int_equal(open_with(256), OK);
	embed_texts("", texts, 3);
	assert_true(fabs(cosine(0, 0) - 1) < 1e-6);
	assert_true(fabs(cosine(0, 1) - 1) < 1e-6);
	assert_true(cosine(2, 2) == 0); /* no word, no direction */
	bench_close(&bench);
}

static void
forms_of_a_word_are_more_alike_than_other_words(void **state)
{
	static const char *const texts[] = { "configure replication slots",
		                             "Configuring a Replication-Slot",
		                             "confiugre replicaton", "bake a chocolate cake" };

	(void)state;
	assert_int_equal(open_with(1024), OK);
	embed_texts("", texts, 4);
	assert_true(cosine(0, 1) > 0.35);
	assert_true(cosine(0, 2) > 0.15);
	assert_true(fabs(cosine(0, 3)) < 0.1);
	bench_close(&bench);
}

static void
the_heading_counts_with_its_passage(void **state)
{
	static const char *const texts[] = { "short text", "elephants" };
	double without;

	(void)state;
	assert_int_equal(open_with(1024), OK);
	embed_texts("", texts, 2);
	without = cosine(0, 1);
	embed_texts("elephants", texts, 2);
	assert_true(cosine(0, 1) > without + 0.3);
	bench_close(&bench);
}

static void
passages_that_have_vectors_get_new_ones(void **state)
{
	static const char *const texts[] = { "one", "two" };
	struct stage_job *job;
	size_t len;

	(void)state;
	assert_int_equal(open_with(32), OK);
	embed_texts("h", texts, 2);
	len = passages_size(got.n, got.dimensions, got.headings_len, got.text_len);
	job = run(got.bytes, len);
	assert_int_equal(job->ps.outcome, PS_DONE);
	assert_int_equal(job->out.body_len, len);
	assert_memory_equal(job->out.body, got.bytes, len);
	bench_close(&bench);
}

static void
dimensions_that_are_no_multiple_of_8_are_refused(void **state)
{
	(void)state;
	assert_int_not_equal(open_with(100), OK);
	assert_non_null(strstr(bench.fault.text, "multiple of 8"));
	bench_close(&bench);
}

static void
a_body_that_holds_no_passages_fails(void **state)
{
	struct stage_job *job;

	(void)state;
	assert_int_equal(open_with(256), OK);
	job = run("a plain text that is longer than a head", 39);
	assert_int_equal(job->ps.outcome, PS_FAIL);
	assert_string_equal(job->ps.code, "NOT_PASSAGES");
	job = run(NULL, 0);
	assert_int_equal(job->ps.outcome, PS_FAIL);
	assert_string_equal(job->ps.code, "NOT_PASSAGES");
	bench_close(&bench);
}

static void
vectors_that_make_the_body_too_large_fail(void **state)
{
	uint32_t n = 5000; /* times 4096 floats: 80 MB */
	size_t len = passages_size(n, 0, 0, 1);
	unsigned char *bytes = mem_alloc(len);
	struct stage_job *job;

	(void)state;
	assert_int_equal(open_with(4096), OK);
	passages_begin(bytes, n, 0, 0, 1);
	bytes[len - 1] = 'x';
	job = run(bytes, len);
	assert_int_equal(job->ps.outcome, PS_FAIL);
	assert_string_equal(job->ps.code, "TOO_LARGE");
	bench_close(&bench);
	free(bytes);
}

static const void *
no_body(void *data, struct stage_job *job, size_t *ret_len)
{
	(void)data;
	*ret_len = job->in.body_len;
	return NULL;
}

static bool
is_cancelled(void *data, int64_t job)
{
	(void)data, (void)job;
	return true;
}

static void
a_body_that_cannot_be_fetched_lets_its_job_retry(void **state)
{
	struct stage_job *job;

	(void)state;
	assert_int_equal(open_with(256), OK);
	bench.hooks.body = no_body;
	job = bench_job(&bench, 1, "{}", "text");
	job->in.body = NULL;
	job->body_absent = true;
	bench_run(&bench, &job, 1);
	bench.hooks.body = NULL;
	assert_int_equal(job->ps.outcome, PS_RETRY);
	assert_string_equal(job->ps.code, "NO_BODY");
	bench_close(&bench);
}

static void
a_cancelled_job_is_given_up(void **state)
{
	static const char *const texts[] = { "one" };
	struct stage_job *job;

	(void)state;
	assert_int_equal(open_with(16), OK);
	embed_texts("", texts, 1);
	bench.hooks.cancelled = is_cancelled;
	job = run(got.bytes, passages_size(1, 16, 0, 3));
	bench.hooks.cancelled = NULL;
	assert_int_equal(job->ps.outcome, PS_RETRY);
	assert_string_equal(job->ps.code, "STOPPED");
	bench_close(&bench);
}

/* ---- the same in SQL ---- */

static void
compare_with_sql(struct db *db, uint32_t i, const char *text)
{
	static const char sql[] = "select unnest(documents.embed($1::text, $2::int))::text";
	struct fault fault = { 0 };
	struct db_result *r;
	struct db_args args;

	db_args_init(&args);
	db_arg_text(&args, text);
	db_arg_int4(&args, (int32_t)got.dimensions);
	if (db_call(db, sql, &args, &r, &fault) != OK)
		fail_msg("%s %s", fault.sqlstate, fault.text);
	assert_int_equal(db_rows(r), got.dimensions);
	for (uint32_t d = 0; d < got.dimensions; d++) {
		double made = strtod(db_text(r, (int)d, 0), NULL);
		double c = (double)passages_get_float(&got, i, d);

		if (fabs(made - c) > 1e-6)
			fail_msg("\"%s\": dimension %u is %g in C and %g in SQL", text, d, c, made);
	}
	db_result_free(r);
}

static void
sql_makes_the_same_vectors(void **state)
{
	static const char *const texts[] = {
		"How do I configure autovacuum?",
		"the cat and the dog and the cat: the cat!",
		"Größe ÄÖÜ ß Straße ÀÉÎÕÞ÷×",
		"ŁÓDŹ Ÿ ĲSSEL ŊŽŐ Ĺŀ ĸ İı ſ",
		"ΑΒΓΩΣ ΆΫ Привет МИР Ёлка ЍЏ Ѡ",
		"日本語の文章。今日は、天気が「いい」です",
		"e-mail@example.org foo_bar C++ 3.14 a b x1 µm ª²³ «quote» — dash… 1/2½",
		"Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft",
		"😀emoji😀 🇩🇪 نص عربي हिन्दी ภาษาไทย ⅷ ⓐ ﬁ ！？",
		"tab\there\nline\r\nend",
		"...",
		"",
	};
	static const int64_t sizes[] = { 16, 256, 1000, 4096 };
	const struct db_schema_source store = { "store", "plugins/store/migrations" };
	uint32_t n = sizeof texts / sizeof texts[0];
	struct db *db = cluster_open(cluster_database());
	struct fault fault = { 0 };

	(void)state;
	if (db_schema_up(db, &store, 1, NULL, NULL, &fault) != OK)
		fail_msg("migrate: %s: %s %s", fault.where, fault.sqlstate, fault.text);
	for (size_t s = 0; s < 4; s++) {
		assert_int_equal(open_with(sizes[s]), OK);
		embed_texts("", texts, n);
		for (uint32_t i = 0; i < n; i++)
			compare_with_sql(db, i, texts[i]);
		bench_close(&bench);
	}
	db_close(db);
}

/* Every character of the planes that hold letters, between two words. */
static void
sql_knows_the_same_capitals_and_letters(void **state)
{
	const struct db_schema_source store = { "store", "plugins/store/migrations" };
	struct db *db = cluster_open(cluster_database());
	struct fault fault = { 0 };

	(void)state;
	assert_int_equal(db_schema_up(db, &store, 1, NULL, NULL, &fault), OK);
	assert_int_equal(open_with(4096), OK);
	for (uint32_t from = 0x21; from < 0x11000; from += 0x100) {
		struct buf text = { 0 };

		for (uint32_t c = from; c < from + 0x100; c++) {
			unsigned char u[4];
			int len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

			if (c >= 0xd800 && c < 0xe000)
				continue;
			for (int i = len - 1, bits = 0; i > 0; i--, bits += 6)
				u[i] = (unsigned char)(0x80 | (c >> bits & 0x3f));
			u[0] = (unsigned char)(len == 1   ? c
			                       : len == 2 ? 0xc0 | c >> 6
			                       : len == 3 ? 0xe0 | c >> 12
			                                  : 0xf0 | c >> 18);
			buf_printf(&text, "a%.*sb ", len, (const char *)u);
		}
		if (text.len > 0) {
			embed_texts("", (const char *const[]){ text.data }, 1);
			compare_with_sql(db, 0, text.data);
		}
		buf_done(&text);
	}
	bench_close(&bench);
	db_close(db);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_and_places_pass_unchanged),
		cmocka_unit_test(vectors_have_length_one_and_are_the_same_each_time),
		cmocka_unit_test(forms_of_a_word_are_more_alike_than_other_words),
		cmocka_unit_test(the_heading_counts_with_its_passage),
		cmocka_unit_test(passages_that_have_vectors_get_new_ones),
		cmocka_unit_test(dimensions_that_are_no_multiple_of_8_are_refused),
		cmocka_unit_test(a_body_that_holds_no_passages_fails),
		cmocka_unit_test(vectors_that_make_the_body_too_large_fail),
		cmocka_unit_test(a_body_that_cannot_be_fetched_lets_its_job_retry),
		cmocka_unit_test(a_cancelled_job_is_given_up),
		cmocka_unit_test(sql_makes_the_same_vectors),
		cmocka_unit_test(sql_knows_the_same_capitals_and_letters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
