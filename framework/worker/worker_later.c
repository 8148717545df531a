/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * worker_later.c - jobs that a plugin promised to finish later.
 *
 * They stay in their lease, which shrinks by part-settlements; the plugin owns
 * a copy of the input, so that the worker's arena can go on. What is past
 * its deadline, or still out when the host stops, returns uncharged.
 */
#include <stdlib.h>
#include <string.h>

#include "worker/worker_priv.h"

/* A promise without a timeout of the stage would hold its job for ever. */
#define LATER_DEADLINE (60 * SEC)

struct ready_later {
	struct later_job *job;
	struct stage_completion *completion; /* NULL: given up */
};

void
later_add(struct worker *w, const struct lease *lease, const struct position *at,
          const struct stage_job *job)
{
	struct later_job *later = mem_alloc(sizeof(*later));
	const struct lane *lane = &w->pool->pipelines[at->pipeline].lanes[at->stage];
	int64_t timeout = lane->conf->timeout_ns ? lane->conf->timeout_ns : LATER_DEADLINE;

	*later = (struct later_job){
		.token = job->token,
		.lease = lease->token,
		.job = job->ps.id,
		.at = *at,
		.deadline = clock_mono() + timeout,
		.lane = lane,
	};
	list_append(&w->later, &later->node);
	w->n_later++;
}

static struct later_job *
find(struct worker *w, uint64_t token)
{
	list_each(node, &w->later) {
		struct later_job *job = list_entry(node, struct later_job, node);

		if (job->token == token)
			return job;
	}
	return NULL;
}

bool
later_of(const struct worker *w, const struct uuid *lease)
{
	list_each(node, &w->later)
		if (memcmp(&list_entry(node, struct later_job, node)->lease, lease,
		           sizeof(*lease)) == 0)
			return true;
	return false;
}

/* A promised job never goes on fused: its lease may hold others for long. */
static struct verdict
verdict_later(struct worker *w, const struct ready_later *r)
{
	const struct stage_completion *c = r->completion;
	struct verdict v;
	struct outcome outcome;
	size_t next;

	if (!c) {
		verdict_hand_back(w->pool, &r->job->at, false, &v);
		v.job = r->job->job;
		return v;
	}
	outcome = (struct outcome){
		.kind = c->outcome,
		.route = c->result.route,
		.code = c->result.code,
		.message = c->result.message,
		.delay_ms = c->result.delay_ms,
	};
	if (!outcome.route)
		outcome.route = release_default_route(r->job->lane->release);
	if (outcome.kind == PS_DONE)
		counter_add(pool_slot(w, r->job->lane->id), COUNTER_rows,
		            (uint64_t)chain_branch(w, &r->job->at, r->job->job, outcome.route));
	if (verdict_of(w->pool, &r->job->at, &outcome, splitmix64(r->job->token), &v, &next)) {
		verdict_forward(w->pool, &r->job->at, next, &v);
		counter_add(pool_slot(w, v.lane), COUNTER_came, 1);
	}
	v.job = r->job->job;
	v.bytes = (int64_t)(c->in->attributes_len + c->in->body_len);
	if (c->outcome != PS_DONE || (!c->result.attributes && !c->result.body_set))
		return v;
	v.output = true;
	v.input_hop = v.hop;
	v.attributes = c->result.attributes ? c->result.attributes : c->in->attributes;
	v.attributes_len = c->result.attributes ? c->result.attributes_len : c->in->attributes_len;
	v.body = c->result.body_set ? c->result.body : c->in->body;
	v.body_len = c->result.body_set ? c->result.body_len : c->in->body_len;
	v.bytes = (int64_t)(v.attributes_len + v.body_len);
	return v;
}

static int
compare_place(const void *a, const void *b)
{
	const struct ready_later *ra = a, *rb = b;

	int c = memcmp(&ra->job->lease, &rb->job->lease, sizeof(struct uuid));

	if (!c)
		c = (ra->job->at.stage > rb->job->at.stage) -
		    (ra->job->at.stage < rb->job->at.stage);
	return c ? c : ra->job->at.input_hop - rb->job->at.input_hop;
}

/* One settlement for each lease and place in the pipeline that has jobs here. */
static void
settle_ready(struct worker *w, struct ready_later *ready, size_t n)
{
	struct verdict *verdicts = mem_array(NULL, n, sizeof(*verdicts));
	struct log_about about;
	struct lease *none;
	size_t end;

	qsort(ready, n, sizeof(*ready), compare_place);
	for (size_t i = 0; i < n; i = end) {
		w->n_children = 0;
		for (end = i; end < n && !compare_place(&ready[i], &ready[end]); end++) {
			struct verdict *v = &verdicts[end - i];

			*v = verdict_later(w, &ready[end]);
			counter_add(pool_slot(w, ready[end].job->lane->id), COUNTER_rows,
			            (uint64_t)v->output + (uint64_t)v->failure);
		}
		w->lease_lane = ready[i].job->lane;
		w->lease_at = ready[i].job->at;
		about = pool_about(w->lease_lane, end - i, ready[i].job->job, w->lease_at.attempt);
		log_about(&about);
		settle_turn(w, &ready[i].job->lease, verdicts, end - i, false, &none);
		log_about(NULL);
		arena_reset(w->arena[1]);
	}
	for (size_t i = 0; i < n; i++) {
		const struct uuid lease = ready[i].job->lease;
		bool last = i + 1 == n ||
		            memcmp(&lease, &ready[i + 1].job->lease, sizeof(lease)) != 0;

		list_remove(&ready[i].job->node);
		w->n_later--;
		if (last && !later_of(w, &lease))
			pool_let_go(w->pool, &lease);
		free(ready[i].job);
		if (ready[i].completion)
			stage_completion_free(ready[i].completion);
	}
	free(verdicts);
}

/* Takes what has completed, and what is past its deadline or shall end. A job that completes while
 * it is being given up is found as completed by the next look. */
static size_t
collect(struct worker *w, int64_t now, struct ready_later *ready, size_t most)
{
	struct stage_completion *c;
	size_t n = 0;

	while (n < most && (c = stage_completions_pop(w->completions))) {
		struct later_job *job = find(w, c->token);

		check(job);
		job->deadline = INT64_MAX;
		ready[n++] = (struct ready_later){ job, c };
	}
	list_each(node, &w->later) {
		struct later_job *job = list_entry(node, struct later_job, node);

		if (n < most && (job->deadline <= now || pool_cancelled(w->pool, job->job)) &&
		    stage_later_cancel(job->token))
			ready[n++] = (struct ready_later){ job, NULL };
	}
	return n;
}

static void
settle_until(struct worker *w, int64_t now)
{
	struct ready_later ready[256];
	size_t n;

	while (w->n_later > 0 && (n = collect(w, now, ready, countof(ready))) > 0)
		settle_ready(w, ready, n);
}

void
later_settle(struct worker *w)
{
	settle_until(w, clock_mono());
}

void
later_give_up(struct worker *w)
{
	list_each(node, &w->later)
		list_entry(node, struct later_job, node)->deadline = 0;
	settle_until(w, clock_mono());
}
