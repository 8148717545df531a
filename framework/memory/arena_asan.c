/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arena_asan.c - the arena of sanitizer builds: one malloc an object.
 *
 * So that an overrun, and a use after the reset, is seen where it happens.
 */
#include <stdlib.h>
#include <string.h>

#include "memory/memory.h"

struct object {
	struct object *next;
	void (*fn)(void *data); /* a callback of arena_on_reset(), or NULL */
	void *data;
	void *bytes;
};

struct arena {
	struct object *objects; /* newest first */
	size_t used, peak, most;
};

enum status
arena_create(struct arena **ret_arena, size_t most, struct fault *fault)
{
	(void)fault;
	*ret_arena = mem_alloc(sizeof(**ret_arena));
	(*ret_arena)->most = most ? most : SIZE_MAX;
	return OK;
}

static struct object *
add(struct arena *arena)
{
	struct object *object = mem_alloc(sizeof(*object));

	object->next = arena->objects;
	arena->objects = object;
	return object;
}

void *
arena_try(struct arena *arena, size_t size)
{
	struct object *object;

	if (size > SIZE_MAX / 2 || arena->used + size > arena->most)
		return NULL;
	arena->used += size;
	if (arena->used > arena->peak)
		arena->peak = arena->used;
	object = add(arena);
	object->bytes = mem_alloc(size);
	return object->bytes;
}

void
arena_on_reset(struct arena *arena, void (*fn)(void *data), void *data)
{
	struct object *object = add(arena);

	object->fn = fn;
	object->data = data;
}

/* Callbacks first: they may still look at objects. */
void
arena_reset(struct arena *arena)
{
	struct object *object, *next;

	for (object = arena->objects; object; object = object->next)
		if (object->fn)
			object->fn(object->data);
	for (object = arena->objects; object; object = next) {
		next = object->next;
		free(object->bytes);
		free(object);
	}
	arena->objects = NULL;
	arena->used = 0;
}

void
arena_destroy(struct arena *arena)
{
	if (!arena)
		return;
	arena_reset(arena);
	free(arena);
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
	*ret_allocated = *ret_freed = 0;
}
