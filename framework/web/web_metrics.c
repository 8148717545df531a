/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * web_metrics.c - the segment and the queues as the text of /metrics.
 *
 * Pure: no network, no database. Counters are summed over releases, so that
 * they only grow when a release goes; a label never holds a job's id.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "web/web.h"
#include "worker/worker.h"

/* le of the histogram: every octave from 1.024 us to 1100 s. */
#define LEAST_OCTAVE 10u
#define OCTAVES 31u

enum metric_type { COUNTER, GAUGE, HISTOGRAM, INFO };
enum metric {
#define METRIC(name, type, unit, text) M_##name,
#include "web/metrics.def"
#undef METRIC
	N_METRICS
};
static const struct {
	const char *name;
	enum metric_type type;
	const char *unit, *text;
} metrics[N_METRICS] = {
#define METRIC(name, type, unit, text) { #name, type, unit, text },
#include "web/metrics.def"
#undef METRIC
};

static const char *const states[] = {
	[WORKER_STARTING] = "starting", [WORKER_IDLE] = "idle",
	[WORKER_CLAIMING] = "claiming", [WORKER_IN_STAGE] = "in_stage",
	[WORKER_SETTLING] = "settling", [WORKER_AWAY] = "away",
	[WORKER_STOPPED] = "stopped",
};

struct page {
	const struct segment *segment;
	const struct web_facts *facts;
	bool openmetrics;
	struct buf *out;
	struct counters_row *rows; /* one for each release */
	size_t n_rows;
	struct counters_row *stages; /* one for each stage */
	size_t n_stages;
	struct counters_host host;
};

/* ---- samples ---- */

static void
begin(struct page *p, enum metric m)
{
	static const char *const types[] = { "counter", "gauge", "histogram", "info" };
	const char *suffix = "";
	const char *type = types[metrics[m].type];

	if (!p->openmetrics && metrics[m].type == COUNTER)
		suffix = "_total";
	if (!p->openmetrics && metrics[m].type == INFO) {
		suffix = "_info";
		type = "gauge";
	}
	buf_printf(p->out, "# HELP %s%s %s\n# TYPE %s%s %s\n", metrics[m].name, suffix,
	           metrics[m].text, metrics[m].name, suffix, type);
	if (p->openmetrics && metrics[m].unit[0])
		buf_printf(p->out, "# UNIT %s %s\n", metrics[m].name, metrics[m].unit);
}

static void
add_label(struct buf *out, char before, const char *name, const char *value)
{
	size_t len = strlen(value);

	buf_printf(out, "%c%s=\"", before, name);
	for (size_t i = 0; i < len; i++) {
		size_t good = text_utf8(value + i, len - i);

		if (value[i] == '"' || value[i] == '\\')
			buf_printf(out, "\\%c", value[i]);
		else if (value[i] == '\n')
			buf_adds(out, "\\n");
		else if (good == 0)
			buf_addc(out, '?');
		else
			buf_addc(out, value[i]);
		if (good > 0 && (unsigned char)value[i] >= 0x80)
			for (; i + 1 < len && ((unsigned char)value[i + 1] & 0xc0) == 0x80; i++)
				buf_addc(out, value[i + 1]);
	}
	buf_addc(out, '"');
}

/* Labels are name, value pairs up to NULL. */
static void
sample(struct page *p, enum metric m, const char *suffix, double v, ...)
{
	static const char *const suffixes[] = { "_total", "", "", "_info" };
	const char *name;
	char before = '{';
	va_list labels;

	buf_adds(p->out, metrics[m].name);
	buf_adds(p->out, *suffix ? suffix : suffixes[metrics[m].type]);
	va_start(labels, v);
	while ((name = va_arg(labels, const char *)) != NULL) {
		add_label(p->out, before, name, va_arg(labels, const char *));
		before = ',';
	}
	va_end(labels);
	if (isfinite(v))
		buf_printf(p->out, "%s %.17g\n", before == ',' ? "}" : "", v);
	else
		buf_printf(p->out, "%s %s\n", before == ',' ? "}" : "",
		           isnan(v) ? "NaN"
		           : v > 0  ? "+Inf"
		                    : "-Inf");
}

static void
plain(struct page *p, enum metric m, double v)
{
	begin(p, m);
	sample(p, m, "", v, NULL);
}

/* ---- stages: releases summed ---- */

static struct counters_row *
stage_of(struct page *p, const struct counters_row *row)
{
	struct counters_row *stage;

	for (size_t i = 0; i < p->n_stages; i++)
		if (strcmp(p->stages[i].stage, row->stage) == 0 &&
		    strcmp(p->stages[i].pipeline, row->pipeline) == 0)
			return &p->stages[i];
	stage = &p->stages[p->n_stages++];
	memset(stage, 0, sizeof *stage);
	memcpy(stage->pipeline, row->pipeline, sizeof stage->pipeline);
	memcpy(stage->stage, row->stage, sizeof stage->stage);
	return stage;
}

static void
add_own(struct counters_row *stage, const struct counters_row *row)
{
	for (unsigned k = 0; k < COUNTERS_OWN && row->own[k].kind; k++) {
		unsigned i = 0;

		while (i < COUNTERS_OWN && stage->own[i].kind &&
		       strcmp(stage->own[i].name, row->own[k].name) != 0)
			i++;
		if (i == COUNTERS_OWN)
			continue;
		memcpy(stage->own[i].name, row->own[k].name, sizeof stage->own[i].name);
		stage->own[i].kind = row->own[k].kind;
		if (row->own[k].kind == OWN_COUNTER)
			stage->own[i].value += row->own[k].value;
		else if (row->own[k].set_at >= stage->own[i].set_at) {
			stage->own[i].value = row->own[k].value;
			stage->own[i].set_at = row->own[k].set_at;
		}
	}
}

static void
sum_stages(struct page *p)
{
	p->stages = mem_array(NULL, p->n_rows + 1, sizeof *p->stages);
	for (size_t i = 0; i < p->n_rows; i++) {
		const struct counters_row *row = &p->rows[i];
		struct counters_row *stage = stage_of(p, row);

		for (int c = 0; c < COUNTER_N; c++) {
			if (counter_kind((enum counter)c) == COUNTER_SUM)
				stage->value[c] += row->value[c];
			else if (row->value[c] > stage->value[c])
				stage->value[c] = row->value[c];
		}
		stage->in_stage += row->in_stage;
		stage->outstanding += row->outstanding;
		stage->time.n += row->time.n;
		for (unsigned b = 0; b < HISTOGRAM_BUCKETS; b++)
			stage->time.bucket[b] += row->time.bucket[b];
		add_own(stage, row);
	}
}

#define EACH_STAGE(p, s)                                                                           \
	for (const struct counters_row *s = (p)->stages; s < (p)->stages + (p)->n_stages; s++)
#define LABELS(s) "pipeline", (s)->pipeline, "stage", (s)->stage

static void
outcomes(struct page *p)
{
	static const struct {
		enum counter c;
		const char *outcome;
	} of[] = { { COUNTER_done, "done" },       { COUNTER_split, "split" },
		   { COUNTER_retried, "retried" }, { COUNTER_snoozed, "snoozed" },
		   { COUNTER_failed, "failed" },   { COUNTER_discarded, "discarded" } };

	begin(p, M_penstock_jobs);
	EACH_STAGE(p, s)
	for (size_t i = 0; i < countof(of); i++)
		sample(p, M_penstock_jobs, "", (double)s->value[of[i].c], LABELS(s), "outcome",
		       of[i].outcome, NULL);
}

static void
one_counter(struct page *p, enum metric m, enum counter c, double unit)
{
	begin(p, m);
	EACH_STAGE(p, s)
	sample(p, m, "", (double)s->value[c] / unit, LABELS(s), NULL);
}

/* All jobs' time: of those that end LATER to their completion, not to the end of the call. */
static double
seconds_of(const struct counters_row *s)
{
	double ns = (double)s->value[COUNTER_wall_ns] - (double)s->value[COUNTER_later_worker_ns] +
	            (double)s->value[COUNTER_later_ns];

	return ns > 0 ? ns / 1e9 : 0;
}

static void
durations(struct page *p)
{
	const enum metric m = M_penstock_stage_duration_seconds;

	begin(p, m);
	EACH_STAGE(p, s)
	{
		uint64_t below = 0;
		unsigned b = 0;
		char le[40];

		for (unsigned o = LEAST_OCTAVE; o < LEAST_OCTAVE + OCTAVES; o++) {
			for (; b < (o - HISTOGRAM_LEAST) * 8; b++)
				below += s->time.bucket[b];
			snprintf(le, sizeof le, "%.9g", exp2(o) / 1e9);
			sample(p, m, "_bucket", (double)below, LABELS(s), "le", le, NULL);
		}
		sample(p, m, "_bucket", (double)s->time.n, LABELS(s), "le", "+Inf", NULL);
		sample(p, m, "_sum", seconds_of(s), LABELS(s), NULL);
		sample(p, m, "_count", (double)s->time.n, LABELS(s), NULL);
	}
}

static void
breaches(struct page *p)
{
	begin(p, M_penstock_stage_breaches);
	EACH_STAGE(p, s)
	{
		sample(p, M_penstock_stage_breaches, "", (double)s->value[COUNTER_unset], LABELS(s),
		       "kind", "outcome", NULL);
		sample(p, M_penstock_stage_breaches, "", (double)s->value[COUNTER_stale], LABELS(s),
		       "kind", "completion", NULL);
	}
}

static void
in_flight(struct page *p)
{
	const enum metric m = M_penstock_stage_jobs_in_flight;

	begin(p, m);
	EACH_STAGE(p, s)
	{
		sample(p, m, "", (double)s->in_stage, LABELS(s), "state", "call", NULL);
		sample(p, m, "", (double)s->outstanding, LABELS(s), "state", "later", NULL);
	}
}

static void
own_counters(struct page *p, enum metric m, enum own_kind kind)
{
	begin(p, m);
	EACH_STAGE(p, s)
	for (unsigned k = 0; k < COUNTERS_OWN && s->own[k].kind; k++)
		if (s->own[k].kind == kind)
			sample(p, m, "", s->own[k].value, LABELS(s), "name", s->own[k].name, NULL);
}

static void
releases(struct page *p)
{
	begin(p, M_penstock_stage_build);
	for (size_t i = 0; i < p->n_rows; i++)
		if (p->rows[i].live)
			sample(p, M_penstock_stage_build, "", 1, LABELS(&p->rows[i]), "release",
			       p->rows[i].release, "form",
			       p->rows[i].flags & SLOT_BATCH ? "batch" : "each", "later",
			       p->rows[i].flags & SLOT_LATER ? "yes" : "no", NULL);
	begin(p, M_penstock_release_share_ratio);
	for (size_t i = 0; i < p->n_rows; i++) {
		double all = 0;

		for (size_t k = 0; k < p->n_rows; k++)
			if (p->rows[k].live && strcmp(p->rows[k].stage, p->rows[i].stage) == 0 &&
			    strcmp(p->rows[k].pipeline, p->rows[i].pipeline) == 0)
				all += (double)p->rows[k].value[COUNTER_jobs];
		if (p->rows[i].live && all > 0)
			sample(p, M_penstock_release_share_ratio, "",
			       (double)p->rows[i].value[COUNTER_jobs] / all, LABELS(&p->rows[i]),
			       "release", p->rows[i].release, NULL);
	}
}

static void
stages(struct page *p)
{
	outcomes(p);
	one_counter(p, M_penstock_stage_calls, COUNTER_calls, 1);
	durations(p);
	one_counter(p, M_penstock_stage_worker_seconds, COUNTER_wall_ns, 1e9);
	one_counter(p, M_penstock_stage_cpu_seconds, COUNTER_cpu_ns, 1e9);
	one_counter(p, M_penstock_stage_database_seconds, COUNTER_db_ns, 1e9);
	one_counter(p, M_penstock_stage_wait_seconds, COUNTER_waited_ns, 1e9);
	one_counter(p, M_penstock_stage_allocated_bytes, COUNTER_allocated, 1);
	one_counter(p, M_penstock_stage_freed_bytes, COUNTER_freed, 1);
	one_counter(p, M_penstock_stage_read_bytes, COUNTER_bytes_in, 1);
	one_counter(p, M_penstock_stage_written_bytes, COUNTER_bytes_out, 1);
	one_counter(p, M_penstock_stage_rows, COUNTER_rows, 1);
	one_counter(p, M_penstock_stage_rollbacks, COUNTER_rollbacks, 1);
	breaches(p);
	one_counter(p, M_penstock_stage_arena_peak_bytes, COUNTER_arena_peak, 1);
	in_flight(p);
	own_counters(p, M_penstock_stage_declared, OWN_COUNTER);
	own_counters(p, M_penstock_stage_declared_value, OWN_GAUGE);
	releases(p);
}

/* ---- queues ---- */

/* What is not known is absent, never zero. */
static void
queues(struct page *p)
{
	const struct web_facts *f = p->facts;

	begin(p, M_penstock_queue_depth);
	for (size_t i = 0; f->database_up && i < f->n_queues; i++) {
		const struct web_queue *q = &f->queues[i];
		const struct {
			const char *state;
			int64_t n;
		} of[] = { { "ready", q->ready },
			   { "running", q->running },
			   { "deferred", q->deferred },
			   { "waiting", q->waiting },
			   { "dead", q->dead } };

		for (size_t k = 0; k < countof(of); k++)
			sample(p, M_penstock_queue_depth, "", (double)of[k].n, LABELS(q), "state",
			       of[k].state, NULL);
	}
	begin(p, M_penstock_queue_oldest_age_seconds);
	for (size_t i = 0; f->database_up && i < f->n_queues; i++)
		if (f->queues[i].oldest_s >= 0)
			sample(p, M_penstock_queue_oldest_age_seconds, "", f->queues[i].oldest_s,
			       LABELS(&f->queues[i]), NULL);
	begin(p, M_penstock_queue_read_age_seconds);
	if (f->read_age_ns >= 0)
		sample(p, M_penstock_queue_read_age_seconds, "", (double)f->read_age_ns / 1e9,
		       NULL);
	plain(p, M_penstock_database_up, f->database_up);
}

/* ---- the host ---- */

static void
workers(struct page *p)
{
	begin(p, M_penstock_workers);
	for (unsigned i = 0; i < countof(states); i++)
		sample(p, M_penstock_workers, "", (double)p->host.workers[i], "state", states[i],
		       NULL);
	begin(p, M_penstock_connections);
	sample(p, M_penstock_connections, "", (double)p->host.connections, "state", "open", NULL);
	sample(p, M_penstock_connections, "", (double)p->host.in_use, "state", "in_use", NULL);
	sample(p, M_penstock_connections, "", (double)p->host.waiting, "state", "waiting", NULL);
	plain(p, M_penstock_arenas, (double)p->host.arenas);
	plain(p, M_penstock_arena_bytes, (double)p->host.arena_bytes);
	plain(p, M_penstock_arena_peak_bytes, (double)p->host.arena_peak);
}

static void
host(struct page *p)
{
	static const struct {
		enum metric m;
		enum host_counter c;
	} of[] = { { M_penstock_claims, HOST_claims },
		   { M_penstock_claimed_jobs, HOST_claimed_jobs },
		   { M_penstock_empty_claims, HOST_empty_claims },
		   { M_penstock_settles, HOST_settles },
		   { M_penstock_settle_refused, HOST_refused },
		   { M_penstock_leases_given_up, HOST_fenced_self },
		   { M_penstock_unknown_commits, HOST_unknown_commits },
		   { M_penstock_reconnects, HOST_reconnects },
		   { M_penstock_reaps, HOST_reaps },
		   { M_penstock_wakes, HOST_wakes } };

	workers(p);
	for (size_t i = 0; i < countof(of); i++)
		plain(p, of[i].m, (double)p->host.value[of[i].c]);
	plain(p, M_penstock_host_processes, (double)p->host.processes);
	plain(p, M_penstock_host_process_starts, (double)p->host.starts);
	plain(p, M_penstock_host_process_deaths, (double)p->host.deaths);
	begin(p, M_penstock_reloads);
	sample(p, M_penstock_reloads, "", (double)p->segment->reloads[RELOAD_DONE], "result",
	       "done", NULL);
	sample(p, M_penstock_reloads, "", (double)p->segment->reloads[RELOAD_REFUSED], "result",
	       "refused", NULL);
	plain(p, M_penstock_http_connections, (double)p->facts->connections);
	begin(p, M_penstock_http_refused);
	for (const struct web_refusal *r = p->facts->refusals; r && r->code; r++) {
		char code[16];

		snprintf(code, sizeof code, "%u", r->code);
		sample(p, M_penstock_http_refused, "", (double)r->n, "code", code, NULL);
	}
	plain(p, M_penstock_start_time_seconds, (double)p->segment->started_wall_ns / 1e9);
	begin(p, M_penstock_build);
	sample(p, M_penstock_build, "", 1, "version", PENSTOCK_VERSION, NULL);
}

bool
web_metrics(const struct segment *segment, const struct web_facts *facts, bool openmetrics,
            struct buf *out)
{
	struct page p = {
		.segment = segment, .facts = facts, .openmetrics = openmetrics, .out = out
	};

	if (!counters_sum(segment, &p.rows, &p.n_rows))
		return false;
	counters_host(segment, &p.host);
	sum_stages(&p);
	stages(&p);
	queues(&p);
	host(&p);
	if (openmetrics)
		buf_adds(out, "# EOF\n");
	free(p.stages);
	free(p.rows);
	return true;
}
