/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_worker_verdict.c - what becomes of a job after a stage.
 *
 * The cells of docs/decisions/0003-from-claim-to-settlement.md that are pure.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "worker/worker_priv.h"

/* Three stages, a -> b -> c, lanes 11, 12, 13. */
struct world {
	struct config_stage stages[3];
	struct config_pipeline pipeline;
	struct pool_pipeline pool_pipeline;
	struct lane lanes[3];
	struct pool pool;
	struct arena *arena;
};

static int
set_up(void **state)
{
	static const char *const names[] = { "a", "b", "c" };
	struct world *w = mem_alloc(sizeof(*w));
	struct fault fault = { 0 };

	for (size_t i = 0; i < 3; i++) {
		w->stages[i] = (struct config_stage){
			.name = mem_dup(names[i]),
			.max_attempts = 3,
			.backoff_ns = SEC,
			.backoff_max_ns = 10 * SEC,
		};
		w->lanes[i] = (struct lane){ .id = 11 + (int32_t)i,
			                     .stage = i,
			                     .conf = &w->stages[i] };
	}
	w->pipeline = (struct config_pipeline){ .stages = w->stages, .n_stages = 3 };
	w->pool_pipeline = (struct pool_pipeline){ &w->pipeline, w->lanes };
	w->pool.pipelines = &w->pool_pipeline;
	w->pool.n_pipelines = 1;
	w->pool.lanes = w->lanes;
	w->pool.n_lanes = 3;
	assert_int_equal(arena_create(&w->arena, 0, &fault), OK);
	*state = w;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < 3; i++)
		free(w->stages[i].name);
	arena_destroy(w->arena);
	free(w);
	return 0;
}

static const struct position middle = { .stage = 1, .hop = 4, .input_hop = 3, .attempt = 2 };

static struct verdict
verdict(struct world *w, struct position at, enum ps_outcome kind, int64_t delay_ms)
{
	const struct outcome outcome = { .kind = kind,
		                         .route = "done",
		                         .code = "CODE",
		                         .message = "why",
		                         .delay_ms = delay_ms };
	struct verdict v = { 0 };
	size_t next = 99;

	assert_false(verdict_of(&w->pool, &at, &outcome, 0, &v, &next));
	return v;
}

static void
done_goes_on_to_the_next_stage(void **state)
{
	struct world *w = *state;
	const struct outcome done = { .kind = PS_DONE, .route = "done" };
	struct verdict v;
	size_t next;

	assert_true(verdict_of(&w->pool, &middle, &done, 0, &v, &next));
	assert_int_equal(next, 2);
	verdict_forward(&w->pool, &middle, next, &v);
	assert_int_equal(v.kind, SETTLE_READY);
	assert_int_equal(v.lane, 13);
	assert_int_equal(v.hop, 5);
	assert_int_equal(v.input_hop, 3);
	assert_int_equal(v.attempt, 0);
}

static void
done_at_the_last_stage_completes(void **state)
{
	struct position last = middle;

	last.stage = 2;
	struct verdict v = verdict(*state, last, PS_DONE, 0);

	assert_int_equal(v.kind, SETTLE_COMPLETED);
	assert_int_equal(v.hop, 5);
	assert_false(v.failure);
}

static void
retry_waits_at_its_stage_and_keeps_its_attempt(void **state)
{
	struct verdict v = verdict(*state, middle, PS_RETRY, 1234);

	assert_int_equal(v.kind, SETTLE_DEFERRED);
	assert_int_equal(v.lane, 12);
	assert_int_equal(v.delay_ms, 1234);
	assert_int_equal(v.attempt, 2);
	assert_int_equal(v.hop, 4);
	assert_true(v.failure);
	assert_string_equal(v.code, "CODE");
}

static void
retry_at_the_last_attempt_is_a_dead_letter(void **state)
{
	struct position at = middle;

	at.attempt = 3;
	assert_int_equal(verdict(*state, at, PS_RETRY, -1).kind, SETTLE_DEAD);
}

static void
unset_is_charged_like_a_retry(void **state)
{
	struct verdict v = verdict(*state, middle, PS_UNSET, -1);

	assert_int_equal(v.kind, SETTLE_DEFERRED);
	assert_int_equal(v.attempt, 2);
	assert_true(v.failure);
}

static void
snooze_uses_no_attempt(void **state)
{
	struct verdict v = verdict(*state, middle, PS_SNOOZE, 50);

	assert_int_equal(v.kind, SETTLE_DEFERRED);
	assert_int_equal(v.attempt, 1);
	assert_int_equal(v.delay_ms, 50);
	assert_false(v.failure);
}

static void
fail_is_dead_at_the_first_attempt(void **state)
{
	struct position at = middle;

	at.attempt = 1;
	assert_int_equal(verdict(*state, at, PS_FAIL, 0).kind, SETTLE_DEAD);
}

static void
discard_ends_with_its_reason(void **state)
{
	struct verdict v = verdict(*state, middle, PS_DISCARD, 0);

	assert_int_equal(v.kind, SETTLE_DISCARDED);
	assert_true(v.failure);
	assert_string_equal(v.code, "CODE");
}

static void
split_waits_and_goes_on_by_its_route(void **state)
{
	struct verdict v = verdict(*state, middle, PS_SPLIT, 0);

	assert_int_equal(v.kind, SETTLE_WAIT_ALL);
	assert_int_equal(v.lane, 13);
	assert_int_equal(v.hop, 5);
	assert_int_equal(v.attempt, 0);
	assert_false(v.failure);
}

static void
split_at_the_last_stage_waits_and_is_completed(void **state)
{
	const struct outcome any = { .kind = PS_SPLIT, .route = "done", .join = PS_JOIN_ANY };
	struct world *w = *state;
	struct position last = middle;
	struct verdict v;
	size_t next;

	last.stage = 2;
	assert_false(verdict_of(&w->pool, &last, &any, 0, &v, &next));
	assert_int_equal(v.kind, SETTLE_LAST_ANY);
	assert_int_equal(v.lane, 13);
}

/* a goes to b and c at once, and then on to c, or to the end. */
static void
a_route_to_several_stages_waits_for_its_branches(void **state)
{
	static char *to[] = { "b", "c" };
	static const struct {
		const char *then;
		bool any;
		enum ps_outcome kind;
		enum ps_join join;
		enum settle_kind wanted;
		int32_t lane;
	} rows[] = {
		{ "c", false, PS_DONE, PS_JOIN_ALL, SETTLE_JOIN_ALL, 13 },
		{ "c", true, PS_DONE, PS_JOIN_ALL, SETTLE_JOIN_ANY, 13 },
		{ "end", false, PS_DONE, PS_JOIN_ALL, SETTLE_LAST_JOIN_ALL, 11 },
		{ "end", true, PS_DONE, PS_JOIN_ALL, SETTLE_LAST_JOIN_ANY, 11 },
		/* and children that the stage gave it: either of the two may forbid that one fails
		 */
		{ "c", true, PS_SPLIT, PS_JOIN_ANY, SETTLE_JOIN_ANY, 13 },
		{ "c", true, PS_SPLIT, PS_JOIN_ALL, SETTLE_JOIN_ALL, 13 },
		{ "c", false, PS_SPLIT, PS_JOIN_ANY, SETTLE_JOIN_ALL, 13 },
	};
	struct world *w = *state;
	struct config_route route = { .outcome = "done", .to = to, .n_to = 2 };
	struct position first = middle;

	first.stage = 0;
	w->stages[0].routes = &route;
	w->stages[0].n_routes = 1;
	for (size_t i = 0; i < countof(rows); i++) {
		const struct outcome outcome = { .kind = rows[i].kind,
			                         .route = "done",
			                         .join = rows[i].join };
		struct verdict v = { 0 };
		size_t next = 99;

		route.stage = (char *)(uintptr_t)rows[i].then;
		route.any = rows[i].any;
		assert_false(verdict_of(&w->pool, &first, &outcome, 0, &v, &next));
		assert_int_equal(v.kind, rows[i].wanted);
		assert_int_equal(v.lane, rows[i].lane);
		assert_int_equal(v.hop, 5);
		assert_int_equal(v.attempt, 0);
	}
}

static void
a_job_gets_a_branch_for_each_stage_of_its_route(void **state)
{
	static char *to[] = { "c", "b" };
	struct world *w = *state;
	struct config_route route = { .outcome = "many", .stage = "end", .to = to, .n_to = 2 };
	struct worker worker = { .pool = &w->pool };
	struct counter_slot *slots[3], slot[3] = { 0 };
	struct position first = middle;

	for (size_t i = 0; i < 3; i++)
		slots[i] = &slot[i];
	worker.slots = slots;
	first.stage = 0;
	w->stages[0].routes = &route;
	w->stages[0].n_routes = 1;
	assert_int_equal(chain_branch(&worker, &first, 77, "done"), 0);
	assert_int_equal(worker.n_children, 0);
	assert_int_equal(chain_branch(&worker, &first, 77, "many"), 2);
	assert_int_equal(worker.n_children, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(worker.children[i].parent, 77);
		assert_int_equal(worker.children[i].lane, i == 0 ? 13 : 12);
		assert_null(worker.children[i].attributes); /* it has its parent's message */
		assert_null(worker.children[i].body);
	}
	free(worker.children);
}

static void
handing_back_charges_nothing(void **state)
{
	struct world *w = *state;
	struct verdict v;

	verdict_hand_back(&w->pool, &middle, false, &v);
	assert_int_equal(v.kind, SETTLE_READY);
	assert_int_equal(v.lane, 12);
	assert_int_equal(v.attempt, 1);
	assert_int_equal(v.hold, HOLD_NONE);
	verdict_hand_back(&w->pool, &middle, true, &v);
	assert_int_equal(v.hold, HOLD_ISOLATE);
}

static void
backoff_doubles_up_to_its_cap_within_a_fifth(void **state)
{
	struct world *w = *state;
	const struct {
		int attempt;
		int64_t middle_ms;
	} rows[] = { { 1, 1000 },  { 2, 2000 },   { 3, 4000 },    { 4, 8000 },
		     { 5, 10000 }, { 60, 10000 }, { 1000, 10000 } };

	for (size_t i = 0; i < countof(rows); i++)
		for (uint64_t r = 0; r < 1000; r++) {
			int64_t ms = verdict_backoff_ms(&w->stages[0], rows[i].attempt,
			                                splitmix64(r));

			assert_true(ms >= rows[i].middle_ms * 8 / 10 - 1);
			assert_true(ms <= rows[i].middle_ms * 12 / 10);
		}
}

/* ---- grouping ---- */

static struct verdict
ready(int64_t job, int32_t lane)
{
	return (struct verdict){ .job = job, .kind = SETTLE_READY, .lane = lane, .bytes = 10 };
}

static void
verdicts_of_one_kind_make_one_set(void **state)
{
	struct world *w = *state;
	struct verdict v[] = { ready(1, 12), ready(2, 12), ready(7, 12) };
	struct settle s;

	verdict_settle(v, countof(v), w->arena, &s);
	assert_int_equal(s.n_sets, 1);
	assert_int_equal(s.sets[0].jobs.n, 3);
	assert_int_equal(s.sets[0].bytes, 30);
	assert_int_equal(s.n_outputs, 0);
	assert_int_equal(s.n_failures, 0);
}

static void
verdicts_that_differ_in_anything_stay_apart_and_sorted(void **state)
{
	struct world *w = *state;
	struct verdict v[9];
	struct settle s;

	for (size_t i = 0; i < countof(v); i++)
		v[i] = ready(100 - (int64_t)i, 12);
	v[1].lane = 13;
	v[2].kind = SETTLE_DEFERRED;
	v[3].kind = SETTLE_DEFERRED;
	v[3].delay_ms = 5;
	v[4].hop = 1;
	v[5].input_hop = 1;
	v[6].attempt = 1;
	v[7].hold = HOLD_ISOLATE;
	verdict_settle(v, countof(v), w->arena, &s);
	assert_int_equal(s.n_sets, 8);
	for (size_t i = 0; i < s.n_sets; i++)
		for (size_t k = 1; k < s.sets[i].jobs.n; k++)
			assert_true(s.sets[i].jobs.ids[k - 1] < s.sets[i].jobs.ids[k]);
}

static void
outputs_and_failures_go_with_their_jobs(void **state)
{
	struct world *w = *state;
	struct verdict v[] = { ready(5, 12), ready(3, 12) };
	struct settle s;

	v[0].output = true;
	v[0].hop = v[1].hop = 2;
	v[0].attributes = "{}";
	v[0].attributes_len = 2;
	v[1].failure = true;
	v[1].code = "X";
	v[1].failure_attempt = 4;
	verdict_settle(v, countof(v), w->arena, &s);
	assert_int_equal(s.n_sets, 1);
	assert_int_equal(s.sets[0].jobs.ids[0], 3);
	assert_int_equal(s.n_outputs, 1);
	assert_int_equal(s.outputs[0].job, 5);
	assert_int_equal(s.outputs[0].hop, 2);
	assert_int_equal(s.n_failures, 1);
	assert_int_equal(s.failures[0].job, 3);
	assert_int_equal(s.failures[0].attempt, 4);
}

#define sentence(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		sentence(done_goes_on_to_the_next_stage),
		sentence(done_at_the_last_stage_completes),
		sentence(retry_waits_at_its_stage_and_keeps_its_attempt),
		sentence(retry_at_the_last_attempt_is_a_dead_letter),
		sentence(unset_is_charged_like_a_retry),
		sentence(snooze_uses_no_attempt),
		sentence(fail_is_dead_at_the_first_attempt),
		sentence(discard_ends_with_its_reason),
		sentence(split_waits_and_goes_on_by_its_route),
		sentence(split_at_the_last_stage_waits_and_is_completed),
		sentence(a_route_to_several_stages_waits_for_its_branches),
		sentence(a_job_gets_a_branch_for_each_stage_of_its_route),
		sentence(handing_back_charges_nothing),
		sentence(backoff_doubles_up_to_its_cap_within_a_fifth),
		sentence(verdicts_of_one_kind_make_one_set),
		sentence(verdicts_that_differ_in_anything_stay_apart_and_sorted),
		sentence(outputs_and_failures_go_with_their_jobs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
