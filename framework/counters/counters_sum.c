/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * counters_sum.c - what a reader makes of the slots: one row a release.
 *
 * Never writes to the segment and never trusts it: a writer may have died
 * between two stores, so a histogram's number is counted from its buckets.
 */
#include "counters/counters.h"

#include <string.h>

static const struct {
	const char *name, *unit, *text;
} counters[COUNTER_N] = {
#define COUNTER(name, unit, text) { #name, unit, text },
#include "counters/counters.def"
#undef COUNTER
};

const char *
counter_name(enum counter c)
{
	return counters[c].name;
}

const char *
counter_unit(enum counter c)
{
	return counters[c].unit;
}

const char *
counter_text(enum counter c)
{
	return counters[c].text;
}

static uint64_t
load(const uint64_t *value)
{
	return __atomic_load_n(value, __ATOMIC_RELAXED);
}

static struct counters_row *
find_row(struct counters_row *rows, size_t n, const struct counter_slot *slot)
{
	for (size_t i = 0; i < n; i++)
		if (strncmp(rows[i].stage, slot->stage, sizeof rows[i].stage) == 0 &&
		    strncmp(rows[i].pipeline, slot->pipeline, sizeof rows[i].pipeline) == 0 &&
		    strncmp(rows[i].release, slot->release, sizeof rows[i].release) == 0)
			return &rows[i];
	return NULL;
}

static void
name_row(struct counters_row *row, const struct counter_slot *slot)
{
	memcpy(row->pipeline, slot->pipeline, sizeof row->pipeline - 1);
	memcpy(row->stage, slot->stage, sizeof row->stage - 1);
	memcpy(row->release, slot->release, sizeof row->release - 1);
}

/* All add up, except the longest call, which is the longest of all workers'. */
static void
add_values(struct counters_row *row, const struct counter_slot *slot)
{
	uint64_t longest = load(&slot->value[COUNTER_longest_ns]);

	for (int c = 0; c < COUNTER_N; c++)
		if (c != COUNTER_longest_ns && c != COUNTER_longest_job)
			row->value[c] += load(&slot->value[c]);
	if (longest > row->value[COUNTER_longest_ns]) {
		row->value[COUNTER_longest_ns] = longest;
		row->value[COUNTER_longest_job] = load(&slot->value[COUNTER_longest_job]);
	}
}

/* Counters add up; of a gauge the newest value counts. */
static void
add_own(struct counters_row *row, const struct counter_slot *slot)
{
	for (unsigned i = 0; i < COUNTERS_OWN; i++) {
		const struct own_counter *own = &slot->own[i];
		uint32_t kind = __atomic_load_n(&own->kind, __ATOMIC_ACQUIRE);
		int64_t set_at = __atomic_load_n(&own->set_at, __ATOMIC_RELAXED);
		uint64_t bits = load(&own->bits);
		double value;

		if (kind == 0)
			continue;
		memcpy(&value, &bits, sizeof value);
		memcpy(row->own[i].name, own->name, sizeof own->name - 1);
		row->own[i].kind = (enum own_kind)kind;
		if (kind == OWN_COUNTER) {
			row->own[i].value += value;
		} else if (set_at >= row->own[i].set_at) {
			row->own[i].value = value;
			row->own[i].set_at = set_at;
		}
	}
}

static void
add_time(struct histogram *sum, const struct histogram *time)
{
	for (unsigned b = 0; b < HISTOGRAM_BUCKETS; b++) {
		uint64_t v = load(&time->bucket[b]);

		sum->bucket[b] += v;
		sum->n += v;
	}
}

void
counters_sum(const struct segment *segment, struct counters_row **ret_rows, size_t *ret_n)
{
	struct counters_row *rows = NULL, *row;
	uint32_t n_slots = counters_n_slots(segment);
	size_t n = 0, room = 0;

	for (uint32_t i = 0; i < n_slots; i++) {
		const struct counter_slot *slot = &segment->slot[i];

		if (__atomic_load_n(&slot->state, __ATOMIC_ACQUIRE) != SLOT_USED)
			continue;
		row = find_row(rows, n, slot);
		if (!row) {
			if (n == room) {
				room = room ? room * 2 : 8;
				rows = mem_array(rows, room, sizeof *rows);
			}
			row = &rows[n++];
			memset(row, 0, sizeof *row);
			name_row(row, slot);
		}
		add_values(row, slot);
		add_own(row, slot);
		add_time(&row->time, &slot->time);
	}
	*ret_rows = rows;
	*ret_n = n;
}
