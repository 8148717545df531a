/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * memory.h - the arena of a worker: memory that lives until the lease ends.
 *
 * One jemalloc arena a worker, created with it and reset after each lease;
 * arena_asan.c gives the same API with one malloc an object, so that the
 * sanitizers see each overrun. Not thread-safe: an arena belongs to one thread.
 */
#ifndef PENSTOCK_MEMORY_H
#define PENSTOCK_MEMORY_H

#include "base/base.h"

struct arena;

/* most: bytes an arena may hold between two resets; a request beyond it ends the process with a
 * clear message unless arena_try() made it. 0: no bound. [the owning thread] */
enum status arena_create(struct arena **ret_arena, size_t most, struct fault *fault);
void arena_destroy(
    struct arena *arena); /* resets; the jemalloc arena goes back to a pool and is used again */

/* Zeroed, aligned for any type. Never NULL. */
void *arena_alloc(struct arena *arena, size_t size) must_check;
void *arena_try(struct arena *arena, size_t size) must_check; /* NULL beyond the bound */
char *arena_dupn(struct arena *arena, const char *text, size_t len) must_check;
char *arena_vprintf(struct arena *arena, const char *format, va_list args) must_check;
char *arena_printf(struct arena *arena, const char *format, ...) printf_like(2, 3) must_check;

/* Runs `fn(data)` at the next reset, last registered first: for a PGresult and its like. Always
 * possible: what it takes does not count against the bound. */
void arena_on_reset(struct arena *arena, void (*fn)(void *data), void *data);
/* Ends every life in the arena. Keeps up to a small amount of memory for the next lease. */
void arena_reset(struct arena *arena);

size_t arena_used(const struct arena *arena); /* bytes since the last reset */
size_t arena_peak(const struct arena *arena); /* largest of these ever */

/* Bytes that this thread allocated and freed since it started, by any allocator route that
 * jemalloc sees (malloc and arenas). Zero in sanitizer builds. [any] */
void memory_thread_bytes(uint64_t *ret_allocated, uint64_t *ret_freed);

#endif
