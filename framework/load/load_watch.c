/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * load_watch.c - a thread that looks at the rings of calls before they have gone round.
 *
 * Writes nothing to the segment and stops nobody: calls that came too fast for
 * it are counted as lost, evenly over the time.
 */
#include "load/load.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOOK_EVERY (10 * MSEC)

/* One slot, and how much of it was seen. */
struct seen {
	uint64_t calls;
	bool known;
};
struct kept {
	char stage[64], release[24];
	struct call_sample *calls;
	size_t n, room;
	uint64_t met, stride, lost;
};

struct load_watch {
	const struct config_pipeline *pipeline;
	const struct segment *segment;
	char *path;
	int64_t begun;
	struct load_cores cores; /* at the beginning */
	struct counters_row *before;
	size_t n_before;
	struct seen seen[COUNTERS_SLOTS];
	struct kept *kept;
	size_t n_kept;
	pthread_t thread;
	bool running;
	uint32_t stop;
};

/* ---- the thread ---- */

static struct kept *
kept_of(struct load_watch *w, const struct counter_slot *slot)
{
	struct kept *k;

	for (size_t i = 0; i < w->n_kept; i++)
		if (strncmp(w->kept[i].stage, slot->stage, sizeof slot->stage) == 0 &&
		    strncmp(w->kept[i].release, slot->release, sizeof slot->release) == 0)
			return &w->kept[i];
	w->kept = mem_array(w->kept, w->n_kept + 1, sizeof *w->kept);
	k = &w->kept[w->n_kept++];
	*k = (struct kept){ .stride = 1 };
	memcpy(k->stage, slot->stage, sizeof k->stage - 1);
	memcpy(k->release, slot->release, sizeof k->release - 1);
	return k;
}

/* When the room is full every second call goes, and of those to come as many. */
static void
thin(struct kept *k)
{
	size_t n = 0;

	for (size_t i = 0; i < k->n; i += 2)
		k->calls[n++] = k->calls[i];
	k->n = n;
	k->stride *= 2;
}

static void
keep(struct kept *k, const struct call_sample *call)
{
	if (k->met++ % k->stride != 0)
		return;
	if (k->n == LOAD_CALLS_MOST) {
		thin(k);
		if ((k->met - 1) % k->stride != 0)
			return;
	}
	if (k->n == k->room) {
		k->room = k->room ? k->room * 2 : 1024;
		k->calls = mem_array(k->calls, k->room, sizeof *k->calls);
	}
	k->calls[k->n++] = *call;
}

/* A slot that is new since the watch began is seen from its first call. */
static void
look_at(struct load_watch *w, const struct counter_slot *slot, struct seen *seen, bool first)
{
	struct call_sample calls[CALLS_KEPT];
	uint64_t lost = 0;
	struct kept *k;
	size_t n;

	if (strncmp(slot->pipeline, w->pipeline->name, sizeof slot->pipeline) != 0)
		return;
	if (first) {
		seen->calls = __atomic_load_n(&slot->calls.written, __ATOMIC_ACQUIRE);
		return;
	}
	n = counters_calls(slot, &seen->calls, calls, &lost);
	if (n == 0 && lost == 0)
		return;
	k = kept_of(w, slot);
	k->lost += lost;
	for (size_t i = 0; i < n; i++)
		keep(k, &calls[i]);
}

static void
look(struct load_watch *w, bool first)
{
	uint32_t n = counters_n_slots(w->segment);

	for (uint32_t i = 0; i < n; i++) {
		const struct counter_slot *slot = &w->segment->slot[i];

		if (__atomic_load_n(&slot->state, __ATOMIC_ACQUIRE) == SLOT_USED)
			look_at(w, slot, &w->seen[i], first);
	}
}

static void *
watch(void *data)
{
	static const struct timespec pause = { .tv_nsec = LOOK_EVERY };
	struct load_watch *w = data;

	while (!__atomic_load_n(&w->stop, __ATOMIC_ACQUIRE)) {
		look(w, false);
		nanosleep(&pause, NULL);
	}
	look(w, false);
	return NULL;
}

/* ---- begin ---- */

enum status
load_watch_start(struct db *db, const char *segment_path, const struct config_pipeline *pipeline,
                 struct load_watch **ret_watch, struct fault *fault)
{
	struct load_watch *w = mem_alloc(sizeof *w);
	enum status st = counters_open(segment_path, &w->segment, fault);
	int error;

	if (st != OK) {
		if (st == NOT_FOUND)
			fault_hint(fault, "Stages are watched on the machine where a host runs: "
			                  "penstock run");
		free(w);
		return st;
	}
	w->path = mem_dup(segment_path);
	w->pipeline = pipeline;
	load_cores_read(db, w->segment, &w->cores);
	look(w, true);
	counters_sum(w->segment, &w->before, &w->n_before);
	w->begun = clock_mono();
	error = pthread_create(&w->thread, NULL, watch, w);
	if (error) {
		load_watch_drop(w);
		return fault_errno(fault, error, "cannot start a thread");
	}
	w->running = true;
	*ret_watch = w;
	return OK;
}

/* ---- end ---- */

static void
end_thread(struct load_watch *w)
{
	if (!w->running)
		return;
	__atomic_store_n(&w->stop, 1, __ATOMIC_RELEASE);
	pthread_join(w->thread, NULL);
	w->running = false;
}

void
load_watch_drop(struct load_watch *w)
{
	if (!w)
		return;
	end_thread(w);
	for (size_t i = 0; i < w->n_kept; i++)
		free(w->kept[i].calls);
	free(w->kept);
	free(w->before);
	load_cores_done(&w->cores);
	free(w->path);
	counters_close(w->segment);
	free(w);
}

static bool
same_host(const struct load_watch *w, struct fault *fault)
{
	const struct segment *now;
	bool same;

	if (counters_open(w->path, &now, fault) != OK)
		return false;
	same = now->started_mono_ns == w->segment->started_mono_ns &&
	       now->supervisor_pid == w->segment->supervisor_pid;
	counters_close(now);
	return same;
}

static const struct counters_row *
row_of(const struct counters_row *rows, size_t n, const struct counters_row *of)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(rows[i].pipeline, of->pipeline) == 0 &&
		    strcmp(rows[i].stage, of->stage) == 0 &&
		    strcmp(rows[i].release, of->release) == 0)
			return &rows[i];
	return NULL;
}

/* Of longest and peak there is no difference: they stay what they are. */
static void
subtract(struct load_stage *s, const struct counters_row *now, const struct counters_row *before)
{
	memcpy(s->value, now->value, sizeof s->value);
	s->time = now->time;
	if (!before)
		return;
	for (int c = 0; c < COUNTER_N; c++)
		if (s->value[c] >= before->value[c] && c != COUNTER_longest_ns &&
		    c != COUNTER_longest_job && c != COUNTER_arena_peak)
			s->value[c] -= before->value[c];
	for (unsigned b = 0; b < HISTOGRAM_BUCKETS; b++) {
		s->time.bucket[b] -= before->time.bucket[b];
		s->time.n -= before->time.bucket[b];
	}
}

static int
by_end(const void *a, const void *b)
{
	const struct call_sample *x = a, *y = b;

	return (x->ended_at > y->ended_at) - (x->ended_at < y->ended_at);
}

static void
take_calls(struct load_watch *w, struct load_stage *s)
{
	for (size_t i = 0; i < w->n_kept; i++) {
		struct kept *k = &w->kept[i];

		if (strcmp(k->stage, s->stage) != 0 || strcmp(k->release, s->release) != 0)
			continue;
		s->calls = k->calls;
		s->n_calls = k->n;
		s->lost = k->lost + k->met - k->n;
		k->calls = NULL; /* the stage has them */
		if (s->n_calls > 0)
			qsort(s->calls, s->n_calls, sizeof *s->calls, by_end);
	}
}

static void
add_stages(struct load_watch *w, const char *stage, const struct counters_row *rows, size_t n,
           struct baseline *b)
{
	for (size_t i = 0; i < n; i++) {
		const struct counters_row *before = row_of(w->before, w->n_before, &rows[i]);
		struct load_stage *s;

		if (strcmp(rows[i].pipeline, w->pipeline->name) != 0 ||
		    strcmp(rows[i].stage, stage) != 0 ||
		    rows[i].value[COUNTER_calls] == (before ? before->value[COUNTER_calls] : 0))
			continue;
		b->stages = mem_array(b->stages, b->n_stages + 1, sizeof *b->stages);
		s = &b->stages[b->n_stages++];
		memset(s, 0, sizeof *s);
		memcpy(s->stage, rows[i].stage, sizeof s->stage);
		memcpy(s->release, rows[i].release, sizeof s->release);
		subtract(s, &rows[i], before);
		take_calls(w, s);
	}
}

static void
take_cores(const struct load_watch *w, struct db *db, struct profile_machine *ret)
{
	struct load_cores now;
	struct load_cores_used used;

	load_cores_read(db, w->segment, &now);
	load_cores_between(&w->cores, &now, &used);
	load_cores_done(&now);
	*ret = load_cores_machine(&used);
}

enum status
load_watch_stop(struct load_watch *w, struct db *db, struct baseline *b, struct fault *fault)
{
	struct counters_row *rows;
	enum status st = OK;
	size_t n;

	end_thread(w);
	b->seconds = (double)(clock_mono() - w->begun) / 1e9;
	b->workers = w->segment->n_workers;
	counters_sum(w->segment, &rows, &n);
	take_cores(w, db, &b->shared);
	for (size_t i = 0; i < w->pipeline->n_stages; i++)
		add_stages(w, w->pipeline->stages[i].name, rows, n, b);
	free(rows);
	if (!same_host(w, fault))
		st = fault_set(fault, AWAY, "the host was started anew while it was watched");
	load_watch_drop(w);
	return st;
}
