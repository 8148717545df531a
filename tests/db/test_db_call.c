/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_db_call.c - sessions, calls, pipelines, transactions, LISTEN and COPY
 * against a real server, with the connection cut at exact places.
 */
#include "db/db.h"
#include "support/cluster.h"
#include "support/proxy.h"

#include <libpq-fe.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

static const char one[] = "SELECT 1::int4 AS one";
static const char division[] = "SELECT 1 / $1::int4 AS quotient";

struct fixture {
	const char *conninfo;
	struct db *db;
	struct arena *arena;
};
static struct fixture f;

static int
set_up(void **state)
{
	*state = &f;
	if (!f.conninfo)
		f.conninfo = cluster_database();
	f.db = cluster_open(f.conninfo);
	return arena_create(&f.arena, 0, NULL) == OK ? 0 : -1;
}

static int
tear_down(void **state)
{
	(void)state;
	db_close(f.db);
	arena_destroy(f.arena);
	return 0;
}

static int64_t
divide(struct db *db, int32_t by, enum status *ret_status, struct fault *fault)
{
	struct db_args args;
	struct db_result *r = NULL;
	int64_t v = 0;

	db_args_init(&args);
	db_arg_int4(&args, by);
	*ret_status = db_call(db, division, &args, &r, fault);
	if (*ret_status == OK)
		v = db_int(r, 0, 0);
	db_result_free(*ret_status == OK ? r : NULL);
	return v;
}

/* ---- sessions ---- */

static void
a_session_is_set_up_as_penstock_needs_it(void **state)
{
	(void)state;
	assert_string_equal(cluster_text(f.db, "SHOW jit"), "off");
	assert_string_equal(cluster_text(f.db, "SHOW default_transaction_isolation"),
	                    "read committed");
	assert_string_equal(cluster_text(f.db, "SHOW client_encoding"), "UTF8");
	assert_string_equal(cluster_text(f.db, "SHOW timezone"), "UTC");
	assert_string_equal(cluster_text(f.db, "SHOW idle_in_transaction_session_timeout"), "5min");
	assert_string_equal(cluster_text(f.db, "SHOW application_name"), "penstock test");
	assert_true(db_alive(f.db));
	assert_true(db_server_version(f.db) >= 140000);
}

static void
options_of_the_connection_string_are_kept_but_ours_win(void **state)
{
	char conninfo[256];
	struct db *db;

	(void)state;
	snprintf(conninfo, sizeof conninfo, "%s options='-c work_mem=7MB -c jit=on'", f.conninfo);
	db = cluster_open(conninfo);
	assert_string_equal(cluster_text(db, "SHOW work_mem"), "7MB");
	assert_string_equal(cluster_text(db, "SHOW jit"), "off");
	db_close(db);
}

static void
a_read_only_session_cannot_write(void **state)
{
	const struct db_options options = { .conninfo = f.conninfo, .read_only = true };
	struct fault fault = { 0 };
	struct db *db;

	(void)state;
	assert_int_equal(db_open(&options, &db, &fault), OK);
	assert_int_equal(db_exec(db, "CREATE TABLE nothing ()", &fault), AWAY);
	assert_string_equal(fault.sqlstate, "25006");
	assert_false(db_alive(db));
	db_close(db);
}

static void
a_pooled_session_leaves_nothing_behind(void **state)
{
	const struct db_options options = { .conninfo = f.conninfo, .pooled = true };
	struct db_result *r;
	struct db_args args;
	enum status st;
	struct db *db;

	(void)state;
	assert_int_equal(db_open(&options, &db, NULL), OK);
	assert_int_equal(divide(db, 1, &st, NULL), 1);
	assert_int_equal(st, OK);
	assert_int_equal(db_pipe_begin(db, NULL), OK);
	for (int i = 0; i < 2; i++) {
		db_args_init(&args);
		db_arg_int4(&args, 1);
		assert_int_equal(db_pipe_send(db, division, &args, NULL), OK);
	}
	assert_int_equal(db_pipe_sync(db, NULL), OK);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(db_pipe_next(db, &r, NULL), OK);
		assert_int_equal(db_int(r, 0, 0), 1);
		db_result_free(r);
	}
	assert_int_equal(db_pipe_end(db, NULL), OK);
	assert_int_equal(cluster_int(db, "SELECT count(*) FROM pg_prepared_statements"), 0);
	assert_int_equal(cluster_int(db, "SELECT count(*) FROM pg_settings WHERE source = 'client' "
	                                 "AND name IN ('jit', 'TimeZone', 'tcp_user_timeout')"),
	                 0);
	assert_int_equal(db_begin_read(db, NULL), OK);
	assert_int_equal(db_exec(db, "CREATE TABLE nothing ()", NULL), AWAY);
	db_close(db);
}

static void
a_session_of_the_server_is_told_from_a_changing_one(void **state)
{
	struct db_session_fact fact;

	(void)state;
	assert_int_equal(db_session_look(f.db, &fact, NULL), OK);
	assert_int_equal(fact.pid_of_protocol, fact.pid_of_server);
	assert_true(fact.kept);
	assert_false(db_session_changes(&fact));
	assert_int_equal(db_call(f.db, one, NULL, NULL, NULL), OK);
	assert_int_equal(cluster_int(f.db, "SELECT count(*) FROM pg_prepared_statements"), 1);
}

/* The words of an operator with two servers. */
static void
a_read_only_session_finds_the_server_that_can_be_written(void **state)
{
	char conninfo[512];
	const struct db_options options = { .conninfo = conninfo, .read_only = true };
	struct fault fault = { 0 };
	struct db *db;

	(void)state;
	snprintf(conninfo, sizeof conninfo, "%s host=/nowhere,%s target_session_attrs=read-write",
	         f.conninfo, PQhost(db_conn(f.db)));
	if (db_open(&options, &db, &fault) != OK)
		fail_msg("%s", fault.text);
	assert_string_equal(cluster_text(db, "SHOW transaction_read_only"), "on");
	db_close(db);
}

static void
a_patient_session_comes_unconnected(void **state)
{
	const struct db_options options = { .conninfo = "host=/nonexistent", .patient = true };
	struct fault fault = { 0 };
	struct db *db;

	(void)state;
	assert_int_equal(db_open(&options, &db, &fault), OK);
	assert_false(db_alive(db));
	assert_int_equal(db_call(db, one, NULL, NULL, &fault), AWAY);
	assert_int_equal(db_reconnect(db, &fault), AWAY);
	db_close(db);
}

static void
a_bad_connection_string_is_invalid_and_its_password_is_not_told(void **state)
{
	static const char *const bad[] = { "password=tell me not", "password='hush", "hushhush",
		                           "postgresql://me:hush@[::1" };
	(void)state;
	for (size_t i = 0; i < countof(bad); i++) {
		const struct db_options options = { .conninfo = bad[i] };
		struct fault fault = { 0 };
		struct db *db = NULL;

		assert_int_equal(db_open(&options, &db, &fault), INVALID);
		assert_null(strstr(fault.text, "hush"));
		assert_null(strstr(fault.text, "tell"));
		assert_null(strstr(fault.hint, "hush"));
	}
}

static void
no_server_is_away(void **state)
{
	const struct db_options options = { .conninfo = "host=/nonexistent user=x password=hush" };
	struct fault fault = { 0 };
	struct db *db;

	(void)state;
	assert_int_equal(db_open(&options, &db, &fault), AWAY);
	assert_null(strstr(fault.text, "hush"));
}

/* ---- calls ---- */

static void
a_statement_is_prepared_once_and_its_binary_result_is_read(void **state)
{
	static const char many[] =
	    "SELECT 1::int2, -2::int4, 3::int8, true, 4.5::float8, 'text'::text, '\\x00ff'::bytea, "
	    "'{\"a\": 1}'::jsonb, NULL::text, '1970-01-01 00:00:01Z'::timestamptz, "
	    "'{[1,4),[7,8)}'::int8multirange, '{}'::json";
	struct db_result *r;
	struct db_ids ids;
	size_t len;

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(db_call(f.db, one, NULL, NULL, NULL), OK);
	assert_int_equal(cluster_int(f.db, "SELECT count(*) FROM pg_prepared_statements"), 1);
	assert_int_equal(db_call(f.db, many, NULL, &r, NULL), OK);
	assert_int_equal(db_int(r, 0, 0), 1);
	assert_int_equal(db_int(r, 0, 1), -2);
	assert_int_equal(db_int(r, 0, 2), 3);
	assert_int_equal(db_int(r, 0, 3), 1);
	assert_true(db_float(r, 0, 4) == 4.5);
	assert_string_equal(db_text(r, 0, 5), "text");
	assert_memory_equal(db_bytes(r, 0, 6, &len), "\0\377", 2);
	assert_int_equal(len, 2);
	assert_string_equal(db_text(r, 0, 7), "{\"a\": 1}");
	assert_true(db_null(r, 0, 8));
	assert_string_equal(db_text(r, 0, 8), "");
	assert_null(db_bytes(r, 0, 8, &len));
	assert_int_equal(db_time_us(r, 0, 9), 1000000);
	assert_int_equal(db_ids(r, 0, 10, f.arena, &ids, NULL), OK);
	assert_int_equal(ids.n, 4);
	assert_int_equal(ids.ids[3], 7);
	assert_string_equal(db_text(r, 0, 11), "{}");
	db_result_keep(r, f.arena);
	arena_reset(f.arena);
}

static void
arguments_arrive_as_they_were_sent(void **state)
{
	static const char echo[] =
	    "SELECT $1::int2, $2::int8, $3::bool, $4::float8, $5::text, $6::bytea, $7::uuid::text, "
	    "array_to_string($8::int2[], ','), array_to_string($9::int4[], ','), "
	    "array_to_string($10::int8[], ','), array_to_string($11::text[], ',', 'null'), "
	    "array_to_string($12::json[], ','), encode(($13::bytea[])[2], 'hex'), "
	    "$14::int8multirange[]::text, $15::text, cardinality($16::int8[])";
	const int16_t twos[] = { -1, 2 };
	const int32_t fours[] = { INT32_MIN, INT32_MAX };
	const int64_t eights[] = { INT64_MIN, 0, INT64_MAX };
	const struct db_bytes texts[] = { { "a", 1 }, { NULL, 0 }, { "", 0 } };
	const struct db_bytes jsons[] = { { "{\"a\":1}", 7 } };
	const struct db_bytes bytes[] = { { "", 0 }, { "\0\1", 2 } };
	const int64_t first[] = { 1, 2, 3, 7 }, second[] = { INT64_C(1) << 40 };
	const struct db_ids sets[] = { { first, 4 }, { NULL, 0 }, { second, 1 } };
	const struct uuid uuid = { { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 } };
	struct fault fault = { 0 };
	struct db_args args;
	struct db_result *r;
	size_t len;

	(void)state;
	db_args_init(&args);
	db_arg_int2(&args, -7);
	db_arg_int8(&args, INT64_MIN);
	db_arg_bool(&args, true);
	db_arg_double(&args, -0.25);
	db_arg_text(&args, "h\303\251");
	db_arg_bytes(&args, "\0\1\2", 3);
	db_arg_uuid(&args, &uuid);
	db_arg_int2s(&args, f.arena, twos, 2);
	db_arg_int4s(&args, f.arena, fours, 2);
	db_arg_int8s(&args, f.arena, eights, 3);
	db_arg_texts(&args, f.arena, texts, 3);
	db_arg_jsons(&args, f.arena, jsons, 1);
	db_arg_byteas(&args, f.arena, bytes, 2);
	db_arg_multiranges(&args, f.arena, sets, 3);
	db_arg_null(&args);
	db_arg_int8s(&args, f.arena, NULL, 0);
	if (db_call(f.db, echo, &args, &r, &fault) != OK)
		fail_msg("%s", fault.text);
	assert_int_equal(db_int(r, 0, 0), -7);
	assert_true(db_int(r, 0, 1) == INT64_MIN);
	assert_int_equal(db_int(r, 0, 2), 1);
	assert_true(db_float(r, 0, 3) == -0.25);
	assert_string_equal(db_text(r, 0, 4), "h\303\251");
	assert_memory_equal(db_bytes(r, 0, 5, &len), "\0\1\2", 3);
	assert_string_equal(db_text(r, 0, 6), "01020304-0506-0708-090a-0b0c0d0e0f10");
	assert_string_equal(db_text(r, 0, 7), "-1,2");
	assert_string_equal(db_text(r, 0, 8), "-2147483648,2147483647");
	assert_string_equal(db_text(r, 0, 9), "-9223372036854775808,0,9223372036854775807");
	assert_string_equal(db_text(r, 0, 10), "a,null,");
	assert_string_equal(db_text(r, 0, 11), "{\"a\":1}");
	assert_string_equal(db_text(r, 0, 12), "0001");
	assert_string_equal(db_text(r, 0, 13),
	                    "{\"{[1,4),[7,8)}\",\"{}\",\"{[1099511627776,1099511627777)}\"}");
	assert_true(db_null(r, 0, 14));
	assert_int_equal(db_int(r, 0, 15), 0);
	db_result_free(r);
}

static void
an_error_of_the_server_is_sql_and_the_session_stays(void **state)
{
	struct fault fault = { 0 };
	enum status st;

	(void)state;
	divide(f.db, 0, &st, &fault);
	assert_int_equal(st, SQL);
	assert_string_equal(fault.sqlstate, "22012");
	assert_string_equal(fault.text, "division by zero");
	assert_true(db_alive(f.db));
	assert_int_equal(divide(f.db, 1, &st, NULL), 1);
}

static void
a_statement_that_somebody_deallocated_is_prepared_again(void **state)
{
	enum status st;

	(void)state;
	divide(f.db, 1, &st, NULL);
	cluster_exec(f.db, "DEALLOCATE ALL");
	assert_int_equal(divide(f.db, 1, &st, NULL), 1);
	assert_int_equal(st, OK);
}

static void
a_plan_whose_result_changed_is_prepared_again(void **state)
{
	static const char all[] = "SELECT * FROM changing";
	struct db_result *r;

	(void)state;
	cluster_exec(f.db, "CREATE TABLE changing AS SELECT 1 AS a");
	assert_int_equal(db_call(f.db, all, NULL, NULL, NULL), OK);
	cluster_exec(f.db, "ALTER TABLE changing ALTER a TYPE bigint");
	assert_int_equal(db_call(f.db, all, NULL, &r, NULL), OK);
	assert_int_equal(db_int(r, 0, 0), 1);
	db_result_free(r);
	cluster_exec(f.db, "DROP TABLE changing");
}

static void
a_terminated_session_is_away_until_it_reconnects(void **state)
{
	struct fault fault = { 0 };
	enum status st;

	(void)state;
	divide(f.db, 1, &st, NULL);
	assert_int_equal(db_exec(f.db, "SELECT pg_terminate_backend(pg_backend_pid())", &fault),
	                 AWAY);
	assert_string_equal(fault.sqlstate, "57P01");
	assert_false(db_alive(f.db));
	assert_int_equal(db_transaction_state(f.db), DB_LOST);
	divide(f.db, 1, &st, NULL);
	assert_int_equal(st, AWAY);
	assert_int_equal(db_reconnect(f.db, &fault), OK);
	assert_int_equal(divide(f.db, 1, &st, NULL), 1);
}

static void *
sever_when_it_waits(void *data)
{
	struct db *other = cluster_open(f.conninfo);

	(void)data;
	cluster_wait_until(
	    other, "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
	db_sever(f.db);
	db_close(other);
	return NULL;
}

static void
a_blocked_call_ends_when_another_thread_severs_it(void **state)
{
	struct fault fault = { 0 };
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, sever_when_it_waits, NULL), 0);
	assert_int_equal(db_exec(f.db, "SELECT pg_sleep(600)", &fault), AWAY);
	pthread_join(thread, NULL);
	assert_int_equal(db_reconnect(f.db, &fault), OK);
	assert_int_equal(db_call(f.db, one, NULL, NULL, NULL), OK);
}

/* ---- pipelines ---- */

static void
send_division(int32_t by)
{
	struct db_args args;

	db_args_init(&args);
	db_arg_int4(&args, by);
	assert_int_equal(db_pipe_send(f.db, division, &args, NULL), OK);
}

static void
a_pipeline_gives_its_answers_in_order(void **state)
{
	struct db_result *r;

	(void)state;
	for (int round = 0; round < 2; round++) {
		assert_int_equal(db_pipe_begin(f.db, NULL), OK);
		send_division(1);
		assert_int_equal(db_pipe_send(f.db, one, NULL, NULL), OK);
		send_division(-1);
		assert_int_equal(db_pipe_sync(f.db, NULL), OK);
		assert_int_equal(db_pipe_next(f.db, &r, NULL), OK);
		assert_int_equal(db_int(r, 0, 0), 1);
		db_result_free(r);
		assert_int_equal(db_pipe_next(f.db, NULL, NULL), OK);
		assert_int_equal(db_pipe_next(f.db, &r, NULL), OK);
		assert_int_equal(db_int(r, 0, 0), -1);
		db_result_free(r);
		assert_int_equal(db_pipe_end(f.db, NULL), OK);
	}
	assert_int_equal(cluster_int(f.db, "SELECT count(*) FROM pg_prepared_statements"), 2);
}

static void
after_an_error_the_rest_of_a_pipeline_is_skipped(void **state)
{
	struct fault fault = { 0 };
	struct db_result *r;

	(void)state;
	cluster_exec(f.db, "CREATE TABLE kept (a int)");
	assert_int_equal(db_pipe_begin(f.db, NULL), OK);
	assert_int_equal(db_pipe_send(f.db, "INSERT INTO kept VALUES (1)", NULL, NULL), OK);
	send_division(0);
	assert_int_equal(db_pipe_send(f.db, one, NULL, NULL), OK);
	assert_int_equal(db_pipe_sync(f.db, NULL), OK);
	assert_int_equal(db_pipe_next(f.db, NULL, &fault), OK);
	assert_int_equal(db_pipe_next(f.db, &r, &fault), SQL);
	assert_null(r);
	assert_string_equal(fault.sqlstate, "22012");
	assert_int_equal(db_pipe_next(f.db, NULL, &fault), SQL);
	assert_string_equal(fault.text, "skipped");
	assert_int_equal(db_pipe_end(f.db, NULL), OK);
	assert_int_equal(cluster_int(f.db, "SELECT count(*) FROM kept"), 0);
	cluster_exec(f.db, "DROP TABLE kept");
}

static void
a_statement_that_cannot_be_prepared_says_so_in_a_pipeline(void **state)
{
	struct fault fault = { 0 };

	(void)state;
	assert_int_equal(db_pipe_begin(f.db, NULL), OK);
	assert_int_equal(db_pipe_send(f.db, one, NULL, NULL), OK);
	assert_int_equal(db_pipe_send(f.db, "SELECT nonsense", NULL, NULL), OK);
	assert_int_equal(db_pipe_sync(f.db, NULL), OK);
	assert_int_equal(db_pipe_next(f.db, NULL, &fault), OK);
	assert_int_equal(db_pipe_next(f.db, NULL, &fault), SQL);
	assert_string_equal(fault.sqlstate, "42703");
	assert_int_equal(db_pipe_end(f.db, NULL), OK);
	assert_int_equal(db_call(f.db, one, NULL, NULL, NULL), OK);
}

static void
a_pipeline_left_half_way_leaves_the_session_usable(void **state)
{
	(void)state;
	assert_int_equal(db_pipe_begin(f.db, NULL), OK);
	assert_int_equal(db_pipe_send(f.db, one, NULL, NULL), OK);
	assert_int_equal(db_pipe_end(f.db, NULL), OK);
	assert_int_equal(db_call(f.db, one, NULL, NULL, NULL), OK);
}

static void
make_deferred(void)
{
	cluster_exec(f.db,
	             "CREATE TABLE parent (id int PRIMARY KEY);"
	             "CREATE TABLE child (id int REFERENCES parent DEFERRABLE INITIALLY DEFERRED)");
}

static void
drop_deferred(void)
{
	assert_int_equal(cluster_int(f.db, "SELECT count(*) FROM child"), 0);
	cluster_exec(f.db, "DROP TABLE child, parent");
}

static void
a_deferred_constraint_speaks_at_the_end_of_the_pipeline(void **state)
{
	struct fault fault = { 0 };

	(void)state;
	make_deferred();
	assert_int_equal(db_pipe_begin(f.db, NULL), OK);
	assert_int_equal(db_pipe_send(f.db, "INSERT INTO child VALUES (1)", NULL, NULL), OK);
	assert_int_equal(db_pipe_sync(f.db, NULL), OK);
	assert_int_equal(db_pipe_next(f.db, NULL, NULL), OK);
	assert_int_equal(db_pipe_end(f.db, &fault), SQL);
	assert_string_equal(fault.sqlstate, "23503");
	drop_deferred();
}

static void
a_commit_in_a_pipeline_is_ok_only_when_it_committed(void **state)
{
	struct fault fault = { 0 };

	(void)state;
	make_deferred();
	assert_int_equal(db_begin(f.db, NULL), OK);
	cluster_exec(f.db, "INSERT INTO child VALUES (1)");
	assert_int_equal(db_pipe_begin(f.db, NULL), OK);
	assert_int_equal(db_pipe_commit(f.db, NULL), OK);
	assert_int_equal(db_pipe_sync(f.db, NULL), OK);
	assert_int_equal(db_pipe_next(f.db, NULL, &fault), SQL);
	assert_string_equal(fault.sqlstate, "23503");
	assert_int_equal(db_pipe_end(f.db, NULL), OK);
	assert_int_equal(db_transaction_state(f.db), DB_IDLE);

	/* the server calls this one a success, with the tag ROLLBACK */
	assert_int_equal(db_begin(f.db, NULL), OK);
	assert_int_equal(db_exec(f.db, "SELECT 1 / 0", NULL), SQL);
	assert_int_equal(db_pipe_begin(f.db, NULL), OK);
	assert_int_equal(db_pipe_commit(f.db, NULL), OK);
	assert_int_equal(db_pipe_sync(f.db, NULL), OK);
	assert_int_equal(db_pipe_next(f.db, NULL, NULL), SQL);
	assert_int_equal(db_pipe_end(f.db, NULL), OK);
	drop_deferred();
}

/* ---- lost replies ---- */

static enum status
insert_in_pipeline(struct db *db, enum status *ret_next)
{
	enum status st;

	*ret_next = AWAY;
	if (db_pipe_begin(db, NULL) != OK)
		return AWAY;
	st = db_pipe_send(db, "INSERT INTO seen VALUES (1)", NULL, NULL);
	if (st == OK)
		st = db_pipe_sync(db, NULL);
	*ret_next = st == OK ? db_pipe_next(db, NULL, NULL) : st;
	st = db_pipe_end(db, NULL);
	return st;
}

/* Cuts everywhere in the life of one implicit transaction. Whatever is said must not be a lie: OK
 * is there, AWAY is not there, and only UNKNOWN may be either. */
static void
at_every_cut_of_a_pipeline_the_answer_is_true(void **state)
{
	struct proxy *p = proxy_start(f.conninfo);
	int cuts = 0, unknown = 0, unknown_there = 0;

	(void)state;
	cluster_exec(f.db, "CREATE TABLE seen (a int)");
	for (int side = 0; side < 2; side++) {
		for (int before = 0; before < 2; before++) {
			for (int nth = 1;; nth++) {
				struct db *db = cluster_open(proxy_conninfo(p));
				enum status next, end;
				int64_t there;

				cluster_exec(f.db, "TRUNCATE seen");
				proxy_cut(p, (enum proxy_side)side, 0, nth, before);
				end = insert_in_pipeline(db, &next);
				db_close(db);
				if (!proxy_cut_done(p)) {
					assert_int_equal(end, OK);
					break;
				}
				/* the server notices in its own time */
				cluster_wait_until(
				    f.db,
				    "SELECT count(*) = 0 FROM pg_stat_activity "
				    "WHERE backend_type = 'client backend' AND "
				    "datname = current_database() AND pid <> pg_backend_pid()");
				there = cluster_int(f.db, "SELECT count(*) FROM seen");
				cuts++;
				if (end == OK)
					assert_int_equal(there, 1);
				else if (end == AWAY)
					assert_int_equal(there, 0);
				else
					assert_int_equal(end, UNKNOWN);
				unknown += end == UNKNOWN;
				unknown_there += end == UNKNOWN && there;
			}
		}
	}
	print_message("%d cuts, %d unknown, of which %d had committed\n", cuts, unknown,
	              unknown_there);
	assert_true(cuts >= 20);
	assert_true(unknown_there > 0);
	assert_true(unknown > unknown_there);
	proxy_stop(p);
	cluster_exec(f.db, "DROP TABLE seen");
}

static void
a_commit_whose_reply_is_lost_is_unknown(void **state)
{
	struct proxy *p = proxy_start(f.conninfo);
	struct db *db = cluster_open(proxy_conninfo(p));

	(void)state;
	cluster_exec(f.db, "CREATE TABLE seen (a int)");
	assert_int_equal(db_begin(db, NULL), OK);
	cluster_exec(db, "INSERT INTO seen VALUES (1)");
	proxy_cut(p, PROXY_SERVER, 'C', 1, true);
	assert_int_equal(db_commit(db, NULL), UNKNOWN);
	assert_true(proxy_cut_done(p));
	assert_int_equal(cluster_int(f.db, "SELECT count(*) FROM seen"), 1);
	db_close(db);
	proxy_stop(p);
	cluster_exec(f.db, "DROP TABLE seen");
}

/* ---- transactions and foreign code ---- */

static void
send_large(struct db *db, enum status *ret_send)
{
	static const char length[] = "SELECT octet_length($1::bytea)";
	size_t size = 16 * MiB; /* more than sockets take */
	char *large = mem_alloc(size);
	struct db_args args;

	db_args_init(&args);
	db_arg_bytes(&args, large, size);
	*ret_send = db_pipe_send(db, length, &args, NULL);
	if (*ret_send == OK) /* it was prepared first */
		*ret_send = db_pipe_send(db, length, &args, NULL);
	free(large);
}

static void
what_could_not_even_be_sent_is_away(void **state)
{
	struct proxy *p = proxy_start(f.conninfo);
	struct db *db = cluster_open(proxy_conninfo(p));
	enum status st;

	(void)state;
	assert_int_equal(db_call(db, one, NULL, NULL, NULL), OK);
	proxy_cut(p, PROXY_CLIENT, 'B', 1, true);
	assert_int_equal(db_pipe_begin(db, NULL), OK);
	send_large(db, &st);
	assert_int_equal(st, AWAY);
	/* asked for more than was sent */
	for (int i = 0; i < 3; i++)
		assert_int_equal(db_pipe_next(db, NULL, NULL), AWAY);
	assert_int_equal(db_pipe_end(db, NULL), AWAY);
	assert_true(proxy_cut_done(p));
	db_close(db);
	proxy_stop(p);
}

static void
a_commit_that_had_left_when_the_rest_could_not_is_unknown(void **state)
{
	struct proxy *p = proxy_start(f.conninfo);
	struct db *db = cluster_open(proxy_conninfo(p));
	enum status st;

	(void)state;
	cluster_exec(f.db, "CREATE TABLE seen (a int)");
	assert_int_equal(db_begin(db, NULL), OK);
	cluster_exec(db, "INSERT INTO seen VALUES (1)");
	proxy_cut(p, PROXY_CLIENT, 'E', 1, false);
	assert_int_equal(db_pipe_begin(db, NULL), OK);
	assert_int_equal(db_pipe_commit(db, NULL), OK);
	send_large(db, &st);
	assert_int_equal(st, AWAY);
	assert_true(proxy_cut_done(p));
	cluster_wait_until(f.db, "SELECT count(*) = 1 FROM seen"); /* without a sync */
	assert_int_equal(db_pipe_next(db, NULL, NULL), UNKNOWN);
	assert_int_equal(db_pipe_end(db, NULL), UNKNOWN);
	db_close(db);
	proxy_stop(p);
	cluster_exec(f.db, "DROP TABLE seen");
}

static void
commit_of_a_failed_transaction_is_no_success(void **state)
{
	(void)state;
	assert_int_equal(db_begin(f.db, NULL), OK);
	assert_int_equal(db_exec(f.db, "SELECT 1 / 0", NULL), SQL);
	assert_int_equal(db_transaction_state(f.db), DB_FAILED);
	assert_int_equal(db_commit(f.db, NULL), SQL);
	assert_int_equal(db_transaction_state(f.db), DB_IDLE);
}

static void
a_savepoint_undoes_what_came_after_it(void **state)
{
	(void)state;
	cluster_exec(f.db, "CREATE TABLE kept (a int)");
	assert_int_equal(db_begin(f.db, NULL), OK);
	assert_int_equal(db_savepoint(f.db, NULL), OK);
	cluster_exec(f.db, "INSERT INTO kept VALUES (1)");
	assert_int_equal(db_savepoint_release(f.db, NULL), OK);
	assert_int_equal(db_savepoint(f.db, NULL), OK);
	assert_int_equal(db_exec(f.db, "INSERT INTO kept VALUES (2); SELECT 1 / 0", NULL), SQL);
	assert_int_equal(db_savepoint_rollback(f.db, NULL), OK);
	assert_int_equal(db_commit(f.db, NULL), OK);
	assert_int_equal(cluster_int(f.db, "SELECT sum(a) FROM kept"), 1);
	cluster_exec(f.db, "DROP TABLE kept");
}

static void
a_savepoint_is_missed_when_somebody_ended_the_transaction(void **state)
{
	static const char *const deeds[] = { "COMMIT", "ROLLBACK", "COMMIT; BEGIN" };
	(void)state;
	for (size_t i = 0; i < countof(deeds); i++) {
		struct fault fault = { 0 };

		assert_int_equal(db_begin(f.db, NULL), OK);
		assert_int_equal(db_savepoint(f.db, NULL), OK);
		cluster_exec(f.db, deeds[i]);
		assert_int_equal(db_savepoint_release(f.db, &fault), SQL);
		assert_string_equal(fault.sqlstate, "3B001");
		if (db_transaction_state(f.db) != DB_IDLE)
			assert_int_equal(db_rollback(f.db, NULL), OK);
	}
}

static void
scrub_takes_away_what_foreign_code_left(void **state)
{
	(void)state;
	cluster_exec(f.db, "CREATE ROLE weak; GRANT ALL ON SCHEMA public TO weak");
	for (int inside = 0; inside < 2; inside++) {
		assert_int_equal(db_call(f.db, one, NULL, NULL, NULL), OK);
		if (inside)
			assert_int_equal(db_begin(f.db, NULL), OK);
		cluster_exec(f.db, "SET work_mem = '5MB'; SET search_path = nowhere; SET jit = on;"
		                   "CREATE TEMP TABLE left_behind (a int);"
		                   "LISTEN something; PREPARE theirs AS SELECT 1; SET ROLE weak");
		cluster_int(f.db, "SELECT pg_advisory_lock(7) IS NOT NULL");
		assert_int_equal(db_scrub(f.db, NULL), OK);
		assert_int_equal(db_transaction_state(f.db), inside ? DB_IN_TRANSACTION : DB_IDLE);
		assert_string_equal(cluster_text(f.db, "SHOW work_mem"), "4MB");
		assert_string_equal(cluster_text(f.db, "SHOW jit"), "off");
		assert_string_equal(cluster_text(f.db, "SELECT current_user"), "postgres");
		assert_int_equal(cluster_int(f.db, "SELECT to_regclass('left_behind') IS NULL"), 1);
		assert_int_equal(cluster_int(f.db, "SELECT count(*) FROM pg_listening_channels()"),
		                 0);
		assert_int_equal(
		    cluster_int(f.db, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"),
		    0);
		assert_int_equal(
		    cluster_int(
		        f.db, "SELECT count(*) FROM pg_prepared_statements WHERE name = 'theirs'"),
		    0);
		assert_int_equal(db_call(f.db, one, NULL, NULL, NULL), OK);
		assert_int_equal(cluster_int(f.db, "SELECT count(*) FROM pg_prepared_statements"),
		                 1);
		if (inside)
			assert_int_equal(db_commit(f.db, NULL), OK);
	}
	cluster_exec(f.db, "DROP OWNED BY weak; DROP ROLE weak");
}

static void
scrub_leaves_pipeline_mode_and_copies(void **state)
{
	PGconn *conn = db_conn(f.db);

	(void)state;
	cluster_exec(f.db, "CREATE TABLE copied (a int)");
	PQclear(PQexec(conn, "COPY copied FROM STDIN"));
	assert_int_equal(db_scrub(f.db, NULL), OK);
	PQsendQuery(conn, "COPY (SELECT generate_series(1, 100000)) TO STDOUT");
	assert_int_equal(db_scrub(f.db, NULL), OK);
	PQsendQuery(conn, "SELECT 1; SELECT 2");
	assert_int_equal(db_scrub(f.db, NULL), OK);
	PQsetnonblocking(conn, 1);
	PQenterPipelineMode(conn);
	PQsendQueryParams(conn, "SELECT 1", 0, NULL, NULL, NULL, NULL, 0);
	PQsendQueryParams(conn, "SELECT 1 / 0", 0, NULL, NULL, NULL, NULL, 0);
	assert_int_equal(db_scrub(f.db, NULL), OK);
	assert_int_equal(db_call(f.db, one, NULL, NULL, NULL), OK);
	cluster_exec(f.db, "DROP TABLE copied");
}

static void
what_a_failed_transaction_left_is_scrubbed_after_its_rollback(void **state)
{
	(void)state;
	assert_int_equal(db_begin(f.db, NULL), OK);
	cluster_int(f.db, "SELECT pg_advisory_lock(8) IS NOT NULL");
	assert_int_equal(db_exec(f.db, "SELECT 1 / 0", NULL), SQL);
	assert_int_equal(db_scrub(f.db, NULL), OK);
	assert_int_equal(db_rollback(f.db, NULL), OK);
	assert_int_equal(
	    cluster_int(f.db, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"), 0);
}

/* ---- LISTEN ---- */

static void
a_notification_ends_the_wait_with_its_payload(void **state)
{
	struct db *other = cluster_open(f.conninfo);
	char payload[16];

	(void)state;
	assert_int_equal(db_listen(f.db, "penstock", NULL), OK);
	assert_int_equal(db_wait(f.db, -1, 0, payload, sizeof payload, NULL), EMPTY);
	cluster_exec(other, "SELECT pg_notify('penstock', '17')");
	assert_int_equal(db_wait(f.db, -1, 120 * SEC, payload, sizeof payload, NULL), OK);
	assert_string_equal(payload, "17");
	assert_int_equal(db_wait(f.db, -1, 0, payload, sizeof payload, NULL), EMPTY);
	db_close(other);
}

static void
whether_notifications_come_is_tried(void **state)
{
	struct proxy *p = proxy_start(f.conninfo);
	struct db *db = cluster_open(proxy_conninfo(p));
	char payload[16];

	(void)state;
	assert_int_equal(db_listen_works(db, NULL), OK);
	assert_int_equal(db_listen(db, "penstock", NULL), OK);
	cluster_exec(f.db, "SELECT pg_notify('penstock', '17')");
	assert_int_equal(db_wait(db, -1, 120 * SEC, payload, sizeof payload, NULL), OK);
	assert_string_equal(payload, "17");
	proxy_swallow(p, PROXY_SERVER, 'A');
	assert_int_equal(db_listen_works(db, NULL), EMPTY);
	assert_true(db_alive(db));
	assert_int_equal(db_call(db, one, NULL, NULL, NULL), OK);
	db_close(db);
	proxy_stop(p);
}

static void
another_file_ends_the_wait(void **state)
{
	int fd = eventfd(1, EFD_CLOEXEC);

	(void)state;
	assert_int_equal(db_wait(f.db, fd, 60 * SEC, NULL, 0, NULL), EMPTY);
	close(fd);
}

static void
a_lost_connection_ends_the_wait(void **state)
{
	struct db *other = cluster_open(f.conninfo);

	(void)state;
	cluster_exec(other, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
	                    "WHERE application_name = 'penstock test' AND pid <> pg_backend_pid()");
	assert_int_equal(db_wait(f.db, -1, 60 * SEC, NULL, 0, NULL), AWAY);
	db_close(other);
}

/* ---- COPY ---- */

static void
rows_are_copied_in_binary(void **state)
{
	char big[100000];
	const struct db_bytes fields[] = { { "\0\0\0\7", 4 }, { big, sizeof big }, { NULL, 0 } };
	int64_t rows = 0;

	(void)state;
	memset(big, 'x', sizeof big);
	cluster_exec(f.db, "CREATE TABLE copied (a int, b text, c text)");
	assert_int_equal(db_copy_begin(f.db, "COPY copied FROM STDIN (FORMAT binary)", NULL), OK);
	for (int i = 0; i < 10; i++)
		assert_int_equal(db_copy_row(f.db, fields, 3, NULL), OK);
	assert_int_equal(db_copy_end(f.db, &rows, NULL), OK);
	assert_int_equal(rows, 10);
	assert_int_equal(
	    cluster_int(
	        f.db,
	        "SELECT count(*) FROM copied WHERE a = 7 AND c IS NULL AND length(b) = 100000"),
	    10);
	cluster_exec(f.db, "DROP TABLE copied");
}

static void
a_bad_row_fails_the_whole_copy_and_the_session_stays(void **state)
{
	const struct db_bytes fields[] = { { "{", 1 } };
	struct fault fault = { 0 };

	(void)state;
	cluster_exec(f.db, "CREATE TABLE copied (a json)");
	assert_int_equal(db_copy_begin(f.db, "COPY copied FROM STDIN (FORMAT binary)", NULL), OK);
	assert_int_equal(db_copy_row(f.db, fields, 1, NULL), OK);
	assert_int_equal(db_copy_end(f.db, NULL, &fault), SQL);
	assert_string_equal(fault.sqlstate, "22P02");
	assert_int_equal(db_call(f.db, one, NULL, NULL, NULL), OK);
	cluster_exec(f.db, "DROP TABLE copied");
}

/* ---- the server goes and comes ---- */

static void
a_restarted_server_is_away_and_then_there_again(void **state)
{
	struct fault fault = { 0 };

	(void)state;
	assert_int_equal(db_call(f.db, one, NULL, NULL, NULL), OK);
	cluster_restart("immediate");
	assert_int_equal(db_call(f.db, one, NULL, NULL, &fault), AWAY);
	assert_int_equal(db_reconnect(f.db, &fault), OK);
	assert_int_equal(db_call(f.db, one, NULL, NULL, NULL), OK);
}

#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_session_is_set_up_as_penstock_needs_it),
		T(options_of_the_connection_string_are_kept_but_ours_win),
		T(a_read_only_session_cannot_write),
		T(a_pooled_session_leaves_nothing_behind),
		T(a_session_of_the_server_is_told_from_a_changing_one),
		T(a_read_only_session_finds_the_server_that_can_be_written),
		T(a_patient_session_comes_unconnected),
		T(a_bad_connection_string_is_invalid_and_its_password_is_not_told),
		T(no_server_is_away),
		T(a_statement_is_prepared_once_and_its_binary_result_is_read),
		T(arguments_arrive_as_they_were_sent),
		T(an_error_of_the_server_is_sql_and_the_session_stays),
		T(a_statement_that_somebody_deallocated_is_prepared_again),
		T(a_plan_whose_result_changed_is_prepared_again),
		T(a_terminated_session_is_away_until_it_reconnects),
		T(a_blocked_call_ends_when_another_thread_severs_it),
		T(a_pipeline_gives_its_answers_in_order),
		T(after_an_error_the_rest_of_a_pipeline_is_skipped),
		T(a_statement_that_cannot_be_prepared_says_so_in_a_pipeline),
		T(a_pipeline_left_half_way_leaves_the_session_usable),
		T(a_deferred_constraint_speaks_at_the_end_of_the_pipeline),
		T(a_commit_in_a_pipeline_is_ok_only_when_it_committed),
		T(at_every_cut_of_a_pipeline_the_answer_is_true),
		T(a_commit_whose_reply_is_lost_is_unknown),
		T(what_could_not_even_be_sent_is_away),
		T(a_commit_that_had_left_when_the_rest_could_not_is_unknown),
		T(commit_of_a_failed_transaction_is_no_success),
		T(a_savepoint_undoes_what_came_after_it),
		T(a_savepoint_is_missed_when_somebody_ended_the_transaction),
		T(scrub_takes_away_what_foreign_code_left),
		T(scrub_leaves_pipeline_mode_and_copies),
		T(what_a_failed_transaction_left_is_scrubbed_after_its_rollback),
		T(a_notification_ends_the_wait_with_its_payload),
		T(whether_notifications_come_is_tried),
		T(another_file_ends_the_wait),
		T(a_lost_connection_ends_the_wait),
		T(rows_are_copied_in_binary),
		T(a_bad_row_fails_the_whole_copy_and_the_session_stays),
		T(a_restarted_server_is_away_and_then_there_again),
	};

	return cmocka_run_group_tests_name("db_call", tests, NULL, NULL);
}
