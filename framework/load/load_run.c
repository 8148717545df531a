/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * load_run.c - send jobs as planned, wait for their end, and ask what became of them.
 *
 * Note on clocks: how late a job was sent is measured by this machine's clock
 * alone, and how long it stayed by the database's alone; their sum is the
 * latency from the intended start. No machine's clock is compared with
 * another's. A job that could not be sent in time, because those before it
 * were slow, counts as slow: omission is not coordinated away.
 */
#include "load/load.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "queue/queue.h"
#include "sql_text.h"

#define TOGETHER 5000         /* most jobs of one enqueue */
#define LOOK_EVERY (5 * MSEC) /* of closed loops: how many are in flight? */
#define WAIT_EVERY (100 * MSEC)
#define BACKLOG_EVERY (500 * MSEC)
#define ANSWER_IDS 50000 /* of one question for latencies */

/* Jobs that were sent together: consecutive ids, and how late each was. */
struct batch {
	int64_t first, last;
	int64_t sent; /* from the beginning of the run */
	size_t at, n; /* in lags */
};

struct sender {
	const struct load_run *run;
	struct load_result *result;
	struct arena *arena;
	struct batch *batches;
	size_t n_batches;
	int64_t *lags;
	size_t n_lags, room;
	int64_t *due; /* intended starts of what is sent next */
	struct buf text;
	int64_t begun, looked;
};

static void
sleep_until(int64_t at)
{
	int64_t left = at - clock_mono();
	struct timespec t = { left / SEC, left % SEC };

	if (left > 0)
		nanosleep(&t, NULL);
}

static enum status
count_open(const struct load_run *run, int64_t *ret, struct fault *fault)
{
	struct db_args args;

	db_args_init(&args);
	db_arg_text(&args, run->pipeline);
	return db_call_int(run->db, sql_remaining, &args, ret, fault);
}

/* ---- sending ---- */

static void
remember(struct sender *s, int64_t first, int64_t last, size_t n, int64_t sent)
{
	if (s->n_lags + n > s->room) {
		s->room = (s->n_lags + n) * 2;
		s->lags = mem_array(s->lags, s->room, sizeof *s->lags);
	}
	s->batches = mem_array(s->batches, s->n_batches + 1, sizeof *s->batches);
	s->batches[s->n_batches++] = (struct batch){ first, last, sent - s->begun, s->n_lags, n };
	for (size_t i = 0; i < n; i++) {
		int64_t lag = sent - s->due[i];

		s->lags[s->n_lags++] = lag > 0 ? lag : 0;
		histogram_add(&s->result->lag, lag > 0 ? (uint64_t)lag : 0, 1);
	}
	s->result->enqueued += (int64_t)n;
}

/* The n jobs whose time has come, in one transaction. A queue that is full refuses them. */
static enum status
send_due(struct sender *s, size_t n, struct fault *fault)
{
	struct queue_message *messages;
	int64_t first, last, sent;
	enum status st = OK;

	arena_reset(s->arena);
	messages = arena_alloc(s->arena, n * sizeof *messages);
	for (size_t i = 0; st == OK && i < n; i++) {
		st = load_payload_make(s->run->payload, &s->text, fault);
		messages[i] = (struct queue_message){
			.attributes = arena_dupn(s->arena, s->text.data, s->text.len),
			.attributes_len = s->text.len,
		};
	}
	if (st != OK)
		return st;
	sent = clock_mono();
	st = queue_enqueue(s->run->db, s->arena, s->run->pipeline, messages, n, 0, &first, &last,
	                   fault);
	if (st == OK) {
		remember(s, first, last, n, sent);
	} else if (st == SQL && strcmp(fault->sqlstate, "PS005") == 0) {
		s->result->refused += (int64_t)n;
		st = OK;
	}
	if (s->run->progress)
		s->run->progress(s->run->data, s->result->enqueued, s->run->plan->count);
	return st;
}

static enum status
look_at_backlog(struct sender *s, struct fault *fault)
{
	int64_t now = clock_mono(), open;
	enum status st;

	if (s->run->backlog == 0 || now - s->looked < BACKLOG_EVERY)
		return OK;
	s->looked = now;
	st = count_open(s->run, &open, fault);
	if (st == OK && open > s->run->backlog)
		s->result->broken = true;
	return st;
}

static enum status
send_open(struct sender *s, struct fault *fault)
{
	struct load_arrivals arrivals = { .plan = s->run->plan };
	bool more;
	int64_t next;
	enum status st = OK;

	more = load_next(&arrivals, &next);
	while (st == OK && more && !s->result->broken) {
		int64_t now;
		size_t n = 0;

		sleep_until(s->begun + next);
		now = clock_mono();
		while (more && s->begun + next <= now && n < TOGETHER) {
			s->due[n++] = s->begun + next;
			more = load_next(&arrivals, &next);
		}
		if (n > 0)
			st = send_due(s, n, fault);
		if (st == OK)
			st = look_at_backlog(s, fault);
	}
	s->result->offered = s->run->plan->rate;
	if (s->run->plan->kind == LOAD_RAMP && arrivals.at > 0)
		s->result->offered = (double)arrivals.n / arrivals.at;
	return st;
}

static bool
closed_goes_on(const struct sender *s)
{
	const struct load_plan *plan = s->run->plan;

	return (plan->count == 0 || s->result->enqueued < plan->count) &&
	       (plan->duration_ns == 0 || clock_mono() - s->begun < plan->duration_ns);
}

/* What ended is put in again at once: nothing is late, and nothing waits for its turn outside. */
static enum status
send_closed(struct sender *s, struct fault *fault)
{
	const struct load_plan *plan = s->run->plan;
	enum status st = OK;
	int64_t open;

	while (st == OK && closed_goes_on(s)) {
		int64_t now = clock_mono(), n;

		st = count_open(s->run, &open, fault);
		n = plan->in_flight - open;
		if (plan->count > 0 && n > plan->count - s->result->enqueued)
			n = plan->count - s->result->enqueued;
		n = n > TOGETHER ? TOGETHER : n;
		for (int64_t i = 0; i < n; i++)
			s->due[i] = clock_mono();
		if (st == OK && n > 0)
			st = send_due(s, (size_t)n, fault);
		if (st == OK)
			sleep_until(now + LOOK_EVERY);
	}
	return st;
}

/* ---- the end ---- */

static enum status
wait_for_end(struct sender *s, struct fault *fault)
{
	int64_t until = clock_mono() + s->run->drain_ns, open = 0;
	enum status st;

	while ((st = count_open(s->run, &open, fault)) == OK && open > 0 && clock_mono() < until)
		sleep_until(clock_mono() + WAIT_EVERY);
	return st;
}

/* Ids of a batch may have strangers between them; whose they are is asked by pipeline only, so
 * they take the lag of their neighbours. */
static int64_t
lag_of(const struct sender *s, size_t *batch, int64_t id)
{
	const struct batch *b;

	while (*batch + 1 < s->n_batches && s->batches[*batch + 1].first <= id)
		++*batch;
	b = &s->batches[*batch];
	if (id - b->first < (int64_t)b->n)
		return s->lags[b->at + (size_t)(id - b->first)];
	return s->lags[b->at + b->n - 1];
}

static void
take_end(struct sender *s, int64_t sent, int64_t lag, int64_t us, int64_t outcome)
{
	struct load_result *r = s->result;
	int64_t stay = us > 0 ? us * 1000 : 0;

	switch (outcome) {
	case 2: r->completed++; break;
	case 3: r->discarded++; break;
	default: r->cancelled++; return;
	}
	histogram_add(&r->stay, (uint64_t)stay, 1);
	histogram_add(&r->time, (uint64_t)(stay + lag), 1);
	if (stay + lag > r->longest_ns)
		r->longest_ns = stay + lag;
	if (s->run->timeline)
		load_timeline_add(s->run->timeline, sent - lag, stay + lag);
}

/* Asked behind the run: nothing of it disturbs what is measured. */
static enum status
ask_ends(struct sender *s, int64_t from, int64_t to, size_t *batch, struct fault *fault)
{
	struct db_args args;
	struct db_result *r;
	enum status st;

	db_args_init(&args);
	db_arg_text(&args, s->run->pipeline);
	db_arg_int8(&args, from);
	db_arg_int8(&args, to);
	st = db_call(s->run->db, sql_bench_ends, &args, &r, fault);
	if (st != OK)
		return st;
	for (int i = 0; i < db_rows(r); i++) {
		int64_t lag = lag_of(s, batch, db_int(r, i, 0));

		take_end(s, s->batches[*batch].sent, lag, db_int(r, i, 1), db_int(r, i, 2));
	}
	db_result_free(r);
	return OK;
}

static enum status
ask_sums(struct sender *s, int64_t from, int64_t to, struct fault *fault)
{
	struct load_result *ret = s->result;
	struct db_args args;
	struct db_result *r;
	enum status st;

	db_args_init(&args);
	db_arg_text(&args, s->run->pipeline);
	db_arg_int8(&args, from);
	db_arg_int8(&args, to);
	st = db_call(s->run->db, sql_bench_sums, &args, &r, fault);
	if (st != OK)
		return st;
	ret->dead = db_int(r, 0, 0);
	ret->failures = db_int(r, 0, 1);
	ret->seconds = db_float(r, 0, 2);
	db_result_free(r);
	return OK;
}

static void
finish(struct sender *s)
{
	struct load_result *r = s->result;

	r->left = r->enqueued - r->completed - r->discarded - r->cancelled - r->dead;
	if (r->left < 0)
		r->left = 0;
	/* the first one was created as late as it was sent */
	r->seconds += (double)s->lags[0] / 1e9;
	if (r->seconds > 0)
		r->achieved = (double)(r->completed + r->discarded) / r->seconds;
	if (s->run->plan->kind == LOAD_CLOSED)
		r->offered = r->achieved;
}

static enum status
ask_all(struct sender *s, struct fault *fault)
{
	int64_t first, last;
	size_t batch = 0;
	enum status st;

	if (s->n_batches == 0)
		return fault_set(fault, EMPTY,
		                 "no job was sent: the plan is too short, or the queue is full");
	first = s->batches[0].first;
	last = s->batches[s->n_batches - 1].last;
	st = ask_sums(s, first, last, fault);
	for (int64_t id = first; st == OK && id <= last; id += ANSWER_IDS)
		st = ask_ends(s, id, id + ANSWER_IDS - 1 < last ? id + ANSWER_IDS - 1 : last,
		              &batch, fault);
	if (st == OK)
		finish(s);
	return st;
}

/* ---- the whole ---- */

static enum status
send_all(struct sender *s, struct fault *fault)
{
	s->begun = s->looked = clock_mono();
	return s->run->plan->kind == LOAD_CLOSED ? send_closed(s, fault) : send_open(s, fault);
}

enum status
load_run(const struct load_run *run, struct load_result *ret, struct fault *fault)
{
	struct sender s = { .run = run, .result = ret };
	struct load_usage before, after;
	int64_t wal_before = 0, wal_after = 0;
	enum status st = arena_create(&s.arena, 0, fault);

	check(st == OK);
	*ret = (struct load_result){ 0 };
	if (run->timeline)
		load_timeline_init(run->timeline);
	buf_init(&s.text);
	s.due = mem_array(NULL, TOGETHER, sizeof *s.due);
	load_usage_now(run->segment_path, &before);
	st = db_call_int(run->db, sql_bench_wal, NULL, &wal_before, fault);
	if (st == OK)
		st = send_all(&s, fault);
	if (st == OK)
		st = wait_for_end(&s, fault);
	load_usage_now(run->segment_path, &after);
	if (st == OK)
		st = db_call_int(run->db, sql_bench_wal, NULL, &wal_after, fault);
	if (st == OK)
		st = ask_all(&s, fault);
	ret->wal = wal_after - wal_before;
	ret->usage.cpu_ns = after.cpu_ns > before.cpu_ns ? after.cpu_ns - before.cpu_ns : 0;
	ret->usage.memory = after.memory;
	free(s.batches);
	free(s.lags);
	free(s.due);
	buf_done(&s.text);
	arena_destroy(s.arena);
	return st;
}
