/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_store.c - documents go into a real database, whole or not at all.
 *
 * The transaction around a call, which is the host's, is made here by hand.
 */
#include "../chunk/passages.h"

#include "support/cluster.h"
#include "support/stage_bench.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define STORE TEST_BUILD_DIR "/plugins/store.so"
#define HASH "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF"

static const struct db_schema_source migrations = { "store",
	                                            TEST_BUILD_DIR "/plugins/store.migrations" };
static const char *conninfo;
static struct db *db;
static struct bench bench;
static bool away;

static struct pg_conn *
lend(void *data)
{
	return away ? NULL : db_conn(data ? data : db);
}

static int
set_up(void **state)
{
	struct fault fault = { 0 };

	(void)state;
	away = false;
	conninfo = cluster_database();
	db = cluster_open(conninfo);
	/* the tables need nothing of the core, only grant rights to its roles */
	cluster_exec(db, "do $$ begin create role penstock_host; create role penstock_read;"
	                 " exception when duplicate_object then null; end $$");
	if (db_schema_up(db, &migrations, 1, NULL, NULL, &fault) != OK)
		fail_msg("migrate: %s: %s %s", fault.where, fault.sqlstate, fault.text);
	bench.hooks.db = lend;
	if (bench_open(&bench, STORE, NULL, 1) != OK)
		fail_msg("open: %s", bench.fault.text);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	bench_close(&bench);
	db_close(db);
	return 0;
}

/* The text as one passage below a heading, with a vector when dimensions > 0. */
static void
set_passages(struct stage_job *job, const char *heading, const char *text, uint32_t dimensions)
{
	uint32_t h = (uint32_t)strlen(heading), t = (uint32_t)strlen(text);
	struct passage p = { .length = t, .heading_length = h };
	size_t len = passages_size(1, dimensions, h, t);
	unsigned char *bytes = arena_alloc(bench.arena, len);

	passages_begin(bytes, 1, dimensions, h, t);
	passages_put(bytes, 0, &p);
	for (uint32_t d = 0; d < dimensions; d++)
		passages_put_float(bytes, 1, d, d == 2 ? -0.25f : d == 1 ? 0.5f : 0);
	memcpy(bytes + len - t - h, heading, h);
	memcpy(bytes + len - t, text, t);
	job->in.body = bytes;
	job->in.body_len = len;
}

static struct stage_job *
document(int64_t id, const char *path, const char *text)
{
	char *attributes = mem_printf("{\"path\":\"%s\",\"language\":\"en\"}", path);
	struct stage_job *job = bench_job(&bench, id, attributes, NULL);

	free(attributes);
	set_passages(job, "", text, 0);
	return job;
}

static void
run_one(struct stage_job *job)
{
	bench_run(&bench, &job, 1);
}

static void
expect(const struct stage_job *job, enum ps_outcome outcome, const char *code)
{
	if (job->ps.outcome != outcome ||
	    (code && strcmp(job->ps.code ? job->ps.code : "", code) != 0))
		fail_msg("outcome %u %s: %s", job->ps.outcome, job->ps.code ? job->ps.code : "-",
		         job->ps.message ? job->ps.message : "-");
}

static void
a_document_arrives_with_all_its_columns(void **state)
{
	struct stage_job *job = bench_job(&bench, 7,
	                                  "{\"path\":\"/a/b.md\",\"sha256\":\"" HASH
	                                  "\",\"title\":\"Bär\",\"language\":\"de\","
	                                  "\"mime\":\"text/markdown\",\"size\":123,\"mtime\":5}",
	                                  NULL);

	(void)state;
	set_passages(job, "Tiere > Bären", "Die Bären schlafen.", 16);
	run_one(job);
	expect(job, PS_DONE, NULL);
	assert_string_equal(
	    cluster_text(db,
	                 "select concat_ws('|', path, encode(sha256, 'hex'), title, language,"
	                 " mime, size, attributes->>'mtime', stored_at > now() - interval '1 min')"
	                 " from documents.document"),
	    "/a/b.md|00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff|Bär|de|"
	    "text/markdown|123|5|t");
	assert_string_equal(
	    cluster_text(db, "select concat_ws('|', n, heading, body, start, length, vector[1:4],"
	                     " signature) from documents.passage"),
	    "1|Tiere > Bären|Die Bären schlafen.|0|20|{0,0.5,-0.25,0}|0100000000000000");
	assert_string_equal(cluster_text(db, "select terms from documents.passage"),
	                    "'bar':2B,3C,5 'schlaf':6 'tier':1B");
	assert_string_equal(cluster_text(db, "select concat_ws('|', job, document) from"
	                                     " documents.effect"),
	                    "7|1");
}

static void
what_is_unknown_of_a_document_is_null(void **state)
{
	struct stage_job *job = document(1, "x", "words");

	(void)state;
	job->in.attributes = "{\"path\":\"x\"}";
	job->in.attributes_len = strlen(job->in.attributes);
	run_one(job);
	expect(job, PS_DONE, NULL);
	assert_int_equal(cluster_int(db, "select num_nulls(sha256, title, language, mime, size)"
	                                 " from documents.document"),
	                 5);
	assert_int_equal(cluster_int(db, "select num_nulls(vector, signature)"
	                                 " from documents.passage"),
	                 2);
}

static void
a_done_job_keeps_small_attributes_and_no_body(void **state)
{
	char *big = mem_alloc(3000), *attributes;
	struct stage_job *job;

	(void)state;
	memset(big, 'x', 2999);
	attributes = mem_printf("{\"a\": [1, \"},\\\"\"], \"outline\": {\"k\": [\"%s\"]},"
	                        " \"path\": \"p\", \"last\": \"%s\"}",
	                        big, big);
	job = bench_job(&bench, 1, attributes, NULL);
	set_passages(job, "", "text", 0);
	run_one(job);
	expect(job, PS_DONE, NULL);
	assert_int_equal(job->out.body_len, 0);
	assert_null(strstr(job->out.attributes, "outline"));
	assert_null(strstr(job->out.attributes, "last"));
	assert_non_null(strstr(job->out.attributes, "\"path\""));
	assert_non_null(strstr(job->out.attributes, "\"a\""));
	/* the table has it all */
	assert_int_equal(cluster_int(db, "select length(attributes->'outline'->'k'->>0)"
	                                 " from documents.document"),
	                 2999);
	free(big);
	free(attributes);
}

static void
a_changed_document_is_replaced_with_its_passages(void **state)
{
	struct stage_job *job = document(1, "x", "first");
	struct passage p[2] = { { .length = 3 }, { .offset = 3, .length = 4 } };
	unsigned char *bytes = arena_alloc(bench.arena, passages_size(2, 0, 0, 7));

	(void)state;
	passages_begin(bytes, 2, 0, 0, 7);
	passages_put(bytes, 0, &p[0]);
	passages_put(bytes, 1, &p[1]);
	memcpy(bytes + passages_size(2, 0, 0, 0), "onetwo!", 7);
	job->in.body = bytes;
	job->in.body_len = passages_size(2, 0, 0, 7);
	run_one(job);
	assert_string_equal(cluster_text(db, "select string_agg(n || body, ',' order by n) from"
	                                     " documents.passage"),
	                    "1one,2two!");
	run_one(document(2, "x", "second"));
	assert_string_equal(cluster_text(db,
	                                 "select concat_ws('|', d.id, count(*), min(p.body)) from"
	                                 " documents.document d join documents.passage p"
	                                 " on p.document = d.id group by d.id"),
	                    "1|1|second");
	assert_int_equal(
	    cluster_int(db, "select count(*) from documents.effect where document = 1"), 2);
}

static void
a_replacement_that_is_rolled_back_leaves_the_old_document(void **state)
{
	(void)state;
	run_one(document(1, "x", "first"));
	cluster_exec(db, "begin");
	run_one(document(2, "x", "second"));
	cluster_exec(db, "rollback");
	assert_string_equal(cluster_text(db, "select string_agg(body, ',') from documents.passage"),
	                    "first");
	assert_int_equal(cluster_int(db, "select count(*) from documents.effect"), 1);
}

static void
many_documents_of_a_call_go_in_one_statement(void **state)
{
	struct stage_job *jobs[64];
	char path[16];

	(void)state;
	for (int i = 0; i < 64; i++) {
		snprintf(path, sizeof path, "%d", 64 - i);
		jobs[i] = document(100 + i, path, path);
	}
	cluster_exec(db, "begin");
	bench_run(&bench, jobs, 64);
	for (int i = 0; i < 64; i++)
		expect(jobs[i], PS_DONE, NULL);
	/* one statement, one command counter for each of its five parts: all rows of a table share
	 * it */
	assert_int_equal(
	    cluster_int(db, "select count(distinct cmin::text) from documents.passage"), 1);
	cluster_exec(db, "commit");
	assert_int_equal(cluster_int(db, "select count(*) from documents.document d"
	                                 " join documents.passage p on p.document = d.id"
	                                 " join documents.effect e on e.document = d.id"
	                                 " where p.body = d.path and e.job = 164 - d.path::int"),
	                 64);
}

static int64_t
whole_reads(void)
{
	return cluster_int(db, "select sum(seq_scan) from pg_stat_xact_user_tables"
	                       " where schemaname = 'documents'");
}

/* A session's plans are made while there is little to read, and the tables grow. */
static void
storing_never_reads_a_whole_table(void **state)
{
	char path[16];
	int64_t before;

	(void)state;
	cluster_exec(db, "vacuum analyze documents.document");
	cluster_exec(db, "vacuum analyze documents.passage");
	cluster_exec(db, "begin");
	before = whole_reads(); /* the session's, until they are reported */
	for (int i = 0; i < 20; i++) {
		snprintf(path, sizeof path, "%d", i);
		run_one(document(1 + i, path, path));
		run_one(document(100 + i, path, path));
	}
	assert_int_equal(whole_reads(), before);
	cluster_exec(db, "commit");
	assert_int_equal(cluster_int(db, "select count(*) from documents.effect"), 40);
}

static void
of_two_jobs_with_one_path_the_later_stays_and_both_have_an_effect(void **state)
{
	struct stage_job *jobs[3] = { document(1, "x", "old"), document(2, "y", "other"),
		                      document(3, "x", "new") };

	(void)state;
	bench_run(&bench, jobs, 3);
	for (int i = 0; i < 3; i++)
		expect(jobs[i], PS_DONE, NULL);
	assert_string_equal(cluster_text(db, "select string_agg(d.path || '=' || body, ',' order by"
	                                     " d.path) from documents.passage join"
	                                     " documents.document d on d.id = document"),
	                    "x=new,y=other");
	assert_string_equal(cluster_text(db,
	                                 "select string_agg(job || d.path, ',' order by job) from"
	                                 " documents.effect join documents.document d"
	                                 " on d.id = document"),
	                    "1x,2y,3x");
}

struct rival {
	struct bench bench;
	struct db *db;
	struct stage_job *job;
};

static void *
run_rival(void *data)
{
	struct rival *r = data;

	bench_run(&r->bench, &r->job, 1);
	return NULL;
}

/* The second waits for the first one's row, and must then see its passages to delete them. */
static void
two_hosts_that_store_one_path_take_turns(void **state)
{
	struct rival rival = { 0 };
	struct db *watch = cluster_open(conninfo);
	pthread_t thread;

	(void)state;
	rival.db = cluster_open(conninfo);
	rival.bench.hooks = (struct stage_hooks){ .db = lend, .data = rival.db };
	if (bench_open(&rival.bench, STORE, NULL, 1) != OK)
		fail_msg("open: %s", rival.bench.fault.text);
	rival.job = document(2, "x", "of the second");
	cluster_exec(db, "begin");
	run_one(document(1, "x", "of the first"));
	assert_int_equal(pthread_create(&thread, NULL, run_rival, &rival), 0);
	cluster_wait_until(watch, "select exists (select from pg_stat_activity"
	                          " where datname = current_database()"
	                          " and wait_event_type = 'Lock')");
	cluster_exec(db, "commit");
	assert_int_equal(pthread_join(thread, NULL), 0);
	expect(rival.job, PS_DONE, NULL);
	assert_string_equal(cluster_text(db, "select string_agg(body, ',') from documents.passage"),
	                    "of the second");
	bench_close(&rival.bench);
	db_close(rival.db);
	db_close(watch);
}

#define OTHER_HASH "99112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF"

static struct stage_job *
bytes_at(int64_t id, const char *path, const char *hash)
{
	char *attributes = mem_printf("{\"path\":\"%s\",\"sha256\":\"%s\"}", path, hash);
	struct stage_job *job = bench_job(&bench, id, attributes, NULL);

	free(attributes);
	set_passages(job, "", path, 0);
	return job;
}

static const char *
stored_paths(void)
{
	return cluster_text(db, "select coalesce(string_agg(path, ',' order by path), '-')"
	                        " from documents.document");
}

/* Both were new when detect looked: the second waits for the first, to see how it ends. */
static void
rival_of_the_same_bytes(const char *end, enum ps_outcome outcome, const char *paths)
{
	struct rival rival = { 0 };
	struct db *watch = cluster_open(conninfo);
	pthread_t thread;

	rival.db = cluster_open(conninfo);
	rival.bench.hooks = (struct stage_hooks){ .db = lend, .data = rival.db };
	if (bench_open(&rival.bench, STORE, NULL, 1) != OK)
		fail_msg("open: %s", rival.bench.fault.text);
	rival.job = bytes_at(2, "b", HASH);
	cluster_exec(db, "begin");
	run_one(bytes_at(1, "a", HASH));
	assert_int_equal(pthread_create(&thread, NULL, run_rival, &rival), 0);
	cluster_wait_until(watch, "select exists (select from pg_stat_activity"
	                          " where datname = current_database()"
	                          " and wait_event_type = 'Lock')");
	cluster_exec(db, end);
	assert_int_equal(pthread_join(thread, NULL), 0);
	expect(rival.job, outcome, outcome == PS_DISCARD ? "DUPLICATE" : NULL);
	assert_string_equal(stored_paths(), paths);
	bench_close(&rival.bench);
	db_close(rival.db);
	db_close(watch);
}

static void
of_two_hosts_that_store_the_same_bytes_one_is_a_duplicate(void **state)
{
	(void)state;
	rival_of_the_same_bytes("commit", PS_DISCARD, "a");
	assert_int_equal(cluster_int(db, "select count(*) from documents.effect"), 1);
}

static void
the_same_bytes_are_stored_when_the_first_store_of_them_is_undone(void **state)
{
	(void)state;
	rival_of_the_same_bytes("rollback", PS_DONE, "b");
}

static void
a_path_that_takes_the_bytes_of_another_is_a_new_version(void **state)
{
	struct stage_job *jobs[2];

	(void)state;
	run_one(bytes_at(1, "a", HASH));
	run_one(bytes_at(2, "b", OTHER_HASH));
	run_one(bytes_at(3, "b", HASH));
	assert_string_equal(stored_paths(), "a,b");
	assert_int_equal(cluster_int(db, "select count(distinct sha256) from documents.document"),
	                 1);
	/* and each of them goes on by itself */
	jobs[0] = bytes_at(4, "b", HASH);
	jobs[1] = bytes_at(5, "a", OTHER_HASH);
	bench_run(&bench, jobs, 2);
	expect(jobs[0], PS_DONE, NULL);
	expect(jobs[1], PS_DONE, NULL);
	assert_int_equal(cluster_int(db, "select count(distinct sha256) from documents.document"),
	                 2);
}

static void
duplicates_are_stored_where_they_are_wanted(void **state)
{
	const struct bench_option options[] = {
		{ "duplicates", CONFIG_T_BOOL, 0, NULL, 0 },
		{ NULL, 0, 0, NULL, 0 },
	};

	(void)state;
	bench_close(&bench);
	bench.hooks.db = lend;
	if (bench_open(&bench, STORE, options, 1) != OK)
		fail_msg("open: %s", bench.fault.text);
	for (int64_t i = 0; i < 3; i++) {
		struct stage_job *job = bytes_at(1 + i, i == 0 ? "a" : i == 1 ? "b" : "c", HASH);

		run_one(job);
		expect(job, PS_DONE, NULL);
	}
	assert_string_equal(stored_paths(), "a,b,c");
}

static void
a_document_without_passages_is_stored(void **state)
{
	struct stage_job *job = document(1, "x", "");
	unsigned char *bytes = arena_alloc(bench.arena, PASSAGES_HEAD);

	(void)state;
	passages_begin(bytes, 0, 0, 0, 0);
	job->in.body = bytes;
	job->in.body_len = PASSAGES_HEAD;
	run_one(job);
	expect(job, PS_DONE, NULL);
	assert_int_equal(cluster_int(db, "select count(*) from documents.document"), 1);
}

static void
a_job_that_took_effect_before_fails_on_the_key(void **state)
{
	struct stage_job *again = document(1, "x", "second");

	(void)state;
	run_one(document(1, "x", "first"));
	run_one(again);
	expect(again, PS_FAIL, "SQL_23505");
	assert_string_equal(cluster_text(db, "select string_agg(body, ',') from documents.passage"),
	                    "first");
}

static void
a_job_without_a_path_fails(void **state)
{
	struct stage_job *job = document(1, "", "text");

	(void)state;
	run_one(job);
	expect(job, PS_FAIL, "NO_PATH");
	job->in.attributes = "{}";
	job->in.attributes_len = 2;
	run_one(job);
	expect(job, PS_FAIL, "NO_PATH");
}

static void
a_hash_that_is_no_hash_fails(void **state)
{
	static const char *const wrong[] = {
		"{\"path\":\"x\",\"sha256\":\"abc\"}",
		"{\"path\":\"x\",\"sha256\":\"0011223344556677889"
		"9aabbccddeeff00112233445566778899aabbccddeexx\"}",
	};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct stage_job *job = bench_job(&bench, 1, wrong[i], NULL);

		set_passages(job, "", "text", 0);
		run_one(job);
		expect(job, PS_FAIL, "BAD_SHA256");
	}
}

static void
a_body_that_holds_no_passages_fails(void **state)
{
	struct stage_job *job = document(1, "x", "some text");
	size_t whole = job->in.body_len;

	(void)state;
	for (size_t len = 0; len < whole; len++) {
		job->in.body_len = len;
		run_one(job);
		expect(job, PS_FAIL, "NOT_PASSAGES");
	}
	job->in.body_len = whole;
	passages_put_u32((unsigned char *)(uintptr_t)job->in.body + PASSAGES_HEAD,
	                 5); /* out of it */
	run_one(job);
	expect(job, PS_FAIL, "NOT_PASSAGES");
	run_one(bench_job(&bench, 2, "{\"path\":\"x\"}", "just text, long enough for a head"));
	assert_int_equal(cluster_int(db, "select count(*) from documents.document"), 0);
}

static void
a_document_that_the_server_refuses_fails_with_its_sqlstate(void **state)
{
	char *path = mem_alloc(20001), *attributes;
	struct stage_job *job;

	(void)state;
	/* a name longer than an index takes; without pattern, for it is compressed first */
	for (uint32_t i = 0, x = 1; i < 20000; i++) {
		x = x * 1664525u + 1013904223u;
		path[i] = (char)('0' + (x >> 24) % 75);
		if (path[i] == '\\')
			path[i] = '.';
	}
	attributes = mem_printf("{\"path\":\"%s\"}", path);
	job = bench_job(&bench, 1, attributes, NULL);
	set_passages(job, "", "text", 0);
	run_one(job);
	expect(job, PS_FAIL, "SQL_54000");
	free(path);
	free(attributes);
}

static void
one_bad_job_leaves_the_others_of_its_call_their_outcome(void **state)
{
	struct stage_job *jobs[3] = { document(1, "x", "a"), document(2, "", "b"),
		                      document(3, "z", "c") };

	(void)state;
	bench_run(&bench, jobs, 3);
	expect(jobs[0], PS_DONE, NULL);
	expect(jobs[1], PS_FAIL, "NO_PATH");
	expect(jobs[2], PS_DONE, NULL);
}

static void
missing_tables_let_jobs_retry(void **state)
{
	struct stage_job *jobs[2] = { document(1, "x", "a"), document(2, "y", "b") };

	(void)state;
	cluster_exec(db, "drop schema documents cascade");
	bench_run(&bench, jobs, 2);
	expect(jobs[0], PS_RETRY, "SQL_3F000");
	expect(jobs[1], PS_RETRY, "SQL_3F000");
	assert_non_null(strstr(jobs[0]->ps.message, "documents"));
}

static void
a_missing_or_broken_connection_lets_jobs_retry(void **state)
{
	struct stage_job *job = document(1, "x", "a");
	struct db *other = cluster_open(cluster_dsn());
	char sql[80];

	(void)state;
	away = true;
	run_one(job);
	expect(job, PS_RETRY, "NO_DATABASE");
	away = false;
	snprintf(sql, sizeof sql, "select pg_terminate_backend(%lld)",
	         (long long)cluster_int(db, "select pg_backend_pid()"));
	assert_int_equal(cluster_int(other, sql), 1);
	db_close(other);
	run_one(job);
	assert_int_equal(job->ps.outcome, PS_RETRY);
}

static const void *
no_body(void *data, struct stage_job *job, size_t *ret_len)
{
	(void)data;
	*ret_len = job->in.body_len;
	return NULL;
}

static void
a_body_that_cannot_be_fetched_lets_its_job_retry(void **state)
{
	struct stage_job *job = document(1, "x", "a");

	(void)state;
	job->in.body = NULL;
	job->body_absent = true;
	bench.hooks.body = no_body;
	run_one(job);
	bench.hooks.body = NULL;
	expect(job, PS_RETRY, "NO_BODY");
}

static void
the_host_role_may_store_and_the_read_role_may_search_only(void **state)
{
	struct stage_job *job = document(1, "x", "elephants walk");
	struct stage_job *refused = document(2, "y", "elephants run");

	(void)state;
	cluster_exec(db, "set role penstock_host");
	run_one(job);
	expect(job, PS_DONE, NULL);
	cluster_exec(db, "reset role");
	cluster_exec(db, "set role penstock_read");
	assert_string_equal(cluster_text(db, "select path from documents.search('elephant')"), "x");
	run_one(refused);
	expect(refused, PS_RETRY, "SQL_42501");
	cluster_exec(db, "reset role");
}

/* ---- documents.search() ---- */

static void
store_animals(void)
{
	static const char *const texts[] = { "The quick brown fox jumps.", "A lazy dog sleeps.",
		                             "The fox and the dog are friends.",
		                             "Nothing of interest here." };
	struct stage_job *jobs[4];
	char path[8];

	for (int i = 0; i < 4; i++) {
		snprintf(path, sizeof path, "%d", i);
		jobs[i] = document(i + 1, path, texts[i]);
	}
	bench_run(&bench, jobs, 4);
}

#define FOUND(query)                                                                               \
	cluster_text(db, "select coalesce(string_agg(path, ',' order by path), '-') from "         \
	                 "documents.search(" query ")")

static void
a_search_reduces_words_and_knows_phrases_and_negation(void **state)
{
	(void)state;
	store_animals();
	assert_string_equal(FOUND("'foxes'"), "0,2");
	assert_string_equal(FOUND("'fox dog'"), "2");
	assert_string_equal(FOUND("'dogs -fox'"), "1");
	assert_string_equal(FOUND("'\"brown fox\"'"), "0");
	assert_string_equal(FOUND("'jumping or sleeping'"), "0,1");
}

static void
a_search_that_no_passage_answers_whole_takes_any_of_its_words(void **state)
{
	(void)state;
	store_animals();
	assert_string_equal(FOUND("'lazy elephant quick'"), "0,1");
	assert_string_equal(FOUND("'lazy elephant -quick'"), "1");
	assert_string_equal(FOUND("'it''s \\ elephant''s quick'"), "0");
	assert_string_equal(FOUND("'elephant'"), "-");
}

static void
a_search_for_nothing_finds_nothing(void **state)
{
	(void)state;
	assert_string_equal(FOUND("'fox'"), "-");
	store_animals();
	assert_string_equal(FOUND("''"), "-");
	assert_string_equal(FOUND("null"), "-");
	assert_string_equal(FOUND("'the'"), "-");
	assert_string_equal(FOUND("'-fox -the'"), FOUND("'-fox'"));
}

static void
a_search_gives_as_many_rows_as_asked_best_first(void **state)
{
	(void)state;
	store_animals();
	assert_int_equal(cluster_int(db, "select count(*) from documents.search('fox or dog', 2)"),
	                 2);
	assert_int_equal(cluster_int(db, "select count(*) from documents.search('fox or dog', -1)"),
	                 1);
	assert_string_equal(cluster_text(db, "select path from documents.search('fox or dog')"),
	                    "2");
	assert_string_equal(cluster_text(db, "select title from documents.search('lazy')"), "1");
}

static void
languages_are_searched_each_with_its_own_stems(void **state)
{
	struct stage_job *jobs[2] = { document(1, "en", "houses"), document(2, "de", "Häuser") };

	(void)state;
	jobs[1]->in.attributes = "{\"path\":\"de\",\"language\":\"de-AT\"}";
	jobs[1]->in.attributes_len = strlen(jobs[1]->in.attributes);
	bench_run(&bench, jobs, 2);
	assert_string_equal(FOUND("'house'"), "en");
	assert_string_equal(FOUND("'Hauses'"), "de");
	assert_string_equal(cluster_text(db,
	                                 "select concat_ws(',', documents.config('EN-us'),"
	                                 " documents.config('russian'), documents.config('tlh'),"
	                                 " documents.config(null), documents.config('deu'))"),
	                    "english,russian,simple,simple,simple");
}

static void
vectors_find_what_the_words_do_not(void **state)
{
	(void)state;
	store_animals();
	assert_string_equal(FOUND("'friendship'"), "-");
	cluster_exec(db, "update documents.passage set vector = documents.embed(body, 256)");
	cluster_exec(db,
	             "update documents.passage set signature = (select string_agg(case when v > 0"
	             " then '1' else '0' end, '' order by i)::varbit from unnest(vector)"
	             " with ordinality u (v, i))");
	assert_string_equal(cluster_text(db, "select path from documents.search('friendship')"),
	                    "2");
	assert_string_equal(cluster_text(db, "select path from documents.search('jumbing', 1)"),
	                    "0");
}

/* One job through one stage; what comes out is the next stage's input. */
static void
pass_through(const char *path, struct stage_job *job)
{
	struct bench other = { 0 };

	if (bench_open(&other, path, NULL, 1) != OK)
		fail_msg("open: %s", other.fault.text);
	bench_run(&other, &job, 1);
	expect(job, PS_DONE, NULL);
	job->in = job->out;
	job->in.attributes = arena_dupn(bench.arena, job->out.attributes, job->out.attributes_len);
	job->in.body = arena_dupn(bench.arena, job->out.body, job->out.body_len);
	bench_close(&other);
}

static void
a_text_that_went_through_chunk_and_embed_is_found_by_words_and_likeness(void **state)
{
	struct stage_job *job = bench_job(
	    &bench, 5, "{\"path\":\"manual\",\"title\":\"Manual\",\"language\":\"en\"}",
	    "# Maintenance\n\n## Vacuuming\n\nTables are vacuumed by a background process, so that the "
	    "room of deleted rows can be used again. It wakes up once a minute and looks at the "
	    "statistics of each table. Nothing is locked for writers while it works there.\n\n"
	    "## Backups\n\nA backup is a copy of all files together with the log that was written "
	    "meanwhile. Keep it on another machine, and try from time to time whether it can be "
	    "restored: an untried one is a hope. Archive the log continuously.\n");

	(void)state;
	pass_through(TEST_BUILD_DIR "/plugins/chunk.so", job);
	pass_through(TEST_BUILD_DIR "/plugins/embed.so", job);
	run_one(job);
	expect(job, PS_DONE, NULL);
	assert_string_equal(cluster_text(db, "select string_agg(heading, '|' order by n)"
	                                     " from documents.passage"),
	                    "Maintenance > Vacuuming|Maintenance > Backups");
	assert_string_equal(
	    cluster_text(db, "select heading from documents.search('restoring a backup')"),
	    "Maintenance > Backups");
	/* no such word: only the vector knows it */
	assert_string_equal(
	    cluster_text(db, "select heading from documents.search('autovacuuming')"),
	    "Maintenance > Vacuuming");
}

/* 100 passages of words by a law like Zipf's, with vectors as embed's are: a tenth is zero. */
static struct stage_job *
big_document(int64_t id, uint32_t *x)
{
	enum { PASSAGES = 100, WORDS = 150, DIMENSIONS = 256 };
	char *attributes = mem_printf("{\"path\":\"%d\",\"language\":\"en\"}", (int)id);
	struct stage_job *job = bench_job(&bench, id, attributes, NULL);
	struct passage rows[PASSAGES];
	struct buf text = { 0 };
	unsigned char *bytes;

	free(attributes);
	for (int i = 0; i < PASSAGES; i++) {
		rows[i] = (struct passage){ .offset = (uint32_t)text.len };
		for (int w = 0; w < WORDS; w++) {
			*x = *x * 1664525u + 1013904223u;
			buf_printf(&text, "w%u ", 30000 / (1 + (*x >> 17)));
		}
		rows[i].length = (uint32_t)text.len - rows[i].offset;
	}
	job->in.body_len = passages_size(PASSAGES, DIMENSIONS, 0, (uint32_t)text.len);
	job->in.body = bytes = arena_alloc(bench.arena, job->in.body_len);
	passages_begin(bytes, PASSAGES, DIMENSIONS, 0, (uint32_t)text.len);
	for (uint32_t i = 0; i < PASSAGES; i++) {
		passages_put(bytes, i, &rows[i]);
		for (uint32_t d = 0; d < DIMENSIONS; d++) {
			*x = *x * 1664525u + 1013904223u;
			passages_put_float(bytes, PASSAGES, i * DIMENSIONS + d,
			                   *x >> 28 == 0 ? 0 : (float)(int32_t)*x / 3.4e10f);
		}
	}
	memcpy(bytes + job->in.body_len - text.len, text.data, text.len);
	buf_done(&text);
	return job;
}

static void
a_search_over_20000_passages_stays_within_its_candidates(void **state)
{
	static const char *const queries[] = {
		"select count(*) from documents.search('w17 w230 w4')",
		"select count(*) from documents.search('w0')",
		"select count(*) from documents.search('nothing w1 has or w2 all of or w3 these')",
	};
	uint32_t x = 1;

	(void)state;
	for (int64_t i = 0; i < 200; i += 20) {
		struct stage_job *jobs[20];

		for (int k = 0; k < 20; k++)
			jobs[k] = big_document(1 + i + k, &x);
		bench_run(&bench, jobs, 20);
		expect(jobs[0], PS_DONE, NULL);
		arena_reset(bench.arena);
	}
	assert_int_equal(cluster_int(db, "select count(*) from documents.passage"), 20000);
	/* rating all of them instead takes some minutes */
	cluster_int(db, "select length(set_config('statement_timeout', '100s', false))");
	for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++)
		assert_int_equal(cluster_int(db, queries[i]), 10);
}

static void
the_migrations_can_be_taken_back(void **state)
{
	struct fault fault = { 0 };

	(void)state;
	assert_int_equal(db_schema_down(db, &migrations, 3, NULL, NULL, &fault), OK);
	assert_int_equal(cluster_int(db, "select sum(pronargs) from pg_proc where proname = 'put'"),
	                 39);
	assert_int_equal(db_schema_down(db, &migrations, 2, NULL, NULL, &fault), OK);
	assert_int_equal(cluster_int(db, "select sum(pronargs) from pg_proc where proname = 'put'"),
	                 19);
	assert_int_equal(db_schema_down(db, &migrations, 1, NULL, NULL, &fault), OK);
	assert_int_equal(cluster_int(db, "select sum(pronargs) from pg_proc where proname = 'put'"),
	                 17);
	assert_int_equal(db_schema_down(db, &migrations, 0, NULL, NULL, &fault), OK);
	assert_int_equal(cluster_int(db, "select count(*) from pg_namespace where nspname ="
	                                 " 'documents'"),
	                 0);
}

/* ---- the words of a passage, put together here, are those of the server ---- */

static int64_t
passages_with_other_words(void)
{
	return cluster_int(
	    db, "select count(*) from documents.passage p join documents.document d on"
	        " d.id = p.document, documents.config(d.language) c where p.terms <>"
	        " setweight(to_tsvector(c, p.heading), 'B') ||"
	        " setweight(to_tsvector(c, coalesce(d.title, '')), 'C') || to_tsvector(c, p.body)");
}

static struct stage_job *
text_in(int64_t id, const char *language, const char *text)
{
	char *attributes = language ? mem_printf("{\"path\":\"%d\",\"language\":\"%s\"}", (int)id,
	                                         language)
	                            : mem_printf("{\"path\":\"%d\"}", (int)id);
	struct stage_job *job = bench_job(&bench, id, attributes, NULL);

	free(attributes);
	set_passages(job, "A heading", text, 0);
	return job;
}

/* What PostgreSQL's parser knows more of than letters, with blanks between or without. */
static void
noise(uint64_t *x, struct buf *text)
{
	static const char *const pieces[] = {
		"the",     "Houses",  "and",       "running",  "it's",  "e.g.",    "U.S.",
		"a-b-c",   "foo/bar", "/usr/lib",  "~/.x",     "./run", "../y.c",  "$HOME",
		"x@y.org", "http://", "a.b/c?d=e", "www.x.de", "-5",    "+1.5e-3", "1,000",
		"v1.2.3",  "10:30",   "<b>",       "</b>",     "<a",    "href='x", "y'>",
		"<",       ">",       "<=",        "<!--",     "-->",   "<?x",     "?>",
		"&amp;",   "&#39;",   "&",         "\"q\"",    "'",     "(see",    "word).",
		"--",      "-",       "_",         "_a_",      "**",    "...",     "§",
		"Häuser",  "läuft",   "…",         "“so”",     "中文",  "мир",     "\u00a0",
		"1st",     "0x1f",    "a=b;",      "x:y",      "::",    "#tag",    "@you",
	};
	static const char *const blanks[] = { " ", "\n", "\t", "  ", "\r\n", "\f", "", "" };
	unsigned n = 1 + (unsigned)((*x = splitmix64(*x)) % 40);

	for (unsigned i = 0; i < n; i++) {
		*x = splitmix64(*x);
		buf_adds(text, pieces[*x % countof(pieces)]);
		buf_adds(text, blanks[(*x >> 32) % countof(blanks)]);
	}
}

static void
words_are_those_that_the_server_finds_in_the_whole_text(void **state)
{
	static const char *const languages[] = { "en", "de", "fr", "ru", "tlh", NULL };
	uint64_t x = 1;

	(void)state;
	for (int64_t call = 0; call < 40; call++) {
		struct stage_job *jobs[50];

		arena_reset(bench.arena);
		for (unsigned i = 0; i < 50; i++) {
			struct buf text = { 0 };

			noise(&x, &text);
			jobs[i] = text_in(1 + call * 50 + i, languages[i % countof(languages)],
			                  text.data);
			buf_done(&text);
		}
		bench_run(&bench, jobs, 50);
		expect(jobs[0], PS_DONE, NULL);
	}
	assert_int_equal(cluster_int(db, "select count(*) from documents.passage"), 2000);
	assert_int_equal(passages_with_other_words(), 0);
}

static void
words_without_end_are_counted_as_the_server_counts(void **state)
{
	static const char *const words[] = { "again ", "x%d ", "y%d again ", "the ", "a,b,c,%d " };

	(void)state;
	for (int64_t i = 0; i < (int64_t)countof(words); i++) {
		struct buf text = { 0 };

		for (int k = 0; k < 9000; k++)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
			buf_printf(&text, words[i], k);
#pragma GCC diagnostic pop
		run_one(text_in(1 + i, "en", text.data));
		buf_done(&text);
	}
	assert_int_equal(cluster_int(db, "select count(*) from documents.passage"), countof(words));
	assert_int_equal(passages_with_other_words(), 0);
}

static void
a_thesaurus_sees_the_words_together(void **state)
{
	(void)state;
	cluster_exec(db, "create text search dictionary astronomy (template = thesaurus,"
	                 " dictfile = thesaurus_sample, dictionary = english_stem)");
	cluster_exec(db, "alter text search configuration english alter mapping for asciiword"
	                 " with astronomy, english_stem");
	run_one(text_in(1, "en", "many supernovae stars of old"));
	run_one(text_in(2, "de", "many supernovae stars of old"));
	assert_int_equal(passages_with_other_words(), 0);
	assert_int_equal(cluster_int(db, "select count(*) from documents.passage"
	                                 " where terms @@ 'sn'"),
	                 1);
}

static void
words_that_could_not_be_asked_for_are_asked_for_again(void **state)
{
	struct stage_job *job = text_in(1, "en", "houses stand");

	(void)state;
	cluster_exec(db, "alter function documents.lexemes rename to gone");
	run_one(job);
	expect(job, PS_RETRY, "SQL_42883");
	cluster_exec(db, "alter function documents.gone rename to lexemes");
	run_one(text_in(1, "en", "houses stand"));
	assert_string_equal(cluster_text(db, "select terms from documents.passage"),
	                    "'head':2B 'hous':3 'stand':4");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_document_arrives_with_all_its_columns),
		TEST(what_is_unknown_of_a_document_is_null),
		TEST(a_done_job_keeps_small_attributes_and_no_body),
		TEST(a_changed_document_is_replaced_with_its_passages),
		TEST(a_replacement_that_is_rolled_back_leaves_the_old_document),
		TEST(many_documents_of_a_call_go_in_one_statement),
		TEST(storing_never_reads_a_whole_table),
		TEST(of_two_jobs_with_one_path_the_later_stays_and_both_have_an_effect),
		TEST(two_hosts_that_store_one_path_take_turns),
		TEST(of_two_hosts_that_store_the_same_bytes_one_is_a_duplicate),
		TEST(the_same_bytes_are_stored_when_the_first_store_of_them_is_undone),
		TEST(a_path_that_takes_the_bytes_of_another_is_a_new_version),
		TEST(duplicates_are_stored_where_they_are_wanted),
		TEST(a_document_without_passages_is_stored),
		TEST(a_job_that_took_effect_before_fails_on_the_key),
		TEST(a_job_without_a_path_fails),
		TEST(a_hash_that_is_no_hash_fails),
		TEST(a_body_that_holds_no_passages_fails),
		TEST(a_document_that_the_server_refuses_fails_with_its_sqlstate),
		TEST(one_bad_job_leaves_the_others_of_its_call_their_outcome),
		TEST(missing_tables_let_jobs_retry),
		TEST(a_missing_or_broken_connection_lets_jobs_retry),
		TEST(a_body_that_cannot_be_fetched_lets_its_job_retry),
		TEST(the_host_role_may_store_and_the_read_role_may_search_only),
		TEST(a_search_reduces_words_and_knows_phrases_and_negation),
		TEST(a_search_that_no_passage_answers_whole_takes_any_of_its_words),
		TEST(a_search_for_nothing_finds_nothing),
		TEST(a_search_gives_as_many_rows_as_asked_best_first),
		TEST(languages_are_searched_each_with_its_own_stems),
		TEST(vectors_find_what_the_words_do_not),
		TEST(a_text_that_went_through_chunk_and_embed_is_found_by_words_and_likeness),
		TEST(a_search_over_20000_passages_stays_within_its_candidates),
		TEST(words_are_those_that_the_server_finds_in_the_whole_text),
		TEST(words_without_end_are_counted_as_the_server_counts),
		TEST(a_thesaurus_sees_the_words_together),
		TEST(words_that_could_not_be_asked_for_are_asked_for_again),
		TEST(the_migrations_can_be_taken_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
