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

/* ---- a list; its pool's lock is held ---- */

static struct uuid *
find(const struct tokens *tokens, const struct uuid *token)
{
	for (size_t i = 0; i < tokens->n; i++)
		if (memcmp(&tokens->at[i], token, sizeof(*token)) == 0)
			return &tokens->at[i];
	return NULL;
}

static void
add(struct tokens *tokens, const struct uuid *token)
{
	if (tokens->n == tokens->cap) {
		tokens->cap = tokens->cap ? tokens->cap * 2 : 16;
		tokens->at = mem_array(tokens->at, tokens->cap, sizeof(*tokens->at));
	}
	tokens->at[tokens->n++] = *token;
}

static void
drop(struct tokens *tokens, const struct uuid *token)
{
	struct uuid *found = find(tokens, token);

	if (found)
		*found = tokens->at[--tokens->n];
}

/* ---- whose fate is to be voided ---- */

void
pool_orphan(struct pool *pool, const struct uuid *token)
{
	pthread_mutex_lock(&pool->lock);
	add(&pool->orphans, token);
	pthread_mutex_unlock(&pool->lock);
	eventfd_write(pool->kick, 1);
}

bool
pool_next_orphan(struct pool *pool, struct uuid *ret)
{
	bool any;

	pthread_mutex_lock(&pool->lock);
	any = pool->orphans.n > 0;
	if (any)
		*ret = pool->orphans.at[pool->orphans.n - 1];
	pthread_mutex_unlock(&pool->lock);
	return any;
}

void
pool_orphan_voided(struct pool *pool, const struct uuid *token)
{
	pthread_mutex_lock(&pool->lock);
	drop(&pool->orphans, token);
	pthread_mutex_unlock(&pool->lock);
}

/* ---- that somebody holds: see the note on late claims ---- */

void
pool_hold(struct pool *pool, const struct uuid *token)
{
	pthread_mutex_lock(&pool->lock);
	add(&pool->held, token);
	pthread_mutex_unlock(&pool->lock);
}

void
pool_let_go(struct pool *pool, const struct uuid *token)
{
	pthread_mutex_lock(&pool->lock);
	drop(&pool->held, token);
	pthread_mutex_unlock(&pool->lock);
}

bool
pool_holds(struct pool *pool, const struct uuid *token)
{
	bool holds;

	pthread_mutex_lock(&pool->lock);
	holds = find(&pool->held, token) != NULL;
	pthread_mutex_unlock(&pool->lock);
	return holds;
}
