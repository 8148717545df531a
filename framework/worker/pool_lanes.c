/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pool_lanes.c - which lane to claim next, and how much of it.
 *
 * Which lanes have work, where in them it begins, how large a lease should be:
 * learnt from claims, from bells, and from looks at all lanes. The truth is in
 * the database; this is what was last seen of it.
 */
#include <string.h>

#include "worker/worker_priv.h"

/* One choice in this many goes to the lane that waited longest, so that none starves. */
#define FAIR_TURN 8
/* A lane of which nothing is known begins with this many jobs a lease, and grows fourfold. */
#define FIRST_WANT 16
/* Weight of the newest lease in the mean work of a job. */
#define MEASURE_WEIGHT 0.3
#define INLINE_BODY (64 * KiB)
/* Looks at whole lanes take at most one part in so many of the time. */
#define SCAN_SHARE 20
/* and come at least this often, also while there is work enough. */
#define SCAN_LEAST SEC
/* What one of the claims beside each other may take of a limit: beside() in sql/api/30_claim.sql.
 */
#define KEY_SHARE 16
/* Leases that counting would make smaller than this are not worth it: then keys are compared for a
 * while. */
#define KEY_LEAN 256
#define KEY_COMPARED SEC

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
	most = lane->key_want > 0 && lane->key_want < most ? lane->key_want : most;
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

/* See the note on counting keys. How many jobs of one key a claim promises to begin at most; 0: the
 * database is to compare them. */
static int32_t
key_room(const struct lane *lane)
{
	return clock_mono() < lane->compare_until ? 0
	                                          : (int32_t)(lane->conf->max_per_key / KEY_SHARE);
}

bool
pool_counted(struct pool *pool, struct lane *lane, const struct lease *lease, size_t most)
{
	size_t room = (size_t)lease->key_room, fit = most > 0 ? lease->n * room / most : 0;
	bool fits = most <= room;

	pthread_mutex_lock(&pool->lock);
	if (!fits && fit < KEY_LEAN) {
		lane->key_want = 0;
		lane->compare_until = clock_mono() + KEY_COMPARED;
	} else if (!fits || (lane->key_want > 0 && fit > (size_t)lane->key_want)) {
		lane->key_want = (int32_t)fit;
	}
	pthread_mutex_unlock(&pool->lock);
	return fits;
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
			.key_room = key_room(lane),
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
