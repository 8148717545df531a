/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stage_call.c - run a plugin once over the jobs of a call, timed and counted.
 *
 * The recorder line is written before plugin code is entered, so that a crash
 * is charged to the right stage. Whatever the plugin leaves behind, each job
 * ends with an outcome that can be stored.
 *
 * Note on time: the CPU clock costs a microsecond and is read twice a call; of
 * calls shorter than CPU_EACH one of CPU_SAMPLE is read, and its share of CPU
 * in wall time counts for the others. Jobs of the each() form are timed one by
 * one while a job takes longer than TIME_EACH on average; below that one of
 * SAMPLE is timed and counts for all, and one of SAMPLE_SHORT where even that
 * would show (bench/counters.c).
 */
#include "stage/stage_priv.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define TIME_EACH 10000 /* ns */
#define TIME_SHORT 2000 /* ns */
#define SAMPLE 16u
#define SAMPLE_SHORT 64u
#define CPU_EACH (500 * INT64_C(1000)) /* ns */
#define CPU_SAMPLE 16u

/* ---- before ---- */

static void
prepare_job(struct stage_job *job, struct ps_job *lent, struct running *running)
{
	job->in.host_data = job;
	job->out = job->in;
	job->changed = job->skipped = false;
	job->token = 0;
	job->children = NULL;
	job->last_child = &job->children;
	job->n_children = 0;
	job->set = job->in.attributes;
	running->bytes_in += job->in.attributes_len + job->in.body_len;
	*lent = (struct ps_job){
		.id = job->ps.id,
		.attempt = job->ps.attempt,
		.max_attempts = job->ps.max_attempts,
		.in = &job->in,
		.out = &job->out,
		.delay_ms = -1,
		.host_data = job,
	};
}

static void
set_deadline(struct running *running, int64_t now)
{
	int64_t timeout = running->call->timeout_ns;

	running->deadline = timeout ? now + timeout : INT64_MAX;
}

static void
prepare(struct running *running)
{
	struct stage_call *call = running->call;
	struct release_worker *w = running->worker;

	if (w->jobs_room < call->n) {
		w->jobs_room = call->n < 256 ? 256 : call->n;
		w->jobs = mem_array(w->jobs, w->jobs_room, sizeof *w->jobs);
	}
	for (size_t i = 0; i < call->n; i++)
		prepare_job(call->jobs[i], &w->jobs[i], running);
	running->ps = (struct ps_call){
		.host = &stage_host,
		.instance = w->instance,
		.thread = w->thread,
		.options = call->release->option_struct,
		.pipeline = call->release->pipeline,
		.stage = call->release->stage,
		.id = call->id,
		.jobs = w->jobs,
		.job_size = sizeof *w->jobs,
		.n = (uint32_t)call->n,
		.host_data = running,
	};
}

/* Which of several jobs of a whole call a line means, only its text can say. */
static struct log_about
about_call(const struct stage_call *call)
{
	const struct ps_job *first = &call->jobs[0]->ps;
	struct log_about about = { .pipeline = call->release->pipeline,
		                   .stage = call->release->stage,
		                   .release = call->release->id,
		                   .jobs = (uint32_t)call->n };

	if (call->n == 1) {
		about.job = first->id;
		about.attempt = first->attempt;
	}
	return about;
}

/* Relaxed stores: the reader is the supervisor after our death, or a watchdog that may be late. */
static void
record(const struct running *running, int64_t now)
{
	const struct stage_call *call = running->call;
	struct recorder_line *line = call->line;

	if (!line)
		return;
	if (call->lease)
		memcpy(line->lease, call->lease, sizeof line->lease);
	__atomic_store_n(&line->lane, call->lane, __ATOMIC_RELAXED);
	__atomic_store_n(&line->slot, call->slot ? call->slot->index : UINT32_MAX,
	                 __ATOMIC_RELAXED);
	__atomic_store_n(&line->job, call->jobs[0]->ps.id, __ATOMIC_RELAXED);
	__atomic_store_n(&line->entered_at, now, __ATOMIC_RELAXED);
	__atomic_store_n(&line->n, (uint32_t)call->n, __ATOMIC_RELAXED);
	__atomic_store_n(&line->exact, call->release->d.each || call->n == 1, __ATOMIC_RELAXED);
	__atomic_store_n(&line->call, call->id ? call->id : 1, __ATOMIC_RELEASE);
}

/* ---- the plugin's code ---- */

static void
run_process(struct running *running)
{
	const struct ps_stage *d = &running->call->release->d;

	running->code = d->process(running->worker->instance, running->worker->thread,
	                           &running->ps);
}

/* What each() returned wins over what it said before by another function. */
static void
run_one(struct running *running, uint32_t i)
{
	struct ps_job *job = &running->worker->jobs[i];
	struct recorder_line *line = running->call->line;
	uint32_t outcome;

	running->ps.current = i;
	running->about.job = job->id;
	running->about.attempt = job->attempt;
	if (i > 0 && running->call->timeout_ns)
		set_deadline(running, clock_mono());
	if (line)
		__atomic_store_n(&line->job, job->id, __ATOMIC_RELAXED);
	outcome = (uint32_t)running->call->release->d.each(&running->ps, job->in, job->out);
	if (outcome == job->outcome)
		return;
	job->outcome = outcome;
	job->delay_ms = -1;
	job->code = job->message = NULL;
}

static bool
stopping(const struct running *running)
{
	const struct stage_hooks *hooks = running->call->hooks;

	return hooks && hooks->stopping && hooks->stopping(hooks->data);
}

static void
count_time(const struct running *running, int64_t from, int64_t to, uint64_t weight)
{
	if (running->call->slot)
		histogram_add(&running->call->slot->time, to > from ? (uint64_t)(to - from) : 0,
		              weight);
}

/* Each returns how many jobs the plugin has seen. */

static size_t
run_timed(struct running *running)
{
	int64_t from = running->began, to;
	size_t i;

	for (i = 0; i < running->call->n; i++) {
		if (i > 0 && stopping(running))
			break;
		run_one(running, (uint32_t)i);
		to = clock_mono();
		if (running->worker->jobs[i].outcome != PS_LATER)
			count_time(running, from, to, 1);
		from = to;
	}
	return i;
}

static size_t
run_sampled(struct running *running)
{
	struct release_worker *w = running->worker;
	size_t most = w->mean_ns < TIME_SHORT ? SAMPLE_SHORT : SAMPLE;
	size_t n = running->call->n, i = 0;

	while (i < n) {
		size_t group = n - i < most ? n - i : most, pick;

		w->sample = splitmix64(w->sample);
		pick = i + w->sample % group;
		for (size_t end = i + group; i < end; i++) {
			int64_t from = 0;

			if (i > 0 && stopping(running))
				return i;
			if (i == pick)
				from = clock_mono();
			run_one(running, (uint32_t)i);
			if (i == pick && w->jobs[i].outcome != PS_LATER)
				count_time(running, from, clock_mono(), group);
		}
	}
	return n;
}

static size_t
run_untimed(struct running *running)
{
	size_t i;

	for (i = 0; i < running->call->n && (i == 0 || !stopping(running)); i++)
		run_one(running, (uint32_t)i);
	return i;
}

static size_t
run_each(struct running *running)
{
	if (running->call->n == 1) {
		run_one(running, 0);
		return 1;
	}
	if (!running->call->slot)
		return run_untimed(running);
	return running->worker->mean_ns > TIME_EACH ? run_timed(running) : run_sampled(running);
}

/* ---- after ---- */

static void
turn_into_retry(struct ps_job *job, const char *code, const char *message)
{
	job->outcome = PS_RETRY;
	job->delay_ms = -1;
	job->code = code;
	job->message = message;
}

/* What a plugin put into `out` by itself, past the setters, is checked like any stranger's. */
static void
judge_output(struct running *running, struct stage_job *job, struct ps_job *lent)
{
	struct fault fault = { 0 };
	const struct ps_message *out = &job->out;

	job->changed = out->attributes != job->in.attributes ||
	               out->attributes_len != job->in.attributes_len || out->body != job->in.body ||
	               out->body_len != job->in.body_len;
	if (!job->changed)
		return;
	if (out->attributes != job->set &&
	    (!out->attributes ||
	     attributes_check(out->attributes, out->attributes_len, &fault) != OK)) {
		const char *text = fault.text[0] ? fault.text : "the stage left no attributes";

		turn_into_retry(lent, "BAD_ATTRIBUTES",
		                arena_dupn(running->call->arena, text, strlen(text)));
	} else if (out->body_len > BODY_MOST) {
		turn_into_retry(lent, "BODY_TOO_LARGE", "the stage left more than 64 MiB");
	}
}

static const char *
format_text(struct arena *arena, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = arena_vprintf(arena, format, args);
	va_end(args);
	return text;
}

/* The outcomes that a plugin cannot choose, or chose badly. */
static void
judge_outcome(struct running *running, struct stage_job *job, struct ps_job *lent)
{
	struct arena *arena = running->call->arena;

	if (lent->outcome == PS_UNSET && running->code != 0) {
		turn_into_retry(lent, "STAGE_FAILED",
		                format_text(arena, "process() returned %d", running->code));
	} else if (!stage_outcome_known(lent->outcome) ||
	           (lent->outcome == PS_LATER && job->token == 0)) {
		turn_into_retry(lent, "NO_OUTCOME",
		                format_text(arena, "the stage left the outcome %u%s", lent->outcome,
		                            lent->outcome == PS_LATER ? " without a token" : ""));
		running->breaches++;
	} else if (stage_did(lent->outcome) && lent->route &&
	           !release_has_route(running->call->release, lent->route)) {
		turn_into_retry(
		    lent, "BAD_ROUTE",
		    format_text(arena, "the stage took the undeclared route '%s'", lent->route));
	}
}

static void
clean_texts(struct arena *arena, struct ps_job *lent)
{
	char code[STAGE_CODE_MOST + 1], message[3 * STAGE_MESSAGE_MOST + 1];
	size_t n;

	n = lent->code ? stage_clean_code(lent->code, code) : 0;
	if (n > 0)
		lent->code = arena_dupn(arena, code, n);
	else
		lent->code = lent->outcome == PS_DISCARD ? NULL : "STAGE_FAILED";
	n = lent->message ? stage_clean_message(lent->message, message) : 0;
	lent->message = n > 0 ? arena_dupn(arena, message, n) : NULL;
}

static void
finish_job(struct running *running, struct stage_job *job, struct ps_job *lent)
{
	judge_outcome(running, job, lent);
	if (stage_did(lent->outcome))
		judge_output(running, job, lent);
	if (job->token != 0 && lent->outcome != PS_LATER) {
		later_revoke(running->call->completions, job->token);
		job->token = 0;
	}
	switch (lent->outcome) {
	case PS_DONE:
	case PS_SPLIT:
		if (job->changed)
			running->bytes_out += job->out.attributes_len + job->out.body_len;
		break;
	case PS_RETRY:
	case PS_FAIL:
	case PS_DISCARD: clean_texts(running->call->arena, lent); break;
	default: break;
	}
	if (!stage_did(lent->outcome)) {
		job->children = NULL;
		job->n_children = 0;
		lent->route = NULL;
		job->changed = false;
		job->out = job->in;
	}
	running->call->ended[lent->outcome]++;
	job->ps = *lent;
}

/* The host is stopping: these go back as they came. */
static void
skip_job(struct stage_job *job)
{
	job->skipped = true;
	job->ps.outcome = PS_UNSET;
	job->ps.route = job->ps.code = job->ps.message = NULL;
	job->ps.delay_ms = -1;
}

void
stage_call_stands(const struct stage_call *call)
{
	for (uint32_t o = PS_DONE; o <= PS_SPLIT; o++)
		if (call->ended[o] > 0)
			counter_add(call->slot, stage_outcome_counter(o), call->ended[o]);
}

uint32_t
release_slot_flags(const struct release *r)
{
	return (r->d.process ? (uint32_t)SLOT_BATCH : 0u) |
	       (r->d.flags & PS_FLAG_LATER ? (uint32_t)SLOT_LATER : 0u);
}

static void
count_call(struct running *running, size_t seen, struct call_sample *sample)
{
	uint64_t wall = sample->wall_ns;
	struct counter_slot *slot = running->call->slot;
	struct release *r = running->call->release;
	size_t later = running->call->ended[PS_LATER], timed = seen - later;

	if (seen > 0)
		running->worker->mean_ns = (3 * running->worker->mean_ns + (int64_t)(wall / seen)) /
		                           4;
	if (!slot)
		return;
	counter_add(slot, COUNTER_calls, 1);
	counter_add(slot, COUNTER_jobs, seen);
	counter_add(slot, COUNTER_wall_ns, wall);
	counter_add(slot, COUNTER_bytes_in, running->bytes_in);
	counter_add(slot, COUNTER_bytes_out, running->bytes_out);
	counter_add(slot, COUNTER_unset, running->breaches);
	if (!running->call->provisional)
		stage_call_stands(running->call);
	if (later > 0)
		counter_add(slot, COUNTER_later_worker_ns, wall * later / seen);
	if (running->call->arrived_at > 0 && running->began > running->call->arrived_at)
		counter_add(slot, COUNTER_waited_ns,
		            seen * (uint64_t)(running->began - running->call->arrived_at));
	counter_max(slot, COUNTER_arena_peak, arena_used(running->call->arena));
	if (atomic_load_explicit(&r->stale, memory_order_relaxed) > 0)
		counter_add(slot, COUNTER_stale,
		            atomic_exchange_explicit(&r->stale, 0, memory_order_relaxed));
	if (wall > slot->value[COUNTER_longest_ns]) {
		__atomic_store_n(&slot->value[COUNTER_longest_ns], wall, __ATOMIC_RELAXED);
		__atomic_store_n(&slot->value[COUNTER_longest_job],
		                 (uint64_t)running->call->jobs[0]->ps.id, __ATOMIC_RELAXED);
	}
	if ((r->d.process || running->call->n == 1) && timed > 0)
		histogram_add(&slot->time, wall / seen, timed);
	if (seen == 0)
		return;
	sample->jobs = (uint32_t)seen;
	sample->errors = (uint32_t)(running->call->ended[PS_RETRY] + running->call->ended[PS_FAIL]);
	counter_call(slot, sample);
}

/* ---- the whole ---- */

/* What a call is measured by besides its time. */
struct meter {
	uint64_t allocated, freed;
	int64_t cpu; /* 0: not read */
};

static bool
cpu_is_read(struct release_worker *w, size_t n)
{
	return w->mean_ns * (int64_t)n > CPU_EACH || w->cpu_turn++ % CPU_SAMPLE == 0;
}

static void
meter_read(struct meter *m, bool cpu)
{
	memory_thread_bytes(&m->allocated, &m->freed);
	m->cpu = cpu ? clock_cpu() : 0;
}

static void
count_meter(struct running *running, const struct meter *from, const struct meter *to, int64_t wall,
            struct call_sample *sample)
{
	struct counter_slot *slot = running->call->slot;
	struct release_worker *w = running->worker;
	int64_t cpu = to->cpu - from->cpu;

	if (from->cpu == 0)
		cpu = (int64_t)(w->cpu_share * (double)wall);
	else if (wall > 0)
		w->cpu_share = (double)cpu / (double)wall;
	sample->cpu_ns = cpu > 0 ? (uint64_t)cpu : 0;
	sample->allocated = to->allocated - from->allocated;
	counter_add(slot, COUNTER_cpu_ns, sample->cpu_ns);
	counter_add(slot, COUNTER_allocated, sample->allocated);
	counter_add(slot, COUNTER_freed, to->freed - from->freed);
}

/* Of a serial stage: one call at a time in this process. */
static void
wait_for_turn(struct stage_call *call)
{
	int64_t from;

	if (pthread_mutex_trylock(&call->release->serial) == 0)
		return;
	from = clock_mono();
	pthread_mutex_lock(&call->release->serial);
	counter_add(call->slot, COUNTER_blocked_ns, (uint64_t)(clock_mono() - from));
}

void
stage_call_run(struct stage_call *call)
{
	struct release *r = call->release;
	struct running running = { .call = call, .worker = &r->workers[call->worker] };
	struct call_sample sample = { 0 };
	const struct log_about *was_about;
	struct meter before, after;
	bool reads_cpu;
	int64_t ended;
	size_t seen;

	check(call->worker < r->n_workers && running.worker->ready);
	if (call->n == 0)
		return;
	memset(call->ended, 0, sizeof call->ended);
	prepare(&running);
	running.about = about_call(call);
	if (r->d.threading == PS_SERIAL)
		wait_for_turn(call);
	reads_cpu = call->slot && cpu_is_read(running.worker, call->n);
	if (call->slot)
		meter_read(&before, reads_cpu);
	running.began = clock_mono();
	set_deadline(&running, running.began);
	record(&running, running.began);

	was_about = log_about(&running.about);
	seen = call->n;
	if (r->d.each)
		seen = run_each(&running);
	else
		run_process(&running);

	if (call->line)
		__atomic_store_n(&call->line->call, 0, __ATOMIC_RELEASE);
	ended = clock_mono();
	if (call->slot) {
		meter_read(&after, reads_cpu);
		count_meter(&running, &before, &after, ended - running.began, &sample);
		if (running.db_since)
			sample.db_ns = (uint64_t)(ended - running.db_since);
		counter_add(call->slot, COUNTER_db_ns, sample.db_ns);
	}
	if (r->d.threading == PS_SERIAL)
		pthread_mutex_unlock(&r->serial);

	for (size_t i = 0; i < seen; i++)
		finish_job(&running, call->jobs[i], &running.worker->jobs[i]);
	for (size_t i = seen; i < call->n; i++)
		skip_job(call->jobs[i]);
	sample.wall_ns = ended > running.began ? (uint64_t)(ended - running.began) : 0;
	sample.ended_at = ended;
	log_about(was_about);
	count_call(&running, seen, &sample);
}
