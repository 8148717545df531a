/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_queue_turn.c - settle and claim in one round trip: what comes, what
 * goes, and what is refused as a whole.
 */
#include "queue/queue.h"
#include "support/cluster.h"
#include "support/proxy.h"
#include "support/queue_bench.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void
settles_and_claims(struct queue_turn *turn)
{
	queue_turn(qb.db, qb.arena, turn);
	if (turn->settled != OK || turn->claimed != OK)
		fail_msg("settled %s, claimed %s: %s %s", status_text(turn->settled),
		         status_text(turn->claimed), turn->fault.sqlstate, turn->fault.text);
}

static enum status
settle_with_output(const struct lease *lease, struct settle_set set, int16_t hop,
                   const char *attributes, const void *body, size_t body_len)
{
	struct settle_output output = {
		.job = lease->jobs[0].id,
		.hop = hop,
		.attributes = attributes,
		.attributes_len = strlen(attributes),
		.body = body,
		.body_len = body_len,
	};
	const struct settle settle = {
		.sets = &set, .n_sets = 1, .outputs = &output, .n_outputs = 1
	};

	set.hop = set.input_hop = hop;
	return queue_bench_settle(&lease->token, &settle);
}

/* ---- claims ---- */

static void
a_claim_brings_the_jobs_that_were_enqueued_in_their_order(void **state)
{
	int64_t first = queue_bench_enqueue(5);
	struct lease *lease = queue_bench_take(qb.lanes[0], 3);

	(void)state;
	assert_int_equal(lease->lane, qb.lanes[0]);
	assert_int_equal(lease->priority, 0);
	assert_int_equal(lease->attempt, 1);
	assert_int_equal(lease->hop, 0);
	assert_int_equal(lease->input_hop, 0);
	assert_int_equal(lease->hold, HOLD_NONE);
	assert_int_equal(lease->n, 3);
	for (size_t i = 0; i < 3; i++) {
		char text[32];

		snprintf(text, sizeof text, "{\"n\": %zu}", i + 1);
		assert_int_equal(lease->jobs[i].id, first + (int64_t)i);
		assert_string_equal(lease->jobs[i].attributes, text);
		assert_int_equal(lease->jobs[i].attributes_len, strlen(text));
		assert_null(lease->jobs[i].body);
		assert_int_equal(lease->jobs[i].body_len, 0);
		assert_null(lease->jobs[i].traceparent);
	}
	assert_int_equal(queue_bench_jobs(qb.lanes[0], "running"), 3);
	assert_int_equal(queue_bench_jobs(qb.lanes[0], "ready"), 2);
	lease = queue_bench_take(qb.lanes[0], 10);
	assert_int_equal(lease->n, 2);
	assert_int_equal(lease->jobs[0].id, first + 3);
}

static void
a_claim_of_an_empty_lane_is_empty(void **state)
{
	struct queue_claim claim = queue_bench_claim(qb.lanes[1], 1);
	struct queue_turn turn = { .claim = &claim };

	(void)state;
	queue_turn(qb.db, qb.arena, &turn);
	assert_int_equal(turn.claimed, EMPTY);
	assert_null(turn.lease);
	assert_int_equal(queue_find(qb.db, &claim.token, NULL), NOT_FOUND);
}

static void
a_claim_stops_at_the_bytes_that_it_wants(void **state)
{
	struct queue_claim claim;
	struct queue_turn turn = { .claim = &claim };

	(void)state;
	queue_bench_enqueue(9); /* of 8 bytes each */
	claim = queue_bench_claim(qb.lanes[0], 100);
	claim.want_bytes = 4 * 8;
	queue_turn(qb.db, qb.arena, &turn);
	assert_int_equal(turn.claimed, OK);
	assert_int_equal(turn.lease->n, 4);
	assert_int_equal(turn.lease->bytes, 32);
	assert_int_equal(turn.parcels, 1);

	/* a job that is larger than all that is wanted comes alone */
	claim.token = uuid_random();
	claim.want_bytes = 1;
	queue_turn(qb.db, qb.arena, &turn);
	assert_int_equal(turn.claimed, OK);
	assert_int_equal(turn.lease->n, 1);
}

/* {"n": 1}, {"n": 2} and so on: each is a key of its own, whose number only the caller knows. */
static void
a_claim_whose_caller_counts_says_how_many_of_a_key_may_begin(void **state)
{
	struct queue_claim claim;
	struct queue_turn turn = { .claim = &claim };

	(void)state;
	cluster_exec(qb.admin, "UPDATE penstock.lane SET limit_key = 'n', max_per_key = 64");
	queue_bench_enqueue(30);
	claim = queue_bench_claim(qb.lanes[0], 10);
	claim.key_room = 4;
	queue_turn(qb.db, qb.arena, &turn);
	assert_int_equal(turn.claimed, OK);
	assert_int_equal(turn.lease->n, 10);
	assert_int_equal(turn.lease->key_room, 4);

	claim.token = uuid_random();
	claim.want = 4; /* which have no more than four of a key */
	queue_turn(qb.db, qb.arena, &turn);
	assert_int_equal(turn.lease->n, 4);
	assert_int_equal(turn.lease->key_room, 0);

	claim.token = uuid_random();
	claim.want = 10;
	claim.key_room = 5; /* more than it may take beside others */
	queue_turn(qb.db, qb.arena, &turn);
	assert_int_equal(turn.lease->n, 10);
	assert_int_equal(turn.lease->key_room, 0);
	assert_int_equal(queue_bench_int("SELECT count(*) FROM penstock.lease WHERE key_most = 4 "
	                                 "AND job_keys IS NULL"),
	                 2);
}

static void
a_traceparent_comes_with_the_job(void **state)
{
	(void)state;
	cluster_exec(qb.admin, "SELECT penstock.enqueue('p', '{}', traceparent => '00-ab-cd-01')");
	assert_string_equal(queue_bench_take(qb.lanes[0], 1)->jobs[0].traceparent, "00-ab-cd-01");
}

/* ---- one round trip ---- */

static void
a_turn_claims_settles_and_claims_again_in_one_round_trip(void **state)
{
	struct proxy *p = proxy_start(qb.admin_conninfo);
	struct queue_claim claim;
	struct settle_set set;
	const struct settle settle = { .sets = &set, .n_sets = 1 };
	struct queue_turn turn = { .settle = &settle, .claim = &claim };

	(void)state;
	queue_bench_enqueue(9);
	claim = queue_bench_claim(qb.lanes[0], 3);
	db_close(qb.db);
	qb.db = cluster_open(cluster_as(proxy_conninfo(p), "worker"));
	turn.settle = NULL;
	queue_turn(qb.db, qb.arena, &turn);
	assert_int_equal(turn.claimed, OK);
	turn.settle = &settle;
	for (int round = 0; round < 2; round++) {
		struct lease *lease = turn.lease;

		set = queue_bench_set(lease, SETTLE_COMPLETED, qb.lanes[0]);
		turn.token = &lease->token;
		claim.token = uuid_random();
		proxy_count(p, PROXY_CLIENT);
		if (round > 0)
			/* a second sync would be a second round trip */
			proxy_cut(p, PROXY_CLIENT, 'S', 2, true);
		turn.lease = NULL;
		settles_and_claims(&turn);
		assert_true(turn.lease_ended);
		assert_int_equal(turn.lease->n, 3);
	}
	assert_false(proxy_cut_done(p));
	/* bind, describe and execute of three statements that are prepared, and one sync */
	assert_int_equal(proxy_count(p, PROXY_CLIENT), 3 * 3 + 1);
	assert_int_equal(queue_bench_jobs(qb.lanes[0], "completed"), 6);
	assert_int_equal(queue_bench_jobs(qb.lanes[0], "running"), 3);
	db_close(qb.db);
	qb.db = cluster_open(qb.conninfo);
	proxy_stop(p);
}

/* ---- messages ---- */

static void
a_small_body_comes_inline_and_a_larger_one_by_queue_body(void **state)
{
	static char bodies[2][4096];
	const struct queue_message messages[] = {
		{ "{}", 2, bodies[0], 1024 },
		{ "{}", 2, bodies[1], 1025 },
		{ "{}", 2, "", 0 },
		{ "{}", 2, NULL, 0 },
	};
	struct lease *lease;
	int64_t first, last;
	const void *body = NULL;
	size_t len = 0;

	(void)state;
	memset(bodies[0], 'a', sizeof bodies[0]);
	memset(bodies[1], '\0', sizeof bodies[1]);
	assert_int_equal(queue_enqueue(qb.db, qb.arena, "p", messages, 4, 0, &first, &last, NULL),
	                 OK);
	lease = queue_bench_take(qb.lanes[0], 4); /* up to 1024 bytes inline */
	assert_int_equal(lease->jobs[0].body_len, 1024);
	assert_memory_equal(lease->jobs[0].body, bodies[0], 1024);
	assert_int_equal(lease->jobs[1].body_len, 1025);
	assert_null(lease->jobs[1].body);
	assert_int_equal(queue_body(qb.db, qb.arena, first + 1, 0, &body, &len, NULL), OK);
	assert_int_equal(len, 1025);
	assert_memory_equal(body, bodies[1], 1025);
	assert_non_null(lease->jobs[2].body); /* empty is not the same as none */
	assert_int_equal(lease->jobs[2].body_len, 0);
	assert_null(lease->jobs[3].body);
}

static void
a_body_that_is_not_there_is_not_found(void **state)
{
	const void *body;
	size_t len;

	(void)state;
	assert_int_equal(queue_body(qb.db, qb.arena, queue_bench_enqueue(1), 0, &body, &len, NULL),
	                 NOT_FOUND);
	assert_int_equal(queue_body(qb.db, qb.arena, 123456, 0, &body, &len, NULL), NOT_FOUND);
}

static void
an_output_is_the_input_of_the_next_stage(void **state)
{
	static char large[2000];
	int64_t job = queue_bench_enqueue(1);
	struct lease *lease = queue_bench_take(qb.lanes[0], 1);
	const void *body = NULL;
	size_t len = 0;

	(void)state;
	memset(large, 'L', sizeof large);
	assert_int_equal(settle_with_output(lease,
	                                    queue_bench_set(lease, SETTLE_READY, qb.lanes[1]), 1,
	                                    "{\"step\": 1}", "\0one", 4),
	                 OK);
	lease = queue_bench_take(qb.lanes[1], 1);
	assert_int_equal(lease->hop, 1);
	assert_int_equal(lease->input_hop, 1);
	assert_int_equal(lease->attempt, 1);
	assert_int_equal(lease->jobs[0].id, job);
	assert_string_equal(lease->jobs[0].attributes, "{\"step\": 1}");
	assert_int_equal(lease->jobs[0].body_len, 4);
	assert_memory_equal(lease->jobs[0].body, "\0one", 4);

	assert_int_equal(settle_with_output(lease,
	                                    queue_bench_set(lease, SETTLE_READY, qb.lanes[2]), 2,
	                                    "{\"step\": 2}", large, sizeof large),
	                 OK);
	lease = queue_bench_take(qb.lanes[2], 1);
	assert_string_equal(lease->jobs[0].attributes, "{\"step\": 2}");
	assert_int_equal(lease->jobs[0].body_len, sizeof large);
	assert_null(lease->jobs[0].body);
	assert_int_equal(queue_body(qb.db, qb.arena, job, 2, &body, &len, NULL), OK);
	assert_int_equal(len, sizeof large);
	assert_memory_equal(body, large, sizeof large);
	assert_int_equal(queue_bench_end(lease, SETTLE_COMPLETED, qb.lanes[2]), OK);
	assert_int_equal(queue_bench_int("SELECT count(*) FROM penstock.output"), 2);
}

static void
an_output_without_a_body_hides_the_body_of_the_job(void **state)
{
	const struct queue_message message = { "{}", 2, "old", 3 };
	struct lease *lease;
	int64_t job;

	(void)state;
	assert_int_equal(queue_enqueue(qb.db, qb.arena, "p", &message, 1, 0, &job, &job, NULL), OK);
	lease = queue_bench_take(qb.lanes[0], 1);
	assert_int_equal(settle_with_output(lease,
	                                    queue_bench_set(lease, SETTLE_READY, qb.lanes[1]), 1,
	                                    "{\"new\": true}", NULL, 0),
	                 OK);
	lease = queue_bench_take(qb.lanes[1], 1);
	assert_string_equal(lease->jobs[0].attributes, "{\"new\": true}");
	assert_null(lease->jobs[0].body);
	assert_int_equal(lease->jobs[0].body_len, 0);
}

/* ---- settlement ---- */

static void
each_kind_of_set_goes_to_its_own_place(void **state)
{
	static const char *const states[] = { "ready",     "deferred",  "completed",
		                              "discarded", "cancelled", "dead" };
	struct lease *lease;
	struct settle_set sets[6];
	struct settle_failure failures[2];
	struct settle settle = { .sets = sets, .failures = failures };

	(void)state;
	queue_bench_enqueue(12);
	lease = queue_bench_take(qb.lanes[0], 12);
	for (size_t i = 0; i < 6; i++) {
		sets[i] = queue_bench_part(lease, (enum settle_kind)i, qb.lanes[1], 2 * i, 2);
		sets[i].attempt = 1;
		sets[i].bytes = 10 + (int64_t)i;
	}
	sets[SETTLE_DEFERRED].delay_ms = 3600000;
	sets[SETTLE_DEFERRED].hold = HOLD_ISOLATE;
	sets[SETTLE_READY].hold = HOLD_CONTROL;
	for (size_t i = 0; i < 2; i++)
		failures[i] = (struct settle_failure){ .job = sets[SETTLE_DEAD].jobs.ids[i],
			                               .lane = qb.lanes[1],
			                               .attempt = 1,
			                               .code = "BROKEN",
			                               .message = "h\303\251",
			                               .release = "r1" };
	settle.n_sets = 6;
	settle.n_failures = 2;
	assert_int_equal(queue_bench_settle(&lease->token, &settle), OK);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(queue_bench_jobs(qb.lanes[1], states[i]), 2);
	assert_int_equal(queue_bench_int("SELECT count(*) FROM penstock.parcel WHERE hold = 1 "
	                                 "AND attempt = 1 AND bytes = 10 AND n = 2"),
	                 1);
	assert_int_equal(
	    queue_bench_int("SELECT count(*) FROM penstock.deferred WHERE hold = 2 AND run_at "
	                    "BETWEEN now() + interval '59 min' AND now() + interval '61 min'"),
	    1);
	assert_int_equal(queue_bench_int("SELECT count(*) FROM penstock.failure WHERE "
	                                 "code = 'BROKEN' AND message = 'h\303\251' AND "
	                                 "release = 'r1' AND attempt = 1"),
	                 2);
	assert_int_equal(queue_find(qb.db, &lease->token, NULL), NOT_FOUND);
}

static void
handing_back_charges_nothing(void **state)
{
	struct lease *lease;

	(void)state;
	queue_bench_enqueue(3);
	for (int i = 0; i < 5; i++) {
		lease = queue_bench_take(qb.lanes[0], 3);
		assert_int_equal(lease->attempt, 1);
		assert_int_equal(lease->n, 3);
		assert_int_equal(queue_bench_end(lease, SETTLE_READY, qb.lanes[0]), OK);
	}
}

static void
a_part_settlement_keeps_the_rest(void **state)
{
	struct lease *lease;
	struct settle_set set;
	const struct settle settle = { .sets = &set, .n_sets = 1 };
	struct queue_turn turn = { .settle = &settle };

	(void)state;
	queue_bench_enqueue(5);
	lease = queue_bench_take(qb.lanes[0], 5);
	turn.token = &lease->token;
	set = queue_bench_part(lease, SETTLE_COMPLETED, qb.lanes[0], 1, 2); /* from its middle */
	turn.lease_ended = true;
	queue_turn(qb.db, qb.arena, &turn);
	assert_int_equal(turn.settled, OK);
	assert_false(turn.lease_ended);
	assert_int_equal(queue_find(qb.db, &lease->token, NULL), OK);
	assert_int_equal(queue_bench_jobs(qb.lanes[0], "running"), 3);
	assert_int_equal(queue_bench_int("SELECT n FROM penstock.lease"), 3);

	queue_turn(qb.db, qb.arena, &turn); /* the same jobs again */
	assert_int_equal(turn.settled, FENCED);
	assert_int_equal(queue_bench_jobs(qb.lanes[0], "completed"), 2);

	set = queue_bench_part(lease, SETTLE_COMPLETED, qb.lanes[0], 0, 1);
	queue_turn(qb.db, qb.arena, &turn);
	assert_int_equal(turn.settled, OK);
	assert_false(turn.lease_ended);
	set = queue_bench_part(lease, SETTLE_COMPLETED, qb.lanes[0], 3, 2);
	queue_turn(qb.db, qb.arena, &turn);
	assert_int_equal(turn.settled, OK);
	assert_true(turn.lease_ended);
	assert_int_equal(queue_find(qb.db, &lease->token, NULL), NOT_FOUND);
	assert_int_equal(queue_bench_jobs(qb.lanes[0], "completed"), 5);
}

static void
sets_that_overlap_are_refused_and_change_nothing(void **state)
{
	struct lease *lease;
	struct settle_set sets[2];
	const struct settle settle = { .sets = sets, .n_sets = 2 };
	struct queue_turn turn = { .settle = &settle };

	(void)state;
	queue_bench_enqueue(3);
	lease = queue_bench_take(qb.lanes[0], 3);
	sets[0] = queue_bench_part(lease, SETTLE_COMPLETED, qb.lanes[0], 0, 2);
	sets[1] = queue_bench_part(lease, SETTLE_DISCARDED, qb.lanes[0], 1, 2);
	turn.token = &lease->token;
	queue_turn(qb.db, qb.arena, &turn);
	assert_int_equal(turn.settled, SQL);
	assert_string_equal(turn.fault.sqlstate, "PS002");
	assert_int_equal(queue_bench_jobs(qb.lanes[0], "running"), 3);
}

/* ---- fencing ---- */

static void
is_fenced(const struct lease *lease)
{
	struct settle_set set = queue_bench_set(lease, SETTLE_READY, qb.lanes[1]);
	struct settle_output output = { lease->jobs[0].id, 1, "{}", 2, NULL, 0 };
	struct settle_failure failure = { lease->jobs[0].id, qb.lanes[0], 1, "CODE",
		                          "message",         "release" };
	const struct settle settle = { &set, 1, &output, 1, &failure, 1, NULL, 0 };
	struct queue_claim claim = queue_bench_claim(qb.lanes[0], 100);
	struct queue_turn turn = { .token = &lease->token, .settle = &settle, .claim = &claim };

	set.hop = set.input_hop = 1;
	queue_turn(qb.db, qb.arena, &turn);
	assert_int_equal(turn.settled, FENCED);
	assert_int_equal(turn.fault.status, FENCED);
	assert_string_equal(turn.fault.sqlstate, "PS001");
	assert_int_equal(turn.claimed, SQL); /* it did not happen either, and is not believed to */
	assert_null(turn.lease);
	assert_int_equal(queue_find(qb.db, &claim.token, NULL), NOT_FOUND);
	assert_int_equal(queue_bench_int("SELECT count(*) FROM penstock.output"), 0);
	assert_int_equal(queue_bench_int("SELECT count(*) FROM penstock.failure"), 0);
	assert_int_equal(queue_bench_jobs(qb.lanes[1], "ready"), 0);
	assert_true(db_alive(qb.db));
	assert_int_equal(db_transaction_state(qb.db), DB_IDLE);
}

static void
settlement_after_the_token_was_voided_is_fenced(void **state)
{
	struct lease *lease;

	(void)state;
	queue_bench_enqueue(4);
	lease = queue_bench_take(qb.lanes[0], 4);
	assert_int_equal(queue_void(qb.db, &lease->token, NULL), OK);
	is_fenced(lease);
	assert_int_equal(queue_bench_jobs(qb.lanes[0], "ready"), 4);
}

static void
settlement_after_the_host_was_reaped_is_fenced(void **state)
{
	struct lease *lease;
	int64_t jobs = 0;

	(void)state;
	queue_bench_enqueue(4);
	lease = queue_bench_take(qb.lanes[0], 4);
	assert_int_equal(queue_reap(qb.db, qb.host, 0, NULL), OK);
	assert_int_equal(queue_reap_leases(qb.db, &jobs, NULL), OK);
	assert_int_equal(jobs, 4);
	is_fenced(lease);
	assert_int_equal(queue_bench_jobs(qb.lanes[0], "ready"), 4);
}

static void
settlement_after_others_took_the_jobs_is_fenced_and_theirs_is_not(void **state)
{
	struct lease *lease, *theirs;

	(void)state;
	queue_bench_enqueue(4);
	lease = queue_bench_take(qb.lanes[0], 4);
	assert_int_equal(queue_void(qb.db, &lease->token, NULL), OK);
	theirs = queue_bench_take(qb.lanes[0], 4);
	is_fenced(lease);
	assert_int_equal(queue_bench_jobs(qb.lanes[0], "running"), 4);
	assert_int_equal(queue_bench_end(theirs, SETTLE_COMPLETED, qb.lanes[0]), OK);
	is_fenced(theirs);
}

static void
settlement_of_jobs_that_the_lease_never_held_is_fenced(void **state)
{
	struct lease *mine, *other;
	struct settle_set set;
	const struct settle settle = { .sets = &set, .n_sets = 1 };

	(void)state;
	queue_bench_enqueue(4);
	mine = queue_bench_take(qb.lanes[0], 2);
	other = queue_bench_take(qb.lanes[0], 2);
	set = queue_bench_set(other, SETTLE_COMPLETED, qb.lanes[0]);
	assert_int_equal(queue_bench_settle(&mine->token, &settle), FENCED);
	assert_int_equal(queue_bench_jobs(qb.lanes[0], "running"), 4);
}

/* ---- a claim that fails ---- */

static void
only_the_settlement_happens(const struct lease *lease, struct queue_claim *claim,
                            const char *sqlstate)
{
	struct settle_set set = queue_bench_set(lease, SETTLE_COMPLETED, qb.lanes[0]);
	const struct settle settle = { .sets = &set, .n_sets = 1 };
	struct queue_turn turn = { .token = &lease->token, .settle = &settle, .claim = claim };

	queue_turn(qb.db, qb.arena, &turn);
	assert_int_equal(turn.settled, OK);
	assert_true(turn.lease_ended);
	assert_int_equal(turn.claimed, SQL);
	assert_null(turn.lease);
	assert_string_equal(turn.fault.sqlstate, sqlstate); /* of the one that failed */
	assert_int_equal(queue_bench_jobs(qb.lanes[0], "completed"), 2);
}

static void
a_claim_under_a_used_token_does_not_take_the_settlement_with_it(void **state)
{
	struct queue_claim claim;
	struct lease *lease, *other;

	(void)state;
	queue_bench_enqueue(9);
	lease = queue_bench_take(qb.lanes[0], 2);
	other = queue_bench_take(qb.lanes[0], 2);
	claim = queue_bench_claim(qb.lanes[0], 2);
	claim.token = other->token;
	only_the_settlement_happens(lease, &claim, "23505");
	assert_int_equal(queue_bench_jobs(qb.lanes[0], "running"), 2);
	assert_int_equal(queue_bench_jobs(qb.lanes[0], "ready"), 5);
}

static void
a_claim_without_the_right_to_it_does_not_take_the_settlement_with_it(void **state)
{
	struct queue_claim claim;
	struct lease *lease;

	(void)state;
	queue_bench_enqueue(9);
	lease = queue_bench_take(qb.lanes[0], 2);
	claim = queue_bench_claim(qb.lanes[0], 2);
	cluster_exec(qb.admin, "REVOKE INSERT ON penstock.lease FROM penstock_host");
	only_the_settlement_happens(lease, &claim, "42501");
	assert_int_equal(queue_bench_jobs(qb.lanes[0], "ready"), 7);
}

static void
a_settlement_that_the_server_refuses_is_not_half_done(void **state)
{
	struct lease *lease;
	struct settle_set set;
	struct settle_output output = { .hop = 1, .attributes = "{", .attributes_len = 1 };
	const struct settle settle = {
		.sets = &set, .n_sets = 1, .outputs = &output, .n_outputs = 1
	};
	struct queue_claim claim;
	struct queue_turn turn = { .settle = &settle, .claim = &claim };

	(void)state;
	queue_bench_enqueue(4);
	lease = queue_bench_take(qb.lanes[0], 2);
	claim = queue_bench_claim(qb.lanes[0], 2);
	set = queue_bench_set(lease, SETTLE_READY, qb.lanes[1]);
	output.job = lease->jobs[0].id;
	turn.token = &lease->token;
	queue_turn(qb.db, qb.arena, &turn);
	assert_int_equal(turn.settled, SQL);
	assert_string_equal(turn.fault.sqlstate, "22P02");
	assert_int_equal(turn.claimed, SQL);
	assert_int_equal(queue_bench_jobs(qb.lanes[0], "running"), 2);
	assert_int_equal(queue_bench_jobs(qb.lanes[0], "ready"), 2);
	assert_int_equal(queue_find(qb.db, &lease->token, NULL), OK);
}

#define T(test) cmocka_unit_test_setup_teardown(test, queue_bench_open, queue_bench_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_claim_brings_the_jobs_that_were_enqueued_in_their_order),
		T(a_claim_of_an_empty_lane_is_empty),
		T(a_claim_stops_at_the_bytes_that_it_wants),
		T(a_claim_whose_caller_counts_says_how_many_of_a_key_may_begin),
		T(a_traceparent_comes_with_the_job),
		T(a_turn_claims_settles_and_claims_again_in_one_round_trip),
		T(a_small_body_comes_inline_and_a_larger_one_by_queue_body),
		T(a_body_that_is_not_there_is_not_found),
		T(an_output_is_the_input_of_the_next_stage),
		T(an_output_without_a_body_hides_the_body_of_the_job),
		T(each_kind_of_set_goes_to_its_own_place),
		T(handing_back_charges_nothing),
		T(a_part_settlement_keeps_the_rest),
		T(sets_that_overlap_are_refused_and_change_nothing),
		T(settlement_after_the_token_was_voided_is_fenced),
		T(settlement_after_the_host_was_reaped_is_fenced),
		T(settlement_after_others_took_the_jobs_is_fenced_and_theirs_is_not),
		T(settlement_of_jobs_that_the_lease_never_held_is_fenced),
		T(a_claim_under_a_used_token_does_not_take_the_settlement_with_it),
		T(a_claim_without_the_right_to_it_does_not_take_the_settlement_with_it),
		T(a_settlement_that_the_server_refuses_is_not_half_done),
	};

	return cmocka_run_group_tests_name("queue_turn", tests, NULL, NULL);
}
