/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * top_database.c - depths of lanes and living hosts, asked once a second beside the screen.
 *
 * On a thread of its own: a database that does not answer must not hold the
 * screen. Nobody waits for it at the end either: its socket is shut down.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "db/db.h"
#include "sql_text.h"
#include "top/top_priv.h"

#define ASK_EVERY SEC
#define CONNECT_MOST (3 * SEC)
#define FIRST_ANSWER (2 * SEC)

struct top_database {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed; /* stop was set, or there is a first answer */
	char *conninfo;
	struct db *db; /* of the thread; under the lock where it comes and goes */
	bool stop, asked;
	struct top_depths depths; /* under the lock */
};

void
top_depths_done(struct top_depths *d)
{
	free(d->lanes);
	free(d->hosts);
	*d = (struct top_depths){ 0 };
}

static void
copy_text(char *to, size_t size, const char *from)
{
	size_t len = strnlen(from, size - 1);

	memcpy(to, from, len);
	to[len] = '\0';
}

static enum status
ask_lanes(struct db *db, struct top_depths *ret, struct fault *fault)
{
	struct db_args args;
	struct db_result *r;
	enum status st;

	db_args_init(&args);
	db_arg_text(&args, NULL);
	st = db_call(db, sql_depths, &args, &r, fault);
	if (st != OK)
		return st;
	ret->n_lanes = (size_t)db_rows(r);
	ret->lanes = mem_alloc((ret->n_lanes + 1) * sizeof *ret->lanes);
	for (int i = 0; i < db_rows(r); i++) {
		struct top_lane *lane = &ret->lanes[i];

		copy_text(lane->pipeline, sizeof lane->pipeline, db_text(r, i, 0));
		copy_text(lane->stage, sizeof lane->stage, db_text(r, i, 1));
		lane->ready = (double)db_int(r, i, 2);
		lane->leased = (double)db_int(r, i, 3);
		lane->oldest_s = db_null(r, i, 4) ? TOP_UNKNOWN : db_float(r, i, 4);
	}
	db_result_free(r);
	return OK;
}

static enum status
ask_hosts(struct db *db, struct top_depths *ret, struct fault *fault)
{
	struct db_result *r;
	enum status st = db_call(db, sql_hosts, NULL, &r, fault);

	if (st != OK)
		return st;
	ret->n_hosts = (size_t)db_rows(r);
	ret->hosts = mem_alloc((ret->n_hosts + 1) * sizeof *ret->hosts);
	for (int i = 0; i < db_rows(r); i++) {
		struct top_host *host = &ret->hosts[i];

		copy_text(host->name, sizeof host->name, db_text(r, i, 1));
		copy_text(host->machine, sizeof host->machine, db_text(r, i, 2));
		host->pid = db_int(r, i, 3);
		host->running = db_int(r, i, 6);
	}
	db_result_free(r);
	return OK;
}

/* db_sever() of who stops us must not meet a connection that is being closed. */
static void
set_connection(struct top_database *d, struct db *db)
{
	struct db *old;

	pthread_mutex_lock(&d->lock);
	old = d->db;
	d->db = db;
	pthread_mutex_unlock(&d->lock);
	db_close(old);
}

static void
ask(struct top_database *d, struct top_depths *ret)
{
	struct db_options options = { .conninfo = d->conninfo,
		                      .application = "penstock top",
		                      .connect_ns = CONNECT_MOST };
	struct fault fault = { 0 };
	struct db *db = d->db;
	enum status st = OK;

	if (!db) {
		st = db_open(&options, &db, &fault);
		if (st == OK)
			set_connection(d, db);
	}
	if (st == OK)
		st = ask_lanes(db, ret, &fault);
	if (st == OK)
		st = ask_hosts(db, ret, &fault);
	ret->known = st == OK;
	if (st == OK)
		return;
	copy_text(ret->why, sizeof ret->why, fault.text);
	if (strchr(ret->why, '\n'))
		*strchr(ret->why, '\n') = '\0';
	set_connection(d, NULL);
}

/* Under the lock. */
static bool
sleep_for(struct top_database *d, int64_t ns)
{
	int64_t at = clock_mono() + ns;
	struct timespec until = { at / SEC, at % SEC };

	while (!d->stop && pthread_cond_timedwait(&d->changed, &d->lock, &until) != ETIMEDOUT)
		;
	return !d->stop;
}

static void *
ask_again_and_again(void *data)
{
	struct top_database *d = data;

	pthread_mutex_lock(&d->lock);
	do {
		struct top_depths depths = { 0 };

		pthread_mutex_unlock(&d->lock);
		ask(d, &depths);
		pthread_mutex_lock(&d->lock);
		top_depths_done(&d->depths);
		d->depths = depths;
		d->asked = true;
		pthread_cond_broadcast(&d->changed);
	} while (sleep_for(d, ASK_EVERY));
	pthread_mutex_unlock(&d->lock);
	return NULL;
}

struct top_database *
top_database_start(const char *conninfo)
{
	struct top_database *d = mem_alloc(sizeof *d);
	pthread_condattr_t attr;

	d->conninfo = mem_dup(conninfo);
	copy_text(d->depths.why, sizeof d->depths.why, "nothing yet");
	pthread_mutex_init(&d->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&d->changed, &attr);
	pthread_condattr_destroy(&attr);
	if (pthread_create(&d->thread, NULL, ask_again_and_again, d) != 0) {
		copy_text(d->depths.why, sizeof d->depths.why, "no thread to ask it");
		d->asked = d->stop = true;
	}
	return d;
}

void
top_database_wait(struct top_database *d)
{
	int64_t at = clock_mono() + FIRST_ANSWER;
	struct timespec until = { at / SEC, at % SEC };

	pthread_mutex_lock(&d->lock);
	while (!d->asked && pthread_cond_timedwait(&d->changed, &d->lock, &until) != ETIMEDOUT)
		;
	pthread_mutex_unlock(&d->lock);
}

/* Inside of a connection attempt the thread cannot be reached: then it is left behind, with what it
 * uses, to the end of the process. */
void
top_database_stop(struct top_database *d)
{
	struct timespec until;
	bool runs;

	pthread_mutex_lock(&d->lock);
	runs = !d->stop;
	d->stop = true;
	if (d->db)
		db_sever(d->db);
	pthread_cond_broadcast(&d->changed);
	pthread_mutex_unlock(&d->lock);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec++;
	if (runs && pthread_timedjoin_np(d->thread, NULL, &until) != 0) {
		pthread_detach(d->thread);
		return;
	}
	db_close(d->db);
	top_depths_done(&d->depths);
	pthread_cond_destroy(&d->changed);
	pthread_mutex_destroy(&d->lock);
	free(d->conninfo);
	free(d);
}

void
top_database_read(struct top_database *d, struct top_depths *ret)
{
	pthread_mutex_lock(&d->lock);
	*ret = d->depths;
	ret->lanes = mem_alloc((ret->n_lanes + 1) * sizeof *ret->lanes);
	ret->hosts = mem_alloc((ret->n_hosts + 1) * sizeof *ret->hosts);
	if (ret->n_lanes > 0)
		memcpy(ret->lanes, d->depths.lanes, ret->n_lanes * sizeof *ret->lanes);
	if (ret->n_hosts > 0)
		memcpy(ret->hosts, d->depths.hosts, ret->n_hosts * sizeof *ret->hosts);
	pthread_mutex_unlock(&d->lock);
}
