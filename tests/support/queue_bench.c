/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * queue_bench.c - a pipeline, a host and short forms of what each test of the queue does.
 */
#include "support/queue_bench.h"
#include "support/cluster.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

struct queue_bench qb;

static void
make_role(void)
{
	cluster_exec(qb.admin, "DO $$ BEGIN "
	                       "IF to_regrole('worker') IS NULL THEN "
	                       "CREATE ROLE worker LOGIN IN ROLE penstock_host; "
	                       "END IF; END $$");
}

static void
register_lanes(void)
{
	struct queue_stage stages[QUEUE_BENCH_STAGES] = {
		{ .name = "one", .max_attempts = 3 },
		{ .name = "two", .max_attempts = 3 },
		{ .name = "three", .max_attempts = 3 },
	};
	struct fault fault = { 0 };

	if (queue_register(qb.db, "p", stages, countof(stages), &fault) != OK)
		fail_msg("register: %s %s", fault.sqlstate, fault.text);
	for (size_t i = 0; i < countof(stages); i++)
		qb.lanes[i] = stages[i].lane;
}

int
queue_bench_open(void **state)
{
	static char conninfo[200];

	(void)state;
	log_open(2, LOG_ERROR, LOG_TEXT);
	qb.admin_conninfo = cluster_migrated();
	qb.admin = cluster_open(qb.admin_conninfo);
	make_role();
	/* a copy: cluster_as() gives few */
	snprintf(conninfo, sizeof conninfo, "%s", cluster_as(qb.admin_conninfo, "worker"));
	qb.conninfo = conninfo;
	qb.db = cluster_open(qb.conninfo);
	if (arena_create(&qb.arena, 0, NULL) != OK)
		return -1;
	register_lanes();
	qb.host = queue_bench_host("here");
	return 0;
}

void
queue_bench_verify(void)
{
	PGresult *r = PQexec(db_conn(qb.admin), "SELECT invariant || ': ' || detail "
	                                        "FROM penstock.verify() WHERE violations <> 0");

	assert_int_equal(PQresultStatus(r), PGRES_TUPLES_OK);
	for (int i = 0; i < PQntuples(r); i++)
		fail_msg("%s", PQgetvalue(r, i, 0));
	PQclear(r);
}

int
queue_bench_close(void **state)
{
	(void)state;
	queue_bench_verify();
	db_close(qb.db);
	db_close(qb.admin);
	arena_destroy(qb.arena);
	qb = (struct queue_bench){ 0 };
	return 0;
}

int64_t
queue_bench_host(const char *name)
{
	const struct uuid boot = uuid_random();
	struct fault fault = { 0 };
	int64_t host = 0;

	if (queue_host_register(qb.db, &boot, name, "machine", 1, 0, &host, &fault) != OK)
		fail_msg("host: %s %s", fault.sqlstate, fault.text);
	return host;
}

int64_t
queue_bench_enqueue(size_t n)
{
	struct queue_message *m = arena_alloc(qb.arena, n * sizeof *m);
	struct fault fault = { 0 };
	int64_t first, last;

	for (size_t i = 0; i < n; i++) {
		char text[32];

		snprintf(text, sizeof text, "{\"n\": %zu}", i + 1);
		m[i].attributes_len = strlen(text);
		m[i].attributes = arena_dupn(qb.arena, text, m[i].attributes_len);
	}
	if (queue_enqueue(qb.db, qb.arena, "p", m, n, 0, &first, &last, &fault) != OK)
		fail_msg("enqueue: %s %s", fault.sqlstate, fault.text);
	assert_int_equal(last - first + 1, n); /* nobody else enqueues */
	return first;
}

struct queue_claim
queue_bench_claim(int32_t lane, int32_t want)
{
	struct queue_heads heads;
	struct fault fault = { 0 };

	if (queue_scan(qb.db, qb.arena, &lane, 1, &heads, &fault) != OK)
		fail_msg("scan: %s %s", fault.sqlstate, fault.text);
	if (heads.n == 0)
		heads.heads[heads.n++] = (struct queue_head){ 0, 0 };
	return (struct queue_claim){
		.token = uuid_random(),
		.host = qb.host,
		.lane = lane,
		.want = want,
		.want_bytes = 1 << 30,
		.lock = 100,
		.inline_bytes = 1024,
		.heads = heads.heads,
		.n_heads = heads.n,
	};
}

struct lease *
queue_bench_take(int32_t lane, int32_t want)
{
	struct queue_claim claim = queue_bench_claim(lane, want);
	struct queue_turn turn = { .claim = &claim };

	queue_turn(qb.db, qb.arena, &turn);
	if (turn.claimed != OK)
		fail_msg("claim: %s: %s %s", status_text(turn.claimed), turn.fault.sqlstate,
		         turn.fault.text);
	assert_non_null(turn.lease);
	return turn.lease;
}

struct settle_set
queue_bench_part(const struct lease *lease, enum settle_kind kind, int32_t lane, size_t from,
                 size_t n)
{
	int64_t *ids = arena_alloc(qb.arena, (n + 1) * sizeof *ids);

	assert_true(from + n <= lease->n);
	for (size_t i = 0; i < n; i++)
		ids[i] = lease->jobs[from + i].id;
	return (struct settle_set){
		.kind = kind,
		.lane = lane,
		.hop = lease->hop,
		.input_hop = lease->input_hop,
		.jobs = { ids, n },
	};
}

struct settle_set
queue_bench_set(const struct lease *lease, enum settle_kind kind, int32_t lane)
{
	return queue_bench_part(lease, kind, lane, 0, lease->n);
}

enum status
queue_bench_settle(const struct uuid *token, const struct settle *settle)
{
	struct queue_turn turn = { .token = token, .settle = settle };

	queue_turn(qb.db, qb.arena, &turn);
	if (turn.settled != OK)
		print_message("settle: %s: %s %s\n", status_text(turn.settled), turn.fault.sqlstate,
		              turn.fault.text);
	return turn.settled;
}

enum status
queue_bench_end(const struct lease *lease, enum settle_kind kind, int32_t lane)
{
	struct settle_set set = queue_bench_set(lease, kind, lane);
	const struct settle settle = { .sets = &set, .n_sets = 1 };

	return queue_bench_settle(&lease->token, &settle);
}

int64_t
queue_bench_int(const char *format, ...)
{
	va_list args;
	char *sql;
	int64_t v;

	va_start(args, format);
	sql = arena_vprintf(qb.arena, format, args);
	va_end(args);
	v = cluster_int(qb.admin, sql);
	return v;
}

int64_t
queue_bench_jobs(int32_t lane, const char *state)
{
	return queue_bench_int("SELECT count(*) FROM penstock.jobs j JOIN penstock.lane l "
	                       "ON l.stage = j.stage WHERE l.id = %d AND j.state = '%s'",
	                       lane, state);
}
