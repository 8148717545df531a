/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pool_tell.c - what is told outside: to the supervisor and to readers of the segment, and whom
 * a line of the log is about.
 */
#include <sys/eventfd.h>

#include "worker/worker_priv.h"

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
