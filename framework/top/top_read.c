/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * top_read.c - what changed in the segment since the last look, a row a stage.
 *
 * Releases of a stage are one row. A host that started anew has a new file: it
 * is opened, and the first look at it has nothing to compare with.
 */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "top/top_priv.h"

/* Sums of one stage over its releases. */
struct sums {
	char pipeline[64], stage[64];
	uint64_t value[COUNTER_N];
	uint64_t inside;
	bool partial;
	struct histogram time;
};

struct look {
	int64_t at;
	struct sums *sums;
	size_t n;
};

struct top_reader {
	const struct top_options *options;
	const struct segment *segment;
	struct top_database *database;
	struct look last;
	int64_t reopened_at;
};

enum status
top_reader_open(const struct top_options *options, struct top_reader **ret, struct fault *fault)
{
	const struct segment *segment;
	enum status st = counters_open(options->segment_path, &segment, fault);

	if (st != OK)
		return st;
	*ret = mem_alloc(sizeof **ret);
	(*ret)->options = options;
	(*ret)->segment = segment;
	(*ret)->database = top_database_start(options->conninfo);
	top_database_wait((*ret)->database);
	return OK;
}

void
top_reader_close(struct top_reader *reader)
{
	top_database_stop(reader->database);
	counters_close(reader->segment);
	free(reader->last.sums);
	free(reader);
}

static bool
lives(const struct segment *segment)
{
	return kill(segment->supervisor_pid, 0) == 0 || errno != ESRCH;
}

static void
open_newer(struct top_reader *r)
{
	const struct segment *segment;
	struct fault fault = { 0 };

	if (lives(r->segment) || clock_mono() - r->reopened_at < SEC)
		return;
	r->reopened_at = clock_mono();
	if (counters_open(r->options->segment_path, &segment, &fault) != OK)
		return;
	if (segment->started_mono_ns == r->segment->started_mono_ns) {
		counters_close(segment);
		return;
	}
	counters_close(r->segment);
	r->segment = segment;
	free(r->last.sums);
	r->last = (struct look){ 0 };
}

/* ---- one look ---- */

static struct sums *
sums_of(struct look *look, const char *pipeline, const char *stage)
{
	struct sums *s;

	for (size_t i = 0; i < look->n; i++)
		if (strcmp(look->sums[i].stage, stage) == 0 &&
		    strcmp(look->sums[i].pipeline, pipeline) == 0)
			return &look->sums[i];
	look->sums = mem_array(look->sums, look->n + 1, sizeof *look->sums);
	s = &look->sums[look->n++];
	memset(s, 0, sizeof *s);
	memcpy(s->pipeline, pipeline, sizeof s->pipeline);
	memcpy(s->stage, stage, sizeof s->stage);
	return s;
}

static bool
take_look(const struct segment *segment, struct look *ret)
{
	struct counters_row *rows;
	size_t n;

	*ret = (struct look){ .at = clock_mono() };
	if (!counters_sum(segment, &rows, &n))
		return false;
	for (size_t i = 0; i < n; i++) {
		struct sums *s = sums_of(ret, rows[i].pipeline, rows[i].stage);

		for (int c = 0; c < COUNTER_N; c++)
			s->value[c] += rows[i].value[c];
		s->inside += rows[i].in_stage + rows[i].outstanding;
		s->partial |= (rows[i].flags & SLOT_LATER) != 0;
		s->time.n += rows[i].time.n;
		for (unsigned b = 0; b < HISTOGRAM_BUCKETS; b++)
			s->time.bucket[b] += rows[i].time.bucket[b];
	}
	free(rows);
	return true;
}

static double
more(const struct sums *from, const struct sums *to, enum counter c)
{
	uint64_t before = from ? from->value[c] : 0;

	return to->value[c] > before ? (double)(to->value[c] - before) : 0;
}

/* Of the jobs since the last look; of all of them when there were none since. */
static void
quantiles(const struct sums *from, const struct sums *to, struct top_row *row)
{
	static struct histogram none;
	const struct histogram *before = from ? &from->time : &none;
	struct histogram since = { 0 };
	const struct histogram *h = &to->time;

	for (unsigned b = 0; b < HISTOGRAM_BUCKETS; b++)
		if (to->time.bucket[b] > before->bucket[b]) {
			since.bucket[b] = to->time.bucket[b] - before->bucket[b];
			since.n += since.bucket[b];
		}
	if (since.n > 0)
		h = &since;
	row->p50_s = h->n ? histogram_quantile(h, 0.5) / 1e9 : TOP_UNKNOWN;
	row->p99_s = h->n ? histogram_quantile(h, 0.99) / 1e9 : TOP_UNKNOWN;
}

static void
find_lane(const struct top_depths *depths, struct top_row *row)
{
	row->ready = row->oldest_s = TOP_UNKNOWN;
	for (size_t i = 0; depths->known && i < depths->n_lanes; i++) {
		const struct top_lane *lane = &depths->lanes[i];

		if (strcmp(lane->stage, row->stage) != 0 ||
		    strcmp(lane->pipeline, row->pipeline) != 0)
			continue;
		row->ready = lane->ready;
		row->oldest_s = lane->oldest_s;
	}
}

static void
make_row(const struct sums *from, const struct sums *to, double seconds,
         const struct top_depths *depths, struct top_row *row)
{
	double jobs = more(from, to, COUNTER_jobs), all = (double)to->value[COUNTER_jobs];
	double bytes = more(from, to, COUNTER_allocated);

	*row = (struct top_row){ .inside = (double)to->inside, .cpu_partial = to->partial };
	memcpy(row->pipeline, to->pipeline, sizeof row->pipeline);
	memcpy(row->stage, to->stage, sizeof row->stage);
	if (seconds > 0) {
		row->rate = jobs / seconds;
		row->cpu = more(from, to, COUNTER_cpu_ns) / 1e9 / seconds;
		row->errors = (more(from, to, COUNTER_retried) + more(from, to, COUNTER_failed)) /
		              seconds;
	}
	row->share = more(from, to, COUNTER_wall_ns) + more(from, to, COUNTER_later_ns);
	if (jobs > 0)
		row->allocated = bytes / jobs;
	else
		row->allocated = all > 0 ? (double)to->value[COUNTER_allocated] / all : TOP_UNKNOWN;
	quantiles(from, to, row);
	find_lane(depths, row);
	/* Little's law: what nobody measures job by job (docs/decisions/0012-time-in-the-lane.md)
	 */
	row->waits_s = row->ready >= 0 && row->rate > 0 ? row->ready / row->rate : TOP_UNKNOWN;
}

static double
ended(const struct sums *from, const struct sums *to)
{
	return more(from, to, COUNTER_settled_completed) +
	       more(from, to, COUNTER_settled_discarded) +
	       more(from, to, COUNTER_settled_cancelled) + more(from, to, COUNTER_settled_dead);
}

static void
add_row(struct top_view *v, const struct sums *from, const struct sums *to)
{
	struct top_row *row = &v->rows[v->n_rows++];

	make_row(from, to, v->seconds, &v->depths, row);
	if (v->seconds > 0)
		v->rate += ended(from, to) / v->seconds;
	v->inside += row->inside;
	v->errors += row->errors;
	v->cpu += row->cpu;
	if (row->ready > 0)
		v->ready += row->ready;
}

static void
share_out(struct top_view *v)
{
	double all = 0;

	for (size_t i = 0; i < v->n_rows; i++)
		all += v->rows[i].share;
	for (size_t i = 0; i < v->n_rows; i++)
		v->rows[i].share = all > 0 ? v->rows[i].share / all : 0;
}

static const struct sums *
sums_before(const struct look *look, const struct sums *s)
{
	for (size_t i = 0; i < look->n; i++)
		if (strcmp(look->sums[i].stage, s->stage) == 0 &&
		    strcmp(look->sums[i].pipeline, s->pipeline) == 0)
			return &look->sums[i];
	return NULL;
}

void
top_reader_look(struct top_reader *r, const char *pipeline, struct top_view *ret)
{
	struct look now;

	open_newer(r);
	*ret = (struct top_view){ .ended = !lives(r->segment) };
	memcpy(ret->host, r->segment->host, sizeof ret->host - 1);
	ret->up_ns = clock_mono() - r->segment->started_mono_ns;
	counters_host(r->segment, &ret->totals);
	top_database_read(r->database, &ret->depths);
	if (!take_look(r->segment, &now)) {
		ret->rows = mem_alloc(sizeof *ret->rows);
		return;
	}
	ret->fresh = r->last.at > 0;
	ret->seconds = ret->fresh ? (double)(now.at - r->last.at) / 1e9 : 0;
	ret->rows = mem_alloc((now.n + 1) * sizeof *ret->rows);
	for (size_t i = 0; i < now.n; i++)
		if (!pipeline || strcmp(now.sums[i].pipeline, pipeline) == 0)
			add_row(ret, sums_before(&r->last, &now.sums[i]), &now.sums[i]);
	if (ret->fresh)
		share_out(ret);
	else
		for (size_t i = 0; i < ret->n_rows; i++)
			ret->rows[i].share = 0;
	free(r->last.sums);
	r->last = now;
}

void
top_view_done(struct top_view *v)
{
	free(v->rows);
	top_depths_done(&v->depths);
}

size_t
top_reader_pipelines(const struct top_reader *r, const char **ret, size_t most)
{
	size_t n = 0;

	for (size_t i = 0; i < r->last.n && n < most; i++) {
		bool known = false;

		for (size_t k = 0; k < n; k++)
			known |= strcmp(ret[k], r->last.sums[i].pipeline) == 0;
		if (!known)
			ret[n++] = r->last.sums[i].pipeline;
	}
	return n;
}

/* ---- sorting ---- */

static const char *const sort_names[SORT_N] = { "order", "rate", "inside", "queue",
	                                        "p99",   "cpu",  "errors" };

const char *
top_sort_name(enum top_sort sort)
{
	return sort_names[sort];
}

bool
top_sort_find(const char *name, enum top_sort *ret)
{
	for (int i = 0; i < SORT_N; i++)
		if (strcmp(sort_names[i], name) == 0) {
			*ret = (enum top_sort)i;
			return true;
		}
	return false;
}

static double
key_of(const struct top_row *row, enum top_sort sort)
{
	switch (sort) {
	case SORT_RATE: return row->rate;
	case SORT_INSIDE: return row->inside;
	case SORT_QUEUE: return row->ready;
	case SORT_P99: return row->p99_s;
	case SORT_CPU: return row->cpu;
	case SORT_ERRORS: return row->errors;
	default: return 0;
	}
}

/* By insertion: equal rows stay as they are configured, and there are few. */
void
top_view_sort(struct top_view *v, enum top_sort sort)
{
	for (size_t i = 1; i < v->n_rows; i++) {
		struct top_row row = v->rows[i];
		size_t k = i;

		for (; k > 0 && key_of(&v->rows[k - 1], sort) < key_of(&row, sort); k--)
			v->rows[k] = v->rows[k - 1];
		v->rows[k] = row;
	}
}
