/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * load_timeline.c - latencies and rates of a run over its time, in slices that grow with it.
 *
 * How long a run takes is known at its end only. When there is no slice left
 * for a moment, every two become one that is twice as wide.
 */
#include "load/load.h"

#include <string.h>

void
load_timeline_init(struct load_timeline *t)
{
	memset(t, 0, sizeof *t);
	t->width_ns = 100 * MSEC;
}

static void
merge(struct load_slice *into, const struct load_slice *from)
{
	for (unsigned b = 0; b < HISTOGRAM_BUCKETS; b++)
		into->time.bucket[b] += from->time.bucket[b];
	into->time.n += from->time.n;
	into->started += from->started;
	into->ended += from->ended;
}

static void
widen(struct load_timeline *t)
{
	for (size_t i = 0; i < LOAD_SLICES; i++) {
		struct load_slice pair = t->slice[i];

		memset(&t->slice[i], 0, sizeof t->slice[i]);
		merge(&t->slice[i / 2], &pair);
	}
	t->width_ns *= 2;
	t->n = (t->n + 1) / 2;
}

static struct load_slice *
slice_at(struct load_timeline *t, int64_t at_ns)
{
	int64_t at = at_ns > 0 ? at_ns : 0;

	while (at / t->width_ns >= LOAD_SLICES)
		widen(t);
	if ((size_t)(at / t->width_ns) >= t->n)
		t->n = (size_t)(at / t->width_ns) + 1;
	return &t->slice[at / t->width_ns];
}

void
load_timeline_add(struct load_timeline *t, int64_t intended_ns, int64_t latency_ns)
{
	struct load_slice *s = slice_at(t, intended_ns);

	histogram_add(&s->time, (uint64_t)(latency_ns > 0 ? latency_ns : 0), 1);
	s->started++;
	slice_at(t, intended_ns + latency_ns)->ended++;
}
