/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * janitor.c - a host's own thread: registers, listens, and goes from duty to duty.
 *
 * One thread with a connection of its own. Judges other hosts by its own
 * monotonic clock and only over a connection that was healthy all the while:
 * after an outage of the database nobody is voided in the rush. Never runs
 * plugin code and never holds a lease. What it does is in janitor_duties.c.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "worker/worker_priv.h"

#define RECONNECT_PAUSE (250 * MSEC)

/* ---- connecting ---- */

static bool
told_to_stop(const struct pool *pool)
{
	struct pollfd p = { .fd = pool->stop_fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

static void
pause_for(const struct pool *pool, int64_t ns)
{
	struct pollfd p = { .fd = atomic_load(&pool->stopping) ? -1 : pool->stop_fd,
		            .events = POLLIN };

	poll(&p, 1, (int)(ns / MSEC));
}

static enum status
register_pipelines(struct janitor *j, struct fault *fault)
{
	struct pool *pool = j->pool;
	enum status st = OK;

	for (size_t p = 0; p < pool->n_pipelines && st == OK; p++) {
		const struct config_pipeline *conf = pool->pipelines[p].conf;
		size_t n = conf->n_stages - conf->n_leaving;
		int32_t *lanes = arena_alloc(j->arena, (n + 1) * sizeof(*lanes));

		st = register_pipeline(j->db, j->arena, conf, lanes, fault);
		for (size_t s = 0; s < n && st == OK; s++)
			pool->pipelines[p].lanes[s].id = lanes[s];
	}
	return st == OK ? register_schedules(j->db, j->arena, pool->config, fault) : st;
}

/* Lanes of the stages that leave: they are in the database already. */
static enum status
find_leaving(struct janitor *j, struct fault *fault)
{
	enum status st = OK;

	for (size_t p = 0; p < j->pool->n_pipelines && st == OK; p++) {
		const struct pool_pipeline *pipeline = &j->pool->pipelines[p];
		size_t n = pipeline->conf->n_leaving, first = pipeline->conf->n_stages - n;
		const char **names = arena_alloc(j->arena, (n + 1) * sizeof(*names));
		int32_t *lanes = arena_alloc(j->arena, (n + 1) * sizeof(*lanes));

		for (size_t i = 0; i < n; i++)
			names[i] = pipeline->conf->stages[first + i].name;
		if (n > 0)
			st = queue_lanes(j->db, j->arena, pipeline->conf->name, names, n, lanes,
			                 fault);
		for (size_t i = 0; i < n && st == OK; i++)
			pipeline->lanes[first + i].id = lanes[i];
	}
	return st;
}

/* Pipelines that leave as a whole take no new jobs. */
static enum status
retire_pipelines(struct janitor *j, struct fault *fault)
{
	const struct pool *pool = j->pool;
	const char **names = arena_alloc(j->arena, (pool->n_pipelines + 1) * sizeof(*names));
	size_t n = 0;

	for (size_t p = 0; p < pool->n_pipelines; p++)
		if (pool->pipelines[p].conf->n_leaving == pool->pipelines[p].conf->n_stages)
			names[n++] = pool->pipelines[p].conf->name;
	if (n == 0)
		return OK;
	return queue_retire(j->db, j->arena, names, n, &pool->options->supervisor, fault);
}

static enum status
lock_pipelines(struct janitor *j, struct fault *fault)
{
	const struct pool_options *options = j->pool->options;
	size_t most = j->pool->n_pipelines + options->n_removed, n = 0;
	const char **names = arena_alloc(j->arena, (most + 1) * sizeof(*names));

	for (size_t p = 0; p < j->pool->n_pipelines; p++)
		names[n++] = j->pool->pipelines[p].conf->name;
	for (size_t i = 0; i < options->n_removed; i++)
		names[n++] = options->removed[i].pipeline;
	return queue_lock_pipelines(j->db, j->arena, names, n, fault);
}

/* What is to be removed must not be in use. This process, or one before it in this place, may have
 * been lost at its COMMIT: where that was done the change is made, and jobs that came to the old
 * places since are no reason to go back. */
static enum status
judge_removed(struct janitor *j, struct fault *fault)
{
	const struct pool_options *options = j->pool->options;
	int64_t change = atomic_load(&options->line->change);
	bool done = false;
	enum status st;

	if (!options->leads || options->n_removed == 0)
		return OK;
	st = queue_change(j->db, &change, &done, fault);
	if (st != OK || done)
		return st;
	st = queue_check_removed(j->db, j->arena, options->removed, options->n_removed,
	                         &options->supervisor, fault);
	if (st == OK)
		atomic_store(&options->line->change, change);
	return st;
}

/* All pipelines or none, and none when what is to be removed is in use. */
static enum status
change_pipelines(struct janitor *j, struct fault *fault)
{
	const struct pool_options *options = j->pool->options;
	struct fault ignored = { 0 };
	enum status st = db_begin(j->db, fault);

	if (st != OK)
		return st;
	st = lock_pipelines(j, fault);
	if (st == OK)
		st = judge_removed(j, fault);
	if (st == OK)
		st = register_pipelines(j, fault);
	if (st == OK)
		st = find_leaving(j, fault);
	if (st == OK && options->leads)
		st = retire_pipelines(j, fault);
	if (st == OK)
		st = db_commit(j->db, fault);
	else if (db_alive(j->db))
		db_rollback(j->db, &ignored);
	for (size_t i = 0; i < j->pool->n_lanes; i++)
		j->pool->lane_ids[i] = j->pool->lanes[i].id;
	return st;
}

/* A boot in the database: from now on this host may hold leases. Replaces the boot that the
 * supervisor saw die, or the own one that others took for dead. */
enum status
janitor_register(struct janitor *j, int64_t former, struct fault *fault)
{
	struct pool *pool = j->pool;
	char machine[HOST_NAME_MAX + 1];
	const char *name = register_host_name(pool->config, machine);
	int64_t sent = clock_mono(), host, beside = 0, at_us = 0;
	enum status st;

	j->boot = uuid_random();
	st = queue_host_register(j->db, &j->boot, name, machine, getpid(), former, &host, fault);
	if (st == OK)
		st = queue_host_serves(j->db, j->arena, host, &pool->options->supervisor,
		                       pool->lane_ids, pool->n_lanes, fault);
	if (st != OK)
		return st;
	st = queue_host_company(j->db, host, &beside, &at_us, fault);
	if (st != OK && st != NOT_FOUND)
		return st;
	counters_boot(pool->segment, host, at_us, beside);
	atomic_store(&pool->valid_until, sent + pool->config->set.lease_life);
	atomic_store(&pool->host, host);
	*pool->options->host_id = host;
	j->bell = false;
	j->at[DUTY_BEAT] = sent + pool->config->set.heartbeat;
	return queue_host_listens(j->db, host, j->listens, fault);
}

static enum status
tell_blame(struct janitor *j, const struct crash_blame *b, struct fault *fault)
{
	bool timeout = b->signo == RECORDER_TIMEOUT;
	char *message = timeout
	                    ? mem_dup("the stage was far beyond its timeout in this job, and its "
	                              "process was ended")
	                    : mem_printf("the host process died in this job: signal %d (%s)",
	                                 b->signo, strsignal(b->signo));
	enum status st = queue_blame(j->db, &b->lease, b->job, b->lane,
	                             timeout ? "TIMEOUT" : "CRASHED", message, fault);

	free(message);
	return st == NOT_FOUND ? OK : st; /* another host was faster */
}

/* What the boot before this one died of. Where that is known its other leases are innocent, and go
 * back as they were; else they come back in halves when this boot registers in its place. */
static enum status
tell_blames(struct janitor *j, int64_t former, struct fault *fault)
{
	struct crash_blames *blames = j->pool->options->blames;
	enum status st = OK;

	if (blames->n == 0)
		return OK;
	for (uint32_t i = 0; i < blames->n && st == OK; i++)
		st = tell_blame(j, &blames->list[i], fault);
	if (st == OK && former)
		st = queue_host_leave(j->db, former, fault);
	if (st == OK)
		blames->n = 0;
	return st;
}

/* The setting `pooler` against what is there: a wrong one must not show as one strange error in a
 * thousand transactions. */
static enum status
check_pooler(struct janitor *j, struct fault *fault)
{
	bool pooled = settings_pooled(&j->pool->config->set);
	struct db_session_fact f;
	enum status st = db_session_look(j->db, &f, fault);

	if (st != OK)
		return st;
	if (db_session_changes(&f) && !pooled) {
		fault_set(fault, REFUSED,
		          "a pooler gives transactions to changing sessions of the server, and the "
		          "setting pooler is \"none\"");
		fault_hint(fault,
		           "set pooler = \"transaction\"; or let the setting `database` name "
		           "the server itself");
		return REFUSED;
	}
	if (pooled && f.pid_of_protocol == f.pid_of_server)
		log_line(
		    LOG_WARNING,
		    "no pooler is in between: with pooler = \"none\" new jobs are told at once",
		    NULL);
	if (pooled && !f.kept)
		log_line(
		    LOG_WARNING,
		    "this role lacks settings that a session cannot bring through a pooler: see "
		    "penstock doctor",
		    NULL);
	return OK;
}

/* How this host learns of new jobs: by notifications where they come, else by looking. */
static enum status
listen_or_poll(struct janitor *j, struct fault *fault)
{
	enum status st;

	j->listens = false;
	j->order_ns = 0;
	if (settings_pooled(&j->pool->config->set))
		return OK;
	st = db_listen_works(j->db, fault);
	if (st == OK)
		st = db_listen(j->db, "penstock", fault);
	if (st == EMPTY)
		fault_set(fault, EMPTY, "the server took LISTEN, and nothing comes");
	j->listens = st == OK;
	if (st == EMPTY || st == SQL) {
		log_fault(LOG_WARNING,
		          "no notifications here: hosts look for new jobs by themselves", fault);
		st = OK;
	}
	return st;
}

/* Up to here nobody has seen anything of this process. From here on it is part of the house. */
static enum status
wait_for_word(struct janitor *j)
{
	const struct pool *pool = j->pool;
	struct pollfd p[] = { { .fd = pool->stop_fd, .events = POLLIN },
		              { .fd = pool->options->go_fd, .events = POLLIN } };

	if (j->going || pool->options->go_fd < 0)
		return OK;
	pool_phase(j->pool, POOL_PREPARED);
	while (poll(p, countof(p), -1) < 0)
		check(errno == EINTR);
	j->going = p[1].revents != 0;
	return p[0].revents ? STOPPED : OK;
}

static enum status
set_up(struct janitor *j, struct fault *fault)
{
	enum status st = check_pooler(j, fault);
	bool newer = false;

	if (st == OK)
		st = db_schema_check(j->db, &newer, fault);
	if (st == OK && newer)
		log_line(LOG_INFO, "the schema is newer than this program, and serves it",
		         "version", PENSTOCK_VERSION, NULL);
	if (st == OK)
		st = pool_start_workers(j->pool, fault);
	if (st == OK)
		st = wait_for_word(j);
	if (st == OK)
		st = change_pipelines(j, fault);
	if (st == OK)
		st = listen_or_poll(j, fault);
	if (st == OK)
		st = tell_blames(j, *j->pool->options->host_id, fault);
	if (st == OK)
		st = janitor_register(j, *j->pool->options->host_id, fault);
	return st;
}

/* Trouble that waiting may cure. */
static bool
passing(enum status st)
{
	return st == AWAY || st == UNKNOWN || st == TIMEOUT;
}

/* Two hosts that made pipelines of the same names, in another order. */
static bool
worth_another_try(enum status st, const struct fault *fault)
{
	return passing(st) || (st == SQL && strcmp(fault->sqlstate, "40P01") == 0);
}

static enum status
connect_first(struct janitor *j, struct fault *fault)
{
	struct db_options options = {
		.conninfo = j->pool->config->set.database,
		.application = "penstock host",
		.pooled = settings_pooled(&j->pool->config->set),
	};
	enum status st;
	bool told = false;

	do {
		struct fault last = { 0 }; /* who looks sees always a whole one */

		st = j->db ? db_reconnect(j->db, &last) : db_open(&options, &j->db, &last);
		if (st == OK)
			st = set_up(j, &last);
		arena_reset(j->arena);
		*fault = last;
		if (!worth_another_try(st, fault) ||
		    (!j->going && clock_mono() >= j->pool->options->give_up))
			return st;
		if (!told) {
			log_fault(LOG_WARNING, "waiting for the database", fault);
			pool_phase(j->pool, POOL_WAITING);
		}
		told = true;
		atomic_fetch_add(&j->pool->options->line->rounds, 1);
		pause_for(j->pool, RECONNECT_PAUSE);
	} while (!told_to_stop(j->pool));
	return STOPPED;
}

enum status
janitor_open(struct pool *pool, struct fault *fault)
{
	struct janitor *j = mem_alloc(sizeof(*j));
	enum status st;

	j->pool = pool;
	j->calls = mem_array(NULL, pool->n_workers, sizeof(*j->calls));
	memset(j->calls, 0, pool->n_workers * sizeof(*j->calls));
	pool->janitor = j;
	st = arena_create(&j->arena, (size_t)(64 * MiB), fault);
	return st == OK ? connect_first(j, fault) : st;
}

/* One try to have the connection back, and the pause before the next. */
static bool
recover(struct janitor *j)
{
	struct fault fault = { 0 };

	if (db_reconnect(j->db, &fault) != OK || listen_or_poll(j, &fault) != OK ||
	    queue_host_listens(j->db, atomic_load(&j->pool->host), j->listens, &fault) != OK) {
		if (!j->told_why)
			log_fault(LOG_WARNING, "the janitor cannot have the database back yet",
			          &fault);
		j->told_why = true;
		pause_for(j->pool, RECONNECT_PAUSE);
		return false;
	}
	j->told_why = false;
	j->n_watches = 0; /* what was seen before the outage says nothing about anybody */
	j->at[DUTY_BEAT] = 0;
	j->bell = false;
	atomic_fetch_add(&j->pool->epoch, 1);
	pool_wake(j->pool, j->pool->n_workers);
	log_line(LOG_INFO, "the janitor has the database again", NULL);
	return true;
}

/* The duties that are due, then a wait for whatever comes first. */
static enum status
do_round(struct janitor *j, struct fault *fault)
{
	char payload[64];
	eventfd_t kicks;
	enum status st = janitor_do_duties(j, fault);

	if (st != OK)
		return st;
	st = db_wait(j->db, j->pool->wait_fd, janitor_until_next(j), payload, sizeof(payload),
	             fault);
	if (st == OK && strcmp(payload, "watch") == 0)
		j->at[DUTY_WATCH] = 0;
	else if (st == OK && strcmp(payload, "order") == 0)
		j->at[DUTY_ORDER] = 0;
	else if (st == OK)
		pool_rung(j->pool, (int32_t)strtol(payload, NULL, 10));
	eventfd_read(j->pool->kick, &kicks);
	return st == EMPTY ? OK : st;
}

/* Workers end after the call that they are in; the beat goes on meanwhile. */
static void
begin_drain(struct pool *pool)
{
	log_line(LOG_INFO, "draining", NULL);
	epoll_ctl(pool->wait_fd, EPOLL_CTL_DEL, pool->stop_fd, NULL);
	atomic_store(&pool->stopping, true);
	pool_wake(pool, pool->n_workers);
}

enum status
janitor_run(struct pool *pool, struct fault *fault)
{
	struct janitor *j = pool->janitor;
	bool away = false;
	enum status st;

	log_line(LOG_INFO, "ready", NULL);
	pool_phase(pool, POOL_READY);
	while (atomic_load(&pool->n_running) > 0) {
		if (!atomic_load(&pool->stopping) && told_to_stop(pool))
			begin_drain(pool);
		watchdog_look(pool, j->calls);
		atomic_fetch_add(&pool->options->line->rounds, 1);
		if (away) {
			away = !recover(j);
			continue;
		}
		*fault = (struct fault){ 0 };
		st = do_round(j, fault);
		away = passing(st);
		if (away)
			log_fault(LOG_WARNING, "the janitor lost the database", fault);
		else if (st != OK) {
			log_fault(LOG_ERROR, "the janitor could not do a duty", fault);
			pause_for(pool, RECONNECT_PAUSE);
		}
	}
	return OK;
}

void
janitor_close(struct pool *pool)
{
	struct janitor *j = pool->janitor;
	struct fault fault = { 0 };

	if (!j)
		return;
	if (atomic_load(&pool->host) && db_alive(j->db) &&
	    queue_host_leave(j->db, atomic_load(&pool->host), &fault) == OK)
		*pool->options->host_id = 0;
	db_close(j->db);
	arena_destroy(j->arena);
	free(j->calls);
	free(j->watches);
	free(j);
	pool->janitor = NULL;
}
