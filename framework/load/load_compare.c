/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * load_compare.c - two recordings: every stage by every metric, and what makes them hard to
 * compare.
 */
#include "load/load.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Others that make work take less than this longer are not worth a line. */
#define STRETCH_TOLD 0.02

struct pairs {
	struct profile_pair *pairs;
	const char **stages;
	size_t n;
};

static struct profile_pair *
add_pair(struct pairs *p, const char *stage, enum profile_metric metric)
{
	p->pairs = mem_array(p->pairs, p->n + 1, sizeof *p->pairs);
	p->stages = mem_array(p->stages, p->n + 1, sizeof *p->stages);
	p->pairs[p->n] = (struct profile_pair){ .metric = metric };
	p->stages[p->n] = stage;
	return &p->pairs[p->n++];
}

/* Calls of all releases of a stage that ran: what the stage cost, whatever it was made of. */
static void
series_of(const struct baseline *b, const char *stage, enum profile_metric metric,
          struct profile_series *ret)
{
	struct call_sample *all = NULL;
	size_t n = 0;

	for (size_t i = 0; i < b->n_stages; i++) {
		const struct load_stage *s = &b->stages[i];

		if (strcmp(s->stage, stage) != 0 || s->n_calls == 0)
			continue;
		all = mem_array(all, n + s->n_calls, sizeof *all);
		memcpy(all + n, s->calls, s->n_calls * sizeof *all);
		n += s->n_calls;
	}
	profile_series_of(metric, all, n, ret);
	free(all);
}

static double
seconds_of(const struct baseline *b, const char *stage, enum counter counter)
{
	double ns = 0;

	for (size_t i = 0; i < b->n_stages; i++)
		if (!stage || strcmp(b->stages[i].stage, stage) == 0)
			ns += (double)b->stages[i].value[counter];
	return ns / 1e9;
}

static double
stretch_of(const struct baseline *b, const char *stage, enum profile_metric metric)
{
	switch (metric) {
	case PROFILE_WALL:
		return profile_stretch_wall(&b->shared, seconds_of(b, stage, COUNTER_wall_ns),
		                            seconds_of(b, stage, COUNTER_cpu_ns),
		                            seconds_of(b, stage, COUNTER_db_ns),
		                            seconds_of(b, NULL, COUNTER_wall_ns));
	case PROFILE_DB: return profile_stretch(&b->shared);
	case PROFILE_END_TO_END:
		return profile_stretch_end_to_end(&b->shared, strncmp(b->load, "closed", 6) == 0);
	default: return 0;
	}
}

static void
ends_of(const struct baseline *b, struct profile_series *ret)
{
	double *cost = mem_array(NULL, b->n_ends + 1, sizeof *cost);
	uint32_t *jobs = mem_array(NULL, b->n_ends + 1, sizeof *jobs);

	*ret = (struct profile_series){ .cost = cost, .jobs = jobs, .n = b->n_ends };
	for (size_t i = 0; i < b->n_ends; i++) {
		cost[i] = (double)b->ends[i].us * 1e3;
		jobs[i] = (uint32_t)b->ends[i].jobs;
	}
}

static bool
has_stage(const struct baseline *b, size_t before, const char *stage)
{
	for (size_t i = 0; i < before; i++)
		if (strcmp(b->stages[i].stage, stage) == 0)
			return true;
	return false;
}

static void
add_stage(struct pairs *p, const struct baseline *before, const struct baseline *after,
          const char *stage)
{
	for (int m = PROFILE_WALL; m <= PROFILE_ERRORS; m++) {
		struct profile_pair *pair = add_pair(p, stage, (enum profile_metric)m);

		series_of(before, stage, pair->metric, &pair->before);
		series_of(after, stage, pair->metric, &pair->after);
		pair->before.stretch = stretch_of(before, stage, pair->metric);
		pair->after.stretch = stretch_of(after, stage, pair->metric);
	}
}

static void
add_stages(struct pairs *p, const struct baseline *before, const struct baseline *after)
{
	for (size_t i = 0; i < before->n_stages; i++)
		if (!has_stage(before, i, before->stages[i].stage))
			add_stage(p, before, after, before->stages[i].stage);
	for (size_t i = 0; i < after->n_stages; i++)
		if (!has_stage(after, i, after->stages[i].stage) &&
		    !has_stage(before, before->n_stages, after->stages[i].stage))
			add_stage(p, before, after, after->stages[i].stage);
}

/* ---- warnings ---- */

static void
warn_of(struct buf *warnings, const char *what, const char *before, const char *after)
{
	if (strcmp(before, after) != 0)
		buf_printf(warnings, "%s: %s before, %s after\n", what, before, after);
}

static void
warn_of_others(struct buf *warnings, const char *which, const struct profile_machine *m)
{
	double stretch = profile_stretch(m);

	if (!m->known)
		buf_printf(warnings,
		           "%s: nobody knows what else the machine did; its times are taken as "
		           "they are\n",
		           which);
	else if (stretch >= STRETCH_TOLD)
		buf_printf(warnings,
		           "%s: others used %.2f of %g cores, and work on a core took about "
		           "%.0f %% longer for it; intervals of times are that much wider\n",
		           which, (m->others + m->stolen) / m->seconds, m->cores, 100 * stretch);
}

static void
warn(const struct baseline *before, const struct baseline *after, struct buf *warnings)
{
	warn_of(warnings, "another pipeline", before->pipeline, after->pipeline);
	warn_of(warnings, "another class of machine", before->machine, after->machine);
	warn_of(warnings, "another version of PostgreSQL", before->server, after->server);
	if (before->workers != after->workers)
		buf_printf(warnings, "%lld workers before, %lld after\n",
		           (long long)before->workers, (long long)after->workers);
	if (strcmp(before->configuration, after->configuration) != 0)
		buf_adds(warnings, "the configuration of the pipeline or of the host differs\n");
	warn_of_others(warnings, "before", &before->shared);
	warn_of_others(warnings, "after", &after->shared);
	warn_of(warnings, "another load", before->load[0] ? before->load : "whatever came",
	        after->load[0] ? after->load : "whatever came");
}

/* ---- the comparison ---- */

/* A time in the queue says more of arrivals than of stages: only the same load can be compared. */
static bool
same_load(const struct baseline *before, const struct baseline *after)
{
	return before->load[0] && strcmp(before->load, after->load) == 0;
}

static void
judge_end_to_end(const struct baseline *before, const struct baseline *after,
                 struct profile_effect *e)
{
	if (same_load(before, after))
		return;
	e->verdict = PROFILE_NOT_JUDGED;
	e->why = "not the same load: see penstock bench --record-baseline";
}

void
load_compare(const struct baseline *before, const struct baseline *after,
             const struct profile_rule *rule, struct load_comparison *ret)
{
	struct pairs p = { 0 };
	struct profile_effect *effects;
	struct profile_pair *ends;

	*ret = (struct load_comparison){ 0 };
	buf_init(&ret->warnings);
	warn(before, after, &ret->warnings);
	add_stages(&p, before, after);
	ends = add_pair(&p, NULL, PROFILE_END_TO_END);
	ends_of(before, &ends->before);
	ends_of(after, &ends->after);
	ends->before.stretch = stretch_of(before, NULL, PROFILE_END_TO_END);
	ends->after.stretch = stretch_of(after, NULL, PROFILE_END_TO_END);

	effects = mem_alloc(p.n * sizeof *effects);
	profile_compare_all(p.pairs, p.n, rule, effects);
	judge_end_to_end(before, after, &effects[p.n - 1]);
	ret->verdict = profile_verdict_all(effects, p.n);
	ret->n = p.n;
	ret->effects = mem_alloc(p.n * sizeof *ret->effects);
	for (size_t i = 0; i < p.n; i++) {
		ret->effects[i] = (struct load_effect){ p.stages[i], effects[i] };
		profile_series_free(&p.pairs[i].before);
		profile_series_free(&p.pairs[i].after);
	}
	free(effects);
	free(p.pairs);
	free(p.stages);
}

void
load_comparison_done(struct load_comparison *c)
{
	free(c->effects);
	buf_done(&c->warnings);
}
