/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pool.c - what the workers of one host process share.
 *
 * Which lanes have work, where in them it begins, how large a lease should be,
 * who sleeps. Holds pool->lock for a few instructions and never over a round
 * trip; the truth is in the database, this is what was last seen of it.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "worker/worker_priv.h"

/* One choice in this many goes to the lane that waited longest, so that none starves. */
#define FAIR_TURN 8
/* A lane of which nothing is known begins with this many jobs a lease, and grows fourfold. */
#define FIRST_WANT 16
/* Weight of the newest lease in the mean work of a job. */
#define MEASURE_WEIGHT 0.3
/* Which worker is slow to open its stages is looked at so often. */
#define LOOK_AT_WORKERS 200 /* ms */
#define INLINE_BODY (64 * KiB)
/* Looks at whole lanes take at most one part in so many of the time. */
#define SCAN_SHARE 20
/* and come at least this often, also while there is work enough. */
#define SCAN_LEAST SEC

struct lane *
pool_lane(struct pool *pool, int32_t id)
{
	for (size_t i = 0; i < pool->n_lanes; i++)
		if (pool->lanes[i].id == id)
			return &pool->lanes[i];
	return NULL;
}

/* ---- choosing ---- */

/* How many promises the lane's plugin may still give in this process. What workers ask for, and
 * what they have at hand, counts as if it were promised: who claims more than that only snoozes it.
 * Under the lock. */
static int64_t
promises_left(const struct lane *lane)
{
	uint32_t most = release_descriptor(lane->release)->max_in_flight;

	if (!most)
		return INT32_MAX;
	return (int64_t)most - (int64_t)release_tokens_out(lane->release) - lane->asked;
}

static bool
worth_a_claim(const struct lane *lane)
{
	return lane->ready && promises_left(lane) > 0;
}

static struct lane *
longest_waiting(struct pool *pool)
{
	struct lane *best = NULL;

	for (size_t i = 0; i < pool->n_lanes; i++) {
		struct lane *lane = &pool->lanes[i];

		if (worth_a_claim(lane) && (!best || lane->served < best->served))
			best = lane;
	}
	return best;
}

/* Pipelines in turn; in a pipeline the lane nearest to its end, so that what was begun is finished
 * before more is begun. */
static struct lane *
downstream_first(struct pool *pool)
{
	for (size_t i = 0; i < pool->n_pipelines; i++) {
		size_t p = (pool->next_pipeline + i) % pool->n_pipelines;
		struct pool_pipeline *pipeline = &pool->pipelines[p];

		for (size_t s = pipeline->conf->n_stages; s-- > 0;) {
			if (!worth_a_claim(&pipeline->lanes[s]))
				continue;
			pool->next_pipeline = p + 1;
			return &pipeline->lanes[s];
		}
	}
	return NULL;
}

/* As much as the settings' time of work, at most four times the last lease. */
static int32_t
lease_size(const struct pool *pool, const struct lane *lane)
{
	const struct settings *set = &pool->config->set;
	int64_t most = lane->conf->max_lease ? lane->conf->max_lease : set->lease_jobs;
	int64_t want = FIRST_WANT;
	int64_t promises = promises_left(lane);

	if (lane->job_ns > 0) {
		double fit = (double)set->lease_time / lane->job_ns;

		want = fit > (double)most ? most : (int64_t)fit;
		if (want > (int64_t)lane->want * 4)
			want = (int64_t)lane->want * 4;
	}
	most = promises < most ? promises : most;
	want = want > most ? most : want;
	return want < 1 ? 1 : (int32_t)want;
}

/* Locking more parcels than are taken hides them from every other worker; locking fewer gives
 * small leases. */
static int32_t
parcels_for(const struct lane *lane, int32_t want)
{
	double mean = lane->parcel_jobs > 1 ? lane->parcel_jobs : 1;

	return (int32_t)((double)want / mean) + 1;
}

struct lane *
pool_choose(struct pool *pool, struct worker *w, struct queue_claim *ret_claim, struct arena *arena)
{
	struct queue_head *heads = arena_alloc(arena, LANE_HEADS * sizeof(*heads));
	struct lane *lane;

	if (atomic_load(&pool->stopping) || !atomic_load(&pool->host) || !pool_valid(pool))
		return NULL;
	pthread_mutex_lock(&pool->lock);
	lane = ++pool->turn % FAIR_TURN == 0 ? longest_waiting(pool) : downstream_first(pool);
	if (lane) {
		lane->served = pool->turn;
		lane->want = lease_size(pool, lane);
		check(!w->asked_lane);
		lane->asked += lane->want;
		w->asked_lane = lane;
		w->asked = lane->want;
		memcpy(heads, lane->heads, lane->n_heads * sizeof(*heads));
		*ret_claim = (struct queue_claim){
			.host = atomic_load(&pool->host),
			.lane = lane->id,
			.want = lane->want,
			.want_bytes = pool->config->set.lease_bytes,
			.lock = parcels_for(lane, lane->want),
			.inline_bytes = INLINE_BODY,
			.heads = heads,
			.n_heads = lane->n_heads,
		};
	}
	pthread_mutex_unlock(&pool->lock);
	return lane;
}

void
pool_ask_no_more(struct pool *pool, struct worker *w, int32_t n)
{
	pthread_mutex_lock(&pool->lock);
	if (w->asked_lane)
		w->asked_lane->asked -= w->asked - n;
	w->asked = n;
	if (n == 0)
		w->asked_lane = NULL;
	pthread_mutex_unlock(&pool->lock);
}

/* ---- what is known of a lane ---- */

static struct queue_head *
head_of(struct lane *lane, int16_t priority)
{
	for (size_t i = 0; i < lane->n_heads; i++)
		if (lane->heads[i].priority == priority)
			return &lane->heads[i];
	return NULL;
}

/* The lane begins where this claim ended: also when another worker's later claim went further,
 * since this one may have left the rest of a parcel there. */
void
pool_claimed(struct pool *pool, struct lane *lane, enum status status, const struct lease *lease,
             int64_t last, int32_t parcels)
{
	struct queue_head *head;
	bool more = false;

	pthread_mutex_lock(&pool->lock);
	if (status == OK) {
		head = head_of(lane, lease->priority);
		if (head)
			head->from = last;
		if (parcels > 0) {
			double mean = (double)lease->n / parcels;

			lane->parcel_jobs += lane->parcel_jobs > 0
			                         ? MEASURE_WEIGHT * (mean - lane->parcel_jobs)
			                         : mean;
		}
		more = (int64_t)lease->n >= lane->want;
	} else {
		lane->ready = false;
	}
	pthread_mutex_unlock(&pool->lock);
	if (more)
		pool_wake(pool, 1);
}

void
pool_ready(struct pool *pool, int32_t lane_id, int16_t priority)
{
	struct lane *lane = pool_lane(pool, lane_id);

	if (!lane)
		return; /* another host's stage */
	pthread_mutex_lock(&pool->lock);
	if (!head_of(lane, priority) && lane->n_heads < LANE_HEADS)
		lane->heads[lane->n_heads++] = (struct queue_head){ .priority = priority };
	lane->ready = true;
	lane->told++;
	pthread_mutex_unlock(&pool->lock);
	pool_wake(pool, 1);
}

/* Only where a claim knows where to begin: else the worker that wakes looks for it. */
void
pool_rung(struct pool *pool, int32_t lane_id)
{
	struct lane *lane = pool_lane(pool, lane_id);

	if (lane) {
		pthread_mutex_lock(&pool->lock);
		lane->ready |= lane->n_heads > 0;
		lane->told++;
		pthread_mutex_unlock(&pool->lock);
	}
	pool_wake(pool, 1);
}

/* What is known of all lanes, for a look without the lock. Returns whether the look may be at whole
 * lanes: where dead rows make that slow it takes at most a part of the time, and what only it can
 * find waits for it. */
static bool
begin_scan(struct pool *pool, struct arena *arena, struct queue_heads *known, uint64_t *told)
{
	bool whole;

	pthread_mutex_lock(&pool->lock);
	whole = clock_mono() - pool->scanned_at >= pool->scan_ns * SCAN_SHARE;
	if (whole)
		pool->scanned_at = clock_mono();
	for (size_t i = 0; i < pool->n_lanes; i++) {
		const struct lane *lane = &pool->lanes[i];

		told[i] = lane->told;
		known[i].n = lane->n_heads;
		known[i].heads = arena_alloc(arena, (lane->n_heads + 1) * sizeof *known[i].heads);
		memcpy(known[i].heads, lane->heads, lane->n_heads * sizeof *lane->heads);
	}
	pthread_mutex_unlock(&pool->lock);
	return whole;
}

static void
take_heads(struct lane *lane, const struct queue_heads *seen, bool whole)
{
	if (seen->n == 0)
		return; /* keeps the horizon: the dead rows below it are still there */
	if (whole)
		lane->n_heads = 0;
	for (size_t k = 0; k < seen->n; k++) {
		struct queue_head *head = head_of(lane, seen->heads[k].priority);

		if (head)
			head->from = seen->heads[k].from;
		else if (lane->n_heads < LANE_HEADS)
			lane->heads[lane->n_heads++] = seen->heads[k];
	}
}

/* Workers that always have work never rest, and would not see what came for other lanes, or with a
 * better priority. */
bool
pool_scan_due(struct pool *pool)
{
	bool due;

	pthread_mutex_lock(&pool->lock);
	due = clock_mono() - pool->scanned_at >= SCAN_LEAST;
	pthread_mutex_unlock(&pool->lock);
	return due;
}

enum status
pool_scan(struct pool *pool, struct db *db, struct arena *arena, bool *ret_any, struct fault *fault)
{
	struct queue_heads *known = arena_alloc(arena, 2 * pool->n_lanes * sizeof(*known));
	struct queue_heads *seen = known + pool->n_lanes;
	uint64_t *told = arena_alloc(arena, pool->n_lanes * sizeof(*told));
	bool whole = begin_scan(pool, arena, known, told);
	int64_t begun = clock_mono();
	enum status st = whole ? queue_scan(db, arena, pool->lane_ids, pool->n_lanes, seen, fault)
	                       : queue_peek(db, arena, pool->lane_ids, known, pool->n_lanes, seen,
	                                    fault);

	*ret_any = false;
	if (st != OK)
		return st;
	pthread_mutex_lock(&pool->lock);
	if (whole)
		pool->scan_ns = clock_mono() - begun;
	for (size_t i = 0; i < pool->n_lanes; i++) {
		struct lane *lane = &pool->lanes[i];

		lane->ready = seen[i].n > 0 || lane->told != told[i];
		*ret_any |= lane->ready;
		take_heads(lane, &seen[i], whole);
	}
	pthread_mutex_unlock(&pool->lock);
	return OK;
}

void
pool_measured(struct pool *pool, struct lane *lane, size_t jobs, int64_t took_ns)
{
	double ns = (double)(took_ns > 0 ? took_ns : 1) / (double)jobs;

	pthread_mutex_lock(&pool->lock);
	lane->job_ns += lane->job_ns > 0 ? MEASURE_WEIGHT * (ns - lane->job_ns) : ns;
	pthread_mutex_unlock(&pool->lock);
}

/* ---- sleeping ---- */

bool
pool_sleep(struct pool *pool, struct worker *w, int64_t ns)
{
	struct timespec until;
	int64_t at = clock_mono() + ns;
	bool woken;

	until.tv_sec = at / SEC;
	until.tv_nsec = at % SEC;
	pthread_mutex_lock(&pool->lock);
	w->sleeping = true;
	if (atomic_fetch_add(&pool->n_sleeping, 1) + 1 == pool->n_workers)
		eventfd_write(pool->kick, 1); /* all sleep: the janitor sets the doorbell */
	while (!w->woken && pthread_cond_timedwait(&w->wake, &pool->lock, &until) != ETIMEDOUT)
		;
	woken = w->woken;
	w->woken = w->sleeping = false;
	atomic_fetch_sub(&pool->n_sleeping, 1);
	pthread_mutex_unlock(&pool->lock);
	return woken;
}

void
pool_wake(struct pool *pool, uint32_t most)
{
	if (atomic_load(&pool->n_sleeping) == 0)
		return;
	pthread_mutex_lock(&pool->lock);
	for (uint32_t i = 0; i < pool->n_workers && most > 0; i++) {
		struct worker *w = &pool->workers[i];

		if (!w->sleeping || w->woken)
			continue;
		w->woken = true;
		pthread_cond_signal(&w->wake);
		most--;
	}
	pthread_mutex_unlock(&pool->lock);
}

void
pool_wake_worker(struct pool *pool, struct worker *w)
{
	pthread_mutex_lock(&pool->lock);
	w->woken = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&pool->lock);
}

/* ---- the rest ---- */

void
pool_orphan(struct pool *pool, const struct uuid *token)
{
	pthread_mutex_lock(&pool->lock);
	if (pool->n_orphans == pool->cap_orphans) {
		pool->cap_orphans = pool->cap_orphans ? pool->cap_orphans * 2 : 16;
		pool->orphans = mem_array(pool->orphans, pool->cap_orphans, sizeof(*pool->orphans));
	}
	pool->orphans[pool->n_orphans++] = *token;
	pthread_mutex_unlock(&pool->lock);
	eventfd_write(pool->kick, 1);
}

/* See the note on late claims. */
void
pool_hold(struct pool *pool, const struct uuid *token)
{
	pthread_mutex_lock(&pool->lock);
	if (pool->n_held == pool->cap_held) {
		pool->cap_held = pool->cap_held ? pool->cap_held * 2 : 16;
		pool->held = mem_array(pool->held, pool->cap_held, sizeof(*pool->held));
	}
	pool->held[pool->n_held++] = *token;
	pthread_mutex_unlock(&pool->lock);
}

/* Under the lock. */
static struct uuid *
find_held(struct pool *pool, const struct uuid *token)
{
	for (size_t i = 0; i < pool->n_held; i++)
		if (memcmp(&pool->held[i], token, sizeof(*token)) == 0)
			return &pool->held[i];
	return NULL;
}

void
pool_let_go(struct pool *pool, const struct uuid *token)
{
	struct uuid *held;

	pthread_mutex_lock(&pool->lock);
	held = find_held(pool, token);
	if (held)
		*held = pool->held[--pool->n_held];
	pthread_mutex_unlock(&pool->lock);
}

bool
pool_holds(struct pool *pool, const struct uuid *token)
{
	bool holds;

	pthread_mutex_lock(&pool->lock);
	holds = find_held(pool, token) != NULL;
	pthread_mutex_unlock(&pool->lock);
	return holds;
}

/* ---- what people asked for ---- */

static bool
contains(const int32_t *lanes, size_t n, int32_t lane)
{
	for (size_t i = 0; i < n; i++)
		if (lanes[i] == lane)
			return true;
	return false;
}

void
pool_asked(struct pool *pool, const struct queue_asked *asked)
{
	bool resumed = false;

	for (size_t i = 0; i < pool->n_lanes; i++) {
		struct lane *lane = &pool->lanes[i];
		bool paused = contains(asked->paused, asked->n_paused, lane->id);

		resumed |= atomic_exchange(&lane->paused, paused) && !paused;
	}
	pthread_mutex_lock(&pool->lock);
	pool->cancelled = mem_array(pool->cancelled, asked->n_cancelled + 1,
	                            sizeof(*pool->cancelled));
	memcpy(pool->cancelled, asked->cancelled, asked->n_cancelled * sizeof(*pool->cancelled));
	atomic_store(&pool->n_cancelled, asked->n_cancelled);
	pthread_mutex_unlock(&pool->lock);
	if (resumed || asked->n_cancelled > 0)
		pool_wake(pool, pool->n_workers);
}

static int
compare_ids(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

bool
pool_cancelled(struct pool *pool, int64_t job)
{
	bool found;

	if (atomic_load(&pool->n_cancelled) == 0)
		return false;
	pthread_mutex_lock(&pool->lock);
	found = bsearch(&job, pool->cancelled, atomic_load(&pool->n_cancelled), sizeof(job),
	                compare_ids) != NULL;
	pthread_mutex_unlock(&pool->lock);
	return found;
}

bool
pool_valid(const struct pool *pool)
{
	return clock_mono() < atomic_load(&pool->valid_until);
}

void
pool_count(struct worker *w, enum host_counter c, uint64_t n)
{
	/* an atomic add: the janitor counts on the first worker's line */
	__atomic_fetch_add(&w->pool->segment->worker[w->line].value[c], n, __ATOMIC_RELAXED);
}

void
pool_phase(struct pool *pool, enum pool_phase phase)
{
	atomic_store(&pool->options->line->phase, (uint32_t)phase);
	eventfd_write(pool->options->news_fd, 1);
}

void
pool_state(struct worker *w, enum worker_state state)
{
	struct worker_line *line = &w->pool->segment->worker[w->line];
	uint64_t *time = &line->state_ns[line->state % COUNTERS_STATES];
	int64_t now = clock_mono();

	if (line->since > 0)
		__atomic_store_n(time, *time + (uint64_t)(now - line->since), __ATOMIC_RELAXED);
	__atomic_store_n(&line->since, now, __ATOMIC_RELAXED);
	__atomic_store_n(&line->state, (uint32_t)state, __ATOMIC_RELAXED);
	__atomic_store_n(&line->promised, (uint32_t)w->n_later, __ATOMIC_RELAXED);
	__atomic_store_n(&line->moved, line->moved + 1, __ATOMIC_RELAXED);
	__atomic_store_n(&line->in_use,
	                 state == WORKER_CLAIMING || state == WORKER_SETTLING || w->in_transaction,
	                 __ATOMIC_RELAXED);
	__atomic_store_n(&line->waiting, state == WORKER_AWAY, __ATOMIC_RELAXED);
	__atomic_store_n(&line->connections, (w->db && state != WORKER_AWAY) + (w->db_read != NULL),
	                 __ATOMIC_RELAXED);
}

void
pool_was_idle(struct worker *w)
{
	__atomic_store_n(&w->pool->segment->worker[w->line].state, (uint32_t)WORKER_IDLE,
	                 __ATOMIC_RELAXED);
}

struct log_about
pool_about(const struct lane *lane, size_t n, int64_t first, int attempt)
{
	return (struct log_about){
		.pipeline = release_pipeline(lane->release),
		.stage = release_stage(lane->release),
		.release = release_id(lane->release),
		.job = n == 1 ? first : 0,
		.attempt = n == 1 ? (uint32_t)attempt : 0,
		.jobs = (uint32_t)n,
	};
}

struct counter_slot *
pool_slot(const struct worker *w, int32_t lane_id)
{
	const struct lane *lane = pool_lane(w->pool, lane_id);

	return lane && w->slots ? w->slots[lane - w->pool->lanes] : NULL;
}

/* ---- life ---- */

static void
lay_out_lanes(struct pool *pool)
{
	const struct config *config = pool->config;
	size_t next = 0;

	for (size_t p = 0; p < config->n_pipelines; p++)
		pool->n_lanes += config->pipelines[p].n_stages;
	pool->n_pipelines = config->n_pipelines;
	pool->lanes = mem_array(NULL, pool->n_lanes, sizeof(*pool->lanes));
	pool->lane_ids = mem_array(NULL, pool->n_lanes, sizeof(*pool->lane_ids));
	pool->pipelines = mem_array(NULL, pool->n_pipelines, sizeof(*pool->pipelines));
	for (size_t p = 0; p < config->n_pipelines; p++) {
		pool->pipelines[p] = (struct pool_pipeline){ &config->pipelines[p],
			                                     &pool->lanes[next] };
		for (size_t s = 0; s < config->pipelines[p].n_stages; s++)
			pool->lanes[next++] = (struct lane){
				.pipeline = p, .stage = s, .conf = &config->pipelines[p].stages[s]
			};
	}
}

static void
list_leaving(struct pool *pool)
{
	pool->leaving = mem_array(NULL, pool->n_lanes + 1, sizeof(*pool->leaving));
	for (size_t i = 0; i < pool->n_lanes; i++)
		if (pool->lanes[i].conf->onward)
			pool->leaving[pool->n_leaving++] = (struct queue_place){
				pool->pipelines[pool->lanes[i].pipeline].conf->name,
				pool->lanes[i].conf->name
			};
}

static void
open_wait(struct pool *pool)
{
	struct epoll_event in = { .events = EPOLLIN };

	pool->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pool->wait_fd = epoll_create1(EPOLL_CLOEXEC);
	check(pool->kick >= 0 && pool->wait_fd >= 0);
	check(epoll_ctl(pool->wait_fd, EPOLL_CTL_ADD, pool->kick, &in) == 0);
	check(epoll_ctl(pool->wait_fd, EPOLL_CTL_ADD, pool->stop_fd, &in) == 0);
}

static bool
told_to_stop(const struct pool *pool)
{
	struct pollfd p = { .fd = pool->stop_fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

/* Note on opening. While stages are opened the supervisor can see since when, and which one: it
 * names the plugin when the process dies in it, or never comes back from it. In a worker's thread
 * the name is told by the handler of the crash, or by the thread that waits for the workers. */
static void
tell_opening(struct pool *pool, bool begins)
{
	struct pool_line *line = pool->options->line;

	memset(line->opening, 0, sizeof(line->opening));
	atomic_store(&line->opening_since, begins ? clock_mono() : 0);
	eventfd_write(pool->options->news_fd, 1);
}

/* Of the workers that are not through, the first. */
static void
tell_slow_worker(struct pool *pool)
{
	for (uint32_t i = 0; i < pool->n_workers; i++) {
		const char *title = atomic_load(&pool->workers[i].opening);

		if (!title)
			continue;
		memcpy(pool->options->line->opening, title, POOL_TITLE);
		return;
	}
}

static enum status
wait_for_workers(struct pool *pool)
{
	eventfd_t kicks;

	while (atomic_load(&pool->n_begun) < pool->n_workers) {
		struct pollfd p[] = { { .fd = pool->kick, .events = POLLIN },
			              { .fd = pool->stop_fd, .events = POLLIN } };

		if (poll(p, countof(p), LOOK_AT_WORKERS) == 0)
			tell_slow_worker(pool);
		eventfd_read(pool->kick, &kicks);
		if (told_to_stop(pool))
			return STOPPED;
	}
	return OK;
}

enum status
pool_start_workers(struct pool *pool, struct fault *fault)
{
	enum status st = OK;

	tell_opening(pool, true);
	for (uint32_t i = 0; i < pool->n_workers && st == OK; i++)
		if (!pool->workers[i].pool)
			st = worker_start(pool, i, fault);
	if (st == OK)
		st = wait_for_workers(pool);
	tell_opening(pool, false);
	if (st != OK)
		return st;
	pthread_mutex_lock(&pool->lock);
	st = pool->begin_fault.status;
	if (st != OK)
		*fault = pool->begin_fault;
	pthread_mutex_unlock(&pool->lock);
	return st;
}

/* They work from now on; or, with stopping set, end. */
static void
let_go(struct pool *pool, bool working)
{
	pthread_mutex_lock(&pool->lock);
	pool->working = working;
	pthread_cond_broadcast(&pool->begin);
	pthread_mutex_unlock(&pool->lock);
}

static void
stop_workers(struct pool *pool)
{
	atomic_store(&pool->stopping, true);
	let_go(pool, pool->working);
	pool_wake(pool, pool->n_workers);
	for (uint32_t i = 0; i < pool->n_workers; i++)
		worker_join(&pool->workers[i]);
}

static enum status
load_stage(struct pool *pool, struct lane *lane, struct fault *fault)
{
	const struct settings *set = &pool->config->set;
	struct stage_spec spec = {
		.pipeline = pool->pipelines[lane->pipeline].conf->name,
		.stage = lane->conf,
		.state_dir = set->state_dir,
		.strict = set->strict_files && !pool->options->dev,
		.workers = pool->n_workers,
	};
	char *path;
	enum status st = stage_find(set->plugin_path, lane->conf->plugin, &path, fault);

	if (st != OK)
		return st;
	spec.path = path;
	snprintf(lane->title, sizeof(lane->title), "plugin %s of stage %s.%s", lane->conf->plugin,
	         spec.pipeline, lane->conf->name);
	memcpy(pool->options->line->opening, lane->title, sizeof(lane->title));
	st = stage_open(&spec, &lane->release, fault);
	if (st != OK && !fault->where[0])
		fault_where(fault, "%s:%d", lane->conf->file, lane->conf->line);
	free(path);
	return st;
}

enum status
pool_create(const struct pool_options *options, int stop_fd, struct pool **ret_pool,
            struct fault *fault)
{
	struct pool *pool = mem_alloc(sizeof(*pool));
	enum status st = OK;

	pool->options = options;
	pool->config = options->config;
	pool->segment = options->segment;
	pool->n_workers = options->n_workers;
	pool->stop_fd = stop_fd;
	open_wait(pool);
	atomic_store(&pool->wake_at, INT64_MAX);
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->begin, NULL);
	pool->workers = mem_alloc(pool->n_workers * sizeof(*pool->workers));
	crash_watch_process();
	lay_out_lanes(pool);
	list_leaving(pool);
	tell_opening(pool, true);
	for (size_t i = 0; i < pool->n_lanes && st == OK; i++)
		st = load_stage(pool, &pool->lanes[i], fault);
	tell_opening(pool, false);
	if (st == OK) {
		pool_phase(pool, POOL_LOADED);
		st = janitor_open(pool, fault);
	}
	if (st != OK) {
		pool_destroy(pool);
		return st;
	}
	*ret_pool = pool;
	return OK;
}

enum status
pool_run(struct pool *pool, struct fault *fault)
{
	enum status st;

	let_go(pool, true);
	st = janitor_run(pool, fault);
	stop_workers(pool);
	janitor_void_orphans(pool);
	return st;
}

void
pool_destroy(struct pool *pool)
{
	if (!pool)
		return;
	stop_workers(pool);
	janitor_close(pool);
	for (size_t i = 0; i < pool->n_lanes; i++)
		if (pool->lanes[i].release)
			stage_close(pool->lanes[i].release);
	close(pool->wait_fd);
	close(pool->kick);
	pthread_cond_destroy(&pool->begin);
	pthread_mutex_destroy(&pool->lock);
	free(pool->lanes);
	free(pool->lane_ids);
	free(pool->pipelines);
	free(pool->leaving);
	free(pool->workers);
	free(pool->orphans);
	free(pool->held);
	free(pool->cancelled);
	free(pool);
}
