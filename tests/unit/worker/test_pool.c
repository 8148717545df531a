/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_pool.c - what the workers of one process ask for, so that they do not ask for too much
 * together.
 */
#include "support/stage_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "worker/worker_priv.h"

#define PROMISES 64 /* of later.so */

/* One lane whose plugin gives promises, and three workers. */
struct world {
	struct bench bench;
	struct config config;
	struct config_stage stage;
	struct config_pipeline pipeline;
	struct pool_pipeline pool_pipeline;
	struct lane lane;
	struct worker workers[3];
	struct pool pool;
};

static int
set_up(void **state)
{
	static const struct bench_option never[] = {
		{ .name = "when", .type = CONFIG_T_STRING, .text = "never" }, { 0 }
	};
	struct world *w = mem_alloc(sizeof(*w));

	if (bench_open(&w->bench, STAGE_FILE("later"), never, 1) != OK)
		fail_msg("%s", w->bench.fault.text);
	w->bench.completions = stage_completions_create(NULL, NULL);
	w->config.set.lease_jobs = 1000;
	w->config.set.lease_bytes = MiB;
	w->config.set.lease_time = SEC;
	w->pipeline = (struct config_pipeline){ .stages = &w->stage, .n_stages = 1 };
	w->pool_pipeline = (struct pool_pipeline){ &w->pipeline, &w->lane };
	w->lane = (struct lane){ .id = 11,
		                 .conf = &w->stage,
		                 .release = w->bench.release,
		                 .ready = true,
		                 .job_ns = 1000,
		                 .want = 1000 };
	w->pool.config = &w->config;
	w->pool.pipelines = &w->pool_pipeline;
	w->pool.n_pipelines = 1;
	w->pool.lanes = &w->lane;
	w->pool.n_lanes = 1;
	w->pool.workers = w->workers;
	pthread_mutex_init(&w->pool.lock, NULL);
	atomic_store(&w->pool.host, 1);
	atomic_store(&w->pool.valid_until, INT64_MAX);
	for (size_t i = 0; i < countof(w->workers); i++)
		w->workers[i].pool = &w->pool;
	*state = w;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *w = *state;

	pthread_mutex_destroy(&w->pool.lock);
	bench_close(&w->bench);
	free(w);
	return 0;
}

/* How many jobs the worker would claim now; 0: it does not claim. */
static int
asks(struct world *w, int worker)
{
	struct queue_claim claim;

	return pool_choose(&w->pool, &w->workers[worker], &claim, w->bench.arena) ? claim.want : 0;
}

static void
comes(struct world *w, int worker, int n)
{
	pool_ask_no_more(&w->pool, &w->workers[worker], n);
}

static void
promise(struct world *w, int n)
{
	for (int i = 0; i < n; i++)
		assert_int_equal(bench_one(&w->bench, "{}", NULL)->ps.outcome, PS_LATER);
}

static void
workers_together_ask_for_no_more_than_a_plugin_may_promise(void **state)
{
	struct world *w = *state;

	assert_int_equal(asks(w, 0), PROMISES);
	assert_int_equal(asks(w, 1), 0);
	comes(w, 0, 40); /* the lane had no more: the rest is for others */
	assert_int_equal(asks(w, 1), 24);
	assert_int_equal(asks(w, 2), 0);
	comes(w, 1, 0); /* an empty claim */
	assert_int_equal(asks(w, 2), 24);
	comes(w, 2, 24);
	comes(w, 0, 0);
	comes(w, 2, 0); /* all were done at once */
	assert_int_equal(asks(w, 1), PROMISES);
}

static void
what_is_promised_counts_whoever_claimed_it(void **state)
{
	struct world *w = *state;

	assert_int_equal(asks(w, 0), PROMISES);
	comes(w, 0, 30);
	promise(w, 30);
	comes(w, 0, 0);
	assert_int_equal(asks(w, 1), PROMISES - 30);
	promise(w, PROMISES - 30);
	comes(w, 1, 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(asks(w, i), 0);
}

static void
others_are_bounded_by_the_size_of_a_lease_alone(void **state)
{
	struct world *w = *state;
	struct bench plain = { 0 };

	if (bench_open(&plain, STAGE_FILE("noop"), NULL, 1) != OK)
		fail_msg("%s", plain.fault.text);
	w->lane.release = plain.release;
	for (int i = 0; i < 3; i++)
		assert_int_equal(asks(w, i), 1000);
	bench_close(&plain);
}

/* ---- keys that are counted ---- */

static int64_t now;

static int64_t
fake_mono(void)
{
	return now;
}

/* What the next claim asks for: jobs, and how many of one key it promises to begin at most. */
static struct queue_claim
asked(struct world *w)
{
	struct queue_claim claim = { 0 };

	assert_int_not_equal(pool_choose(&w->pool, &w->workers[0], &claim, w->bench.arena), NULL);
	comes(w, 0, 0);
	return claim;
}

/* A lease of n jobs, of which at most `most` have one key, where `room` may begin. */
static bool
counted(struct world *w, size_t n, int32_t room, size_t most)
{
	const struct lease lease = { .n = n, .key_room = room };

	return pool_counted(&w->pool, &w->lane, &lease, most);
}

static void
keyed_lane(struct world *w, struct bench *plain, int max_per_key)
{
	if (bench_open(plain, STAGE_FILE("noop"), NULL, 1) != OK)
		fail_msg("%s", plain->fault.text);
	w->lane.release = plain->release;
	w->stage.max_per_key = max_per_key;
}

static void
leases_with_too_many_of_a_key_make_the_next_ones_smaller(void **state)
{
	struct world *w = *state;
	struct bench plain = { 0 };

	keyed_lane(w, &plain, 100);
	assert_int_equal(asked(w).key_room, 6);
	assert_int_equal(asked(w).want, 1000);
	assert_true(counted(w, 1000, 6, 6));
	assert_int_equal(asked(w).want, 1000);
	assert_false(counted(w, 1000, 6, 12));
	assert_int_equal(asked(w).want, 500);
	assert_int_equal(asked(w).key_room, 6);
	assert_true(counted(w, 500, 6, 5)); /* and larger again */
	assert_int_equal(asked(w).want, 600);
	assert_true(counted(w, 10, 6, 6)); /* a small one says nothing of larger ones */
	assert_int_equal(asked(w).want, 600);
	assert_true(counted(w, 600, 6, 1));
	assert_int_equal(asked(w).want, 1000);
	bench_close(&plain);
}

static void
where_they_would_become_too_small_the_database_compares_for_a_while(void **state)
{
	const struct clock_hooks before = clock_hooks;
	struct world *w = *state;
	struct bench plain = { 0 };

	clock_hooks.mono = fake_mono;
	now = SEC;
	keyed_lane(w, &plain, 100);
	assert_false(counted(w, 1000, 6, 300));
	assert_int_equal(asked(w).key_room, 0);
	assert_int_equal(asked(w).want, 1000);
	now += SEC;
	assert_int_equal(asked(w).key_room, 6);
	w->stage.max_per_key = 15; /* less than one job for each claim beside others */
	assert_int_equal(asked(w).key_room, 0);
	w->stage.max_per_key = 0;
	assert_int_equal(asked(w).key_room, 0);
	clock_hooks = before;
	bench_close(&plain);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    workers_together_ask_for_no_more_than_a_plugin_may_promise, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_promised_counts_whoever_claimed_it, set_up,
		                                tear_down),
		cmocka_unit_test_setup_teardown(others_are_bounded_by_the_size_of_a_lease_alone,
		                                set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    leases_with_too_many_of_a_key_make_the_next_ones_smaller, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    where_they_would_become_too_small_the_database_compares_for_a_while, set_up,
		    tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
