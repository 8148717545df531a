/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * janitor.c - what a host does beside working: beat, watch, reap, wake, fire, order, pack, retire,
 * listen.
 *
 * One thread with a connection of its own. Judges other hosts by its own
 * monotonic clock and only over a connection that was healthy all the while:
 * after an outage of the database nobody is voided in the rush. Never runs
 * plugin code and never holds a lease.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "worker/worker_priv.h"

#define BELL_QUIET (5 * SEC) /* busy for so long: the doorbell is taken down */
#define WAKE_MOST SEC        /* applications defer jobs without telling us */
#define PACK_EVERY (5 * SEC)
#define BLOCKS_EVERY (30 * SEC)
#define WATCH_EVERY SEC /* and at once when it is told */
#define RETIRE_EVERY (30 * SEC)
#define RETENTION_PARTS 8 /* blocks are closed at this part of the retention's age */
#define KEYS_LIMIT 10000
#define TURNS_LIMIT 1000
#define ORDER_BUSY (20 * MSEC) /* while there are keys without a turn */
#define WAKE_LIMIT 1000
#define PACK_LIMIT 2000
#define RECONNECT_PAUSE (250 * MSEC)

/* Another host's beat, as this one has seen it. */
struct watch {
	int64_t host, beat;
	int64_t since; /* mono: first seen with this beat */
};

struct janitor {
	struct pool *pool;
	struct db *db;
	struct arena *arena;
	struct uuid boot;
	/* mono: next time */
	int64_t beat_at, watch_at, reap_at, wake_at, pack_at, blocks_at, retire_at, fire_at,
	    order_at;
	struct watched_call *calls; /* one for each worker */
	struct watch *watches;
	size_t n_watches;
	bool bell;
	int64_t busy_since; /* mono; 0: some worker sleeps */
};

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

	for (size_t p = 0; p < pool->n_pipelines; p++) {
		const struct config_pipeline *conf = pool->pipelines[p].conf;
		struct queue_stage *stages = arena_alloc(j->arena,
		                                         conf->n_stages * sizeof(*stages));
		enum status st;

		for (size_t s = 0; s < conf->n_stages; s++)
			stages[s] = (struct queue_stage){
				.name = conf->stages[s].name,
				.max_attempts = (int16_t)conf->stages[s].max_attempts,
			};
		st = queue_register(j->db, conf->name, stages, conf->n_stages, fault);
		if (st != OK)
			return st;
		for (size_t s = 0; s < conf->n_stages; s++)
			pool->pipelines[p].lanes[s].id = stages[s].lane;
	}
	for (size_t i = 0; i < pool->n_lanes; i++)
		pool->lane_ids[i] = pool->lanes[i].id;
	return OK;
}

/* A boot in the database: from now on this host may hold leases. Replaces the boot that the
 * supervisor saw die, or the own one that others took for dead. */
static enum status
register_host(struct janitor *j, int64_t former, struct fault *fault)
{
	struct pool *pool = j->pool;
	const char *name = pool->config->set.name;
	char machine[HOST_NAME_MAX + 1] = "";
	int64_t sent = clock_mono(), host;
	enum status st;

	gethostname(machine, sizeof(machine) - 1);
	j->boot = uuid_random();
	st = queue_host_register(j->db, &j->boot, name[0] ? name : machine, machine, getpid(),
	                         former, &host, fault);
	if (st != OK)
		return st;
	atomic_store(&pool->valid_until, sent + pool->config->set.lease_life);
	atomic_store(&pool->host, host);
	*pool->options->host_id = host;
	j->bell = false;
	j->beat_at = sent + pool->config->set.heartbeat;
	return OK;
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

static enum status
set_up(struct janitor *j, struct fault *fault)
{
	enum status st = db_schema_check(j->db, fault);

	if (st == OK)
		st = register_pipelines(j, fault);
	if (st == OK)
		st = db_listen(j->db, "penstock", fault);
	if (st == OK)
		st = tell_blames(j, *j->pool->options->host_id, fault);
	if (st == OK)
		st = register_host(j, *j->pool->options->host_id, fault);
	return st;
}

/* Trouble that waiting may cure. */
static bool
passing(enum status st)
{
	return st == AWAY || st == UNKNOWN || st == TIMEOUT;
}

static enum status
connect_first(struct janitor *j, struct fault *fault)
{
	struct db_options options = {
		.conninfo = j->pool->config->set.database,
		.application = "penstock host",
	};
	enum status st;
	bool told = false;

	do {
		*fault = (struct fault){ 0 };
		st = j->db ? db_reconnect(j->db, fault) : db_open(&options, &j->db, fault);
		if (st == OK)
			st = set_up(j, fault);
		if (!passing(st))
			return st;
		if (!told)
			log_fault(LOG_WARNING, "waiting for the database", fault);
		told = true;
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

/* ---- the duties ---- */

static enum status
beat(struct janitor *j, struct fault *fault)
{
	struct pool *pool = j->pool;
	int64_t sent = clock_mono();
	enum status st = queue_host_beat(j->db, atomic_load(&pool->host), fault);

	j->beat_at = sent + pool->config->set.heartbeat;
	if (st == OK)
		atomic_store(&pool->valid_until, sent + pool->config->set.lease_life);
	if (st != NOT_FOUND)
		return st;
	log_line(LOG_WARNING,
	         "this host was silent for too long and was taken for dead: it registers again",
	         NULL);
	atomic_store(&pool->host, 0);
	return register_host(j, 0, fault);
}

static struct watch *
find_watch(struct janitor *j, int64_t host)
{
	for (size_t i = 0; i < j->n_watches; i++)
		if (j->watches[i].host == host)
			return &j->watches[i];
	return NULL;
}

/* Forgets hosts that are gone, begins with new ones, starts the clock again where a beat moved. */
static void
watch_hosts(struct janitor *j, const struct queue_host *hosts, size_t n, int64_t now)
{
	struct watch *seen = mem_array(NULL, n ? n : 1, sizeof(*seen));

	for (size_t i = 0; i < n; i++) {
		const struct watch *old = find_watch(j, hosts[i].id);

		seen[i] = (struct watch){ hosts[i].id, hosts[i].beat, now };
		if (old && old->beat == hosts[i].beat)
			seen[i].since = old->since;
	}
	free(j->watches);
	j->watches = seen;
	j->n_watches = n;
}

static void
count(struct janitor *j, enum host_counter c, uint64_t n)
{
	pool_count(&(struct worker){ .pool = j->pool, .line = j->pool->options->first_worker }, c,
	           n);
}

static enum status
reap(struct janitor *j, struct fault *fault)
{
	struct queue_host *hosts;
	size_t n;
	int64_t now = clock_mono(), jobs = 0, life = j->pool->config->set.lease_life;
	enum status st = queue_host_list(j->db, j->arena, &hosts, &n, fault);

	j->reap_at = now + j->pool->config->set.reap_interval;
	if (st != OK)
		return st;
	watch_hosts(j, hosts, n, now);
	for (size_t i = 0; i < j->n_watches; i++) {
		const struct watch *w = &j->watches[i];
		char id[24];

		if (w->host == atomic_load(&j->pool->host) || now - w->since < life)
			continue;
		st = queue_reap(j->db, w->host, w->beat, fault);
		if (st != OK && st != NOT_FOUND)
			return st;
		snprintf(id, sizeof(id), "%lld", (long long)w->host);
		if (st == OK)
			log_line(LOG_WARNING, "a host is taken for dead", "host", id, NULL);
	}
	st = queue_reap_leases(j->db, &jobs, fault);
	if (st == OK && jobs > 0) {
		count(j, HOST_reaps, (uint64_t)jobs);
		pool_wake(j->pool, j->pool->n_workers);
	}
	return st;
}

static enum status
wake(struct janitor *j, struct fault *fault)
{
	int64_t jobs, next_ms, now = clock_mono();
	enum status st;

	atomic_store(&j->pool->wake_at, INT64_MAX);
	st = queue_wake(j->db, WAKE_LIMIT, &jobs, &next_ms, fault);
	j->wake_at = now + WAKE_MOST;
	if (st != OK)
		return st;
	if (next_ms >= 0 && next_ms * MSEC < WAKE_MOST)
		j->wake_at = now + next_ms * MSEC;
	if (jobs > 0) {
		count(j, HOST_wakes, (uint64_t)jobs);
		pool_wake(j->pool, j->pool->n_workers);
	}
	return OK;
}

/* Schedules: looks each second, since people make them without telling us, and when one is due. */
static enum status
fire(struct janitor *j, struct fault *fault)
{
	int64_t jobs, next_ms, now = clock_mono();
	enum status st = queue_fire(j->db, &jobs, &next_ms, fault);

	j->fire_at = now + WAKE_MOST;
	if (st != OK)
		return st;
	if (next_ms >= 0 && next_ms * MSEC < WAKE_MOST)
		j->fire_at = now + next_ms * MSEC;
	if (jobs > 0)
		pool_wake(j->pool, j->pool->n_workers);
	return OK;
}

/* Ordering keys whose first job was enqueued since: at once when told, soon while there are more.
 */
static enum status
give_turns(struct janitor *j, struct fault *fault)
{
	int64_t jobs = 0;
	enum status st = queue_give_turns(j->db, TURNS_LIMIT, &jobs, fault);

	j->order_at = clock_mono() + (jobs > 0 ? ORDER_BUSY : WAKE_MOST);
	if (st == OK && jobs > 0)
		pool_wake(j->pool, j->pool->n_workers);
	return st;
}

static enum status
pack(struct janitor *j, struct fault *fault)
{
	int64_t fewer;
	enum status st = OK;

	j->pack_at = clock_mono() + PACK_EVERY;
	for (size_t i = 0; i < j->pool->n_lanes && st == OK; i++) {
		st = queue_pack(j->db, j->pool->lane_ids[i], PACK_LIMIT, &fewer, fault);
		if (st == OK && fewer > 0)
			j->pack_at =
			    0; /* more may be there: again at once, after the other duties */
	}
	return st;
}

static enum status
make_blocks(struct janitor *j, struct fault *fault)
{
	enum status st = queue_make_blocks(j->db, fault);

	j->blocks_at = clock_mono() + BLOCKS_EVERY;
	if (st ==
	    SQL) { /* somebody holds a lock on job: try again later, blocks are made far ahead */
		log_fault(LOG_WARNING, "cannot make room for job ids ahead", fault);
		return OK;
	}
	return st;
}

/* What people asked for since the last look. */
static enum status
watch(struct janitor *j, struct fault *fault)
{
	struct pool *pool = j->pool;
	struct queue_asked asked;
	enum status st = queue_watch(j->db, j->arena, pool->lane_ids, pool->n_lanes, &asked, fault);

	j->watch_at = clock_mono() + WATCH_EVERY;
	if (st == OK)
		pool_asked(pool, &asked);
	return st;
}

/* Forgets what is over for long: expired keys, and blocks of ids whose jobs all ended. */
static enum status
retire(struct janitor *j, struct fault *fault)
{
	int64_t keep_ms = j->pool->config->set.retention / MSEC, jobs = -1, keys = 0;
	enum status st = queue_forget_keys(j->db, KEYS_LIMIT, &keys, fault);

	j->retire_at = clock_mono() + RETIRE_EVERY;
	if (st == OK && keep_ms > 0)
		st = queue_close_block(j->db, keep_ms / RETENTION_PARTS, fault);
	if (st == OK && keep_ms > 0)
		st = queue_drop_block(j->db, keep_ms, &jobs, fault);
	if (st == OK && (jobs >= 0 || keys == KEYS_LIMIT))
		j->retire_at = 0; /* more may be there: again at once, after the other duties */
	if (st == SQL && strcmp(fault->sqlstate, "55P03") == 0)
		return OK; /* the block is in use: at the next time */
	return st;
}

/* The doorbell hangs while somebody sleeps. It is taken down only after a while of work without a
 * pause, since each change leaves a dead row in the table that every enqueue reads. */
static enum status
tend_bell(struct janitor *j, struct fault *fault)
{
	struct pool *pool = j->pool;
	int64_t host = atomic_load(&pool->host);
	enum status st = OK;

	if (atomic_load(&pool->n_sleeping) > 0) {
		j->busy_since = 0;
		if (j->bell)
			return OK;
		st = queue_bell_set(j->db, host, pool->lane_ids, pool->n_lanes, j->arena, fault);
		j->bell = st == OK;
		pool_wake(pool, 1); /* what came before the bell hung was not announced */
		return st;
	}
	if (!j->busy_since)
		j->busy_since = clock_mono();
	if (!j->bell || clock_mono() - j->busy_since < BELL_QUIET)
		return OK;
	st = queue_bell_clear(j->db, host, fault);
	j->bell = st != OK;
	return st;
}

void
janitor_void_orphans(struct pool *pool)
{
	struct janitor *j = pool->janitor;
	struct fault fault = { 0 };
	struct uuid token;
	enum status st;

	for (;;) {
		pthread_mutex_lock(&pool->lock);
		if (pool->n_orphans == 0) {
			pthread_mutex_unlock(&pool->lock);
			return;
		}
		token = pool->orphans[pool->n_orphans - 1];
		pthread_mutex_unlock(&pool->lock);
		st = queue_void(j->db, &token, &fault);
		if (st != OK && st != NOT_FOUND) {
			log_fault(LOG_WARNING, "cannot give a lease back yet", &fault);
			return;
		}
		pthread_mutex_lock(&pool->lock);
		for (size_t i = 0; i < pool->n_orphans; i++)
			if (memcmp(&pool->orphans[i], &token, sizeof(token)) == 0) {
				pool->orphans[i] = pool->orphans[--pool->n_orphans];
				break;
			}
		pthread_mutex_unlock(&pool->lock);
		pool_wake(pool, 1);
	}
}

static enum status
do_duties(struct janitor *j, struct fault *fault)
{
	int64_t now = clock_mono(), known = atomic_load(&j->pool->wake_at);
	enum status st = OK;

	if (now >= j->beat_at)
		st = beat(j, fault);
	if (st == OK)
		janitor_void_orphans(j->pool);
	if (st == OK)
		st = tend_bell(j, fault);
	if (st == OK && (now >= j->wake_at || now >= known))
		st = wake(j, fault);
	if (st == OK && now >= j->watch_at)
		st = watch(j, fault);
	if (st == OK && now >= j->order_at)
		st = give_turns(j, fault);
	if (st == OK && now >= j->fire_at)
		st = fire(j, fault);
	if (st == OK && now >= j->reap_at)
		st = reap(j, fault);
	if (st == OK && now >= j->blocks_at)
		st = make_blocks(j, fault);
	if (st == OK && now >= j->pack_at)
		st = pack(j, fault);
	if (st == OK && now >= j->retire_at)
		st = retire(j, fault);
	arena_reset(j->arena);
	return st;
}

static int64_t
until_next_duty(const struct janitor *j)
{
	int64_t next = j->beat_at, known = atomic_load(&j->pool->wake_at), now = clock_mono();
	const int64_t times[] = {
		j->reap_at,  j->wake_at,
		j->watch_at, j->blocks_at,
		j->pack_at,  j->retire_at,
		j->fire_at,  j->order_at,
		known,       j->bell && j->busy_since ? j->busy_since + BELL_QUIET : INT64_MAX
	};

	for (size_t i = 0; i < countof(times); i++)
		if (times[i] < next)
			next = times[i];
	return next > now ? next - now : 0;
}

/* One try to have the connection back, and the pause before the next. */
static bool
recover(struct janitor *j)
{
	struct fault fault = { 0 };

	if (db_reconnect(j->db, &fault) != OK || db_listen(j->db, "penstock", &fault) != OK) {
		pause_for(j->pool, RECONNECT_PAUSE);
		return false;
	}
	j->n_watches = 0; /* what was seen before the outage says nothing about anybody */
	j->beat_at = 0;
	j->bell = false;
	log_line(LOG_INFO, "the janitor has the database again", NULL);
	return true;
}

/* The duties that are due, then a wait for whatever comes first. */
static enum status
do_round(struct janitor *j, struct fault *fault)
{
	char payload[64];
	eventfd_t kicks;
	enum status st = do_duties(j, fault);

	if (st != OK)
		return st;
	st = db_wait(j->db, j->pool->wait_fd, until_next_duty(j), payload, sizeof(payload), fault);
	if (st == OK && strcmp(payload, "watch") == 0)
		j->watch_at = 0;
	else if (st == OK && strcmp(payload, "order") == 0)
		j->order_at = 0;
	else if (st == OK)
		pool_wake(j->pool, 1);
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
	while (atomic_load(&pool->n_running) > 0) {
		if (!atomic_load(&pool->stopping) && told_to_stop(pool))
			begin_drain(pool);
		watchdog_look(pool, j->calls);
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
