/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_profile_compare.c - verdicts on numbers whose answer is known.
 */
#include "profile/profile.h"

#include <math.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#define N 640

struct numbers {
	double cost[N];
	uint32_t jobs[N];
};

static const struct profile_rule rule = {
	.fail_on = 0.05, .fail_on_share = 0.01, .alpha = PROFILE_ALPHA, .family = 1, .seed = 7
};

/* Costs of 1 ms a job, give or take `noise`; deterministic. */
static struct profile_series
series_of(struct numbers *of, double mean, double noise, uint64_t seed)
{
	for (size_t i = 0; i < N; i++) {
		seed = splitmix64(seed);
		of->jobs[i] = 1 + (uint32_t)(seed % 7);
		of->cost[i] = of->jobs[i] * mean *
		              (1 + noise * ((double)(seed >> 40) / (1 << 23) - 1));
	}
	return (struct profile_series){ of->cost, of->jobs, N, 0 };
}

static struct profile_effect
compare(enum profile_metric metric, const struct profile_series *a, const struct profile_series *b)
{
	struct profile_effect effect;

	profile_compare(metric, a, b, &rule, &effect);
	return effect;
}

static void
the_same_numbers_are_no_regression_and_give_the_same_answer(void **state)
{
	static struct numbers x, y;
	struct profile_series a = series_of(&x, 1e6, 0.3, 1), b = series_of(&y, 1e6, 0.3, 2);
	struct profile_effect one = compare(PROFILE_WALL, &a, &b),
	                      two = compare(PROFILE_WALL, &a, &b);

	(void)state;
	assert_int_equal(one.verdict, PROFILE_NO_REGRESSION);
	assert_true(one.low < one.effect && one.effect < one.high && one.high < 0.05);
	assert_true(one.low == two.low && one.high == two.high);
}

static void
a_tenth_more_is_a_regression_and_a_tenth_less_is_none(void **state)
{
	static struct numbers x, y;
	struct profile_series a = series_of(&x, 1e6, 0.3, 1), b = series_of(&y, 1.1e6, 0.3, 2);
	struct profile_effect up = compare(PROFILE_WALL, &a, &b),
	                      down = compare(PROFILE_WALL, &b, &a);

	(void)state;
	assert_int_equal(up.verdict, PROFILE_REGRESSION);
	assert_true(fabs(up.effect - 0.1) < 0.03 && up.low > 0.05);
	assert_int_equal(down.verdict, PROFILE_NO_REGRESSION);
	assert_true(down.high < 0);
}

static void
noise_that_hides_the_limit_is_too_little_data(void **state)
{
	static struct numbers x, y;
	struct profile_series a = series_of(&x, 1e6, 1, 1), b = series_of(&y, 1.05e6, 1, 2);

	(void)state;
	assert_int_equal(compare(PROFILE_WALL, &a, &b).verdict, PROFILE_TOO_LITTLE);
}

static void
few_calls_say_nothing_however_far_apart(void **state)
{
	static struct numbers x, y;
	struct profile_series a = series_of(&x, 1e6, 0.1, 1), b = series_of(&y, 9e6, 0.1, 2);
	struct profile_effect effect;

	(void)state;
	a.n = PROFILE_CALLS_LEAST - 1;
	effect = compare(PROFILE_WALL, &a, &b);
	assert_int_equal(effect.verdict, PROFILE_TOO_LITTLE);
	assert_true(strlen(effect.why) > 0);
	a.n = 0;
	assert_int_equal(compare(PROFILE_WALL, &a, &b).verdict, PROFILE_TOO_LITTLE);
}

static void
what_neither_side_has_is_no_regression(void **state)
{
	static struct numbers x, y;
	struct profile_series a = series_of(&x, 0, 0, 1), b = series_of(&y, 0, 0, 2);

	(void)state;
	assert_int_equal(compare(PROFILE_DB, &a, &b).verdict, PROFILE_NO_REGRESSION);
}

static void
errors_are_shares_with_a_limit_of_their_own(void **state)
{
	static struct numbers x, y;
	struct profile_series a = series_of(&x, 0, 0, 1), b = series_of(&y, 0, 0, 2);
	struct profile_effect effect;

	(void)state;
	for (size_t i = 0; i < N; i += 10)
		y.cost[i] = y.jobs[i];
	effect = compare(PROFILE_ERRORS, &a, &b);
	assert_int_equal(effect.verdict, PROFILE_REGRESSION);
	assert_true(fabs(effect.effect - 0.1) < 0.02);
}

static void
one_call_that_took_a_thousand_times_as_long_is_no_regression(void **state)
{
	static struct numbers x, y;
	struct profile_series a = series_of(&x, 1e6, 0.3, 1), b = series_of(&y, 1e6, 0.3, 2);

	(void)state;
	y.cost[100] *= 1000;
	assert_int_not_equal(compare(PROFILE_WALL, &a, &b).verdict, PROFILE_REGRESSION);
}

/* A few bytes more than none are no doubling. */
static void
small_allocations_are_not_worth_a_verdict(void **state)
{
	static struct numbers x, y;
	struct profile_series a = series_of(&x, 10, 0.1, 1), b = series_of(&y, 40, 0.1, 2);

	(void)state;
	assert_int_equal(compare(PROFILE_ALLOCATED, &a, &b).verdict, PROFILE_NO_REGRESSION);
}

/* What moves both sides together drops out when they ran side by side. */
static void
pairs_cancel_what_they_have_in_common(void **state)
{
	static struct numbers x, y;
	struct profile_series a = series_of(&x, 1e6, 0.02, 1), b = series_of(&y, 1.1e6, 0.02, 2);
	struct profile_rule paired = rule;
	struct profile_effect alone, together;

	(void)state;
	paired.paired = true;
	for (size_t i = 0; i < N; i++) {
		x.cost[i] *= i < N / 2 ? 1 : 1.5;
		y.cost[i] *= i < N / 2 ? 1 : 1.5;
	}
	profile_compare(PROFILE_WALL, &a, &b, &rule, &alone);
	profile_compare(PROFILE_WALL, &a, &b, &paired, &together);
	assert_int_equal(alone.verdict, PROFILE_TOO_LITTLE);
	assert_int_equal(together.verdict, PROFILE_REGRESSION);
	assert_true(together.high - together.low < 0.25 * (alone.high - alone.low));
}

static void
an_interval_of_a_large_family_is_wider(void **state)
{
	static struct numbers x, y;
	struct profile_series a = series_of(&x, 1e6, 0.3, 1), b = series_of(&y, 1e6, 0.3, 2);
	struct profile_rule many = rule;
	struct profile_effect alone, one_of_many;

	(void)state;
	many.family = 40;
	profile_compare(PROFILE_WALL, &a, &b, &rule, &alone);
	profile_compare(PROFILE_WALL, &a, &b, &many, &one_of_many);
	assert_true(one_of_many.low < alone.low && one_of_many.high > alone.high);
}

static void
one_regression_of_many_decides_then_what_is_not_known(void **state)
{
	struct profile_effect e[3] = { { .verdict = PROFILE_NO_REGRESSION },
		                       { .verdict = PROFILE_NOT_JUDGED },
		                       { .verdict = PROFILE_TOO_LITTLE } };

	(void)state;
	assert_int_equal(profile_exit(profile_verdict_all(e, 2)), 0);
	assert_int_equal(profile_exit(profile_verdict_all(e + 1, 1)), 2);
	assert_int_equal(profile_exit(profile_verdict_all(e, 3)), 2);
	e[0].verdict = PROFILE_REGRESSION;
	assert_int_equal(profile_exit(profile_verdict_all(e, 3)), 1);
	assert_int_equal(profile_exit(profile_verdict_all(e, 0)), 2);
}

static void
calls_become_series_without_those_of_no_jobs(void **state)
{
	const struct call_sample calls[] = { { .jobs = 2, .wall_ns = 10, .errors = 1 },
		                             { .jobs = 0, .wall_ns = 99 },
		                             { .jobs = 3, .cpu_ns = 7 } };
	struct profile_series s;

	(void)state;
	profile_series_of(PROFILE_WALL, calls, 3, &s);
	assert_int_equal(s.n, 2);
	assert_true(s.cost[0] == 10 && s.jobs[1] == 3);
	profile_series_free(&s);
	profile_series_of(PROFILE_ERRORS, calls, 3, &s);
	assert_true(s.cost[0] == 1 && s.cost[1] == 0);
	profile_series_free(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_numbers_are_no_regression_and_give_the_same_answer),
		cmocka_unit_test(a_tenth_more_is_a_regression_and_a_tenth_less_is_none),
		cmocka_unit_test(noise_that_hides_the_limit_is_too_little_data),
		cmocka_unit_test(few_calls_say_nothing_however_far_apart),
		cmocka_unit_test(what_neither_side_has_is_no_regression),
		cmocka_unit_test(errors_are_shares_with_a_limit_of_their_own),
		cmocka_unit_test(one_call_that_took_a_thousand_times_as_long_is_no_regression),
		cmocka_unit_test(small_allocations_are_not_worth_a_verdict),
		cmocka_unit_test(pairs_cancel_what_they_have_in_common),
		cmocka_unit_test(an_interval_of_a_large_family_is_wider),
		cmocka_unit_test(one_regression_of_many_decides_then_what_is_not_known),
		cmocka_unit_test(calls_become_series_without_those_of_no_jobs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
