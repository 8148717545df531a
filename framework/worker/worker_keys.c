/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * worker_keys.c - how many jobs of a lease have one key.
 *
 * Keys are told apart by 64 bits of a hash. Two that meet count as one, which
 * can make a lease look fuller than it is, and never emptier.
 */
#include <string.h>

#include "worker/worker_priv.h"

struct key_count {
	uint64_t hash; /* 0: free */
	size_t n;
};

struct key_counts {
	struct key_count *at; /* open addressing, at most half full */
	size_t mask;
	struct arena *arena; /* for what has to be unescaped */
};

static struct key_counts
make_counts(size_t jobs, struct arena *arena)
{
	size_t size = 16;

	while (size < 2 * jobs)
		size *= 2;
	return (struct key_counts){
		.at = arena_alloc(arena, size * sizeof(struct key_count)),
		.mask = size - 1,
		.arena = arena,
	};
}

/* How many have been counted of this one. */
static size_t
count_key(struct key_counts *counts, uint64_t hash)
{
	size_t i = hash & counts->mask;

	while (counts->at[i].hash != 0 && counts->at[i].hash != hash)
		i = (i + 1) & counts->mask;
	counts->at[i].hash = hash;
	return ++counts->at[i].n;
}

/* False: it has no key. */
static bool
key_hash(const struct key_counts *counts, const struct queue_job *job, const char *name,
         uint64_t *ret)
{
	const char *value;
	size_t len;

	if (attributes_member(job->attributes, job->attributes_len, name, &value, &len) != OK ||
	    (len == 4 && memcmp(value, "null", 4) == 0))
		return false;
	if (*value == '"' && memchr(value, '\\', len)) {
		char *text = arena_alloc(counts->arena, len);

		*ret = hash_of(text, attributes_unescape(value, len, text));
	} else if (*value == '"') {
		*ret = hash_of(value + 1, len - 2);
	} else {
		*ret = hash_of(value, len);
	}
	*ret += *ret == 0;
	return true;
}

size_t
keys_most(const struct lease *lease, const char *name, struct arena *arena)
{
	struct key_counts counts = make_counts(lease->n, arena);
	size_t most = 0;
	uint64_t hash;

	for (size_t i = 0; i < lease->n; i++) {
		size_t n = key_hash(&counts, &lease->jobs[i], name, &hash)
		               ? count_key(&counts, hash)
		               : 0;

		most = n > most ? n : most;
	}
	return most;
}
