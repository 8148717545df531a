/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pool_tokens.c - tokens of leases: those that somebody holds, and those whose fate is to be
 * voided because nobody could settle under them.
 *
 * What is neither goes back to its lane: see the note on late claims in worker_priv.h.
 */
#include <string.h>
#include <sys/eventfd.h>

#include "worker/worker_priv.h"

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
