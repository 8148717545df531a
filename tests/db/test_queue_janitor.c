/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_queue_janitor.c - hosts that die, lanes that are scanned and packed,
 * jobs that wake, and the doorbell.
 */
#include "queue/queue.h"
#include "support/cluster.h"
#include "support/queue_bench.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- reap ---- */

/* The host of the bench dies and is followed by another. */
static void
die(int64_t expected_jobs)
{
	int64_t jobs = -1;
	int64_t beat = queue_bench_int("SELECT beat FROM penstock.host WHERE id = %lld",
	                               (long long)qb.host);

	assert_int_equal(queue_reap(qb.db, qb.host, beat, NULL), OK);
	assert_int_equal(queue_reap_leases(qb.db, &jobs, NULL), OK);
	assert_int_equal(jobs, expected_jobs);
	qb.host = queue_bench_host("next");
}

static void
a_host_whose_beat_moved_is_not_reaped(void **state)
{
	struct queue_host *hosts;
	struct lease *lease;
	int64_t jobs = -1;
	size_t n;

	(void)state;
	queue_bench_enqueue(2);
	lease = queue_bench_take(qb.lanes[0], 2);
	assert_int_equal(queue_host_list(qb.db, qb.arena, &hosts, &n, NULL), OK);
	assert_int_equal(n, 1);
	assert_int_equal(hosts[0].id, qb.host);
	assert_int_equal(queue_host_beat(qb.db, qb.host, NULL), OK);
	assert_int_equal(queue_reap(qb.db, qb.host, hosts[0].beat, NULL), NOT_FOUND);
	assert_int_equal(queue_reap_leases(qb.db, &jobs, NULL), OK);
	assert_int_equal(jobs, 0);
	assert_int_equal(queue_bench_end(lease, SETTLE_COMPLETED, qb.lanes[0]), OK);
}

static void
a_host_whose_beat_stands_still_is_reaped_once(void **state)
{
	struct queue_host *hosts;
	size_t n;

	(void)state;
	assert_int_equal(queue_host_beat(qb.db, qb.host, NULL), OK);
	assert_int_equal(queue_host_list(qb.db, qb.arena, &hosts, &n, NULL), OK);
	assert_int_equal(hosts[0].beat, 1);
	assert_int_equal(queue_reap(qb.db, qb.host, hosts[0].beat, NULL), OK);
	assert_int_equal(queue_reap(qb.db, qb.host, hosts[0].beat, NULL), NOT_FOUND);
	assert_int_equal(queue_host_beat(qb.db, qb.host, NULL), NOT_FOUND);
	assert_int_equal(queue_host_list(qb.db, qb.arena, &hosts, &n, NULL), OK);
	assert_int_equal(n, 0);
}

static void
leases_of_a_gone_host_come_back_halved_and_uncharged(void **state)
{
	struct lease *lease;

	(void)state;
	queue_bench_enqueue(5);
	queue_bench_take(qb.lanes[0], 5);
	die(5);
	assert_int_equal(queue_bench_int("SELECT count(*) FROM penstock.parcel"), 2);
	lease = queue_bench_take(qb.lanes[0], 5); /* isolated: one parcel, not both */
	assert_int_equal(lease->n, 2);
	assert_int_equal(lease->attempt, 1);
	assert_int_equal(lease->hold, HOLD_ISOLATE);
	lease = queue_bench_take(qb.lanes[0], 5);
	assert_int_equal(lease->n, 3);
	assert_int_equal(lease->attempt, 1);
	die(5);
	assert_int_equal(queue_bench_int("SELECT count(*) FROM penstock.parcel"), 4);
	assert_int_equal(queue_bench_int("SELECT max(attempt) FROM penstock.parcel"), 0);
	assert_int_equal(queue_bench_int("SELECT count(*) FROM penstock.failure"), 0);
}

static void
leases_of_living_hosts_are_left_alone(void **state)
{
	const int64_t here = qb.host;
	struct lease *mine;
	int64_t jobs = -1;

	(void)state;
	queue_bench_enqueue(4);
	mine = queue_bench_take(qb.lanes[0], 2);
	qb.host = queue_bench_host("there");
	queue_bench_take(qb.lanes[0], 2);
	assert_int_equal(queue_reap(qb.db, qb.host, 0, NULL), OK);
	assert_int_equal(queue_reap_leases(qb.db, &jobs, NULL), OK);
	assert_int_equal(jobs, 2);
	qb.host = here;
	assert_int_equal(queue_bench_end(mine, SETTLE_COMPLETED, qb.lanes[0]), OK);
}

static void
a_single_job_that_was_not_isolated_is_isolated_before_it_is_charged(void **state)
{
	struct lease *lease;

	(void)state;
	queue_bench_enqueue(1);
	queue_bench_take(qb.lanes[0], 1);
	die(1);
	lease = queue_bench_take(qb.lanes[0], 1);
	assert_int_equal(lease->hold, HOLD_ISOLATE);
	assert_int_equal(lease->attempt, 1);
	assert_int_equal(queue_bench_int("SELECT count(*) FROM penstock.failure"), 0);
}

static void
a_job_that_is_lost_alone_is_charged_and_dies_at_its_last_attempt(void **state)
{
	int64_t job = queue_bench_enqueue(1);
	struct lease *lease;

	(void)state;
	queue_bench_take(qb.lanes[0], 1);
	die(1); /* from here on it is isolated */
	for (int attempt = 1; attempt <= 3; attempt++) {
		lease = queue_bench_take(qb.lanes[0], 1);
		assert_int_equal(lease->attempt, attempt);
		assert_int_equal(queue_bench_jobs(qb.lanes[0], "dead"), 0);
		die(1);
		assert_int_equal(
		    queue_bench_int(
		        "SELECT count(*) FROM penstock.failure WHERE job = %lld AND code = 'LOST'",
		        (long long)job),
		    attempt);
	}
	assert_int_equal(queue_bench_jobs(qb.lanes[0], "dead"), 1);
	assert_int_equal(queue_bench_jobs(qb.lanes[0], "ready"), 0);
	assert_int_equal(queue_bench_int("SELECT attempt FROM penstock.dead"), 3);
}

static void
the_guilty_one_of_many_is_found_and_the_others_are_never_charged(void **state)
{
	int64_t first = queue_bench_enqueue(8), guilty = first + 5;
	int crashes = 0;

	(void)state;
	while (queue_bench_jobs(qb.lanes[0], "ready") > 0) {
		struct lease *lease = queue_bench_take(qb.lanes[0], 8);
		bool crash = false;

		for (size_t i = 0; i < lease->n; i++)
			crash |= lease->jobs[i].id == guilty;
		if (crash) {
			die((int64_t)lease->n);
			assert_true(++crashes < 10);
		} else {
			assert_int_equal(queue_bench_end(lease, SETTLE_COMPLETED, qb.lanes[0]), OK);
		}
	}
	assert_int_equal(queue_bench_jobs(qb.lanes[0], "completed"), 7);
	assert_int_equal(queue_bench_jobs(qb.lanes[0], "dead"), 1);
	assert_int_equal(queue_bench_int("SELECT lower(jobs) FROM penstock.dead"), guilty);
	assert_int_equal(queue_bench_int("SELECT count(*) FROM penstock.failure WHERE job <> %lld",
	                                 (long long)guilty),
	                 0);
}

static void
a_lease_that_is_being_settled_is_not_waited_for(void **state)
{
	struct db *other = cluster_open(qb.conninfo);
	int64_t jobs = -1;

	(void)state;
	queue_bench_enqueue(2);
	queue_bench_take(qb.lanes[0], 2);
	assert_int_equal(queue_reap(qb.db, qb.host, 0, NULL), OK);
	cluster_exec(other, "BEGIN; SELECT FROM penstock.lease FOR UPDATE");
	assert_int_equal(queue_reap_leases(qb.db, &jobs, NULL), OK);
	assert_int_equal(jobs, 0);
	cluster_exec(other, "ROLLBACK");
	assert_int_equal(queue_reap_leases(qb.db, &jobs, NULL), OK);
	assert_int_equal(jobs, 2);
	db_close(other);
}

static void
a_new_boot_voids_what_the_one_before_it_held(void **state)
{
	const struct uuid boot = uuid_random();
	int64_t host = 0;

	(void)state;
	queue_bench_enqueue(4);
	queue_bench_take(qb.lanes[0], 4);
	assert_int_equal(queue_bell_set(qb.db, qb.host, qb.lanes, 3, qb.arena, NULL), OK);
	assert_int_equal(
	    queue_host_register(qb.db, &boot, "here", "machine", 2, qb.host, &host, NULL), OK);
	assert_int_not_equal(host, qb.host);
	assert_int_equal(queue_host_beat(qb.db, qb.host, NULL), NOT_FOUND);
	assert_int_equal(queue_bench_jobs(qb.lanes[0], "ready"), 4);
	assert_int_equal(queue_bench_int("SELECT count(*) FROM penstock.doorbell"), 0);
}

static void
a_host_that_leaves_hands_back_what_it_holds_uncharged(void **state)
{
	struct lease *lease;

	(void)state;
	queue_bench_enqueue(4);
	queue_bench_take(qb.lanes[0], 2);
	queue_bench_take(qb.lanes[0], 2);
	assert_int_equal(queue_host_leave(qb.db, qb.host, NULL), OK);
	assert_int_equal(queue_host_beat(qb.db, qb.host, NULL), NOT_FOUND);
	qb.host = queue_bench_host("next");
	lease = queue_bench_take(qb.lanes[0], 9);
	assert_int_equal(lease->n, 4);
	assert_int_equal(lease->attempt, 1);
	assert_int_equal(lease->hold, HOLD_NONE);
}

/* ---- wake ---- */

static void
defer(struct lease *lease, size_t from, size_t n, int64_t delay_ms, int16_t attempt)
{
	struct settle_set set = queue_bench_part(lease, SETTLE_DEFERRED, qb.lanes[1], from, n);
	const struct settle settle = { .sets = &set, .n_sets = 1 };

	set.delay_ms = delay_ms;
	set.attempt = attempt;
	assert_int_equal(queue_bench_settle(&lease->token, &settle), OK);
}

static void
nothing_deferred_is_nothing_to_wait_for(void **state)
{
	int64_t jobs = -1, next_ms = 0;

	(void)state;
	assert_int_equal(queue_wake(qb.db, 100, &jobs, &next_ms, NULL), OK);
	assert_int_equal(jobs, 0);
	assert_int_equal(next_ms, -1);
}

static void
what_is_due_wakes_and_the_next_is_told(void **state)
{
	struct lease *lease;
	int64_t jobs = -1, next_ms = 0;

	(void)state;
	queue_bench_enqueue(6);
	lease = queue_bench_take(qb.lanes[0], 6);
	defer(lease, 0, 2, 0, 1);
	defer(lease, 2, 1, 0, 1);
	defer(lease, 3, 1, 0, 2);
	defer(lease, 4, 2, 600000, 1);
	assert_int_equal(queue_wake(qb.db, 100, &jobs, &next_ms, NULL), OK);
	assert_int_equal(jobs, 4);
	assert_true(next_ms > 0 && next_ms <= 600000);
	assert_int_equal(queue_bench_jobs(qb.lanes[1], "deferred"), 2);
	/* those of one attempt travel together, the other does not */
	assert_int_equal(queue_bench_int("SELECT count(*) FROM penstock.parcel"), 2);
	lease = queue_bench_take(qb.lanes[1], 9);
	assert_int_equal(lease->n, 3);
	assert_int_equal(lease->attempt, 2);
	lease = queue_bench_take(qb.lanes[1], 9);
	assert_int_equal(lease->n, 1);
	assert_int_equal(lease->attempt, 3);
}

static void
a_wake_takes_no_more_sets_than_it_may_and_says_that_more_are_due(void **state)
{
	struct lease *lease;
	int64_t jobs = -1, next_ms = -1;

	(void)state;
	queue_bench_enqueue(3);
	lease = queue_bench_take(qb.lanes[0], 3);
	for (size_t i = 0; i < 3; i++)
		defer(lease, i, 1, 0, 1);
	assert_int_equal(queue_wake(qb.db, 2, &jobs, &next_ms, NULL), OK);
	assert_int_equal(jobs, 2);
	assert_int_equal(next_ms, 0);
	assert_int_equal(queue_wake(qb.db, 2, &jobs, &next_ms, NULL), OK);
	assert_int_equal(jobs, 1);
	assert_int_equal(next_ms, -1);
}

static void
what_is_isolated_wakes_alone(void **state)
{
	struct lease *lease;
	struct settle_set sets[2];
	const struct settle settle = { .sets = sets, .n_sets = 2 };
	int64_t jobs = -1, next_ms;

	(void)state;
	queue_bench_enqueue(2);
	lease = queue_bench_take(qb.lanes[0], 2);
	for (size_t i = 0; i < 2; i++) {
		sets[i] = queue_bench_part(lease, SETTLE_DEFERRED, qb.lanes[1], i, 1);
		sets[i].hold = HOLD_ISOLATE;
	}
	assert_int_equal(queue_bench_settle(&lease->token, &settle), OK);
	assert_int_equal(queue_wake(qb.db, 100, &jobs, &next_ms, NULL), OK);
	assert_int_equal(jobs, 2);
	assert_int_equal(queue_bench_int("SELECT count(*) FROM penstock.parcel WHERE hold = 2"), 2);
	assert_int_equal(queue_bench_take(qb.lanes[1], 2)->n, 1);
}

static void
a_job_that_was_enqueued_for_later_wakes_in_the_first_lane(void **state)
{
	int64_t jobs = -1, next_ms;

	(void)state;
	cluster_exec(qb.admin, "SELECT penstock.enqueue('p', run_at => now() + interval '1 hour');"
	                       "UPDATE penstock.deferred SET run_at = now()");
	assert_int_equal(queue_wake(qb.db, 100, &jobs, &next_ms, NULL), OK);
	assert_int_equal(jobs, 1);
	assert_int_equal(queue_bench_take(qb.lanes[0], 1)->attempt, 1);
}

/* ---- scan, pack, blocks ---- */

static void
enqueue_with_priority(int priority, int n)
{
	assert_int_equal(queue_bench_int("SELECT count(penstock.enqueue('p', priority => %d)) "
	                                 "FROM generate_series(1, %d)",
	                                 priority, n),
	                 n);
}

static void
a_scan_finds_where_each_priority_of_each_lane_begins(void **state)
{
	const int32_t lanes[] = { qb.lanes[2], qb.lanes[0], qb.lanes[1] };
	struct queue_heads heads[3];

	(void)state;
	enqueue_with_priority(5, 2);
	enqueue_with_priority(-32768, 2);
	enqueue_with_priority(0, 3);
	enqueue_with_priority(32767, 1);
	assert_int_equal(
	    queue_bench_end(queue_bench_take(qb.lanes[0], 2), SETTLE_READY, qb.lanes[2]), OK);
	assert_int_equal(queue_scan(qb.db, qb.arena, lanes, 3, heads, NULL), OK);
	assert_int_equal(heads[0].n, 1);
	assert_int_equal(heads[0].heads[0].priority, -32768); /* it keeps it */
	assert_int_equal(heads[1].n, 3);
	assert_int_equal(heads[2].n, 0);
	for (size_t i = 0; i < 3; i++) {
		const struct queue_head *h = &heads[1].heads[i];

		assert_int_equal(h->priority, ((int[]){ 0, 5, 32767 })[i]);
		assert_int_equal(h->from, queue_bench_int("SELECT min(id) FROM penstock.parcel "
		                                          "WHERE lane = %d AND priority = %d",
		                                          qb.lanes[0], h->priority));
	}
}

static void
the_best_priority_is_claimed_first_and_alone(void **state)
{
	static const int expected[] = { -1, 0, 7 };

	(void)state;
	enqueue_with_priority(7, 2);
	enqueue_with_priority(0, 2);
	enqueue_with_priority(-1, 2);
	for (size_t i = 0; i < countof(expected); i++) {
		struct lease *lease = queue_bench_take(qb.lanes[0], 9);

		assert_int_equal(lease->priority, expected[i]);
		assert_int_equal(lease->n, 2);
	}
}

static void
a_claim_reports_the_last_parcel_and_does_not_look_before_its_head(void **state)
{
	struct queue_claim claim;
	struct queue_turn turn = { .claim = &claim };
	struct queue_head head;

	(void)state;
	enqueue_with_priority(0, 5);
	claim = queue_bench_claim(qb.lanes[0], 2);
	queue_turn(qb.db, qb.arena, &turn);
	assert_int_equal(turn.claimed, OK);
	assert_int_equal(turn.parcels, 2);
	assert_int_equal(turn.last, claim.heads[0].from + 16); /* so far apart lie ids */
	head = (struct queue_head){ 0, turn.last + 32 };       /* one is left out */
	claim.heads = &head;
	claim.token = uuid_random();
	queue_turn(qb.db, qb.arena, &turn);
	assert_int_equal(turn.claimed, OK);
	assert_int_equal(turn.lease->n, 2);
	assert_int_equal(queue_bench_jobs(qb.lanes[0], "ready"), 1);
}

static void
what_another_claim_has_locked_is_passed_over(void **state)
{
	struct db *other = cluster_open(qb.conninfo);
	struct lease *lease;

	(void)state;
	enqueue_with_priority(0, 4);
	cluster_exec(other, "BEGIN; SELECT FROM penstock.parcel ORDER BY id LIMIT 2 FOR UPDATE");
	lease = queue_bench_take(qb.lanes[0], 9);
	assert_int_equal(lease->n, 2);
	cluster_exec(other, "ROLLBACK");
	db_close(other);
}

static void
a_pack_merges_small_parcels_behind_the_head_of_a_lane(void **state)
{
	struct queue_head at = { 0 };
	int64_t fewer = -1;

	(void)state;
	enqueue_with_priority(0, 1000);
	assert_int_equal(queue_pack(qb.db, qb.lanes[0], 500, &at, &fewer, NULL), OK);
	assert_int_equal(fewer, 0); /* claims will take these soon */
	enqueue_with_priority(0, 450);
	assert_int_equal(queue_pack(qb.db, qb.lanes[0], 400, &at, &fewer, NULL), OK);
	assert_int_equal(fewer, 400 - 1);
	assert_true(at.from > 0);
	assert_int_equal(queue_bench_int("SELECT count(*) FROM penstock.parcel"), 1051);
	assert_int_equal(queue_bench_int("SELECT max(n) FROM penstock.parcel"), 400);
	assert_int_equal(queue_bench_jobs(qb.lanes[0], "ready"), 1450);
	assert_int_equal(queue_pack(qb.db, qb.lanes[0], 400, &at, &fewer, NULL), OK);
	assert_int_equal(fewer, 50 - 1); /* those behind */
	assert_int_equal(queue_pack(qb.db, qb.lanes[0], 400, &at, &fewer, NULL), OK);
	assert_int_equal(fewer, 0);
	assert_int_equal(at.from, 0);
	assert_int_equal(queue_pack(qb.db, qb.lanes[1], 400, &at, &fewer, NULL), OK);
	assert_int_equal(fewer, 0);
}

static void
what_was_packed_stays_where_it_was(void **state)
{
	struct queue_head at = { 0 };
	int64_t fewer = -1;

	(void)state;
	enqueue_with_priority(0, 1400);
	while (fewer != 0)
		assert_int_equal(queue_pack(qb.db, qb.lanes[0], 200, &at, &fewer, NULL), OK);
	assert_int_equal(queue_bench_int("SELECT count(*) FROM penstock.parcel"), 1002);
	/* by the order of claims the jobs are in the order of enqueueing, and a single one that
	 * comes then is behind them */
	enqueue_with_priority(0, 1);
	assert_int_equal(
	    queue_bench_int(
	        "SELECT count(*) FROM (SELECT jobs, lag(jobs) OVER (ORDER BY id) AS before "
	        "FROM penstock.parcel) p WHERE lower(jobs) < upper(before)"),
	    0);
}

static void
a_place_that_was_packed_into_often_has_no_id_left(void **state)
{
	int64_t fewer;

	(void)state;
	enqueue_with_priority(0, 1100);
	for (int i = 0; i < 20; i++) {
		struct queue_head at = { 0 };

		assert_int_equal(queue_pack(qb.db, qb.lanes[0], 2, &at, &fewer, NULL), OK);
		assert_int_equal(fewer, 1);
	}
	assert_int_equal(queue_bench_int("SELECT count(*) FROM penstock.parcel"), 1080);
	assert_int_equal(queue_bench_jobs(qb.lanes[0], "ready"), 1100);
	assert_true(queue_bench_int("SELECT max(n) FROM penstock.parcel") > 14);
}

static void
blocks_are_made_ahead_by_a_role_that_owns_nothing(void **state)
{
	(void)state;
	cluster_exec(qb.admin, "SELECT setval('penstock.job_id', 3 * (1::bigint << 24))");
	assert_int_equal(queue_make_blocks(qb.db, NULL), OK);
	assert_int_equal(queue_bench_int("SELECT count(*) FROM pg_class "
	                                 "WHERE relname ~ '^job_[0-9]+$' AND relkind = 'r'"),
	                 8); /* 0 to 3, and 4 ahead */
	assert_int_equal(queue_make_blocks(qb.db, NULL), OK);
	queue_bench_enqueue(3);
	assert_int_equal(
	    queue_bench_end(queue_bench_take(qb.lanes[0], 3), SETTLE_COMPLETED, qb.lanes[0]), OK);
}

static void
a_set_that_reaches_over_two_blocks_is_settled_in_both(void **state)
{
	(void)state;
	cluster_exec(qb.admin, "SELECT setval('penstock.job_id', (1::bigint << 24) - 3)");
	queue_bench_enqueue(5);
	assert_int_equal(
	    queue_bench_end(queue_bench_take(qb.lanes[0], 5), SETTLE_COMPLETED, qb.lanes[0]), OK);
	assert_int_equal(queue_bench_int("SELECT count(*) FROM penstock.settled"), 2);
	assert_int_equal(queue_bench_int("SELECT n FROM penstock.settled WHERE block = 0"), 2);
	assert_int_equal(queue_bench_int("SELECT n FROM penstock.settled WHERE block = 1"), 3);
}

/* ---- pipelines ---- */

static void
to_register_twice_is_stable_and_updates_max_attempts(void **state)
{
	struct queue_stage again[] = { { .name = "one", .max_attempts = 3 },
		                       { .name = "two", .max_attempts = 7 },
		                       { .name = "three", .max_attempts = 3 } };

	(void)state;
	assert_int_equal(queue_register(qb.db, "p", again, 3, NULL), OK);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(again[i].lane, qb.lanes[i]);
	assert_int_equal(
	    queue_bench_int("SELECT max_attempts FROM penstock.lane WHERE id = %d", qb.lanes[1]),
	    7);
	assert_int_equal(queue_bench_int("SELECT count(*) FROM penstock.lane"), 3);
	assert_int_equal(queue_bench_int("SELECT count(*) FROM penstock.pipeline"), 1);
}

static void
a_stage_that_is_moved_or_taken_out_keeps_its_lane(void **state)
{
	struct queue_stage fewer[] = { { .name = "three", .max_attempts = 3 },
		                       { .name = "one", .max_attempts = 3 } };
	struct queue_stage again[] = { { .name = "one", .max_attempts = 3 },
		                       { .name = "two", .max_attempts = 3 },
		                       { .name = "three", .max_attempts = 3 } };

	(void)state;
	assert_int_equal(queue_register(qb.db, "p", fewer, 2, NULL), OK);
	assert_int_equal(fewer[0].lane, qb.lanes[2]);
	assert_int_equal(fewer[1].lane, qb.lanes[0]);
	queue_bench_enqueue(1); /* goes to what is the first now */
	assert_int_equal(queue_bench_jobs(qb.lanes[2], "ready"), 1);
	assert_int_equal(queue_register(qb.db, "p", again, 3, NULL), OK);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(again[i].lane, qb.lanes[i]);
}

static void
pipelines_may_have_stages_of_one_name(void **state)
{
	struct queue_stage other[] = { { .name = "one", .max_attempts = 3 } };

	(void)state;
	assert_int_equal(queue_register(qb.db, "q", other, 1, NULL), OK);
	for (size_t i = 0; i < 3; i++)
		assert_int_not_equal(other[0].lane, qb.lanes[i]);
}

/* ---- doorbell ---- */

/* The lane that was rung for, or 0. */
static int
rung(struct db *listener)
{
	char payload[32] = "";
	struct fault fault = { 0 };
	enum status st = db_wait(listener, -1, 0, payload, sizeof payload, &fault);

	if (st == EMPTY)
		return 0;
	assert_int_equal(st, OK);
	return atoi(payload);
}

/* A call that comes back after it, so that what was notified before is here. */
static struct db *
listener(void)
{
	struct db *db = cluster_open(qb.conninfo);

	assert_int_equal(db_listen(db, "penstock", NULL), OK);
	return db;
}

static int
rung_by_now(struct db *db)
{
	int lane;

	cluster_int(db, "SELECT 1");
	lane = rung(db);
	assert_int_equal(rung(db), 0); /* one is enough */
	return lane;
}

static void
an_enqueue_notifies_while_the_doorbell_hangs(void **state)
{
	struct db *db = listener();

	(void)state;
	queue_bench_enqueue(1);
	assert_int_equal(rung_by_now(db), 0);
	assert_int_equal(queue_bell_set(qb.db, qb.host, qb.lanes, 2, qb.arena, NULL), OK);
	assert_int_equal(queue_bell_set(qb.db, qb.host, qb.lanes, 2, qb.arena, NULL), OK);
	queue_bench_enqueue(1);
	assert_int_equal(rung_by_now(db), qb.lanes[0]);
	cluster_exec(qb.admin, "SELECT penstock.enqueue('p')");
	assert_int_equal(rung_by_now(db), qb.lanes[0]);
	cluster_exec(qb.admin, "SELECT penstock.enqueue_many('p', array['{}', '{}']::json[])");
	assert_int_equal(rung_by_now(db), qb.lanes[0]);
	assert_int_equal(queue_bell_clear(qb.db, qb.host, NULL), OK);
	queue_bench_enqueue(1);
	cluster_exec(qb.admin, "SELECT penstock.enqueue('p')");
	assert_int_equal(rung_by_now(db), 0);
	db_close(db);
}

static void
a_settlement_notifies_other_hosts_but_not_its_own(void **state)
{
	struct db *db = listener();
	int64_t other = queue_bench_host("there");

	(void)state;
	queue_bench_enqueue(2);
	assert_int_equal(queue_bell_set(qb.db, qb.host, qb.lanes, 3, qb.arena, NULL), OK);
	assert_int_equal(
	    queue_bench_end(queue_bench_take(qb.lanes[0], 1), SETTLE_READY, qb.lanes[1]), OK);
	assert_int_equal(rung_by_now(db), 0);
	assert_int_equal(queue_bell_set(qb.db, other, qb.lanes, 3, qb.arena, NULL), OK);
	assert_int_equal(
	    queue_bench_end(queue_bench_take(qb.lanes[0], 1), SETTLE_READY, qb.lanes[1]), OK);
	assert_int_equal(rung_by_now(db), qb.lanes[1]);
	db_close(db);
}

static void
what_wakes_or_is_given_back_rings_too(void **state)
{
	struct db *db = listener();
	struct lease *lease;
	int64_t jobs, next_ms;

	(void)state;
	queue_bench_enqueue(2);
	assert_int_equal(queue_bell_set(qb.db, qb.host, qb.lanes, 3, qb.arena, NULL), OK);
	lease = queue_bench_take(qb.lanes[0], 1);
	assert_int_equal(queue_void(qb.db, &lease->token, NULL), OK);
	assert_int_equal(rung_by_now(db), qb.lanes[0]);
	defer(queue_bench_take(qb.lanes[0], 1), 0, 1, 0, 1);
	assert_int_equal(rung_by_now(db), 0);
	assert_int_equal(queue_wake(qb.db, 9, &jobs, &next_ms, NULL), OK);
	assert_int_equal(rung_by_now(db), qb.lanes[1]);
	db_close(db);
}

#define T(test) cmocka_unit_test_setup_teardown(test, queue_bench_open, queue_bench_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_host_whose_beat_moved_is_not_reaped),
		T(a_host_whose_beat_stands_still_is_reaped_once),
		T(leases_of_a_gone_host_come_back_halved_and_uncharged),
		T(leases_of_living_hosts_are_left_alone),
		T(a_single_job_that_was_not_isolated_is_isolated_before_it_is_charged),
		T(a_job_that_is_lost_alone_is_charged_and_dies_at_its_last_attempt),
		T(the_guilty_one_of_many_is_found_and_the_others_are_never_charged),
		T(a_lease_that_is_being_settled_is_not_waited_for),
		T(a_new_boot_voids_what_the_one_before_it_held),
		T(a_host_that_leaves_hands_back_what_it_holds_uncharged),
		T(nothing_deferred_is_nothing_to_wait_for),
		T(what_is_due_wakes_and_the_next_is_told),
		T(a_wake_takes_no_more_sets_than_it_may_and_says_that_more_are_due),
		T(what_is_isolated_wakes_alone),
		T(a_job_that_was_enqueued_for_later_wakes_in_the_first_lane),
		T(a_scan_finds_where_each_priority_of_each_lane_begins),
		T(the_best_priority_is_claimed_first_and_alone),
		T(a_claim_reports_the_last_parcel_and_does_not_look_before_its_head),
		T(what_another_claim_has_locked_is_passed_over),
		T(a_pack_merges_small_parcels_behind_the_head_of_a_lane),
		T(what_was_packed_stays_where_it_was),
		T(a_place_that_was_packed_into_often_has_no_id_left),
		T(blocks_are_made_ahead_by_a_role_that_owns_nothing),
		T(a_set_that_reaches_over_two_blocks_is_settled_in_both),
		T(to_register_twice_is_stable_and_updates_max_attempts),
		T(a_stage_that_is_moved_or_taken_out_keeps_its_lane),
		T(pipelines_may_have_stages_of_one_name),
		T(an_enqueue_notifies_while_the_doorbell_hangs),
		T(a_settlement_notifies_other_hosts_but_not_its_own),
		T(what_wakes_or_is_given_back_rings_too),
	};

	return cmocka_run_group_tests_name("queue_janitor", tests, NULL, NULL);
}
