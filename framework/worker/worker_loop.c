/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * worker_loop.c - a worker thread: claim, run the chain, settle and claim again.
 *
 * One round trip a lease: the settlement of one and the claim of the next
 * travel together. Never sleeps while it knows of work, and looks once more
 * itself before it does ("empty is not empty": another's claim in flight can
 * hide a full lane).
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "worker/worker_priv.h"

static void
tell_lease(const struct worker *w, size_t jobs)
{
	__atomic_store_n(&w->pool->segment->worker[w->line].leased, (uint32_t)jobs,
	                 __ATOMIC_RELAXED);
}

static struct pg_conn *
lend_read_connection(void *data)
{
	struct worker *w = data;
	struct fault fault = { 0 };
	struct db_options options = {
		.conninfo = w->pool->config->set.database,
		.application = "penstock look-up",
		.read_only = true,
		.pooled = settings_pooled(&w->pool->config->set),
	};
	enum status st = OK;

	uint64_t epoch = atomic_load(&w->pool->epoch);

	if (!w->db_read)
		st = db_open(&options, &w->db_read, &fault);
	else if (!db_alive(w->db_read) || db_transaction_state(w->db_read) == DB_LOST ||
	         w->read_epoch != epoch)
		st = db_reconnect(w->db_read, &fault);
	else if (db_transaction_state(w->db_read) != DB_IDLE)
		st = db_rollback(w->db_read, &fault);
	if (st == OK)
		w->read_epoch = epoch;
	if (st == OK && options.pooled) /* the session itself cannot be made read-only */
		st = db_begin_read(w->db_read, &fault);
	if (st == OK)
		return db_conn(w->db_read);
	log_fault(LOG_WARNING, "no connection for look-ups", &fault);
	return NULL;
}

void
worker_end_look_up(struct worker *w)
{
	struct fault fault = { 0 };

	if (!w->db_read || !settings_pooled(&w->pool->config->set) || !db_alive(w->db_read) ||
	    db_transaction_state(w->db_read) == DB_IDLE)
		return;
	if (db_rollback(w->db_read, &fault) != OK)
		log_fault(LOG_WARNING, "a look-up did not end well", &fault);
}

static bool
cancelled(void *data, int64_t job)
{
	const struct worker *w = data;

	return !pool_valid(w->pool) || pool_cancelled(w->pool, job);
}

static bool
stopping(void *data)
{
	const struct worker *w = data;

	return atomic_load(&w->pool->stopping);
}

static void
wake_for_completion(void *data)
{
	struct worker *w = data;

	pool_wake_worker(w->pool, w);
}

static enum status
open_worker(struct worker *w, struct fault *fault)
{
	const struct settings *set = &w->pool->config->set;
	struct db_options options = { .conninfo = set->database,
		                      .application = "penstock worker",
		                      .patient = true, /* too many connections: others work */
		                      .pooled = settings_pooled(set) };
	enum status st = OK;

	for (int i = 0; i < 2 && st == OK; i++)
		st = arena_create(&w->arena[i], (size_t)set->worker_memory, fault);
	if (st == OK)
		st = db_open(&options, &w->db, fault);
	if (st != OK)
		return st;
	w->pool->segment->worker[w->line].arenas = 2;
	list_init(&w->later);
	w->completions = stage_completions_create(wake_for_completion, w);
	w->hooks = (struct stage_hooks){
		.db = transaction_db,
		.db_read = lend_read_connection,
		.cancelled = cancelled,
		.stopping = stopping,
		.data = w,
	};
	return OK;
}

static void
close_worker(struct worker *w)
{
	struct worker_line *line = &w->pool->segment->worker[w->line];

	stage_completions_destroy(w->completions);
	for (size_t i = 0; w->slots && i < w->pool->n_lanes; i++)
		counters_leave(w->slots[i]);
	db_close(w->db_read);
	db_close(w->db);
	arena_destroy(w->arena[0]);
	arena_destroy(w->arena[1]);
	line->connections = line->in_use = line->waiting = line->arenas = 0;
	line->arena_bytes = 0;
	line->thread = 0;
	free(w->slots);
	free(w->children);
}

/* See the note on opening. */
static enum status
open_stage(struct worker *w, const struct lane *lane, struct fault *fault)
{
	enum status st;

	atomic_store(&w->opening, lane->title);
	crash_opens(lane->title, w->pool->options->line->opening);
	st = stage_thread_init(lane->release, w->index, fault);
	crash_opens(NULL, NULL);
	atomic_store(&w->opening, NULL);
	return st;
}

static enum status
init_stages(struct worker *w, struct fault *fault)
{
	struct pool *pool = w->pool;
	enum status st = OK;

	w->slots = mem_array(NULL, pool->n_lanes, sizeof(struct counter_slot *));
	for (size_t i = 0; i < pool->n_lanes && st == OK; i++) {
		const struct lane *lane = &pool->lanes[i];

		w->slots[i] = counters_slot(pool->segment, w->line, release_pipeline(lane->release),
		                            release_stage(lane->release),
		                            release_id(lane->release));
		if (w->slots[i])
			w->slots[i]->flags = release_slot_flags(lane->release);
		st = open_stage(w, lane, fault);
	}
	return st;
}

static void
fini_stages(struct worker *w)
{
	for (size_t i = 0; i < w->pool->n_lanes; i++)
		stage_thread_fini(w->pool->lanes[i].release, w->index);
}

/* The lease claimed into arena[1] becomes the one at hand; what the last one used ends. */
static void
next_lease(struct worker *w)
{
	struct worker_line *line = &w->pool->segment->worker[w->line];
	struct arena *done = w->arena[0];
	uint64_t held = arena_used(done) + arena_used(w->arena[1]);

	__atomic_store_n(&line->arena_bytes, held, __ATOMIC_RELAXED);
	if (held > line->arena_peak)
		__atomic_store_n(&line->arena_peak, held, __ATOMIC_RELAXED);
	arena_reset(done);
	w->arena[0] = w->arena[1];
	w->arena[1] = done;
}

/* The work must not be settled: undo what a transaction holds, give the jobs back. */
static void
give_up(struct worker *w, const struct lease *lease)
{
	pool_count(w, HOST_fenced_self, 1);
	log_line(LOG_WARNING,
	         "a lease is given up: the database is away or this host was silent for too long",
	         NULL);
	transaction_abandon(w);
	w->n_kept = w->n_children = 0;
	pool_orphan(w->pool, &lease->token);
	w->lost = false;
	if (!db_alive(w->db))
		settle_reconnect(w);
}

static struct lease *
run_lease(struct worker *w, struct lease *lease)
{
	struct verdict *verdicts;
	struct lease *next = NULL;
	struct log_about about;
	enum status done;
	size_t n;

	w->lease_lane = pool_lane(w->pool, lease->lane);
	w->lease_at = (struct position){
		.pipeline = w->lease_lane->pipeline,
		.stage = w->lease_lane->stage,
		.hop = lease->hop,
		.input_hop = lease->input_hop,
		.attempt = lease->attempt,
		.hold = lease->hold,
		.priority = lease->priority,
	};
	tell_lease(w, lease->n);
	about = pool_about(w->lease_lane, lease->n, lease->jobs[0].id, lease->attempt);
	log_about(&about);
	done = chain_run(w, lease, &verdicts, &n);
	pool_ask_no_more(w->pool, w, 0);
	if (done == OK)
		settle_turn(w, &lease->token, verdicts, n, true, &next);
	else
		give_up(w, lease);
	if (!later_of(w, &lease->token))
		pool_let_go(w->pool, &lease->token);
	tell_lease(w, 0);
	log_about(NULL);
	next_lease(w);
	return next;
}

static struct lease *
claim(struct worker *w)
{
	struct lease *lease;

	settle_turn(w, NULL, NULL, 0, true, &lease);
	next_lease(w);
	return lease;
}

/* Looks for itself, then sleeps: for longer each time that there was nothing. */
static void
rest(struct worker *w)
{
	const struct settings *set = &w->pool->config->set;
	struct fault fault = { 0 };
	bool any = false;
	enum status st = AWAY;

	if (w->epoch == atomic_load(&w->pool->epoch))
		st = pool_scan(w->pool, w->db, w->arena[1], &any, &fault);

	arena_reset(w->arena[1]);
	if (st == AWAY || st == UNKNOWN) {
		settle_reconnect(w);
		return;
	}
	w->looked = st == OK && any && !w->looked;
	if (w->looked)
		return; /* once: what others hold locked looks ready too, and must not make us spin
		         */
	pool_state(w, WORKER_IDLE);
	w->idle_ns = w->idle_ns ? w->idle_ns * 2 : set->poll_least;
	if (w->idle_ns > set->poll_most)
		w->idle_ns = set->poll_most;
	if (pool_sleep(w->pool, w, w->n_later > 0 ? set->poll_least : w->idle_ns))
		w->idle_ns = 0;
}

/* Between two leases, when nobody rested for long. What cannot be seen now is looked for again. */
static void
look_around(struct worker *w)
{
	struct fault fault = { 0 };
	bool any;

	if (!pool_scan_due(w->pool))
		return;
	if (pool_scan(w->pool, w->db, w->arena[1], &any, &fault) != OK)
		log_fault(LOG_WARNING, "cannot look at the lanes", &fault);
	arena_reset(w->arena[1]);
}

static void
work_until_stopped(struct worker *w)
{
	struct lease *lease = NULL;

	while (lease || !atomic_load(&w->pool->stopping)) {
		later_settle(w);
		if (!lease)
			lease = claim(w);
		else
			look_around(w);
		if (!lease) {
			rest(w);
			continue;
		}
		w->idle_ns = 0;
		w->looked = false;
		lease = run_lease(w, lease);
	}
	later_give_up(w);
}

/* Tells that the stages are open, or why not, and waits for the word to work. */
static bool
begin(struct worker *w, enum status opened, const struct fault *fault)
{
	struct pool *pool = w->pool;
	bool work;

	pthread_mutex_lock(&pool->lock);
	if (opened != OK && pool->begin_fault.status == OK)
		pool->begin_fault = *fault;
	atomic_fetch_add(&pool->n_begun, 1);
	eventfd_write(pool->kick, 1);
	while (!pool->working && !atomic_load(&pool->stopping))
		pthread_cond_wait(&pool->begin, &pool->lock);
	work = pool->working && opened == OK;
	pthread_mutex_unlock(&pool->lock);
	return work;
}

static void *
worker_main(void *data)
{
	struct worker *w = data;
	struct fault fault = { 0 };

	w->pool->segment->worker[w->line].thread = (uint32_t)gettid();
	crash_watch_thread(&w->pool->segment->recorder[w->line]);
	if (begin(w, init_stages(w, &fault), &fault))
		work_until_stopped(w);
	fini_stages(w);
	crash_unwatch_thread();
	pool_state(w, WORKER_STOPPED);
	atomic_fetch_sub(&w->pool->n_running, 1);
	eventfd_write(w->pool->kick, 1);
	return NULL;
}

enum status
worker_start(struct pool *pool, uint32_t index, struct fault *fault)
{
	struct worker *w = &pool->workers[index];
	pthread_condattr_t attr;
	sigset_t all, old;
	enum status st;
	int err;

	*w = (struct worker){ .pool = pool,
		              .index = index,
		              .line = pool->options->first_worker + index };
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w->wake, &attr);
	pthread_condattr_destroy(&attr);
	pool->segment->worker[w->line].pid = (uint32_t)getpid();
	pool->segment->worker[w->line].since = 0; /* nobody's time since the last boot */
	pool->segment->worker[w->line].generation = pool->options->generation;
	pool_state(w, WORKER_STARTING);
	st = open_worker(w, fault);
	if (st != OK) {
		worker_join(w);
		return st;
	}
	/* signals are the janitor's: a plugin's system calls are not interrupted */
	sigfillset(&all);
	crash_unblock(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	atomic_fetch_add(&pool->n_running, 1);
	err = pthread_create(&w->thread, NULL, worker_main, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err) {
		atomic_fetch_sub(&pool->n_running, 1);
		worker_join(w);
		return fault_errno(fault, err, "cannot start a worker thread");
	}
	w->started = true;
	return OK;
}

void
worker_join(struct worker *w)
{
	if (!w->pool)
		return;
	if (w->started)
		pthread_join(w->thread, NULL);
	close_worker(w);
	pthread_cond_destroy(&w->wake);
	w->pool = NULL;
}
