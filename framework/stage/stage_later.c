/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stage_later.c - jobs that a plugin promised to complete from any thread.
 *
 * Note on a token's life: it is OUT until exactly one of two things happens
 * under the registry's lock: complete() takes it out of the table, or it is
 * GIVEN_UP. What was given up stays in the table, since the plugin still reads
 * the copy of the input, until complete() comes for it and is told PS_STALE.
 * A token that is not in the table was completed before: PS_STALE too.
 *
 * Note on visitors: complete() copies the result without the lock and then
 * wakes the worker. Meanwhile it counts as a visitor of the completions, and
 * who destroys them waits until the last visitor has gone.
 */
#include "stage/stage_priv.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 4096u
#define RELEASE_SHIFT 48 /* a token: number of the release, then a serial number */

/* One allocation: the message and its bytes. Owned by the promise, then by its completion. */
struct input {
	struct ps_message message;
	char bytes[];
};

struct later {
	struct later *next; /* in its bucket */
	uint64_t token;
	bool given_up;
	struct release *release; /* NULL: closed while the token was out */
	void *instance;
	struct stage_completions *completions;
	struct counter_slot *slot;
	void *user;
	int64_t started_at;
	struct input *input;
	struct list node; /* in completions->out, while it is not given up */
};

struct stage_completions {
	void (*wake)(void *data);
	void *data;
	struct list out, ready;
	_Atomic size_t n_out;
	unsigned visitors;
	pthread_cond_t left;
};

/* The public part first, so that one pointer is both. */
struct completion {
	struct stage_completion public;
	struct input *input;
	struct counter_slot *slot;
	bool breach;
	char strings[];
};

static struct {
	pthread_mutex_t lock;
	struct list releases;
	struct later *bucket[BUCKETS];
	uint64_t serial;
	uint32_t last_release;
} registry = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.releases = { &registry.releases, &registry.releases },
};

static void
lock(void)
{
	pthread_mutex_lock(&registry.lock);
}

static void
unlock(void)
{
	pthread_mutex_unlock(&registry.lock);
}

/* ---- the copy of the input ---- */

static char *
put(char *to, const void *bytes, size_t len)
{
	if (len > 0)
		memcpy(to, bytes, len);
	to[len] = '\0';
	return to + len + 1;
}

static struct input *
input_copy(const struct ps_message *in)
{
	struct input *input = mem_alloc(sizeof *input + in->attributes_len + in->body_len + 2);
	char *body = put(input->bytes, in->attributes, in->attributes_len);

	input->message.attributes = input->bytes;
	input->message.attributes_len = in->attributes_len;
	input->message.body_len = in->body_len;
	if (in->body) {
		put(body, in->body, in->body_len);
		input->message.body = body;
	}
	return input;
}

/* ---- the table; under the lock ---- */

static struct later **
find(uint64_t token)
{
	struct later **at = &registry.bucket[token % BUCKETS];

	while (*at && (*at)->token != token)
		at = &(*at)->next;
	return at;
}

static struct later *
take_out(struct later **at)
{
	struct later *later = *at;

	*at = later->next;
	if (later->release)
		later->release->out--;
	return later;
}

static void
count_stale(uint64_t token)
{
	list_each(node, &registry.releases) {
		struct release *r = list_entry(node, struct release, node);

		if (r->number == token >> RELEASE_SHIFT)
			atomic_fetch_add_explicit(&r->stale, 1, memory_order_relaxed);
	}
}

void
later_register(struct release *release)
{
	lock();
	release->number = ++registry.last_release & 0xffff;
	list_append(&registry.releases, &release->node);
	unlock();
}

void
later_unregister(struct release *release)
{
	uint64_t left;

	lock();
	left = release->out;
	for (size_t b = 0; b < BUCKETS && left > 0; b++)
		for (struct later *later = registry.bucket[b]; later; later = later->next)
			if (later->release == release)
				later->release = NULL;
	list_remove(&release->node);
	unlock();
	if (left > 0)
		log_line(LOG_WARNING, "a closed stage still holds tokens; their memory is kept",
		         "pipeline", release->pipeline, "stage", release->stage, NULL);
}

uint64_t
release_tokens_out(struct release *release)
{
	uint64_t out;

	lock();
	out = release->out;
	unlock();
	return out;
}

/* ---- promise ---- */

uint64_t
later_take(struct running *running, struct stage_job *job, const struct ps_message **ret_in)
{
	struct release *r = running->call->release;
	struct later *later = mem_alloc(sizeof *later);
	struct later **at;

	later->release = r;
	later->instance = running->worker->instance;
	later->completions = running->call->completions;
	later->slot = running->call->slot;
	later->user = job->user;
	later->started_at = clock_mono();
	later->input = input_copy(&job->in);
	lock();
	if (r->out >= r->d.max_in_flight) {
		unlock();
		free(later->input);
		free(later);
		return 0;
	}
	r->out++;
	registry.serial = (registry.serial + 1) & ((UINT64_C(1) << RELEASE_SHIFT) - 1);
	later->token = (uint64_t)r->number << RELEASE_SHIFT | registry.serial;
	at = &registry.bucket[later->token % BUCKETS];
	later->next = *at;
	*at = later;
	list_append(&later->completions->out, &later->node);
	atomic_fetch_add(&later->completions->n_out, 1);
	job->token = later->token;
	*ret_in = &later->input->message;
	unlock();
	return job->token;
}

/* ---- give up ---- */

/* Under the lock. */
static void
give_up(struct later *later)
{
	later->given_up = true;
	list_remove(&later->node);
	atomic_fetch_sub(&later->completions->n_out, 1);
	later->completions = NULL;
}

static bool
cancel_token(uint64_t token, struct counter_slot **ret_slot)
{
	struct later *later;
	ps_cancel_fn *cancel = NULL;
	void *instance = NULL;
	bool found;

	lock();
	later = *find(token);
	found = later && !later->given_up;
	if (found) {
		give_up(later);
		cancel = later->release->d.cancel;
		instance = later->instance;
		*ret_slot = later->slot;
	}
	unlock();
	if (cancel)
		cancel(instance, token);
	return found;
}

bool
stage_later_cancel(uint64_t token)
{
	struct counter_slot *slot = NULL;
	bool found = cancel_token(token, &slot);

	if (found)
		counter_add(slot, COUNTER_later_ended, 1);
	return found;
}

/* Under the lock, which is let go while waiting. */
static void
wait_for_visitors(struct stage_completions *completions)
{
	while (completions->visitors > 0)
		pthread_cond_wait(&completions->left, &registry.lock);
}

void
later_revoke(struct stage_completions *completions, uint64_t token)
{
	struct stage_completion *found = NULL;
	struct counter_slot *slot; /* the job did not end LATER: nothing to count */

	if (cancel_token(token, &slot))
		return;
	lock();
	wait_for_visitors(completions);
	list_each(node, &completions->ready) {
		struct stage_completion *c = list_entry(node, struct stage_completion, node);

		if (c->token == token)
			found = c;
	}
	if (found)
		list_remove(&found->node);
	unlock();
	if (found)
		stage_completion_free(found);
}

/* ---- complete ---- */

/* What the plugin gave, as it is understood: sizes set, defaults filled in. */
static struct ps_result
read_result(const struct ps_result *from)
{
	struct ps_result result = { 0 };

	if (from && from->size > 0)
		memcpy(&result, from, from->size < sizeof result ? from->size : sizeof result);
	if (result.attributes && result.attributes_len == 0)
		result.attributes_len = strlen(result.attributes);
	if (!result.attributes)
		result.attributes_len = 0;
	if (!result.body_set || !result.body)
		result.body_len = 0;
	return result;
}

/* What cannot be stored becomes a retry with a reason. True: it was fit. */
static bool
judge_result(const struct release *release, uint32_t *outcome, struct ps_result *result,
             struct fault *fault)
{
	const char *code = NULL;

	if (!stage_outcome_known(*outcome) || *outcome == PS_LATER) {
		code = "NO_OUTCOME";
		fault_set(fault, INVALID, "completed with the outcome %u", *outcome);
	} else if (result->route && *outcome == PS_DONE &&
	           !release_has_route(release, result->route)) {
		code = "BAD_ROUTE";
		fault_set(fault, INVALID, "completed by the undeclared route '%s'", result->route);
	} else if (result->attributes &&
	           attributes_check(result->attributes, result->attributes_len, fault) != OK) {
		code = "BAD_ATTRIBUTES";
	} else if (result->body_len > BODY_MOST) {
		code = "BODY_TOO_LARGE";
		fault_set(fault, LIMIT, "a body of %zu bytes", result->body_len);
	}
	if (*outcome == PS_RETRY && result->delay_ms == 0)
		result->delay_ms = -1; /* zero is the default here: the stage's back-off */
	if (!code)
		return true;
	*result = (struct ps_result){ .code = code, .message = fault->text, .delay_ms = -1 };
	*outcome = PS_RETRY;
	return false;
}

static struct completion *
completion_make(const struct later *later, uint32_t outcome, const struct ps_result *result)
{
	size_t route = result->route ? strlen(result->route) : 0;
	size_t code_most = result->code ? STAGE_CODE_MOST + 1 : 0;
	size_t message_most = result->message ? 3 * STAGE_MESSAGE_MOST + 1 : 0;
	struct completion *c;
	char *p;

	c = mem_alloc(sizeof *c + route + code_most + message_most + result->attributes_len +
	              result->body_len + 8);
	c->public = (struct stage_completion){
		.token = later->token,
		.user = later->user,
		.outcome = (enum ps_outcome)outcome,
		.result = { .size = sizeof *result,
		            .delay_ms = result->delay_ms,
		            .body_set = result->body_set,
		            .attributes_len = result->attributes_len,
		            .body_len = result->body_len },
		.in = &later->input->message,
		.started_at = later->started_at,
		.completed_at = clock_mono(),
	};
	c->input = later->input;
	c->slot = later->slot;
	p = c->strings;
	if (result->route) {
		c->public.result.route = p;
		p = put(p, result->route, route);
	}
	if (outcome == PS_RETRY || outcome == PS_FAIL || outcome == PS_DISCARD) {
		size_t n = result->code ? stage_clean_code(result->code, p) : 0;

		c->public.result.code = n ? p : outcome == PS_DISCARD ? NULL : "STAGE_FAILED";
		p += n + 1;
		n = result->message ? stage_clean_message(result->message, p) : 0;
		c->public.result.message = n ? p : NULL;
		p += n + 1;
	}
	if (result->attributes) {
		c->public.result.attributes = p;
		p = put(p, result->attributes, result->attributes_len);
	}
	if (result->body && result->body_set) {
		c->public.result.body = p;
		put(p, result->body, result->body_len);
	}
	return c;
}

/* Under the lock at its beginning and at its end. */
static void
deliver(struct stage_completions *completions, struct completion *c)
{
	bool first = list_empty(&completions->ready);

	list_append(&completions->ready, &c->public.node);
	atomic_fetch_sub(&completions->n_out, 1);
	if (first && completions->wake) {
		unlock();
		completions->wake(completions->data);
		lock();
	}
}

enum ps_status
later_complete(uint64_t token, uint32_t outcome, const struct ps_result *from)
{
	struct stage_completions *completions;
	struct release *release;
	struct ps_result result;
	struct fault fault = { 0 };
	struct completion *c;
	struct later *later, **at;
	bool fit;

	lock();
	at = find(token);
	if (!*at || (*at)->given_up) {
		count_stale(token);
		later = *at ? take_out(at) : NULL;
		unlock();
		if (later) {
			free(later->input);
			free(later);
		}
		return PS_STALE;
	}
	later = take_out(at);
	release = later->release;
	completions = later->completions;
	list_remove(&later->node);
	completions->visitors++;
	unlock();

	result = read_result(from);
	fit = judge_result(release, &outcome, &result, &fault);
	c = completion_make(later, outcome, &result);
	c->breach = !fit;
	if (!fit)
		log_line(LOG_WARNING, "a stage completed a job badly", "pipeline",
		         release->pipeline, "stage", release->stage, "reason", fault.text, NULL);

	lock();
	deliver(completions, c);
	if (--completions->visitors == 0)
		pthread_cond_broadcast(&completions->left);
	unlock();
	free(later); /* the copy of the input is the completion's now */
	return fit ? PS_OK : PS_ERROR;
}

/* ---- the worker's side ---- */

struct stage_completions *
stage_completions_create(void (*wake)(void *data), void *data)
{
	struct stage_completions *completions = mem_alloc(sizeof *completions);

	completions->wake = wake;
	completions->data = data;
	list_init(&completions->out);
	list_init(&completions->ready);
	pthread_cond_init(&completions->left, NULL);
	return completions;
}

void
stage_completions_destroy(struct stage_completions *completions)
{
	struct stage_completion *c;

	if (!completions)
		return;
	lock();
	while (!list_empty(&completions->out)) {
		uint64_t token = list_entry(completions->out.next, struct later, node)->token;

		unlock();
		stage_later_cancel(token);
		lock();
	}
	wait_for_visitors(completions);
	unlock();
	while ((c = stage_completions_pop(completions)) != NULL)
		stage_completion_free(c);
	pthread_cond_destroy(&completions->left);
	free(completions);
}

static void
count(const struct completion *c)
{
	int64_t took = c->public.completed_at - c->public.started_at;

	if (!c->slot)
		return;
	counter_add(c->slot, COUNTER_later_ended, 1);
	counter_add(c->slot, COUNTER_later_ns, took > 0 ? (uint64_t)took : 0);
	counter_add(c->slot, stage_outcome_counter(c->public.outcome), 1);
	counter_add(c->slot, COUNTER_unset, c->breach);
	counter_add(c->slot, COUNTER_bytes_out,
	            c->public.result.attributes_len + c->public.result.body_len);
	histogram_add(&c->slot->time, took > 0 ? (uint64_t)took : 0, 1);
}

struct stage_completion *
stage_completions_pop(struct stage_completions *completions)
{
	struct completion *c = NULL;

	lock();
	if (!list_empty(&completions->ready)) {
		c = list_entry(completions->ready.next, struct completion, public.node);
		list_remove(&c->public.node);
	}
	unlock();
	if (!c)
		return NULL;
	count(c);
	return &c->public;
}

void
stage_completion_free(struct stage_completion *completion)
{
	struct completion *c;

	if (!completion)
		return;
	c = list_entry(completion, struct completion, public);
	free(c->input);
	free(c);
}

size_t
stage_completions_out(struct stage_completions *completions)
{
	return atomic_load(&completions->n_out);
}
