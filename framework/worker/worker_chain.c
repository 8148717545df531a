/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * worker_chain.c - a lease through its fused stages.
 *
 * Stages run in ascending order over all jobs that stand at them, so a lease of
 * a thousand jobs makes one call a stage. A job leaves the chain where a stage
 * is durable, where a route leads back, where it ends, and where it waits.
 * Nothing here settles: the verdicts do, in one transaction (worker_settle.c).
 */
#include <stdio.h>
#include <string.h>

#include "worker/worker_priv.h"

struct work {
	struct stage_job job;
	struct position at;
	bool changed; /* the message is not the stored one any more */
	bool gone;    /* has its verdict, or waits for its plugin */
};

struct chain {
	struct worker *worker;
	struct pool *pool;
	struct lease *lease;
	struct arena *arena;
	const struct pool_pipeline *pipeline;
	struct work *works;
	struct stage_job **at_stage; /* scratch: the jobs of one call */
	struct verdict *verdicts;
	size_t n_verdicts;
	uint64_t random; /* one for the lease: jobs that fail together return as one set */
};

static struct work *
work_of(struct stage_job *job)
{
	return list_entry(job, struct work, job);
}

/* Hook of ps_body(): a body that was too large to come with the claim. */
static const void *
fetch_body(void *data, struct stage_job *job, size_t *ret_len)
{
	struct worker *w = data;
	struct work *work = job->user;
	struct fault fault = { 0 };
	const void *body = NULL;
	enum status st;

	st = queue_body(w->db, w->arena[0], job->ps.id, work->at.input_hop, &body, ret_len, &fault);
	if (st != OK) {
		log_fault(LOG_WARNING, "cannot fetch a body", &fault);
		/* whatever the stage makes of that, it is no fault of the job's */
		w->lost |= db_transaction_state(w->db) == DB_LOST;
		return NULL;
	}
	job->in.body = body;
	job->body_absent = false;
	return body;
}

static void
take_messages(struct chain *c)
{
	const struct lane *lane = pool_lane(c->pool, c->lease->lane);

	check(lane);
	c->pipeline = &c->pool->pipelines[lane->pipeline];
	c->works = arena_alloc(c->arena, c->lease->n * sizeof(*c->works));
	c->at_stage = arena_alloc(c->arena, c->lease->n * sizeof(struct stage_job *));
	c->verdicts = arena_alloc(c->arena, c->lease->n * sizeof(*c->verdicts));
	memcpy(&c->random, c->lease->token.bytes, sizeof(c->random));
	for (size_t i = 0; i < c->lease->n; i++) {
		const struct queue_job *job = &c->lease->jobs[i];
		struct work *work = &c->works[i];

		work->at = c->worker->lease_at;
		work->job.ps.id = job->id;
		work->job.user = work;
		work->job.in = (struct ps_message){
			.attributes = job->attributes,
			.attributes_len = job->attributes_len,
			.body = job->body,
			.body_len = job->body_len,
		};
		work->job.body_absent = !job->body && job->body_len > 0;
	}
}

/* A body that the stages passed on unread is fetched before the message is stored elsewhere. */
static enum status
whole_message(struct chain *c, struct work *work)
{
	struct stage_job *job = &work->job;
	struct fault fault = { 0 };

	if (!job->body_absent)
		return OK;
	if (queue_body(c->worker->db, c->arena, job->ps.id, work->at.input_hop, &job->in.body,
	               &job->in.body_len, &fault) != OK) {
		log_fault(LOG_WARNING, "cannot fetch a body to pass it on", &fault);
		return STOPPED;
	}
	job->body_absent = false;
	return OK;
}

/* That the settlement will write for the stage where the job stands. */
static void
count_rows(const struct chain *c, const struct work *work, size_t n)
{
	const struct lane *lane = &c->pipeline->lanes[work->at.stage];

	if (n > 0)
		counter_add(c->worker->slots[lane - c->pool->lanes], COUNTER_rows, n);
}

static bool
worth_keeping(const struct chain *c, const struct work *work, const struct verdict *v)
{
	if (!work->changed || v->kind == SETTLE_DISCARDED)
		return false;
	return v->kind != SETTLE_COMPLETED || c->pipeline->conf->outputs != OUTPUTS_NONE ||
	       c->pipeline->conf->stages[work->at.stage].branch; /* it is to be joined */
}

/* The message that the verdict keeps: what the stage left when the job goes on, what it was given
 * when the job stays. Unchanged since it was last stored: nothing is written. */
static enum status
keep_message(struct chain *c, struct work *work, struct verdict *v)
{
	const struct ps_message *m = &work->job.in;

	v->job = work->job.ps.id;
	v->bytes = (int64_t)(m->attributes_len + m->body_len);
	if (!worth_keeping(c, work, v))
		return OK;
	if (whole_message(c, work) != OK)
		return STOPPED;
	v->output = true;
	v->input_hop = v->hop;
	v->attributes = m->attributes;
	v->attributes_len = m->attributes_len;
	v->body = m->body;
	v->body_len = m->body_len;
	return OK;
}

/* Where all outputs are kept: what a stage made of a job that goes on to the next one under the
 * same lease. It is stored with the settlement, and is then the job's message. */
static enum status
keep_step(struct chain *c, struct work *work)
{
	const struct ps_message *m = &work->job.in;
	struct worker *w = c->worker;

	if (c->pipeline->conf->outputs != OUTPUTS_ALL || !work->changed)
		return OK;
	if (whole_message(c, work) != OK)
		return STOPPED;
	if (!w->kept)
		w->kept = arena_alloc(c->arena,
		                      c->lease->n * c->pipeline->conf->n_stages * sizeof(*w->kept));
	work->at.input_hop = (int16_t)(work->at.hop + 1);
	work->changed = false;
	w->kept[w->n_kept++] = (struct settle_output){
		.job = work->job.ps.id,
		.hop = work->at.input_hop,
		.attributes = m->attributes,
		.attributes_len = m->attributes_len,
		.body = m->body,
		.body_len = m->body_len,
	};
	count_rows(c, work, 1);
	return OK;
}

static enum status
leave_chain(struct chain *c, struct work *work, struct verdict verdict)
{
	struct verdict *v = &c->verdicts[c->n_verdicts++];
	enum status st;

	*v = verdict;
	work->gone = true;
	st = keep_message(c, work, v);
	count_rows(c, work, (size_t)v->output + (size_t)v->failure);
	return st;
}

/* SQL takes JSON that no stage could read: nested too deeply, numbers beyond a double, \u0000. Such
 * a job is a dead letter at once, and the others of its lease never notice. What stages made was
 * checked when they made it. */
static enum status
refuse_malformed(struct chain *c)
{
	enum status st = OK;

	for (size_t i = 0; i < c->lease->n && st == OK; i++) {
		struct work *work = &c->works[i];
		const struct ps_message *m = &work->job.in;
		struct fault fault = { 0 };
		struct outcome bad = { .kind = PS_FAIL, .code = "BAD_MESSAGE" };
		char text[sizeof fault.text + 40];
		struct verdict v;
		size_t next;

		if (work->at.input_hop > 0 ||
		    attributes_check(m->attributes, m->attributes_len, &fault) == OK)
			continue;
		snprintf(text, sizeof text, "its attributes cannot be read: %s", fault.text);
		bad.message = arena_dupn(c->arena, text, strlen(text));
		verdict_of(c->pool, &work->at, &bad, c->random, &v, &next);
		st = leave_chain(c, work, v);
	}
	return st;
}

static struct settle_child *
add_child(struct worker *w)
{
	if (w->n_children == w->cap_children) {
		w->cap_children = w->cap_children ? w->cap_children * 2 : 64;
		w->children = mem_array(w->children, w->cap_children, sizeof(*w->children));
	}
	return &w->children[w->n_children++];
}

size_t
chain_branch(struct worker *w, const struct position *at, int64_t job, const char *route)
{
	const struct pool_pipeline *pipeline = &w->pool->pipelines[at->pipeline];
	const struct config_route *branches = config_branches(pipeline->conf, at->stage, route);

	for (size_t i = 0; branches && i < branches->n_to; i++) {
		int to = config_stage_index(pipeline->conf, branches->to[i]);

		check(to >= 0);
		counter_add(pool_slot(w, pipeline->lanes[to].id), COUNTER_came, 1);
		*add_child(w) = (struct settle_child){
			.parent = job,
			.lane = pipeline->lanes[to].id,
		};
	}
	return branches ? branches->n_to : 0;
}

/* Takes over the children of a job that its stage is done with. False: one would begin nowhere. */
static bool
take_children(struct chain *c, const struct work *work)
{
	struct worker *w = c->worker;

	for (const struct stage_child *child = work->job.children; child; child = child->next) {
		size_t pipeline, stage;

		if (!config_child(c->pool->config, c->pipeline->conf, work->at.stage, child->route,
		                  &pipeline, &stage))
			return false;
		*add_child(w) = (struct settle_child){
			.parent = work->job.ps.id,
			.lane = c->pool->pipelines[pipeline].lanes[stage].id,
			.attributes = child->attributes,
			.attributes_len = child->attributes_len,
			.body = child->body,
			.body_len = child->body_len,
		};
	}
	return true;
}

static bool
transactional(const struct lane *lane)
{
	return release_descriptor(lane->release)->flags & PS_FLAG_TRANSACTIONAL;
}

static bool
may_promise(const struct lane *lane)
{
	return release_descriptor(lane->release)->max_in_flight > 0;
}

/* May a job that is done with `from` go on to stage `next` under the same lease? Not where a stage
 * is limited: what it holds is counted by leases. Not to one that
 * may promise it: what it was made into would be in the arena alone, and that ends with the
 * lease. */
static bool
fuses(const struct chain *c, const struct lane *from, size_t next)
{
	const struct lane *to = &c->pipeline->lanes[next];

	if (to->conf->durable || next <= from->stage || atomic_load(&c->pool->stopping) ||
	    atomic_load(&to->paused))
		return false;
	if (may_promise(to) || config_limited(to->conf) || config_limited(from->conf))
		return false;
	return !transactional(from) || transactional(to);
}

static const struct outcome lost_child = {
	.kind = PS_RETRY,
	.code = "BAD_ROUTE",
	.message = "the stage sent a child by a route that leads nowhere, or to several stages",
	.delay_ms = -1,
};

/* What the stage said, and what it left where it did its work. */
static struct outcome
take_outcome(struct chain *c, struct work *work)
{
	struct stage_job *job = &work->job;
	const struct lane *lane = &c->pipeline->lanes[work->at.stage];
	const size_t n_children = c->worker->n_children;
	struct outcome outcome = {
		.kind = (enum ps_outcome)job->ps.outcome,
		.route = job->ps.route,
		.code = job->ps.code,
		.message = job->ps.message,
		.delay_ms = job->ps.delay_ms,
		.join = (enum ps_join)job->ps.join,
	};

	if (!stage_did(outcome.kind))
		return outcome;
	if (!take_children(c, work)) {
		c->worker->n_children = n_children;
		return lost_child;
	}
	count_rows(c, work, job->n_children);
	if (outcome.kind == PS_SPLIT && job->n_children == 0)
		outcome.kind = PS_DONE;
	if (!outcome.route)
		outcome.route = release_default_route(lane->release);
	count_rows(c, work, chain_branch(c->worker, &work->at, work->job.ps.id, outcome.route));
	if (job->changed) {
		job->in = job->out;
		job->body_absent = job->body_absent && !job->out.body && job->out.body_len > 0;
		work->changed = true;
	}
	return outcome;
}

/* One job after its call: on to the next stage, or out of the lease. */
static enum status
after_stage(struct chain *c, struct work *work)
{
	struct stage_job *job = &work->job;
	const struct lane *lane = &c->pipeline->lanes[work->at.stage];
	struct outcome outcome;
	struct verdict v;
	size_t next;

	if (job->skipped) {
		verdict_hand_back(c->pool, &work->at, false, &v);
		return leave_chain(c, work, v);
	}
	outcome = take_outcome(c, work);
	if (outcome.kind == PS_LATER) {
		later_add(c->worker, c->lease, &work->at, job);
		work->gone = true;
		return OK;
	}
	if (!verdict_of(c->pool, &work->at, &outcome, c->random, &v, &next))
		return leave_chain(c, work, v);
	counter_add(c->worker->slots[&c->pipeline->lanes[next] - c->pool->lanes], COUNTER_came, 1);
	if (!fuses(c, lane, next)) {
		verdict_forward(c->pool, &work->at, next, &v);
		return leave_chain(c, work, v);
	}
	if (keep_step(c, work) != OK)
		return STOPPED;
	work->at.stage = next;
	work->at.hop++;
	work->at.attempt = 1;
	return OK;
}

static void
call_stage(struct chain *c, const struct lane *lane, struct stage_job **jobs, size_t n)
{
	struct worker *w = c->worker;
	struct stage_call call = {
		.release = lane->release,
		.worker = w->index,
		.arena = c->arena,
		.hooks = &w->hooks,
		.slot = w->slots[lane - c->pool->lanes],
		.line = &c->pool->segment->recorder[w->line],
		.lease = c->lease->token.bytes,
		.lane = lane->id,
		.arrived_at = w->arrived_at,
		.timeout_ns = lane->conf->timeout_ns,
		.jobs = jobs,
		.n = n,
		.completions = w->completions,
		.id = ++w->calls,
	};

	w->hooks.body = fetch_body;
	if (transactional(lane))
		transaction_call(w, &call);
	else
		stage_call_run(&call);
	worker_end_look_up(w);
}

/* The lease is given up, but a plugin completes what it promised all the same, and that must find
 * its job: the settlement is refused then. */
static void
keep_promises(struct chain *c, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		struct work *work = work_of(c->at_stage[i]);

		if (!work->gone && !work->job.skipped && work->job.ps.outcome == PS_LATER)
			later_add(c->worker, c->lease, &work->at, &work->job);
	}
}

/* All jobs that stand at this stage, in calls of at most max_call. */
static enum status
run_stage(struct chain *c, const struct lane *lane)
{
	uint32_t most = release_descriptor(lane->release)->max_call;
	size_t n = 0, step;
	enum status st;

	for (size_t i = 0; i < c->lease->n; i++) {
		struct work *work = &c->works[i];

		if (work->gone || work->at.stage != lane->stage)
			continue;
		work->job.ps.attempt = (uint32_t)work->at.attempt;
		work->job.ps.max_attempts = (uint32_t)lane->conf->max_attempts;
		c->at_stage[n++] = &work->job;
	}
	for (size_t done = 0; done < n; done += step) {
		step = most && n - done > most ? most : n - done;
		if (!pool_valid(c->pool))
			return STOPPED;
		call_stage(c, lane, c->at_stage + done, step);
		st = c->worker->lost ? STOPPED : OK;
		for (size_t i = done; i < done + step; i++) {
			if (st == OK)
				st = after_stage(c, work_of(c->at_stage[i]));
			if (st != OK) {
				keep_promises(c, i, done + step);
				return st;
			}
		}
	}
	return OK;
}

enum status
chain_run(struct worker *worker, struct lease *lease, struct verdict **ret_verdicts, size_t *ret_n)
{
	struct chain c = {
		.worker = worker,
		.pool = worker->pool,
		.lease = lease,
		.arena = worker->arena[0],
	};
	struct lane *first = pool_lane(worker->pool, lease->lane);
	int64_t began = clock_mono();
	enum status st;

	worker->kept = NULL;
	worker->n_kept = 0;
	worker->n_children = 0;
	take_messages(&c);
	st = refuse_malformed(&c);
	pool_state(worker, WORKER_IN_STAGE);
	for (size_t s = first->stage; s < c.pipeline->conf->n_stages && st == OK; s++)
		st = run_stage(&c, &c.pipeline->lanes[s]);
	pool_measured(worker->pool, first, lease->n, clock_mono() - began);
	*ret_verdicts = c.verdicts;
	*ret_n = c.n_verdicts;
	return st;
}
