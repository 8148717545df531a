/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * plugin_world.c - the world in which `plugin test --input` runs a stage: the same at each run,
 * and wrong where it is asked to be.
 *
 * Note on the clock: it begins at the first second of 2000, moves by a second
 * with each call and by a microsecond each time that somebody looks, so that a
 * loop which waits for a time to pass comes to an end. A stage that answers
 * LATER keeps the real one, since its threads wait with it.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include "cli/cli_priv.h"
#include "stage/stage.h"

#define EPOCH (INT64_C(946684800) * SEC)
#define LOOK 1000 /* ns */

/* One for the process, since the plugin's calls bring nothing along. */
static struct {
	_Atomic int64_t now; /* mono ns */
	int64_t calls;
	_Atomic bool armed; /* a call runs */
	_Atomic int64_t allocations;
	int64_t fail; /* this one of them; 0: none */
} world;

/* ---- the clock ---- */

static int64_t
world_mono(void)
{
	return atomic_fetch_add(&world.now, LOOK);
}

static int64_t
world_wall(void)
{
	return EPOCH + world_mono();
}

static int
turned_clock_gettime(clockid_t id, struct timespec *ret)
{
	int64_t t;

	if (id == CLOCK_PROCESS_CPUTIME_ID || id == CLOCK_THREAD_CPUTIME_ID)
		return clock_gettime(id, ret);
	t = id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE ? world_wall() : world_mono();
	ret->tv_sec = (time_t)(t / SEC);
	ret->tv_nsec = (long)(t % SEC);
	return 0;
}

static int
turned_gettimeofday(struct timeval *ret, void *zone)
{
	int64_t t = world_wall();

	(void)zone;
	ret->tv_sec = (time_t)(t / SEC);
	ret->tv_usec = (suseconds_t)(t % SEC / 1000);
	return 0;
}

static time_t
turned_time(time_t *ret)
{
	time_t t = (time_t)(world_wall() / SEC);

	if (ret)
		*ret = t;
	return t;
}

/* ---- memory ---- */

/* True: this allocation is the one. */
static bool
fails(void)
{
	if (!world.armed || atomic_fetch_add(&world.allocations, 1) + 1 != world.fail)
		return false;
	errno = ENOMEM;
	return true;
}

static void *
turned_malloc(size_t size)
{
	return fails() ? NULL : malloc(size);
}

static void *
turned_calloc(size_t n, size_t size)
{
	return fails() ? NULL : calloc(n, size);
}

static void *
turned_realloc(void *old, size_t size)
{
	return fails() ? NULL : realloc(old, size);
}

static void *
turned_reallocarray(void *old, size_t n, size_t size)
{
	return fails() ? NULL : reallocarray(old, n, size);
}

static void *
turned_aligned_alloc(size_t alignment, size_t size)
{
	return fails() ? NULL : aligned_alloc(alignment, size);
}

static int
turned_posix_memalign(void **ret, size_t alignment, size_t size)
{
	return fails() ? ENOMEM : posix_memalign(ret, alignment, size);
}

static char *
turned_strdup(const char *text)
{
	return fails() ? NULL : strdup(text);
}

static char *
turned_strndup(const char *text, size_t n)
{
	return fails() ? NULL : strndup(text, n);
}

static int
turned_vasprintf(char **ret, const char *format, va_list args)
{
	return fails() ? -1 : vasprintf(ret, format, args);
}

static int
turned_asprintf(char **ret, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = turned_vasprintf(ret, format, args);
	va_end(args);
	return n;
}

/* ---- the whole ---- */

struct turned {
	const char *name;
	void (*fn)(void);
};
#define TURNED(name)                                                                               \
	{                                                                                          \
#name, (void (*)(void))turned_##name                                               \
	}

static void
turn_all(struct release *release, const struct turned *all, size_t n)
{
	for (size_t i = 0; i < n; i++)
		stage_replace_import(release, all[i].name, all[i].fn);
}

void
plugin_world_begin(struct release *release, const struct plugin_faults *faults, bool real_clock)
{
	static const struct turned clocks[] = { TURNED(clock_gettime), TURNED(gettimeofday),
		                                TURNED(time) };
	static const struct turned memory[] = { TURNED(malloc),        TURNED(calloc),
		                                TURNED(realloc),       TURNED(reallocarray),
		                                TURNED(aligned_alloc), TURNED(posix_memalign),
		                                TURNED(strdup),        TURNED(strndup),
		                                TURNED(asprintf),      TURNED(vasprintf) };

	world.fail = faults->alloc;
	turn_all(release, memory, countof(memory));
	if (real_clock)
		return;
	turn_all(release, clocks, countof(clocks));
	clock_hooks.mono = world_mono;
	clock_hooks.wall = world_wall;
}

void
plugin_world_call_begin(void)
{
	world.now = world.calls++ * SEC;
	world.allocations = 0;
	world.armed = true;
}

int64_t
plugin_world_call_end(void)
{
	world.armed = false;
	return world.allocations;
}

/* ---- what shall go wrong ---- */

static enum status
read_word(const char *word, struct plugin_faults *ret, struct fault *fault)
{
	static const char *const words[] = { "alloc:1", "cancel", "deadline", "body", "full" };
	const char *nearest;

	if (strncmp(word, "alloc:", 6) == 0)
		return text_int(word + 6, 1, INT32_MAX, &ret->alloc, fault);
	if (strcmp(word, "cancel") == 0)
		ret->cancel = true;
	else if (strcmp(word, "deadline") == 0)
		ret->deadline = true;
	else if (strcmp(word, "body") == 0)
		ret->body = true;
	else if (strcmp(word, "full") == 0)
		ret->full = true;
	else {
		nearest = text_nearest(word, words, countof(words));
		if (nearest)
			fault_hint(fault, "did you mean `%s`?", nearest);
		return fault_set(fault, INVALID,
		                 "--fault: `%s` is none of alloc:N, cancel, deadline, body, full",
		                 word);
	}
	return OK;
}

enum status
plugin_faults_read(const char *words, struct plugin_faults *ret, struct fault *fault)
{
	enum status st = OK;

	*ret = (struct plugin_faults){ 0 };
	while (words && *words && st == OK) {
		size_t n = strcspn(words, ",");
		char *word = mem_dupn(words, n);

		st = read_word(word, ret, fault);
		free(word);
		words += n + (words[n] == ',');
	}
	return st;
}
