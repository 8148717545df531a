/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * web_queue.c - how long the queues are, read beside the pages.
 *
 * A page never waits for the database: it gets what was read last, or nothing
 * of the queues when the last try failed. One statement, at most once in
 * http_interval, and none while nobody has scraped for IDLE.
 */
#include <stdlib.h>
#include <string.h>

#include "sql_text.h"
#include "web/web_priv.h"

#define IDLE (120 * SEC)
#define CONNECT (5 * SEC)

void
web_queue_free(struct web_queue *queues, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(queues[i].pipeline);
		free(queues[i].stage);
	}
	free(queues);
}

static struct web_queue *
copy(const struct web_queue *from, size_t n)
{
	struct web_queue *to = mem_array(NULL, n + 1, sizeof *to);

	for (size_t i = 0; i < n; i++) {
		to[i] = from[i];
		to[i].pipeline = mem_dup(from[i].pipeline);
		to[i].stage = mem_dup(from[i].stage);
	}
	return to;
}

void
web_queue_facts(struct web *web, struct web_facts *ret)
{
	int64_t now = clock_mono();

	pthread_mutex_lock(&web->lock);
	web->asked_at = now;
	pthread_cond_signal(&web->asked);
	ret->database_up = web->database_up;
	ret->read_age_ns = web->read_at ? now - web->read_at : -1;
	ret->n_queues = web->n_queues;
	ret->queues = copy(web->queues, web->n_queues);
	ret->connections = web->n_clients;
	pthread_mutex_unlock(&web->lock);
}

static void
take(struct web *web, const struct db_result *r)
{
	size_t n = (size_t)db_rows(r), former;
	struct web_queue *queues = mem_array(NULL, n + 1, sizeof *queues), *old;

	for (size_t i = 0; i < n; i++)
		queues[i] = (struct web_queue){
			.pipeline = mem_dup(db_text(r, (int)i, 0)),
			.stage = mem_dup(db_text(r, (int)i, 1)),
			.ready = db_int(r, (int)i, 2),
			.running = db_int(r, (int)i, 3),
			.deferred = db_int(r, (int)i, 4),
			.waiting = db_int(r, (int)i, 5),
			.dead = db_int(r, (int)i, 6),
			.oldest_s = db_null(r, (int)i, 7) ? -1 : db_float(r, (int)i, 7),
		};
	pthread_mutex_lock(&web->lock);
	old = web->queues;
	former = web->n_queues;
	web->queues = queues;
	web->n_queues = n;
	web->read_at = clock_mono();
	pthread_mutex_unlock(&web->lock);
	web_queue_free(old, former);
}

static enum status
look(struct web *web, struct db **db, struct fault *fault)
{
	const struct db_options options = {
		.conninfo = web->config->set.database,
		.application = "penstock metrics",
		.read_only = true,
		.pooled = settings_pooled(&web->config->set),
		.connect_ns = CONNECT,
	};
	struct db_result *r;
	enum status st = OK;

	if (!*db)
		st = db_open(&options, db, fault);
	else if (!db_alive(*db))
		st = db_reconnect(*db, fault);
	if (st == OK)
		st = db_call(*db, sql_metrics_queues, NULL, &r, fault);
	if (st != OK)
		return st;
	take(web, r);
	db_result_free(r);
	return OK;
}

static void
set_up(struct web *web, bool up, const struct fault *fault)
{
	bool was;

	pthread_mutex_lock(&web->lock);
	was = web->database_up;
	web->database_up = up;
	pthread_mutex_unlock(&web->lock);
	if (was && !up)
		log_fault(LOG_WARNING, "metrics go on without the queues", fault);
}

/* False: stop. */
static bool
wait_for_next(struct web *web, int64_t last)
{
	int64_t next = last + web->config->set.http_interval;
	struct timespec at = { .tv_sec = next / SEC, .tv_nsec = next % SEC };
	bool go;

	pthread_mutex_lock(&web->lock);
	while (!web->stopping && clock_mono() < next)
		pthread_cond_timedwait(&web->asked, &web->lock, &at);
	while (!web->stopping && clock_mono() - web->asked_at > IDLE)
		pthread_cond_wait(&web->asked, &web->lock);
	go = !web->stopping;
	pthread_mutex_unlock(&web->lock);
	return go;
}

static void *
reader_main(void *data)
{
	struct web *web = data;
	struct db *db = NULL;
	int64_t last;

	do {
		struct fault fault = { 0 };
		enum status st;

		last = clock_mono();
		st = look(web, &db, &fault);
		set_up(web, st == OK, &fault);
	} while (wait_for_next(web, last));
	db_close(db);
	return NULL;
}

enum status
web_queue_start(struct web *web, struct fault *fault)
{
	pthread_condattr_t attr;
	pthread_t thread;
	int error;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&web->asked, &attr);
	pthread_condattr_destroy(&attr);
	web->asked_at = clock_mono();
	error = pthread_create(&thread, NULL, reader_main, web);
	if (error)
		return fault_errno(fault, error, "cannot start a thread");
	/* it may be waiting for a database at the end of the process, which waits for nobody */
	pthread_detach(thread);
	return OK;
}
