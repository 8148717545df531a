/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_gate.c - how often the gate cries wolf, and how often it sleeps, in a simulated world.
 *
 * A pipeline of five stages is recorded twice. Calls have lognormal costs with a heavy tail, follow
 * each other (AR 0.9), drift in waves, and each recording has a mood of its own; calls are of 1 to
 * 64 jobs. Seeds are fixed: each run of this test sees the same worlds. GATE_RUNS=200 is the long
 * form (make prove-gate).
 */
#include "profile/profile.h"

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define STAGES 5
#define CALLS 20000

static unsigned runs = 4;

/* ---- random numbers ---- */

struct chance {
	uint64_t word;
};

static double
uniform(struct chance *c)
{
	c->word = splitmix64(c->word);
	return ((double)(c->word >> 11) + 0.5) / 9007199254740992.0;
}

static double
normal(struct chance *c)
{
	double r = sqrt(-2 * log(uniform(c)));

	return r * cos(2 * M_PI * uniform(c));
}

/* ---- the world ---- */

static const struct world {
	const char *stage;
	double wall, busy, allocated, db, errors; /* ns, share of wall, bytes, ns; share of calls */
} world[STAGES] = {
	{ "cheap", 2e3, 0.95, 300, 0, 0 },          { "burns", 2e6, 0.99, 9e3, 0, 0.01 },
	{ "waits", 5e6, 0.02, 2e3, 0, 0.02 },       { "allocates", 8e5, 0.9, 4e6, 0, 0 },
	{ "stores", 1.5e6, 0.2, 2e4, 1.1e6, 0.05 },
};

struct waves {
	double level, phase, turns, mood;
};

static double
next_level(struct waves *w, size_t i, struct chance *c)
{
	w->level = 0.9 * w->level + sqrt(1 - 0.81) * 0.1 * normal(c);
	return w->level + w->mood +
	       0.02 * sin(2 * M_PI * (w->turns * (double)i / CALLS + w->phase));
}

static double
tail(struct chance *c)
{
	if (uniform(c) > 0.005)
		return 1;
	return fmin(pow(uniform(c), -1 / 1.5), 1000);
}

static void
record(unsigned stage, uint64_t seed, double slower, struct call_sample *calls)
{
	const struct world *of = &world[stage];
	struct chance c = { .word = splitmix64(seed * STAGES + stage) };
	struct waves w = { .phase = uniform(&c), .turns = 3 + 5 * uniform(&c) };

	w.mood = 0.005 * normal(&c);
	for (size_t i = 0; i < CALLS; i++) {
		double jobs = 1 + floor(64 * uniform(&c));
		double level = next_level(&w, i, &c);
		double wall = of->wall * jobs * exp(level + 0.5 * normal(&c)) * tail(&c);

		wall *= 1 + slower;
		calls[i] = (struct call_sample){
			.sequence = i + 1,
			.wall_ns = (uint64_t)wall,
			.cpu_ns = (uint64_t)(wall * of->busy * exp(0.1 * normal(&c))),
			.allocated = (uint64_t)(of->allocated * jobs * exp(0.2 * normal(&c))),
			.db_ns = (uint64_t)(of->db * jobs * exp(level + 0.4 * normal(&c))),
			.jobs = (uint32_t)jobs,
			.errors = uniform(&c) < of->errors ? (uint32_t)jobs : 0,
		};
	}
}

/* ---- a gate over all stages ---- */

#define EFFECTS ((size_t)STAGES * (PROFILE_ERRORS + 1))

static enum profile_verdict
gate(uint64_t seed, double slower, double fail_on, struct profile_effect *ret)
{
	static struct call_sample before[CALLS], after[CALLS];
	struct profile_rule rule = { .fail_on = fail_on,
		                     .fail_on_share = fail_on / 5,
		                     .alpha = PROFILE_ALPHA,
		                     .seed = seed };
	struct profile_pair pairs[EFFECTS];
	size_t n = 0;

	for (unsigned s = 0; s < STAGES; s++) {
		record(s, 2 * seed, 0, before);
		record(s, 2 * seed + 1, s == 1 ? slower : 0, after);
		for (int m = PROFILE_WALL; m <= PROFILE_ERRORS; m++, n++) {
			pairs[n].metric = (enum profile_metric)m;
			profile_series_of(pairs[n].metric, before, CALLS, &pairs[n].before);
			profile_series_of(pairs[n].metric, after, CALLS, &pairs[n].after);
		}
	}
	profile_compare_all(pairs, n, &rule, ret);
	for (size_t i = 0; i < n; i++) {
		profile_series_free(&pairs[i].before);
		profile_series_free(&pairs[i].after);
	}
	return profile_verdict_all(ret, n);
}

/* The burning stage's wall and CPU time are those that the injection changes. */
static bool
is_injected(size_t i)
{
	return i == PROFILE_ERRORS + 1 + PROFILE_WALL || i == PROFILE_ERRORS + 1 + PROFILE_CPU;
}

static void
two_recordings_of_the_same_build_are_no_regression(void **state)
{
	struct profile_effect effects[EFFECTS];
	unsigned wrong = 0, unknown = 0;
	double widest = 0;

	(void)state;
	for (unsigned r = 0; r < runs; r++) {
		enum profile_verdict v = gate(r, 0, 0.05, effects);

		wrong += v == PROFILE_REGRESSION;
		unknown += v == PROFILE_TOO_LITTLE;
		for (size_t i = 0; i < EFFECTS; i++)
			widest = fmax(widest, effects[i].high - effects[i].low);
	}
	print_message("A/A, --fail-on 5%%: %u of %u are a regression, %u too little data\n", wrong,
	              runs, unknown);
	print_message("widest interval: %.1f %%\n", 100 * widest);
	assert_true(wrong * 50 <= runs);
	assert_true(unknown < (runs < 40 ? runs : runs / 2));
}

/* The limit at 0: what the intervals themselves are worth. Moods of recordings are real
 * differences, so a small limit remains. */
static void
at_the_narrowest_limit_false_regressions_stay_near_the_nominal_rate(void **state)
{
	struct profile_effect effects[EFFECTS];
	unsigned wrong = 0;

	(void)state;
	for (unsigned r = 0; r < runs; r++)
		wrong += gate(10000 + r, 0, 0.01, effects) == PROFILE_REGRESSION;
	print_message("A/A, --fail-on 1%%: %u of %u are a regression\n", wrong, runs);
	assert_true(wrong * 25 <= runs);
}

static void
ten_per_cent_more_on_one_stage_are_found(void **state)
{
	struct profile_effect effects[EFFECTS];
	unsigned found = 0, elsewhere = 0;
	double sum = 0;

	(void)state;
	for (unsigned r = 0; r < runs; r++) {
		bool here = false;

		gate(20000 + r, 0.1, 0.05, effects);
		for (size_t i = 0; i < EFFECTS; i++) {
			bool regression = effects[i].verdict == PROFILE_REGRESSION;

			here |= regression && is_injected(i);
			elsewhere += regression && !is_injected(i);
		}
		found += here;
		sum += effects[PROFILE_ERRORS + 1 + PROFILE_WALL].effect;
	}
	print_message("+10 %% injected, --fail-on 5%%: found in %u of %u, mean effect %+.1f %%; "
	              "%u regressions elsewhere\n",
	              found, runs, 100 * sum / runs, elsewhere);
	assert_true(found * 20 >= runs * 19);
	assert_true(elsewhere * 50 <= runs);
}

/* The negative control: with jobs for the unit, as if those of a call had nothing in common, and
 * no blocks, the same worlds are full of regressions. */
static bool
naive_regression(const struct call_sample *before, const struct call_sample *after)
{
	const struct call_sample *side[2] = { before, after };
	double mean[2], error[2];

	for (int i = 0; i < 2; i++) {
		double n = 0, sum = 0, square = 0;

		for (size_t k = 0; k < CALLS; k++) {
			double each = (double)side[i][k].wall_ns / side[i][k].jobs;

			n += side[i][k].jobs;
			sum += each * side[i][k].jobs;
			square += each * each * side[i][k].jobs;
		}
		mean[i] = sum / n;
		error[i] = (square / n - mean[i] * mean[i]) / n;
	}
	return mean[1] - 1.01 * mean[0] > 2.326 * sqrt(error[0] + error[1]);
}

static void
by_jobs_instead_of_calls_the_same_worlds_look_like_regressions(void **state)
{
	static struct call_sample before[CALLS], after[CALLS];
	unsigned wrong = 0, n = 0;

	(void)state;
	for (unsigned r = 0; r < 3 * runs; r++) {
		for (unsigned s = 0; s < STAGES; s++, n++) {
			record(s, 2 * (10000 + (uint64_t)r), 0, before);
			record(s, 2 * (10000 + (uint64_t)r) + 1, 0, after);
			wrong += naive_regression(before, after);
		}
	}
	print_message("A/A by jobs, one metric alone, 1 %% allowed: %u of %u are a regression\n",
	              wrong, n);
	assert_true(wrong * 20 > n);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_recordings_of_the_same_build_are_no_regression),
		cmocka_unit_test(
		    at_the_narrowest_limit_false_regressions_stay_near_the_nominal_rate),
		cmocka_unit_test(ten_per_cent_more_on_one_stage_are_found),
		cmocka_unit_test(by_jobs_instead_of_calls_the_same_worlds_look_like_regressions),
	};
	const char *text = getenv("GATE_RUNS");
	int64_t wanted;

	if (text && text_int(text, 1, 100000, &wanted, NULL) == OK)
		runs = (unsigned)wanted;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
