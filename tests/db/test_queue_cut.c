/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_queue_cut.c - the connection is lost at every message of a turn, a
 * stage's transaction commits with its settlement or not at all, and asking
 * what became of a token tells the truth.
 *
 * Whatever a turn says must not be a lie: OK happened, AWAY did not, and only
 * UNKNOWN may be either.
 */
#include "queue/queue.h"
#include "support/cluster.h"
#include "support/proxy.h"
#include "support/queue_bench.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define LARGE_BODY (4 * MiB) /* more than sockets and the proxy take at once */
#define OTHERS_ARE_GONE                                                                            \
	"SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'client backend' "         \
	"AND application_name = 'cut' AND datname = current_database()"

/* Of the sessions that are cut. */
static bool pooled, told;

static struct db *
open_to_cut(const struct proxy *p)
{
	const struct db_options options = { .conninfo = cluster_as(proxy_conninfo(p), "worker"),
		                            .application = "cut",
		                            .pooled = pooled };
	struct fault fault = { 0 };
	struct db *db;

	if (db_open(&options, &db, &fault) != OK)
		fail_msg("cannot open: %s", fault.text);
	return db;
}

/* ---- cuts ---- */

enum shape { CLAIM_ALONE, SETTLE_ALONE, BOTH, LARGE, IN_TRANSACTION };

struct tally {
	int cuts, settled[SQL + 1], claimed[SQL + 1], unknown_there, unknown_not_there;
};

struct round {
	enum shape shape;
	struct lease *lease;
	struct settle_set set;
	struct settle_output output;
	struct settle settle;
	struct queue_claim claim;
	struct queue_turn turn;
};

/* Two jobs under a lease to be settled and two that are ready. */
static void
prepare(struct round *r, enum shape shape)
{
	*r = (struct round){ .shape = shape };
	cluster_exec(qb.admin, "TRUNCATE written; DELETE FROM penstock.parcel; "
	                       "DELETE FROM penstock.lease; DELETE FROM penstock.settled; "
	                       "DELETE FROM penstock.output; DELETE FROM penstock.job");
	queue_bench_enqueue(4);
	r->lease = queue_bench_take(qb.lanes[0], 2);
	r->set = queue_bench_set(r->lease, SETTLE_READY, qb.lanes[1]);
	r->set.hop = 1;
	r->output = (struct settle_output){ r->lease->jobs[0].id, 1, "{}", 2, "body", 4 };
	if (shape == LARGE) {
		r->output.body = arena_alloc(qb.arena, LARGE_BODY);
		r->output.body_len = LARGE_BODY;
	}
	r->settle = (struct settle){
		.sets = &r->set, .n_sets = 1, .outputs = &r->output, .n_outputs = 1
	};
	r->claim = queue_bench_claim(qb.lanes[0], 2);
	if (shape != CLAIM_ALONE) {
		r->turn.token = &r->lease->token;
		r->turn.settle = &r->settle;
	}
	if (shape != SETTLE_ALONE)
		r->turn.claim = &r->claim;
	r->turn.in_transaction = shape == IN_TRANSACTION;
}

/* The statements are known to the session, or new to it: the turn then has other messages. */
static struct db *
session(struct proxy *p, struct round *r, bool warm)
{
	struct db *db = open_to_cut(p);

	if (warm) {
		struct queue_turn turn = r->turn;
		const struct uuid nothing = uuid_random();
		struct queue_claim claim = r->claim;

		claim.lane = qb.lanes[2];
		turn.token = &nothing;
		turn.in_transaction = false;
		turn.claim = NULL;
		if (turn.settle)
			queue_turn(db, qb.arena, &turn);
		turn = (struct queue_turn){ .claim = &claim };
		queue_turn(db, qb.arena, &turn);
		assert_int_equal(turn.claimed, EMPTY);
	}
	if (r->turn.in_transaction) {
		assert_int_equal(db_begin(db, NULL), OK);
		cluster_exec(db, "INSERT INTO written VALUES (1)");
	}
	return db;
}

/* What queue_find says on a connection of its own, which is what the tables show. */
static bool
holds(const struct uuid *token)
{
	struct fault fault = { 0 };
	enum status st = queue_find(qb.db, token, &fault);
	char text[37];

	uuid_text(token, text);
	if (st != OK && st != NOT_FOUND)
		fail_msg("find: %s: %s", status_text(st), fault.text);
	assert_int_equal(
	    queue_bench_int("SELECT count(*) FROM penstock.lease WHERE token = '%s'", text),
	    st == OK);
	return st == OK;
}

static void
tell(struct tally *t, enum status st, bool happened)
{
	if (st == OK)
		assert_true(happened);
	else if (st == AWAY)
		assert_false(happened);
	else if (st == UNKNOWN)
		(*(happened ? &t->unknown_there : &t->unknown_not_there))++;
	else
		fail_msg("a cut was told as %s", status_text(st));
}

static void
look(struct round *r, struct tally *t)
{
	bool settled = !holds(&r->lease->token), claimed = holds(&r->claim.token);

	queue_bench_verify();
	assert_int_equal(queue_bench_int("SELECT count(*) FROM penstock.job"), 4);
	assert_int_equal(queue_bench_jobs(qb.lanes[1], "ready"), settled ? 2 : 0);
	assert_int_equal(queue_bench_int("SELECT count(*) FROM penstock.output"), settled);
	assert_int_equal(queue_bench_jobs(qb.lanes[0], "running"),
	                 (settled ? 0 : 2) + (claimed ? 2 : 0));
	if (r->shape == IN_TRANSACTION)
		assert_int_equal(queue_bench_int("SELECT count(*) FROM written"), settled);
	else if (r->shape == BOTH || r->shape == LARGE) /* one transaction */
		assert_int_equal(settled, claimed);
	if (r->turn.settle) {
		tell(t, r->turn.settled, settled);
		t->settled[r->turn.settled]++;
	}
	if (r->turn.claim) {
		tell(t, r->turn.claimed, claimed);
		t->claimed[r->turn.claimed]++;
		assert_int_equal(r->turn.lease != NULL, r->turn.claimed == OK);
	}
}

/* False: the turn passed uncut. */
static bool
cut_at(struct proxy *p, enum shape shape, bool warm, enum proxy_side side, bool before, int nth,
       struct tally *t)
{
	struct round r;
	struct db *db;
	bool cut;

	prepare(&r, shape);
	db = session(p, &r, warm);
	proxy_cut(p, side, 0, nth, before);
	queue_turn(db, qb.arena, &r.turn);
	cut = proxy_cut_done(p);
	db_close(db);
	cluster_wait_until(qb.admin, OTHERS_ARE_GONE); /* the server notices in its own time */
	look(&r, t);
	t->cuts += cut;
	arena_reset(qb.arena);
	return cut;
}

static void
cut_everywhere(enum shape shape, struct tally *t)
{
	struct proxy *p = proxy_start(qb.admin_conninfo);

	if (told)
		proxy_tell_cuts(p);
	cluster_exec(qb.admin, "CREATE TABLE written (a int); GRANT ALL ON written TO worker");
	/* what is told is told in front of a message of the server */
	for (int way = told ? 6 : 0; way < 8; way++)
		for (int nth = 1;
		     cut_at(p, shape, way & 1, (enum proxy_side)(way >> 1 & 1), way >> 2, nth, t);
		     nth++)
			;
	proxy_stop(p);
	print_message("%d cuts; settled: %d ok, %d away, %d unknown; claimed: %d ok, %d away, "
	              "%d unknown; of the unknown %d had happened and %d had not\n",
	              t->cuts, t->settled[OK], t->settled[AWAY], t->settled[UNKNOWN],
	              t->claimed[OK], t->claimed[AWAY], t->claimed[UNKNOWN], t->unknown_there,
	              t->unknown_not_there);
	assert_true(t->unknown_there > 0);
	assert_true(told || t->unknown_not_there > 0); /* all was sent before it is told */
}

static void
at_every_cut_of_a_claim_the_answer_is_true(void **state)
{
	struct tally t = { 0 };

	(void)state;
	cut_everywhere(CLAIM_ALONE, &t);
	assert_true(t.cuts >= 40);
}

static void
at_every_cut_of_a_settlement_the_answer_is_true(void **state)
{
	struct tally t = { 0 };

	(void)state;
	cut_everywhere(SETTLE_ALONE, &t);
	assert_true(t.cuts >= 30);
}

static void
at_every_cut_of_a_whole_turn_the_answer_is_true(void **state)
{
	struct tally t = { 0 };

	(void)state;
	cut_everywhere(BOTH, &t);
	assert_true(t.cuts >= 60);
}

static void
at_every_cut_of_a_turn_with_a_stages_transaction_the_answer_is_true(void **state)
{
	struct tally t = { 0 };

	(void)state;
	cut_everywhere(IN_TRANSACTION, &t);
	assert_true(t.cuts >= 70);
	/* its COMMIT was answered before the claim was lost */
	assert_true(t.settled[OK] > t.claimed[OK]);
}

/* Whether a cut is noticed while it still sends (AWAY) or after (UNKNOWN) is a race with the
 * kernel: the former has a test of its own below. */
static void
at_every_cut_of_a_large_turn_the_answer_is_true(void **state)
{
	struct tally t = { 0 };

	(void)state;
	cut_everywhere(LARGE, &t);
	assert_true(t.cuts >= 60);
}

static void
at_every_cut_of_a_turn_without_prepared_statements_the_answer_is_true(void **state)
{
	struct tally t = { 0 };

	(void)state;
	pooled = true;
	cut_everywhere(IN_TRANSACTION, &t);
	pooled = false;
	assert_true(t.cuts >= 60);
	assert_true(t.settled[OK] > t.claimed[OK]);
}

/* A pooler that lost the server says so in place of answers that were under way, behind which the
 * server may have committed. */
static void
what_a_pooler_says_in_place_of_the_server_is_not_believed(void **state)
{
	struct tally t = { 0 };

	(void)state;
	told = true;
	cut_everywhere(BOTH, &t);
	cluster_exec(qb.admin, "DROP TABLE written");
	pooled = true;
	cut_everywhere(IN_TRANSACTION, &t);
	told = pooled = false;
	assert_true(t.cuts >= 50);
}

/* libpq already notices while it is sending: the answers that were never asked for do not come. */
static void
a_large_settlement_on_a_dead_connection_is_away(void **state)
{
	static char large[LARGE_BODY];
	struct lease *lease;
	struct settle_set set;
	struct settle_output output = { .hop = 1, .attributes = "{}", .attributes_len = 2 };
	const struct settle settle = {
		.sets = &set, .n_sets = 1, .outputs = &output, .n_outputs = 1
	};
	struct queue_claim claim;
	struct queue_turn turn = { .settle = &settle, .claim = &claim };

	(void)state;
	queue_bench_enqueue(4);
	lease = queue_bench_take(qb.lanes[0], 2);
	/* the statement is prepared: the large message is the first to be sent */
	assert_int_equal(queue_bench_end(lease, SETTLE_READY, qb.lanes[0]), OK);
	lease = queue_bench_take(qb.lanes[0], 2);
	claim = queue_bench_claim(qb.lanes[0], 2);
	set = queue_bench_set(lease, SETTLE_READY, qb.lanes[1]);
	output.job = lease->jobs[0].id;
	output.body = large;
	output.body_len = sizeof large;
	turn.token = &lease->token;
	cluster_exec(qb.admin, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
	                       "WHERE usename = 'worker' AND datname = current_database()");
	cluster_wait_until(qb.admin, "SELECT count(*) = 0 FROM pg_stat_activity "
	                             "WHERE usename = 'worker' AND datname = current_database()");
	queue_turn(qb.db, qb.arena, &turn);
	assert_true(turn.settled == AWAY || turn.settled == UNKNOWN);
	assert_true(turn.claimed == AWAY || turn.claimed == UNKNOWN);
	assert_null(turn.lease);
	assert_int_equal(db_reconnect(qb.db, NULL), OK);
	assert_int_equal(queue_find(qb.db, &lease->token, NULL), OK);
	queue_turn(qb.db, qb.arena, &turn);
	assert_int_equal(turn.settled, OK);
	assert_int_equal(turn.claimed, OK);
}

/* ---- a settlement that was answered is not yet committed ---- */

static void *
take_turn(void *data)
{
	queue_turn(qb.db, qb.arena, data);
	return NULL;
}

static void
a_settlement_whose_claim_is_terminated_did_not_happen(void **state)
{
	struct db *other = cluster_open(qb.conninfo);
	struct round r;
	pthread_t thread;

	(void)state;
	cluster_exec(qb.admin, "CREATE TABLE written (a int)");
	prepare(&r, BOTH);
	r.set.kind = SETTLE_COMPLETED; /* touches no parcel */
	cluster_exec(qb.admin, "BEGIN; LOCK TABLE penstock.parcel");
	assert_int_equal(pthread_create(&thread, NULL, take_turn, &r.turn), 0);
	cluster_wait_until(other, "SELECT count(*) > 0 FROM pg_stat_activity WHERE "
	                          "wait_event_type = 'Lock'");
	cluster_exec(qb.admin, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
	                       "wait_event_type = 'Lock'");
	pthread_join(thread, NULL);
	cluster_exec(qb.admin, "COMMIT");
	assert_int_equal(r.turn.settled, AWAY);
	assert_int_equal(r.turn.claimed, AWAY);
	assert_null(r.turn.lease);
	assert_int_equal(db_reconnect(qb.db, NULL), OK);
	assert_int_equal(queue_find(qb.db, &r.lease->token, NULL), OK);
	assert_int_equal(queue_bench_jobs(qb.lanes[0], "running"), 2);
	db_close(other);
}

static void
a_settlement_that_fails_at_the_end_of_its_turn_did_not_happen(void **state)
{
	struct round r;

	(void)state;
	cluster_exec(qb.admin, "CREATE TABLE written (a int);"
	                       "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS "
	                       "$$ BEGIN RAISE EXCEPTION 'too late'; END $$;"
	                       "CREATE CONSTRAINT TRIGGER no AFTER INSERT ON penstock.parcel "
	                       "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW "
	                       "WHEN (new.hop = 1) EXECUTE FUNCTION no()");
	for (enum shape shape = SETTLE_ALONE; shape <= BOTH; shape++) {
		prepare(&r, shape);
		queue_turn(qb.db, qb.arena, &r.turn);
		assert_int_equal(r.turn.settled, SQL);
		assert_string_equal(r.turn.fault.text, "too late");
		if (shape == BOTH)
			assert_int_equal(r.turn.claimed, SQL);
		assert_null(r.turn.lease);
		assert_int_equal(queue_find(qb.db, &r.lease->token, NULL), OK);
		assert_int_equal(queue_bench_jobs(qb.lanes[0], "running"), 2);
		assert_int_equal(queue_bench_jobs(qb.lanes[0], "ready"), 2);
	}
}

/* ---- with a stage's transaction ---- */

static void
make_child(void)
{
	cluster_exec(qb.admin, "CREATE TABLE parent (id int PRIMARY KEY);"
	                       "CREATE TABLE child (id int REFERENCES parent "
	                       "DEFERRABLE INITIALLY DEFERRED);"
	                       "INSERT INTO parent VALUES (1);"
	                       "GRANT ALL ON parent, child TO worker");
}

/* A stage writes `id`, then its two jobs are completed and two more are claimed. */
static void
stage_writes(int id, bool voided, struct round *r)
{
	char sql[64];

	*r = (struct round){ 0 };
	queue_bench_enqueue(4);
	r->lease = queue_bench_take(qb.lanes[0], 2);
	r->set = queue_bench_set(r->lease, SETTLE_COMPLETED, qb.lanes[0]);
	r->settle = (struct settle){ .sets = &r->set, .n_sets = 1 };
	r->claim = queue_bench_claim(qb.lanes[0], 2);
	r->turn = (struct queue_turn){ .token = &r->lease->token,
		                       .settle = &r->settle,
		                       .claim = &r->claim,
		                       .in_transaction = true };
	if (voided)
		cluster_int(qb.admin, "SELECT sum(penstock.void_lease(token)) FROM penstock.lease");
	assert_int_equal(db_begin(qb.db, NULL), OK);
	snprintf(sql, sizeof sql, "INSERT INTO child VALUES (%d)", id);
	cluster_exec(qb.db, sql);
	queue_turn(qb.db, qb.arena, &r->turn);
	assert_int_equal(db_transaction_state(qb.db), DB_IDLE);
}

static void
what_a_stage_wrote_commits_with_its_settlement(void **state)
{
	struct round r;

	(void)state;
	make_child();
	stage_writes(1, false, &r);
	assert_int_equal(r.turn.settled, OK);
	assert_int_equal(r.turn.claimed, OK);
	assert_int_equal(r.turn.lease->n, 2);
	assert_int_equal(queue_bench_int("SELECT count(*) FROM child"), 1);
	assert_int_equal(queue_bench_jobs(qb.lanes[0], "completed"), 2);
}

static void
a_deferred_constraint_at_the_commit_undoes_the_settlement_too(void **state)
{
	struct round r;

	(void)state;
	make_child();
	stage_writes(2, false, &r);
	assert_int_equal(r.turn.settled, SQL);
	assert_string_equal(r.turn.fault.sqlstate, "23503");
	assert_int_equal(r.turn.claimed, SQL);
	assert_null(r.turn.lease);
	assert_int_equal(queue_bench_int("SELECT count(*) FROM child"), 0);
	assert_int_equal(queue_bench_jobs(qb.lanes[0], "running"), 2);
	assert_int_equal(queue_bench_jobs(qb.lanes[0], "completed"), 0);
	assert_int_equal(queue_find(qb.db, &r.lease->token, NULL), OK);
}

static void
what_a_stage_wrote_is_gone_when_its_lease_was_lost(void **state)
{
	struct round r;

	(void)state;
	make_child();
	stage_writes(1, true, &r);
	assert_int_equal(r.turn.settled, FENCED);
	assert_int_equal(r.turn.claimed, SQL);
	assert_int_equal(queue_bench_int("SELECT count(*) FROM child"), 0);
	assert_int_equal(queue_bench_jobs(qb.lanes[0], "ready"), 4);
}

static void
a_claim_that_fails_behind_a_stages_commit_leaves_it_committed(void **state)
{
	struct round r;

	(void)state;
	make_child();
	queue_bench_enqueue(5);
	r = (struct round){ .lease = queue_bench_take(qb.lanes[0], 2) };
	r.claim = queue_bench_claim(qb.lanes[0], 1);
	r.claim.token = queue_bench_take(qb.lanes[0], 2)->token; /* is in use */
	r.set = queue_bench_set(r.lease, SETTLE_COMPLETED, qb.lanes[0]);
	r.settle = (struct settle){ .sets = &r.set, .n_sets = 1 };
	r.turn = (struct queue_turn){ .token = &r.lease->token,
		                      .settle = &r.settle,
		                      .claim = &r.claim,
		                      .in_transaction = true };
	assert_int_equal(db_begin(qb.db, NULL), OK);
	cluster_exec(qb.db, "INSERT INTO child VALUES (1)");
	queue_turn(qb.db, qb.arena, &r.turn);
	assert_int_equal(r.turn.settled, OK);
	assert_true(r.turn.lease_ended);
	assert_int_equal(r.turn.claimed, SQL);
	assert_string_equal(r.turn.fault.sqlstate, "23505");
	assert_int_equal(db_transaction_state(qb.db), DB_IDLE);
	assert_int_equal(queue_bench_int("SELECT count(*) FROM child"), 1);
	assert_int_equal(queue_bench_jobs(qb.lanes[0], "completed"), 2);
	assert_int_equal(queue_bench_jobs(qb.lanes[0], "ready"), 1);
}

static void
a_stage_whose_transaction_had_failed_settles_nothing(void **state)
{
	struct round r = { 0 };

	(void)state;
	queue_bench_enqueue(2);
	r.lease = queue_bench_take(qb.lanes[0], 2);
	r.set = queue_bench_set(r.lease, SETTLE_COMPLETED, qb.lanes[0]);
	r.settle = (struct settle){ .sets = &r.set, .n_sets = 1 };
	r.turn = (struct queue_turn){ .token = &r.lease->token,
		                      .settle = &r.settle,
		                      .in_transaction = true };
	assert_int_equal(db_begin(qb.db, NULL), OK);
	assert_int_equal(db_exec(qb.db, "SELECT 1 / 0", NULL), SQL);
	queue_turn(qb.db, qb.arena, &r.turn);
	assert_int_equal(r.turn.settled, SQL);
	assert_int_equal(db_transaction_state(qb.db), DB_IDLE);
	assert_int_equal(queue_bench_jobs(qb.lanes[0], "running"), 2);
	assert_int_equal(queue_find(qb.db, &r.lease->token, NULL), OK);
}

/* ---- queue_find, queue_void ---- */

struct finder {
	struct db *db;
	struct uuid token;
	enum status st;
	int64_t took_ns;
};

static void *
find(void *data)
{
	struct finder *f = data;
	int64_t from = clock_mono();

	f->st = queue_find(f->db, &f->token, NULL);
	f->took_ns = clock_mono() - from;
	return NULL;
}

/* While another connection has settled but not committed, looks for the token. end: what becomes of
 * it; NULL: nothing, until the look has given up. */
static struct finder
find_during(const char *end)
{
	struct lease *lease;
	struct finder f;
	struct db *other = cluster_open(qb.conninfo);
	pthread_t thread;

	queue_bench_enqueue(1);
	lease = queue_bench_take(qb.lanes[0], 1);
	f = (struct finder){ .db = qb.db, .token = lease->token };
	cluster_exec(other, "BEGIN");
	cluster_int(other, "SELECT penstock.void_lease(token) FROM penstock.lease");
	assert_int_equal(pthread_create(&thread, NULL, find, &f), 0);
	if (end) {
		cluster_wait_until(qb.admin, "SELECT count(*) > 0 FROM pg_stat_activity WHERE "
		                             "wait_event_type = 'Lock'");
		cluster_exec(other, end);
	}
	pthread_join(thread, NULL);
	db_close(other);
	return f;
}

static void
a_look_for_a_token_waits_for_the_commit_in_flight(void **state)
{
	(void)state;
	assert_int_equal(find_during("COMMIT").st, NOT_FOUND);
}

static void
a_look_for_a_token_waits_for_the_rollback_in_flight(void **state)
{
	(void)state;
	assert_int_equal(find_during("ROLLBACK").st, OK);
}

static void
a_look_for_a_token_that_stays_locked_times_out(void **state)
{
	struct finder f = find_during(NULL);

	(void)state;
	assert_int_equal(f.st, TIMEOUT);
	assert_true(f.took_ns >= 1900 * MSEC);
	/* its patience was for one transaction only */
	assert_string_equal(cluster_text(qb.db, "SHOW lock_timeout"), "0");
	cluster_wait_until(qb.admin, "SELECT count(*) = 0 FROM pg_locks l JOIN pg_class c "
	                             "ON c.oid = l.relation WHERE c.relname = 'lease' "
	                             "AND l.pid <> pg_backend_pid()");
	assert_int_equal(queue_find(qb.db, &f.token, NULL), OK);
}

static void
a_look_for_a_token_over_a_lost_connection_is_away(void **state)
{
	const struct uuid token = uuid_random();

	(void)state;
	assert_int_equal(queue_find(qb.db, &token, NULL), NOT_FOUND);
	cluster_exec(qb.admin, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
	                       "WHERE usename = 'worker' AND datname = current_database()");
	assert_int_equal(queue_find(qb.db, &token, NULL), AWAY);
	assert_int_equal(db_reconnect(qb.db, NULL), OK);
	assert_int_equal(queue_find(qb.db, &token, NULL), NOT_FOUND);
}

static void
a_void_gives_back_all_that_the_token_holds_uncharged(void **state)
{
	struct lease *lease;
	const struct uuid nothing = uuid_random();

	(void)state;
	queue_bench_enqueue(3);
	lease = queue_bench_take(qb.lanes[0], 3);
	assert_int_equal(queue_void(qb.db, &nothing, NULL), NOT_FOUND);
	assert_int_equal(queue_void(qb.db, &lease->token, NULL), OK);
	assert_int_equal(queue_void(qb.db, &lease->token, NULL), NOT_FOUND);
	lease = queue_bench_take(qb.lanes[0], 3);
	assert_int_equal(lease->n, 3);
	assert_int_equal(lease->attempt, 1);
	assert_int_equal(lease->hold, HOLD_NONE);
}

#define T(test) cmocka_unit_test_setup_teardown(test, queue_bench_open, queue_bench_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(at_every_cut_of_a_claim_the_answer_is_true),
		T(at_every_cut_of_a_settlement_the_answer_is_true),
		T(at_every_cut_of_a_whole_turn_the_answer_is_true),
		T(at_every_cut_of_a_turn_with_a_stages_transaction_the_answer_is_true),
		T(at_every_cut_of_a_large_turn_the_answer_is_true),
		T(at_every_cut_of_a_turn_without_prepared_statements_the_answer_is_true),
		T(what_a_pooler_says_in_place_of_the_server_is_not_believed),
		T(a_large_settlement_on_a_dead_connection_is_away),
		T(a_settlement_whose_claim_is_terminated_did_not_happen),
		T(a_settlement_that_fails_at_the_end_of_its_turn_did_not_happen),
		T(what_a_stage_wrote_commits_with_its_settlement),
		T(a_deferred_constraint_at_the_commit_undoes_the_settlement_too),
		T(what_a_stage_wrote_is_gone_when_its_lease_was_lost),
		T(a_claim_that_fails_behind_a_stages_commit_leaves_it_committed),
		T(a_stage_whose_transaction_had_failed_settles_nothing),
		T(a_look_for_a_token_waits_for_the_commit_in_flight),
		T(a_look_for_a_token_waits_for_the_rollback_in_flight),
		T(a_look_for_a_token_that_stays_locked_times_out),
		T(a_look_for_a_token_over_a_lost_connection_is_away),
		T(a_void_gives_back_all_that_the_token_holds_uncharged),
	};

	return cmocka_run_group_tests_name("queue_cut", tests, NULL, NULL);
}
