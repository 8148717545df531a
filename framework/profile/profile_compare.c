/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * profile_compare.c - effect and interval between two sets of calls, by resampling.
 *
 * The unit is the call, since its jobs share its fate; what is compared is a
 * ratio of sums, cost over jobs. Neighbouring calls are alike (caches, other
 * work on the machine), so they are resampled in blocks, which grow until they
 * do not follow each other any more. The numbers that seeds give are part of
 * the answer: nothing here may draw from anywhere else.
 */
#include "profile/profile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS_MOST 64u
#define BLOCKS_LEAST 32u /* blocks do not grow so that fewer are left */
#define BLOCK_CALLS 4u   /* at least */
#define DRAWS 8000u
#define CAP 33.0 /* times the median: e^3.5 */

/* What is not worth a verdict is added to both sides, so that nothing is divided by nothing and ten
 * bytes more than ten are no doubling. */
static const struct {
	const char *name;
	double floor;
} metrics[PROFILE_METRICS] = {
	[PROFILE_WALL] = { "wall", 100 },
	[PROFILE_CPU] = { "cpu", 100 },
	[PROFILE_ALLOCATED] = { "allocated", 1024 },
	[PROFILE_DB] = { "database", 10000 },
	[PROFILE_ERRORS] = { "errors", 0 },
	[PROFILE_END_TO_END] = { "end-to-end", 100000 },
	[PROFILE_INSTRUCTIONS] = { "instructions", 100 },
};

const char *
profile_metric_name(enum profile_metric metric)
{
	return metrics[metric].name;
}

const char *
profile_verdict_name(enum profile_verdict verdict)
{
	static const char *const names[] = {
		[PROFILE_NO_REGRESSION] = "no regression", [PROFILE_REGRESSION] = "regression",
		[PROFILE_TOO_LITTLE] = "too little data",  [PROFILE_DISTURBED] = "disturbed",
		[PROFILE_NOT_JUDGED] = "not judged",
	};

	return names[verdict];
}

/* ---- normal and t ---- */

/* Inverse of the upper tail of the normal distribution, by bisection over erfc(): slow, exact. */
static double
normal_upper(double alpha)
{
	double low = 0, high = 40;

	while (high - low > 1e-9) {
		double z = (low + high) / 2;

		if (erfc(z / sqrt(2)) / 2 > alpha)
			low = z;
		else
			high = z;
	}
	return low;
}

/* How much wider a t interval of so many degrees of freedom is (Cornish-Fisher, two terms). */
static double
t_over_z(double alpha, double df)
{
	double z = normal_upper(alpha);

	return 1 + (z * z + 1) / (4 * df) + (5 * pow(z, 4) + 16 * z * z + 3) / (96 * df * df);
}

/* ---- blocks ---- */

struct blocks {
	double cost[BLOCKS_MOST], jobs[BLOCKS_MOST];
	size_t n;
};

static int
by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* One cap for both sides: a call that costs CAP times the median of both counts as that much. A
 * page of swap or a stopped machine would else hide everything else, or be found as a regression.
 */
static double
cap_of(const struct profile_series *a, const struct profile_series *b)
{
	double *each = mem_array(NULL, a->n + b->n, sizeof *each), cap;
	size_t n = 0;

	for (size_t i = 0; i < a->n; i++)
		each[n++] = a->cost[i] / a->jobs[i];
	for (size_t i = 0; i < b->n; i++)
		each[n++] = b->cost[i] / b->jobs[i];
	qsort(each, n, sizeof *each, by_size);
	cap = each[n / 2] > 0 ? each[n / 2] * CAP : INFINITY;
	free(each);
	return cap;
}

static void
make_blocks(const struct profile_series *s, size_t n, double cap, struct blocks *b)
{
	memset(b, 0, sizeof *b);
	b->n = n;
	for (size_t i = 0; i < s->n; i++) {
		size_t k = i * n / s->n;
		double most = cap * s->jobs[i];

		b->cost[k] += s->cost[i] < most ? s->cost[i] : most;
		b->jobs[k] += s->jobs[i];
	}
}

static double
ratio_of(const struct blocks *b)
{
	double cost = 0, jobs = 0;

	for (size_t k = 0; k < b->n; k++) {
		cost += b->cost[k];
		jobs += b->jobs[k];
	}
	return cost / jobs;
}

/* How far each block lies from the ratio of all. */
static void
residuals_of(const struct blocks *b, double *ret)
{
	double ratio = ratio_of(b), jobs = 0;

	for (size_t k = 0; k < b->n; k++)
		jobs += b->jobs[k] / (double)b->n;
	for (size_t k = 0; k < b->n; k++)
		ret[k] = (b->cost[k] - ratio * b->jobs[k]) / jobs;
}

/* Do neighbours follow each other? Adds up, of residuals, whose mean is 0, what lag_one() divides.
 */
struct lag {
	double square, product;
};

static void
add_lag(struct lag *lag, const double *e, size_t n)
{
	for (size_t k = 0; k < n; k++) {
		lag->square += e[k] * e[k];
		if (k > 0)
			lag->product += e[k] * e[k - 1];
	}
}

static double
lag_one(const struct lag *lag)
{
	return lag->square > 0 ? lag->product / lag->square : 0;
}

/* ---- one comparison ---- */

struct comparison {
	const struct profile_rule *rule;
	const struct profile_series *series[2];
	struct blocks blocks[2];
	double cap, floor;
	bool share;
	double correlation; /* of neighbouring blocks, of both sides together */
	double tail;        /* of the interval, on each side */
};

/* On the scale on which intervals are made: of logarithms, or of shares. */
static double
effect_of(const struct comparison *c, double before, double after)
{
	return c->share ? after - before : log((after + c->floor) / (before + c->floor));
}

static double
correlation_of(const struct comparison *c)
{
	double e[2][BLOCKS_MOST], all[2] = { ratio_of(&c->blocks[0]), ratio_of(&c->blocks[1]) };
	struct lag lag = { 0, 0 };

	/* relative ones, so that both sides count alike */
	for (int i = 0; i < 2; i++) {
		residuals_of(&c->blocks[i], e[i]);
		for (size_t k = 0; k < c->blocks[i].n; k++)
			e[i][k] /= all[i] > 0 ? all[i] : 1;
	}
	if (c->rule->paired)
		for (size_t k = 0; k < c->blocks[0].n; k++)
			e[0][k] -= e[1][k];
	add_lag(&lag, e[0], c->blocks[0].n);
	if (!c->rule->paired)
		add_lag(&lag, e[1], c->blocks[1].n);
	return lag_one(&lag);
}

/* Blocks grow while they follow each other and enough of them are left. */
static void
choose_blocks(struct comparison *c)
{
	size_t calls = c->series[0]->n < c->series[1]->n ? c->series[0]->n : c->series[1]->n;
	size_t n = calls / BLOCK_CALLS < BLOCKS_MOST ? calls / BLOCK_CALLS : BLOCKS_MOST;

	for (;;) {
		make_blocks(c->series[0], n, c->cap, &c->blocks[0]);
		make_blocks(c->series[1], n, c->cap, &c->blocks[1]);
		c->correlation = correlation_of(c);
		if (n / 2 < BLOCKS_LEAST || c->correlation < 1 / sqrt((double)n))
			return;
		n /= 2;
	}
}

static double
draw(struct comparison *c, uint64_t *random)
{
	double cost[2] = { 0, 0 }, jobs[2] = { 0, 0 };
	size_t n = c->blocks[0].n;

	for (size_t k = 0; k < n; k++) {
		uint64_t word = *random = splitmix64(*random);
		size_t i = (size_t)((word >> 32) * n >> 32);
		size_t j = c->rule->paired ? i : (size_t)((word & 0xffffffffu) * n >> 32);

		cost[0] += c->blocks[0].cost[i];
		jobs[0] += c->blocks[0].jobs[i];
		cost[1] += c->blocks[1].cost[j];
		jobs[1] += c->blocks[1].jobs[j];
	}
	return effect_of(c, cost[0] / jobs[0], cost[1] / jobs[1]);
}

/* The interval of the draws, made wider for how few blocks there are and for what follows on in
 * spite of them. */
static void
resample(struct comparison *c, double effect, double *ret_low, double *ret_high)
{
	double *drawn = mem_array(NULL, DRAWS, sizeof *drawn), wider, n = (double)c->blocks[0].n;
	size_t at = (size_t)(c->tail * DRAWS);
	uint64_t random = c->rule->seed;

	for (size_t i = 0; i < DRAWS; i++)
		drawn[i] = draw(c, &random);
	qsort(drawn, DRAWS, sizeof *drawn, by_size);
	wider = t_over_z(c->tail, n - 1) * sqrt(n / (n - 1));
	if (c->correlation > 1 / sqrt(n)) /* less than that is what chance makes */
		wider *= sqrt((1 + c->correlation) / (1 - fmin(c->correlation, 0.8)));
	*ret_low = effect + (drawn[at] - effect) * wider;
	*ret_high = effect + (drawn[DRAWS - 1 - at] - effect) * wider;
	free(drawn);
}

static double
sum_of(const struct profile_series *s)
{
	double sum = 0;

	for (size_t i = 0; i < s->n; i++)
		sum += s->cost[i];
	return sum;
}

static double
jobs_of(const struct profile_series *s)
{
	double sum = 0;

	for (size_t i = 0; i < s->n; i++)
		sum += s->jobs[i];
	return sum;
}

static enum profile_verdict
judge(double low, double high, double limit)
{
	if (low > limit)
		return PROFILE_REGRESSION;
	return high <= limit ? PROFILE_NO_REGRESSION : PROFILE_TOO_LITTLE;
}

/* Nothing to resample: one side has no calls, or both have nothing of this cost. */
static bool
trivial(const struct profile_series *before, const struct profile_series *after,
        struct profile_effect *ret)
{
	if (before->n == 0 || after->n == 0) {
		ret->verdict = PROFILE_TOO_LITTLE;
		ret->why = before->n == 0 ? "no calls before" : "no calls after";
		ret->low = -INFINITY;
		ret->high = INFINITY;
		return true;
	}
	ret->before = sum_of(before) / jobs_of(before);
	ret->after = sum_of(after) / jobs_of(after);
	if (ret->before == 0 && ret->after == 0) {
		ret->verdict = PROFILE_NO_REGRESSION;
		ret->why = "none on either side";
		return true;
	}
	if (before->n >= PROFILE_CALLS_LEAST && after->n >= PROFILE_CALLS_LEAST)
		return false;
	ret->verdict = PROFILE_TOO_LITTLE;
	ret->why = "fewer than 64 calls on a side";
	ret->low = -INFINITY;
	ret->high = INFINITY;
	return true;
}

/* Without what else the machine did, each side's costs lie between what was seen and that divided
 * by 1 + stretch; so the effect lies where both of these ends of each side allow it. What was an
 * answer and is none any more is told as disturbed, not as too little: recording for longer would
 * not help. */
static void
judge_disturbed(const struct comparison *c, double limit, struct profile_effect *ret)
{
	enum profile_verdict seen = judge(ret->low, ret->high, limit);

	ret->low -= log1p(c->series[1]->stretch);
	ret->high += log1p(c->series[0]->stretch);
	ret->verdict = judge(ret->low, ret->high, limit);
	if (ret->verdict == seen)
		return;
	ret->verdict = PROFILE_DISTURBED;
	ret->why = seen == PROFILE_REGRESSION
	               ? "others on the machine may have made it slower, not the change"
	               : "others on the machine may have made it slower before";
}

void
profile_compare(enum profile_metric metric, const struct profile_series *before,
                const struct profile_series *after, const struct profile_rule *rule,
                struct profile_effect *ret)
{
	struct comparison c = {
		.rule = rule,
		.series = { before, after },
		.floor = metrics[metric].floor,
		.share = metric == PROFILE_ERRORS,
		.cap = INFINITY,
		.tail = rule->alpha / (double)rule->family,
	};
	double effect, limit = c.share ? rule->fail_on_share : log1p(rule->fail_on);

	*ret = (struct profile_effect){
		.metric = metric, .n_before = before->n, .n_after = after->n, .why = ""
	};
	check(rule->family > 0 && (!rule->paired || before->n == after->n));
	if (trivial(before, after, ret))
		return;
	if (!c.share)
		c.cap = cap_of(before, after);
	choose_blocks(&c);
	ret->before = ratio_of(&c.blocks[0]);
	ret->after = ratio_of(&c.blocks[1]);
	ret->blocks = c.blocks[0].n;
	effect = effect_of(&c, ret->before, ret->after);
	resample(&c, effect, &ret->low, &ret->high);
	judge_disturbed(&c, limit, ret);
	ret->effect = c.share ? effect : expm1(effect);
	if (!c.share) {
		ret->low = expm1(ret->low);
		ret->high = expm1(ret->high);
	}
}

void
profile_compare_all(const struct profile_pair *pairs, size_t n, const struct profile_rule *rule,
                    struct profile_effect *ret)
{
	struct profile_rule each = *rule;

	each.family = 0;
	for (size_t i = 0; i < n; i++)
		each.family += !trivial(&pairs[i].before, &pairs[i].after, &ret[i]);
	if (each.family == 0)
		each.family = 1;
	for (size_t i = 0; i < n; i++) {
		each.seed = splitmix64(rule->seed + i);
		profile_compare(pairs[i].metric, &pairs[i].before, &pairs[i].after, &each, &ret[i]);
	}
}

/* ---- series and verdicts ---- */

static double
cost_of(enum profile_metric metric, const struct call_sample *call)
{
	switch (metric) {
	case PROFILE_CPU: return (double)call->cpu_ns;
	case PROFILE_ALLOCATED: return (double)call->allocated;
	case PROFILE_DB: return (double)call->db_ns;
	case PROFILE_ERRORS: return call->errors;
	default: return (double)call->wall_ns;
	}
}

void
profile_series_of(enum profile_metric metric, const struct call_sample *calls, size_t n,
                  struct profile_series *ret)
{
	double *cost = mem_array(NULL, n + 1, sizeof *cost);
	uint32_t *jobs = mem_array(NULL, n + 1, sizeof *jobs);

	*ret = (struct profile_series){ .cost = cost, .jobs = jobs };
	for (size_t i = 0; i < n; i++) {
		if (calls[i].jobs == 0)
			continue;
		cost[ret->n] = cost_of(metric, &calls[i]);
		jobs[ret->n++] = calls[i].jobs;
	}
}

void
profile_series_free(struct profile_series *series)
{
	free((void *)(uintptr_t)series->cost);
	free((void *)(uintptr_t)series->jobs);
	*series = (struct profile_series){ 0 };
}

enum profile_verdict
profile_verdict_all(const struct profile_effect *effects, size_t n)
{
	size_t found[PROFILE_NOT_JUDGED + 1] = { 0 };

	for (size_t i = 0; i < n; i++)
		found[effects[i].verdict]++;
	if (found[PROFILE_REGRESSION] > 0)
		return PROFILE_REGRESSION;
	if (found[PROFILE_DISTURBED] > 0)
		return PROFILE_DISTURBED;
	if (found[PROFILE_TOO_LITTLE] > 0 || found[PROFILE_NO_REGRESSION] == 0)
		return PROFILE_TOO_LITTLE;
	return PROFILE_NO_REGRESSION;
}

int
profile_exit(enum profile_verdict verdict)
{
	return verdict == PROFILE_REGRESSION ? 1 : verdict == PROFILE_NO_REGRESSION ? 0 : 2;
}
