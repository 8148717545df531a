/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_queue_enqueue.c - many messages in one transaction, by COPY and by the
 * public function, all of them or none.
 */
#include "queue/queue.h"
#include "support/cluster.h"
#include "support/proxy.h"
#include "support/queue_bench.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BY_COPY 1000 /* from here on a role that may, copies */

/* The second road: no right to any table. */
static void
become_an_application(void)
{
	db_close(qb.db);
	qb.db = cluster_open(qb.admin_conninfo);
	cluster_exec(qb.db, "SET ROLE penstock_enqueue");
	assert_int_equal(cluster_int(qb.db, "SELECT has_table_privilege('penstock.job', 'insert')"),
	                 0);
}

static void
become_a_host(void)
{
	db_close(qb.db);
	qb.db = cluster_open(qb.conninfo);
}

static struct queue_message *
messages(size_t n)
{
	struct queue_message *m = arena_alloc(qb.arena, n * sizeof *m);

	for (size_t i = 0; i < n; i++) {
		char text[48];

		snprintf(text, sizeof text, "{\"n\": %zu, \"\\u00e9\": \"\303\251\"}", i + 1);
		m[i].attributes_len = strlen(text);
		m[i].attributes = arena_dupn(qb.arena, text, m[i].attributes_len);
		if (i % 3 == 1) {
			m[i].body = "\0\377body";
			m[i].body_len = 6;
		} else if (i % 3 == 2) {
			m[i].body = "";
		}
	}
	return m;
}

static enum status
enqueue(const struct queue_message *m, size_t n, int16_t priority, int64_t *ret_first,
        struct fault *fault)
{
	int64_t last = 0;
	enum status st = queue_enqueue(qb.db, qb.arena, "p", m, n, priority, ret_first, &last,
	                               fault);

	if (st == OK)
		assert_int_equal(last, *ret_first + (int64_t)n - 1);
	return st;
}

static void
all_are_there(int64_t first, size_t n)
{
	assert_int_equal(queue_bench_int("SELECT count(*) FROM penstock.job"), n);
	assert_int_equal(
	    queue_bench_int("SELECT count(*) FROM penstock.job WHERE "
	                    "(attributes ->> 'n')::int = id - %lld + 1 AND "
	                    "attributes ->> U&'\\00e9' = U&'\\00e9' AND pipeline = "
	                    "(SELECT id FROM penstock.pipeline WHERE name = 'p') AND "
	                    "body IS NOT DISTINCT FROM (ARRAY[NULL, '\\x00ff626f6479', "
	                    "'\\x']::bytea[])[(id - %lld) %% 3 + 1]",
	                    (long long)first, (long long)first),
	    n);
	assert_int_equal(queue_bench_int("SELECT sum(n) FROM penstock.parcel"), n);
	assert_int_equal(
	    queue_bench_int(
	        "SELECT sum(bytes) - (SELECT sum(octet_length(attributes::text) + "
	        "coalesce(octet_length(body), 0)) FROM penstock.job) FROM penstock.parcel"),
	    0);
}

static void
enqueues(size_t n, int16_t priority, int parcels)
{
	struct fault fault = { 0 };
	int64_t first = 0;

	if (enqueue(messages(n), n, priority, &first, &fault) != OK)
		fail_msg("%s %s", fault.sqlstate, fault.text);
	all_are_there(first, n);
	assert_int_equal(queue_bench_int("SELECT count(*) FROM penstock.parcel "
	                                 "WHERE priority = %d AND lane = %d",
	                                 priority, qb.lanes[0]),
	                 parcels);
	become_a_host();
	assert_int_equal(queue_bench_take(qb.lanes[0], (int32_t)n)->n, n);
}

static void
a_host_enqueues_by_copy(void **state)
{
	(void)state;
	cluster_exec(qb.admin, "DROP FUNCTION penstock.enqueue_many");
	enqueues(BY_COPY, 0, 1);
}

static void
a_host_enqueues_few_by_the_function(void **state)
{
	(void)state;
	cluster_exec(qb.admin, "DROP FUNCTION penstock.reserve_ids");
	enqueues(7, 0, 1);
}

static void
a_host_enqueues_more_than_a_parcel(void **state)
{
	(void)state;
	enqueues(2001, -5, 3);
}

static void
an_application_enqueues_by_the_function(void **state)
{
	(void)state;
	become_an_application();
	enqueues(7, 0, 1);
}

static void
an_application_enqueues_more_than_a_parcel(void **state)
{
	(void)state;
	become_an_application();
	enqueues(2001, 7, 3);
}

static void
one_message_is_enough(void **state)
{
	(void)state;
	enqueues(1, 0, 1);
}

/* ---- what is refused ---- */

static void
refused(const struct queue_message *bad, const char *why)
{
	struct queue_message *m = messages(5);
	struct fault fault = { 0 };
	int64_t first;

	m[3] = *bad;
	assert_int_equal(enqueue(m, 5, 0, &first, &fault), INVALID);
	if (strncmp(fault.text, "message 4: ", 11) != 0 || !strstr(fault.text, why))
		fail_msg("\"%s\" does not say %s", fault.text, why);
	assert_int_equal(queue_bench_int("SELECT count(*) FROM penstock.job"), 0);
	assert_int_equal(queue_bench_int("SELECT count(*) FROM penstock.parcel"), 0);
}

static void
a_bad_message_is_told_by_its_number_and_nothing_is_enqueued(void **state)
{
	static const char *const bad[] = {
		"", "[]", "1", "{", "{} {}", "{\"a\": 1,}", "{\"a\": NaN}", "{\"\377\": 1}"
	};
	static const char nul[] = "{\"a\": \"\0\"}";
	char *large = mem_alloc(65 * MiB);

	(void)state;
	for (int application = 0; application < 2; application++) {
		for (size_t i = 0; i < countof(bad); i++)
			refused(&(struct queue_message){ bad[i], strlen(bad[i]), NULL, 0 }, "");
		refused(&(struct queue_message){ nul, sizeof nul - 1, NULL, 0 }, "");
		memset(large, ' ', MiB);
		memcpy(large, "{}", 2);
		refused(&(struct queue_message){ large, MiB + 1, NULL, 0 },
		        "attributes of 1048577");
		refused(&(struct queue_message){ "{}", 2, large, 64 * MiB + 1 },
		        "a body of 67108865");
		become_an_application();
	}
	free(large);
}

/* What the check lets pass must never be refused by the server. */
static void
what_the_check_passes_the_server_takes(void **state)
{
	static const char *const odd[] = {
		" {} \n",
		"{\"a\": \"\\u0000\"}",
		"{\"a\": \"\\ud83d\\ude00\"}",
		"{\"a\": 1e400}",
		"{\"a\": 1, \"a\": 2}",
		"{\"a\": 123456789012345678901234567890}",
		"{\"\": {\"\": [[], [{}], null, true, -0.0]}}",
		"{\"a\": \"\\ud800\"}",
		"{\"a\": \"\\ude00\\ud83d\"}",
		"{\"a\": \"\xed\xa0\x80\"}",
		"{\"a\": \"\xf4\x90\x80\x80\"}",
		"{\"a\": \"\xc0\x80\"}",
		"{\"a\": \"\x7f\"}",
		"{\"a\": \"\t\"}",
		"{\"a\": 01}",
		"{\"a\": 1.}",
		"\xef\xbb\xbf{}",
		"{\"a\"\f: 1}",
	};
	int taken = 0;

	(void)state;
	for (int application = 0; application < 2; application++) {
		for (size_t i = 0; i < countof(odd); i++) {
			const struct queue_message m = { odd[i], strlen(odd[i]), NULL, 0 };
			struct fault fault = { 0 };
			int64_t first;
			enum status st = enqueue(&m, 1, 0, &first, &fault);

			if (st != OK && st != INVALID)
				fail_msg("%s: %s %s %s", odd[i], status_text(st), fault.sqlstate,
				         fault.text);
			taken += st == OK;
		}
		become_an_application();
	}
	assert_true(taken >= 2 * 6);
}

static void
a_message_of_the_largest_size_goes_through(void **state)
{
	char *attributes = mem_alloc(MiB), *body = mem_alloc(64 * MiB);
	const struct queue_message m = { attributes, MiB, body, 64 * MiB };
	struct lease *lease;
	const void *got;
	size_t len;
	int64_t first;

	(void)state;
	memset(attributes, ' ', MiB);
	memcpy(attributes, "{}", 2);
	memset(body, 0xab, 64 * MiB);
	assert_int_equal(enqueue(&m, 1, 0, &first, NULL), OK);
	lease = queue_bench_take(qb.lanes[0], 1);
	assert_int_equal(lease->bytes, 65 * MiB);
	assert_int_equal(lease->jobs[0].attributes_len, MiB);
	assert_int_equal(lease->jobs[0].body_len, 64 * MiB);
	assert_null(lease->jobs[0].body);
	assert_int_equal(queue_body(qb.db, qb.arena, first, 0, &got, &len, NULL), OK);
	assert_int_equal(len, 64 * MiB);
	assert_memory_equal(got, body, 64 * MiB);
	free(attributes);
	free(body);
}

static void
a_pipeline_that_is_not_there_is_told_with_those_that_are(void **state)
{
	const struct queue_message m = { "{}", 2, NULL, 0 };
	int64_t first, last;

	(void)state;
	for (int application = 0; application < 2; application++) {
		struct fault fault = { 0 };

		assert_int_equal(
		    queue_enqueue(qb.db, qb.arena, "absent", &m, 1, 0, &first, &last, &fault), SQL);
		assert_string_equal(fault.sqlstate, "PS003");
		assert_non_null(strstr(fault.text, "absent"));
		assert_non_null(strstr(fault.hint, "Known: p."));
		become_an_application();
	}
}

static void
a_failure_at_the_end_leaves_nothing_and_the_session_usable(void **state)
{
	struct fault fault = { 0 };
	int64_t first;

	(void)state;
	cluster_exec(qb.admin, "REVOKE EXECUTE ON FUNCTION penstock.schedule_copied FROM "
	                       "penstock_host");
	assert_int_equal(enqueue(messages(BY_COPY), BY_COPY, 0, &first, &fault), SQL);
	assert_string_equal(fault.sqlstate, "42501");
	assert_int_equal(db_transaction_state(qb.db), DB_IDLE);
	assert_int_equal(queue_bench_int("SELECT count(*) FROM penstock.job"), 0);
	cluster_exec(qb.admin,
	             "GRANT EXECUTE ON FUNCTION penstock.schedule_copied TO penstock_host");
	assert_int_equal(enqueue(messages(BY_COPY), BY_COPY, 0, &first, &fault), OK);
}

/* ---- a lost connection ---- */

/* False: it passed uncut. */
static bool
cut_at(struct proxy *p, bool copy, enum proxy_side side, bool before, int nth, int *told)
{
	const size_t n = copy ? BY_COPY : 2;
	const int64_t was = queue_bench_int("SELECT count(*) FROM penstock.job");
	struct db *db = cluster_open(copy ? cluster_as(proxy_conninfo(p), "worker")
	                                  : proxy_conninfo(p));
	int64_t first, last, there;
	enum status st;
	bool cut;

	if (!copy)
		cluster_exec(db, "SET ROLE penstock_enqueue");
	proxy_cut(p, side, 0, nth, before);
	st = queue_enqueue(db, qb.arena, "p", messages(n), n, 0, &first, &last, NULL);
	cut = proxy_cut_done(p);
	db_close(db);
	cluster_wait_until(qb.admin, "SELECT count(*) = 2 FROM pg_stat_activity WHERE datname = "
	                             "current_database() AND backend_type = 'client backend'");
	there = queue_bench_int("SELECT count(*) FROM penstock.job") - was;
	queue_bench_verify();
	if (st == OK)
		assert_int_equal(there, n);
	else if (st == AWAY)
		assert_int_equal(there, 0);
	else if (st == UNKNOWN)
		assert_true(there == 0 || there == (int64_t)n);
	else
		fail_msg("a cut was told as %s", status_text(st));
	told[st]++;
	return cut;
}

static void
cut_everywhere(bool copy)
{
	struct proxy *p = proxy_start(qb.admin_conninfo);
	int told[SQL + 1] = { 0 };

	for (int way = 0; way < 4; way++)
		for (int nth = 1; cut_at(p, copy, (enum proxy_side)(way & 1), way >> 1, nth, told);
		     nth++)
			;
	print_message("%d ok, %d away, %d unknown\n", told[OK], told[AWAY], told[UNKNOWN]);
	assert_true(told[OK] >= 4);
	assert_true(told[UNKNOWN] > 0);
	proxy_stop(p);
}

static void
at_every_cut_of_a_copy_the_answer_is_true_and_no_job_is_lost(void **state)
{
	(void)state;
	cut_everywhere(true);
}

static void
at_every_cut_of_the_function_the_answer_is_true_and_no_job_is_lost(void **state)
{
	(void)state;
	cut_everywhere(false);
}

#define T(test) cmocka_unit_test_setup_teardown(test, queue_bench_open, queue_bench_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_host_enqueues_by_copy),
		T(a_host_enqueues_few_by_the_function),
		T(a_host_enqueues_more_than_a_parcel),
		T(an_application_enqueues_by_the_function),
		T(an_application_enqueues_more_than_a_parcel),
		T(one_message_is_enough),
		T(a_bad_message_is_told_by_its_number_and_nothing_is_enqueued),
		T(what_the_check_passes_the_server_takes),
		T(a_message_of_the_largest_size_goes_through),
		T(a_pipeline_that_is_not_there_is_told_with_those_that_are),
		T(a_failure_at_the_end_leaves_nothing_and_the_session_usable),
		T(at_every_cut_of_a_copy_the_answer_is_true_and_no_job_is_lost),
		T(at_every_cut_of_the_function_the_answer_is_true_and_no_job_is_lost),
	};

	return cmocka_run_group_tests_name("queue_enqueue", tests, NULL, NULL);
}
