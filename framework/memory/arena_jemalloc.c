/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arena_jemalloc.c - an arena as a bump allocator over chunks of its own
 * jemalloc arena.
 *
 * An object costs a few instructions; a chunk costs one mallocx without a
 * thread cache (about 200 ns), so that chunks come from and return to the
 * worker's own jemalloc arena. That arena is never destroyed (a bound thread
 * makes it fail): it waits in a pool for the next worker.
 */
#include <jemalloc/jemalloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "memory/memory.h"

#define FIRST_CHUNK ((size_t)(64 * KiB))
#define LARGEST_CHUNK ((size_t)MiB)
#define ALIGNMENT 16u

struct chunk {
	struct chunk *next;
	size_t size; /* with this header */
};

struct on_reset {
	struct on_reset *next;
	void (*fn)(void *data);
	void *data;
};

struct arena {
	unsigned jemalloc;    /* index of the jemalloc arena */
	struct chunk *first;  /* kept over resets */
	struct chunk *chunks; /* newest first; ends with `first` */
	char *at, *end;
	size_t used, peak, most;
	struct on_reset *callbacks;
};

/* ---- jemalloc arenas that wait for a worker ---- */

static struct {
	pthread_mutex_t lock;
	unsigned *index;
	size_t n, cap;
} idle = { .lock = PTHREAD_MUTEX_INITIALIZER };

static enum status
take_jemalloc(unsigned *ret, struct fault *fault)
{
	size_t size = sizeof(*ret);
	int err = 0;

	pthread_mutex_lock(&idle.lock);
	if (idle.n > 0)
		*ret = idle.index[--idle.n];
	else
		err = mallctl("arenas.create", ret, &size, NULL, 0);
	pthread_mutex_unlock(&idle.lock);
	return err ? fault_errno(fault, err, "cannot create an arena") : OK;
}

static void
give_jemalloc(unsigned index)
{
	pthread_mutex_lock(&idle.lock);
	if (idle.n == idle.cap) {
		idle.cap = idle.cap ? idle.cap * 2 : 16;
		idle.index = mem_array(idle.index, idle.cap, sizeof(*idle.index));
	}
	idle.index[idle.n++] = index;
	pthread_mutex_unlock(&idle.lock);
}

/* ---- chunks ---- */

static int
flags_of(const struct arena *arena)
{
	return (int)(MALLOCX_ARENA(arena->jemalloc) | MALLOCX_TCACHE_NONE);
}

static struct chunk *
add_chunk(struct arena *arena, size_t size)
{
	struct chunk *chunk = mallocx(size, flags_of(arena));

	if (!chunk)
		return NULL;
	*chunk = (struct chunk){ arena->chunks, size };
	arena->chunks = chunk;
	return chunk;
}

static size_t
rounded(size_t size)
{
	return (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

static size_t
header(void)
{
	return rounded(sizeof(struct chunk));
}

static void
use_chunk(struct arena *arena, struct chunk *chunk)
{
	arena->at = (char *)chunk + header();
	arena->end = (char *)chunk + chunk->size;
}

enum status
arena_create(struct arena **ret_arena, size_t most, struct fault *fault)
{
	struct arena *arena = mem_alloc(sizeof(*arena));
	enum status st = take_jemalloc(&arena->jemalloc, fault);

	if (st != OK) {
		free(arena);
		return st;
	}
	arena->most = most ? most : SIZE_MAX;
	arena->first = add_chunk(arena, FIRST_CHUNK);
	check(arena->first);
	use_chunk(arena, arena->first);
	*ret_arena = arena;
	return OK;
}

/* ---- objects ---- */

/* An object that does not fit: into a chunk of its own when it is large, else into a new one. */
static void *
alloc_slow(struct arena *arena, size_t size)
{
	size_t grown = arena->chunks->size * 2 < LARGEST_CHUNK ? arena->chunks->size * 2
	                                                       : LARGEST_CHUNK;
	bool alone = size > grown / 4;
	struct chunk *chunk = add_chunk(arena, alone ? size + header() : grown);
	void *p;

	if (!chunk)
		return NULL;
	if (alone) {
		p = (char *)chunk + header();
		if (chunk->next) { /* keep the current chunk in front: it has room left */
			arena->chunks = chunk->next;
			chunk->next = arena->chunks->next;
			arena->chunks->next = chunk;
		}
		return memset(p, 0, size);
	}
	use_chunk(arena, chunk);
	p = arena->at;
	arena->at += size;
	return memset(p, 0, size);
}

/* Neither bounded nor counted. NULL when the machine has no more. */
static void *
take(struct arena *arena, size_t size)
{
	void *p;

	size = rounded(size);
	if (size > (size_t)(arena->end - arena->at))
		return alloc_slow(arena, size);
	p = arena->at;
	arena->at += size;
	return memset(p, 0, size);
}

void *
arena_try(struct arena *arena, size_t size)
{
	void *p;

	if (size > SIZE_MAX / 2 || arena->used + size > arena->most)
		return NULL;
	p = take(arena, size);
	if (!p)
		return NULL;
	arena->used += rounded(size);
	if (arena->used > arena->peak)
		arena->peak = arena->used;
	return p;
}

void
arena_reset(struct arena *arena)
{
	struct chunk *chunk, *next;
	struct on_reset *callback;

	while ((callback = arena->callbacks)) {
		arena->callbacks = callback->next;
		callback->fn(callback->data);
	}
	for (chunk = arena->chunks; chunk; chunk = next) {
		next = chunk->next;
		if (chunk != arena->first)
			dallocx(chunk, flags_of(arena));
	}
	arena->chunks = arena->first;
	arena->first->next = NULL;
	arena->used = 0;
	use_chunk(arena, arena->first);
}

void
arena_destroy(struct arena *arena)
{
	if (!arena)
		return;
	arena_reset(arena);
	dallocx(arena->first, flags_of(arena));
	give_jemalloc(arena->jemalloc);
	free(arena);
}

void
arena_on_reset(struct arena *arena, void (*fn)(void *data), void *data)
{
	struct on_reset *callback = take(arena, sizeof(*callback));

	check(callback);
	*callback = (struct on_reset){ arena->callbacks, fn, data };
	arena->callbacks = callback;
}

size_t
arena_used(const struct arena *arena)
{
	return arena->used;
}

size_t
arena_peak(const struct arena *arena)
{
	return arena->peak;
}

void
memory_thread_bytes(uint64_t *ret_allocated, uint64_t *ret_freed)
{
	static _Thread_local uint64_t *allocated, *freed;

	if (!allocated) {
		size_t size = sizeof(allocated);

		check(mallctl("thread.allocatedp", &allocated, &size, NULL, 0) == 0);
		check(mallctl("thread.deallocatedp", &freed, &size, NULL, 0) == 0);
	}
	*ret_allocated = *allocated;
	*ret_freed = *freed;
}
