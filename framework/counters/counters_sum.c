/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * counters_sum.c - what a reader makes of the slots: one row a release.
 *
 * Never writes to the segment and never trusts it: a writer may have died
 * between two stores, so a histogram's number is counted from its buckets.
 */
#include "counters/counters_priv.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

/* Looks before a change that is under way is taken for one whose writer is dead, and before all
 * is given up. */
#define LOOKS_DEAD 64u
#define LOOKS_MOST 256u

static const struct {
	const char *name;
	enum counter_kind kind;
	const char *unit, *text;
} counters[COUNTER_N] = {
#define COUNTER(name, kind, unit, text) { #name, COUNTER_##kind, unit, text },
#include "counters/counters.def"
#undef COUNTER
};

const char *
counter_name(enum counter c)
{
	return counters[c].name;
}

enum counter_kind
counter_kind(enum counter c)
{
	return counters[c].kind;
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

/* ---- rows ---- */

struct rows {
	struct counters_row *row;
	size_t n, room;
};

static struct counters_row *
find_row(const struct rows *rows, const struct counter_slot *slot)
{
	for (size_t i = 0; i < rows->n; i++) {
		struct counters_row *row = &rows->row[i];

		if (strncmp(row->stage, slot->stage, sizeof row->stage) == 0 &&
		    strncmp(row->pipeline, slot->pipeline, sizeof row->pipeline) == 0 &&
		    strncmp(row->release, slot->release, sizeof row->release) == 0)
			return row;
	}
	return NULL;
}

static struct counters_row *
row_of(struct rows *rows, const struct counter_slot *slot)
{
	struct counters_row *row = find_row(rows, slot);

	if (row)
		return row;
	if (rows->n == rows->room) {
		rows->room = rows->room ? rows->room * 2 : 8;
		rows->row = mem_array(rows->row, rows->room, sizeof *rows->row);
	}
	row = &rows->row[rows->n++];
	memset(row, 0, sizeof *row);
	counters_copy_name(row->pipeline, sizeof row->pipeline, slot->pipeline);
	counters_copy_name(row->stage, sizeof row->stage, slot->stage);
	counters_copy_name(row->release, sizeof row->release, slot->release);
	return row;
}

static void
add_values(struct counters_row *row, const struct counter_slot *slot)
{
	bool largest = false;

	for (int c = 0; c < COUNTER_N; c++) {
		uint64_t v = load(&slot->value[c]);

		switch (counters[c].kind) {
		case COUNTER_SUM: row->value[c] += v; break;
		case COUNTER_MAX:
			largest = v > row->value[c];
			row->value[c] = largest ? v : row->value[c];
			break;
		case COUNTER_OF: row->value[c] = largest ? v : row->value[c]; break;
		}
	}
}

static unsigned
own_index(const struct counters_row *row, const char *name)
{
	unsigned i;

	for (i = 0; i < COUNTERS_OWN && row->own[i].kind; i++)
		if (strncmp(row->own[i].name, name, sizeof row->own[i].name) == 0)
			break;
	return i;
}

/* Counters add up; of a gauge the newest value counts. */
static void
add_own(struct counters_row *row, const struct counter_slot *slot)
{
	for (unsigned k = 0; k < COUNTERS_OWN; k++) {
		const struct own_counter *own = &slot->own[k];
		uint32_t kind = __atomic_load_n(&own->kind, __ATOMIC_ACQUIRE);
		int64_t set_at = __atomic_load_n(&own->set_at, __ATOMIC_RELAXED);
		uint64_t bits = load(&own->bits);
		double value;
		unsigned i;

		if (kind == 0)
			continue;
		i = own_index(row, own->name);
		if (i == COUNTERS_OWN)
			continue;
		memcpy(&value, &bits, sizeof value);
		counters_copy_name(row->own[i].name, sizeof row->own[i].name, own->name);
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

/* The worker's promises count while a process may complete them. */
static uint64_t
outstanding(const struct segment *segment, const struct counter_slot *slot)
{
	uint64_t ended = load(&slot->value[COUNTER_later_ended]);
	uint64_t later = load(&slot->value[COUNTER_later]);

	if (!__atomic_load_n(&slot->live, __ATOMIC_RELAXED) || slot->worker >= COUNTERS_WORKERS ||
	    __atomic_load_n(&segment->worker[slot->worker].pid, __ATOMIC_RELAXED) == 0)
		return 0;
	return later > ended ? later - ended : 0;
}

static void
add_slot(struct rows *rows, const struct segment *segment, const struct counter_slot *slot)
{
	struct counters_row *row = row_of(rows, slot);

	row->flags |= __atomic_load_n(&slot->flags, __ATOMIC_RELAXED);
	row->live |= __atomic_load_n(&slot->live, __ATOMIC_RELAXED) != 0;
	row->outstanding += outstanding(segment, slot);
	add_values(row, slot);
	add_own(row, slot);
	add_time(&row->time, &slot->time);
}

/* By the recorder lines: what each worker is in. */
static void
add_in_stage(struct rows *rows, const struct segment *segment)
{
	for (uint32_t w = 0; w < COUNTERS_WORKERS; w++) {
		const struct recorder_line *line = &segment->recorder[w];
		uint32_t slot = __atomic_load_n(&line->slot, __ATOMIC_RELAXED);
		struct counters_row *row;

		if (__atomic_load_n(&line->call, __ATOMIC_ACQUIRE) == 0 || slot >= COUNTERS_SLOTS ||
		    __atomic_load_n(&segment->worker[w].pid, __ATOMIC_RELAXED) == 0)
			continue;
		row = find_row(rows, &segment->slot[slot]);
		if (row)
			row->in_stage += __atomic_load_n(&line->n, __ATOMIC_RELAXED);
	}
}

/* ---- looks ---- */

/* A change whose writer is dead, ended in copies of its slots. */
struct undone {
	bool any;
	uint32_t from, into;
	struct counter_slot from_copy, into_copy;
};

static uint64_t
sequence(const struct segment *segment)
{
	uint64_t s = __atomic_load_n(&segment->directory.sequence, __ATOMIC_ACQUIRE);

	return s;
}

static void
look(const struct segment *segment, const struct undone *undone, struct rows *rows)
{
	uint32_t n_slots = counters_n_slots(segment);

	rows->n = 0;
	for (uint32_t i = 0; i < n_slots; i++) {
		const struct counter_slot *slot = &segment->slot[i];

		if (undone && undone->any && i == undone->from)
			continue;
		if (undone && undone->any && i == undone->into)
			slot = &undone->into_copy;
		if (__atomic_load_n(&slot->state, __ATOMIC_ACQUIRE) == SLOT_USED)
			add_slot(rows, segment, slot);
	}
	add_in_stage(rows, segment);
}

/* False: somebody works at it after all. */
static bool
look_past_the_dead(const struct segment *segment, struct rows *rows)
{
	const struct directory *d = &segment->directory;
	uint64_t seen = sequence(segment), was;
	uint32_t op = __atomic_load_n(&d->op, __ATOMIC_ACQUIRE);
	uint32_t at = __atomic_load_n(&d->step, __ATOMIC_ACQUIRE);
	struct undone *undone = mem_alloc(sizeof *undone);
	bool stood;

	was = load(&d->was[at & 1]);
	undone->from = __atomic_load_n(&d->from, __ATOMIC_RELAXED);
	undone->into = __atomic_load_n(&d->into, __ATOMIC_RELAXED);
	undone->any = op == CHANGE_ADD && undone->from < COUNTERS_SLOTS &&
	              undone->into < COUNTERS_SLOTS && at < SLOT_WORDS;
	if (undone->any) {
		memcpy(&undone->from_copy, &segment->slot[undone->from], sizeof undone->from_copy);
		memcpy(&undone->into_copy, &segment->slot[undone->into], sizeof undone->into_copy);
		slot_finish_add(&undone->into_copy, &undone->from_copy, at, was);
	}
	look(segment, undone, rows);
	free(undone);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	stood = sequence(segment) == seen && __atomic_load_n(&d->op, __ATOMIC_RELAXED) == op &&
	        __atomic_load_n(&d->step, __ATOMIC_RELAXED) == at;
	return stood;
}

static bool
look_once(const struct segment *segment, struct rows *rows)
{
	uint64_t seen = sequence(segment);

	if (seen % 2)
		return false;
	look(segment, NULL, rows);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return sequence(segment) == seen;
}

bool
counters_sum(const struct segment *segment, struct counters_row **ret_rows, size_t *ret_n)
{
	struct rows rows = { 0 };
	bool good = false;

	for (unsigned i = 0; i < LOOKS_MOST && !good; i++) {
		good = look_once(segment, &rows);
		if (!good && i >= LOOKS_DEAD && sequence(segment) % 2)
			good = look_past_the_dead(segment, &rows);
		if (!good)
			sched_yield();
	}
	if (!good) {
		free(rows.row);
		rows = (struct rows){ 0 };
	}
	*ret_rows = rows.row;
	*ret_n = rows.n;
	return good;
}

/* ---- a host as a whole ---- */

/* What stands in the line of a dead process is over; what it counted stays. */
static void
add_worker(struct counters_host *host, const struct worker_line *line, int64_t now)
{
	int64_t since = __atomic_load_n(&line->since, __ATOMIC_RELAXED);
	uint64_t peak = load(&line->arena_peak);
	uint32_t state = __atomic_load_n(&line->state, __ATOMIC_RELAXED);

	for (int c = 0; c < HOST_COUNTER_N; c++)
		host->value[c] += load(&line->value[c]);
	for (unsigned s = 0; s < COUNTERS_STATES; s++)
		host->state_ns[s] += load(&line->state_ns[s]);
	if (peak > host->arena_peak)
		host->arena_peak = peak;
	if (__atomic_load_n(&line->pid, __ATOMIC_RELAXED) == 0)
		return;
	host->workers[state < COUNTERS_STATES ? state : 0]++;
	if (since > 0 && now > since)
		host->state_ns[state < COUNTERS_STATES ? state : 0] += (uint64_t)(now - since);
	host->connections += __atomic_load_n(&line->connections, __ATOMIC_RELAXED);
	host->in_use += __atomic_load_n(&line->in_use, __ATOMIC_RELAXED);
	host->waiting += __atomic_load_n(&line->waiting, __ATOMIC_RELAXED);
	host->arenas += __atomic_load_n(&line->arenas, __ATOMIC_RELAXED);
	host->arena_bytes += load(&line->arena_bytes);
}

void
counters_host(const struct segment *segment, struct counters_host *ret)
{
	int64_t now = clock_mono();

	*ret = (struct counters_host){ 0 };
	for (uint32_t w = 0; w < COUNTERS_WORKERS; w++)
		add_worker(ret, &segment->worker[w], now);
	for (uint32_t p = 0; p < COUNTERS_PROCESSES; p++) {
		const struct process_line *line = &segment->process[p];

		ret->processes += __atomic_load_n(&line->pid, __ATOMIC_RELAXED) != 0;
		ret->starts += __atomic_load_n(&line->starts, __ATOMIC_RELAXED);
		ret->deaths += __atomic_load_n(&line->deaths, __ATOMIC_RELAXED);
	}
}
