/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * janitor_duties.c - what a host does beside working, each at its time: one table.
 *
 * Every duty sets its own next time, whether it succeeds or not, so that one
 * that fails is tried again like the others, and none runs in a tight loop.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "worker/worker_priv.h"

#define BELL_QUIET (5 * SEC) /* busy for so long: the doorbell is taken down */
#define WAKE_MOST SEC        /* applications defer jobs without telling us */
#define PACK_EVERY (5 * SEC)
#define BLOCKS_EVERY (30 * SEC)
#define WATCH_EVERY SEC /* and at once when it is told */
#define LEAVE_EVERY (500 * MSEC)
#define RETIRE_EVERY (30 * SEC)
#define RETENTION_PARTS 8 /* blocks are closed at this part of the retention's age */
#define KEYS_LIMIT 10000
#define TURNS_LIMIT 4000
#define KEYS_MOST 1000
#define KEYS_SHARE 20          /* looks at keys take at most one part in so many of the time */
#define ORDER_BUSY (20 * MSEC) /* while jobs with ordering keys arrive */
#define WAKE_LIMIT 1000
#define PACK_LIMIT 2000

static enum status
beat(struct janitor *j, struct fault *fault)
{
	struct pool *pool = j->pool;
	int64_t sent = clock_mono();
	enum status st = queue_host_beat(j->db, atomic_load(&pool->host), fault);

	j->at[DUTY_BEAT] = sent + pool->config->set.heartbeat;
	if (st == OK)
		atomic_store(&pool->valid_until, sent + pool->config->set.lease_life);
	if (st != NOT_FOUND)
		return st;
	log_line(LOG_WARNING,
	         "this host was silent for too long and was taken for dead: it registers again",
	         NULL);
	atomic_store(&pool->host, 0);
	return janitor_register(j, 0, fault);
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

/* See the note on late claims. The list is older than the look at what is held: a lease that is not
 * held any more, though it is listed, is over. */
static enum status
void_unheld(struct janitor *j, struct fault *fault)
{
	struct pool *pool = j->pool;
	struct uuid *tokens;
	size_t n;
	enum status st = queue_leases(j->db, j->arena, atomic_load(&pool->host), &tokens, &n,
	                              fault);

	for (size_t i = 0; i < n && st == OK; i++) {
		if (pool_holds(pool, &tokens[i]))
			continue;
		st = queue_void(j->db, &tokens[i], fault);
		if (st == OK)
			log_line(LOG_WARNING,
			         "a claim whose reply had been lost is there after all: its jobs "
			         "go back",
			         NULL);
		if (st == NOT_FOUND)
			st = OK;
	}
	return st;
}

static enum status
reap(struct janitor *j, struct fault *fault)
{
	struct queue_host *hosts;
	size_t n;
	int64_t now = clock_mono(), jobs = 0, life = j->pool->config->set.lease_life;
	enum status st = queue_host_list(j->db, j->arena, &hosts, &n, fault);

	j->at[DUTY_REAP] = now + j->pool->config->set.reap_interval;
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
	return st == OK ? void_unheld(j, fault) : st;
}

static enum status
wake(struct janitor *j, struct fault *fault)
{
	int64_t jobs, next_ms, now = clock_mono();
	enum status st;

	atomic_store(&j->pool->wake_at, INT64_MAX);
	st = queue_wake(j->db, WAKE_LIMIT, &jobs, &next_ms, fault);
	j->at[DUTY_WAKE] = now + WAKE_MOST;
	if (st != OK)
		return st;
	if (next_ms >= 0 && next_ms * MSEC < WAKE_MOST)
		j->at[DUTY_WAKE] = now + next_ms * MSEC;
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

	j->at[DUTY_FIRE] = now + WAKE_MOST;
	if (st != OK)
		return st;
	if (next_ms >= 0 && next_ms * MSEC < WAKE_MOST)
		j->at[DUTY_FIRE] = now + next_ms * MSEC;
	if (jobs > 0)
		pool_wake(j->pool, j->pool->n_workers);
	return OK;
}

/* Longer each time that there was nothing, within the bounds of a worker's looks. */
static int64_t
order_pause(struct janitor *j)
{
	const struct settings *set = &j->pool->config->set;
	int64_t most = set->poll_most < WAKE_MOST ? set->poll_most : WAKE_MOST;

	if (j->listens)
		return WAKE_MOST;
	j->order_ns = j->order_ns ? j->order_ns * 2 : set->poll_least;
	if (j->order_ns > most)
		j->order_ns = most;
	return j->order_ns;
}

/* Jobs with ordering keys that were enqueued since: at once when told, soon while there are more.
 */
static enum status
give_turns(struct janitor *j, struct fault *fault)
{
	int64_t jobs = 0;
	enum status st = queue_give_turns(j->db, TURNS_LIMIT, &jobs, fault);

	if (jobs > 0)
		j->order_ns = 0;
	if (jobs >= TURNS_LIMIT) /* there are more */
		j->at[DUTY_ORDER] = 0;
	else
		j->at[DUTY_ORDER] = clock_mono() + (jobs > 0 ? ORDER_BUSY : order_pause(j));
	if (st == OK && jobs > 0)
		pool_wake(j->pool, j->pool->n_workers);
	return st;
}

/* Jobs that wait for room of their key become ready as others of it leave the stage; what that
 * misses is found here. */
static enum status
free_keys(struct janitor *j, struct fault *fault)
{
	int64_t jobs = 0, now = clock_mono(), took;
	enum status st = queue_free_keys(j->db, KEYS_MOST, &jobs, fault);

	took = clock_mono() - now;
	j->at[DUTY_KEYS] = now + (took * KEYS_SHARE > WAKE_MOST ? took * KEYS_SHARE : WAKE_MOST);
	if (st == OK && jobs > 0)
		pool_wake(j->pool, j->pool->n_workers);
	return st;
}

static enum status
pack(struct janitor *j, struct fault *fault)
{
	int64_t fewer;
	enum status st = OK;

	j->at[DUTY_PACK] = clock_mono() + PACK_EVERY;
	for (size_t i = 0; i < j->pool->n_lanes && st == OK; i++) {
		st = queue_pack(j->db, j->pool->lane_ids[i], PACK_LIMIT, &j->pool->lanes[i].packed,
		                &fewer, fault);
		if (st == OK && fewer > 0)
			j->at[DUTY_PACK] =
			    0; /* more may be there: again at once, after the other duties */
	}
	return st;
}

static enum status
make_blocks(struct janitor *j, struct fault *fault)
{
	enum status st = queue_make_blocks(j->db, fault);

	j->at[DUTY_BLOCKS] = clock_mono() + BLOCKS_EVERY;
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

	j->at[DUTY_WATCH] = clock_mono() + WATCH_EVERY;
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

	j->at[DUTY_RETIRE] = clock_mono() + RETIRE_EVERY;
	if (st == OK && keep_ms > 0)
		st = queue_close_block(j->db, keep_ms / RETENTION_PARTS, fault);
	if (st == OK && keep_ms > 0)
		st = queue_drop_block(j->db, keep_ms, &jobs, fault);
	if (st == OK && (jobs >= 0 || keys == KEYS_LIMIT))
		j->at[DUTY_RETIRE] =
		    0; /* more may be there: again at once, after the other duties */
	if (st == SQL && strcmp(fault->sqlstate, "55P03") == 0)
		return OK; /* the block is in use: at the next time */
	return st;
}

/* Stages that leave go when they are empty, and no transaction is open any more that began before
 * they left and could still put jobs there. The supervisor asks once its other processes, which
 * could too, are gone. */
static enum status
leave(struct janitor *j, struct fault *fault)
{
	struct pool *pool = j->pool;
	struct pool_line *line = pool->options->line;
	int64_t oldest = 0, next = 0, jobs = 0;
	bool left;
	enum status st = OK;

	if (pool->n_leaving == 0 || !pool->options->leads) {
		j->at[DUTY_LEAVE] = INT64_MAX;
		return OK;
	}
	j->at[DUTY_LEAVE] = clock_mono() + LEAVE_EVERY;
	if (!atomic_load(&line->ask))
		return OK;
	st = queue_horizon(j->db, &oldest, &next, fault);
	if (st == OK)
		st = queue_removed(j->db, j->arena, pool->leaving, pool->n_leaving,
		                   &pool->options->supervisor, &jobs, fault);
	if (st != OK)
		return st;
	if (!j->leave_next)
		j->leave_next = next;
	atomic_store(&line->leaving, jobs);
	left = jobs == 0 && oldest >= j->leave_next;
	if (atomic_exchange(&line->left, left) != left)
		eventfd_write(pool->options->news_fd, 1);
	return OK;
}

/* The doorbell hangs while somebody sleeps. It is taken down only after a while of work without a
 * pause, since each change leaves a dead row in the table that every enqueue reads. */
static enum status
tend_bell(struct janitor *j, struct fault *fault)
{
	struct pool *pool = j->pool;
	int64_t host = atomic_load(&pool->host);
	enum status st = OK;

	if (!j->listens)
		return OK; /* nobody would hear it */
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

	while (pool_next_orphan(pool, &token)) {
		enum status st = queue_void(j->db, &token, &fault);

		if (st != OK && st != NOT_FOUND) {
			log_fault(LOG_WARNING, "cannot give a lease back yet", &fault);
			return;
		}
		pool_orphan_voided(pool, &token);
		pool_wake(pool, 1);
	}
}

static enum status
void_orphans(struct janitor *j, struct fault *fault)
{
	(void)fault; /* what cannot be voided yet is tried again in the next round */
	janitor_void_orphans(j->pool);
	return OK;
}

/* In the order in which they are done when several are due: what others wait for comes first. */
static const struct {
	enum duty duty;
	enum status (*run)(struct janitor *j, struct fault *fault);
} duties[] = {
	{ DUTY_BEAT, beat },      { DUTY_ORPHANS, void_orphans },
	{ DUTY_BELL, tend_bell }, { DUTY_WAKE, wake },
	{ DUTY_WATCH, watch },    { DUTY_ORDER, give_turns },
	{ DUTY_KEYS, free_keys }, { DUTY_FIRE, fire },
	{ DUTY_REAP, reap },      { DUTY_BLOCKS, make_blocks },
	{ DUTY_PACK, pack },      { DUTY_RETIRE, retire },
	{ DUTY_LEAVE, leave },
};

/* Deferred jobs of our own workers are due at a time that we know. */
static int64_t
due_at(const struct janitor *j, enum duty duty)
{
	int64_t at = j->at[duty], known = atomic_load(&j->pool->wake_at);

	return duty == DUTY_WAKE && known < at ? known : at;
}

enum status
janitor_do_duties(struct janitor *j, struct fault *fault)
{
	int64_t now = clock_mono();
	enum status st = OK;

	for (size_t i = 0; i < countof(duties) && st == OK; i++)
		if (now >= due_at(j, duties[i].duty))
			st = duties[i].run(j, fault);
	arena_reset(j->arena);
	return st;
}

int64_t
janitor_until_next(const struct janitor *j)
{
	int64_t next = j->bell && j->busy_since ? j->busy_since + BELL_QUIET : INT64_MAX;
	int64_t now = clock_mono();

	/* those without a time are done in every round, and a round is begun for them */
	for (size_t i = 0; i < countof(duties); i++)
		if (duties[i].duty != DUTY_ORPHANS && duties[i].duty != DUTY_BELL &&
		    due_at(j, duties[i].duty) < next)
			next = due_at(j, duties[i].duty);
	return next > now ? next - now : 0;
}
