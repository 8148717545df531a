/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * worker_verdict.c - what becomes of a job after a stage, as numbers and rows.
 *
 * Pure: no database, no clock. The table of steps in docs/decisions
 * (0003-from-claim-to-settlement.md) is written against these functions.
 */
#include <stdlib.h>
#include <string.h>

#include "worker/worker_priv.h"

static const struct lane *
lane_at(const struct pool *pool, const struct position *at)
{
	return &pool->pipelines[at->pipeline].lanes[at->stage];
}

static struct verdict
leave(const struct pool *pool, const struct position *at, enum settle_kind kind)
{
	return (struct verdict){
		.kind = kind,
		.lane = lane_at(pool, at)->id,
		.hop = at->hop,
		.input_hop = at->input_hop,
		.attempt = at->attempt,
		.hold = at->hold,
	};
}

static void
add_failure(const struct pool *pool, const struct position *at, const struct outcome *outcome,
            struct verdict *v)
{
	const struct lane *lane = lane_at(pool, at);

	v->failure = true;
	v->failure_lane = lane->id;
	v->failure_attempt = at->attempt;
	v->code = outcome->code ? outcome->code : "STAGE_FAILED";
	v->message = outcome->message ? outcome->message : "";
	v->release = lane->release ? release_id(lane->release) : "";
}

/* Exponential from `backoff`, doubled at each attempt up to `backoff_max`, spread by +-20 % so
 * that jobs that failed together do not come back together. */
int64_t
verdict_backoff_ms(const struct config_stage *stage, int attempt, uint64_t random)
{
	int64_t ns = stage->backoff_ns;

	for (int i = 1; i < attempt && ns < stage->backoff_max_ns; i++)
		ns = ns > INT64_MAX / 2 ? INT64_MAX : ns * 2;
	if (ns > stage->backoff_max_ns)
		ns = stage->backoff_max_ns;
	double spread = 0.8 + 0.4 * ((double)(random >> 11) / 9007199254740992.0);
	return (int64_t)((double)ns * spread) / MSEC;
}

static void
retry(const struct pool *pool, const struct position *at, const struct outcome *outcome,
      uint64_t random, struct verdict *ret)
{
	const struct config_stage *conf = lane_at(pool, at)->conf;
	bool last = at->attempt >= conf->max_attempts;

	*ret = leave(pool, at, last ? SETTLE_DEAD : SETTLE_DEFERRED);
	if (!last)
		ret->delay_ms = outcome->delay_ms >= 0
		                    ? outcome->delay_ms
		                    : verdict_backoff_ms(conf, at->attempt, random);
	add_failure(pool, at, outcome, ret);
}

/* by branches, last, any */
static const enum settle_kind waits[2][2][2] = {
	{ { SETTLE_WAIT_ALL, SETTLE_WAIT_ANY }, { SETTLE_LAST_ALL, SETTLE_LAST_ANY } },
	{ { SETTLE_JOIN_ALL, SETTLE_JOIN_ANY }, { SETTLE_LAST_JOIN_ALL, SETTLE_LAST_JOIN_ANY } },
};

/* Where a job that waits for its children goes then: on by its route, or to its end. Those that its
 * stage gave it and the branches of its route are waited for together, and either may forbid that
 * one fails. */
static struct verdict
wait_for_children(const struct pool *pool, const struct position *at, const struct outcome *outcome,
                  const struct config_route *branches, size_t next)
{
	const struct pool_pipeline *pipeline = &pool->pipelines[at->pipeline];
	bool last = next == pipeline->conf->n_stages;
	bool any = (outcome->kind != PS_SPLIT || outcome->join == PS_JOIN_ANY) &&
	           (!branches || branches->any);
	struct verdict v = leave(pool, at, waits[branches != NULL][last][any]);

	if (!last)
		v.lane = pipeline->lanes[next].id;
	v.hop = (int16_t)(at->hop + 1);
	v.attempt = 0;
	return v;
}

bool
verdict_of(const struct pool *pool, const struct position *at, const struct outcome *outcome,
           uint64_t random, struct verdict *ret, size_t *ret_next)
{
	const struct config_pipeline *pipeline = pool->pipelines[at->pipeline].conf;
	const struct config_route *branches;
	int next;

	switch (outcome->kind) {
	case PS_DONE:
	case PS_SPLIT:
		next = config_next(pipeline, at->stage, outcome->route);
		if (next <
		    0) { /* declared by nobody: a completion, or a route that leads nowhere */
			const struct outcome bad = {
				.kind = PS_RETRY,
				.code = "BAD_ROUTE",
				.message = "the stage named a route that leads nowhere",
				.delay_ms = -1,
			};
			retry(pool, at, &bad, random, ret);
			return false;
		}
		branches = config_branches(pipeline, at->stage, outcome->route);
		if (outcome->kind == PS_SPLIT || branches) {
			*ret = wait_for_children(pool, at, outcome, branches, (size_t)next);
			return false;
		}
		if ((size_t)next < pipeline->n_stages) {
			*ret_next = (size_t)next;
			return true;
		}
		*ret = leave(pool, at, SETTLE_COMPLETED);
		ret->hop = (int16_t)(at->hop + 1);
		return false;
	case PS_SNOOZE:
		*ret = leave(pool, at, SETTLE_DEFERRED);
		ret->attempt = (int16_t)(at->attempt - 1);
		ret->delay_ms = outcome->delay_ms > 0 ? outcome->delay_ms : 0;
		return false;
	case PS_FAIL:
		*ret = leave(pool, at, SETTLE_DEAD);
		add_failure(pool, at, outcome, ret);
		return false;
	case PS_DISCARD:
		*ret = leave(pool, at, SETTLE_DISCARDED);
		if (outcome->code)
			add_failure(pool, at, outcome, ret);
		return false;
	case PS_RETRY:
	case PS_UNSET:
	case PS_LATER: break;
	}
	retry(pool, at, outcome, random, ret);
	return false;
}

void
verdict_hand_back(const struct pool *pool, const struct position *at, bool isolate,
                  struct verdict *ret)
{
	*ret = leave(pool, at, SETTLE_READY);
	ret->attempt = (int16_t)(at->attempt - 1);
	if (isolate)
		ret->hold = HOLD_ISOLATE;
}

void
verdict_forward(const struct pool *pool, const struct position *at, size_t next,
                struct verdict *ret)
{
	*ret = leave(pool, at, SETTLE_READY);
	ret->lane = pool->pipelines[at->pipeline].lanes[next].id;
	ret->hop = (int16_t)(at->hop + 1);
	ret->attempt = 0;
}

/* ---- grouping ---- */

static int
compare(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

/* Jobs that differ in any of these never share a set. */
static int
compare_kind(const struct verdict *a, const struct verdict *b)
{
	int c = compare(a->kind, b->kind);

	if (!c)
		c = compare(a->lane, b->lane);
	if (!c)
		c = compare(a->delay_ms, b->delay_ms);
	if (!c)
		c = compare(a->hop, b->hop);
	if (!c)
		c = compare(a->input_hop, b->input_hop);
	if (!c)
		c = compare(a->attempt, b->attempt);
	if (!c)
		c = compare(a->hold, b->hold);
	return c;
}

static int
compare_verdicts(const void *pa, const void *pb)
{
	const struct verdict *a = pa, *b = pb;
	int c = compare_kind(a, b);

	return c ? c : compare(a->job, b->job);
}

static bool
in_order(const struct verdict *verdicts, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (compare_verdicts(&verdicts[i - 1], &verdicts[i]) > 0)
			return false;
	return true;
}

static void
add_rows(const struct verdict *v, struct settle *settle)
{
	if (v->output)
		settle->outputs[settle->n_outputs++] = (struct settle_output){
			.job = v->job,
			.hop = v->hop,
			.attributes = v->attributes,
			.attributes_len = v->attributes_len,
			.body = v->body,
			.body_len = v->body_len,
		};
	if (v->failure)
		settle->failures[settle->n_failures++] = (struct settle_failure){
			.job = v->job,
			.lane = v->failure_lane,
			.attempt = v->failure_attempt,
			.code = v->code,
			.message = v->message,
			.release = v->release,
		};
}

void
verdict_settle(struct verdict *verdicts, size_t n, struct arena *arena, struct settle *ret)
{
	int64_t *ids = arena_alloc(arena, n * sizeof(*ids));
	struct settle_set *set = NULL;
	size_t n_outputs = 0, n_failures = 0;

	if (!in_order(verdicts, n))
		qsort(verdicts, n, sizeof(*verdicts), compare_verdicts);
	for (size_t i = 0; i < n; i++) {
		n_outputs += verdicts[i].output;
		n_failures += verdicts[i].failure;
	}
	*ret = (struct settle){
		.sets = arena_alloc(arena, n * sizeof(*ret->sets)),
		.outputs = arena_alloc(arena, n_outputs * sizeof(*ret->outputs)),
		.failures = arena_alloc(arena, n_failures * sizeof(*ret->failures)),
	};
	for (size_t i = 0; i < n; i++) {
		const struct verdict *v = &verdicts[i];

		ids[i] = v->job;
		if (i == 0 || compare_kind(&verdicts[i - 1], v) != 0) {
			set = &ret->sets[ret->n_sets++];
			*set = (struct settle_set){
				.kind = v->kind,
				.lane = v->lane,
				.delay_ms = v->delay_ms,
				.hop = v->hop,
				.input_hop = v->input_hop,
				.attempt = v->attempt,
				.hold = v->hold,
				.jobs = { &ids[i], 0 },
			};
		}
		set->jobs.n++;
		set->bytes += v->bytes;
		add_rows(v, ret);
	}
}
