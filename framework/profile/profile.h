/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * profile.h - what numbers say: is this slower than that, and is that known?
 *
 * Pure functions of numbers: no database, no clock, no file; the same numbers
 * always give the same answer. Where numbers come from is said in load/ and cli/.
 */
#ifndef PENSTOCK_PROFILE_H
#define PENSTOCK_PROFILE_H

#include "base/base.h"
#include "counters/counters.h"

/* ---- comparison: two sets of calls ---- */

enum profile_metric {
	PROFILE_WALL,         /* ns a job, in the stage */
	PROFILE_CPU,          /* ns a job */
	PROFILE_ALLOCATED,    /* bytes a job */
	PROFILE_DB,           /* ns a job */
	PROFILE_ERRORS,       /* share of the jobs that ended RETRY or FAIL */
	PROFILE_END_TO_END,   /* ns from a job's creation until it has settled */
	PROFILE_INSTRUCTIONS, /* a job */
	PROFILE_METRICS
};
const char *profile_metric_name(enum profile_metric metric); /* "wall" */

enum profile_verdict {
	PROFILE_NO_REGRESSION, /* the interval ends below the limit */
	PROFILE_REGRESSION,    /* the interval begins above the limit */
	PROFILE_TOO_LITTLE,    /* the limit is inside the interval */
	PROFILE_NOT_JUDGED     /* the two cannot be compared: `why` says it */
};
const char *profile_verdict_name(enum profile_verdict verdict);

/* Calls in the order of time: what the jobs of a call cost together. */
struct profile_series {
	const double *cost;
	const uint32_t *jobs; /* none 0 */
	size_t n;
};

struct profile_rule {
	double fail_on;       /* 0.05: five per cent more, a job */
	double fail_on_share; /* of error shares: 0.01 is one job of a hundred more */
	double alpha;         /* chance of a false regression over all of a family */
	size_t family;        /* comparisons that are made together, at least 1 */
#define PROFILE_ALPHA 0.02
	bool paired; /* the n-th call of both was made at about the same time */
	uint64_t seed;
};

struct profile_effect {
	enum profile_metric metric;
	enum profile_verdict verdict;
	double before, after;     /* a job */
	double effect, low, high; /* relative: 0.1 is ten per cent more; of error shares the
	                             difference. low and high are simultaneous over the family */
	size_t n_before, n_after; /* calls */
	size_t blocks;            /* that were resampled, of the side with fewer */
	const char *why;          /* "" or a sentence */
};

/* Fewer calls than this say nothing. */
#define PROFILE_CALLS_LEAST 64u

/* docs/decisions/0004-comparing-calls.md has the method and its error rates. */
void profile_compare(enum profile_metric metric, const struct profile_series *before,
                     const struct profile_series *after, const struct profile_rule *rule,
                     struct profile_effect *ret);

/* Many at once: the family is those of them that there is something to say about, and each has a
 * seed of its own, made from the rule's. */
struct profile_pair {
	enum profile_metric metric;
	struct profile_series before, after;
};
void profile_compare_all(const struct profile_pair *pairs, size_t n,
                         const struct profile_rule *rule, struct profile_effect *ret);

/* The metric's series of some calls; the caller frees both arrays. Calls without jobs are left
 * out. */
void profile_series_of(enum profile_metric metric, const struct call_sample *calls, size_t n,
                       struct profile_series *ret);
void profile_series_free(struct profile_series *series);

/* One verdict of many: REGRESSION before TOO_LITTLE before NO_REGRESSION; NOT_JUDGED ones do not
 * count, and when there is nothing else it is TOO_LITTLE. */
enum profile_verdict profile_verdict_all(const struct profile_effect *effects, size_t n);
/* What a command exits with: 0 no regression, 1 regression, 2 too little data. */
int profile_exit(enum profile_verdict verdict);

#endif
