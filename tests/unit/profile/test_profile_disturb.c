/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_profile_disturb.c - how far others on the machine reach into what was recorded.
 *
 * Numbers are worked out by hand, in the comments.
 */
#include "profile/profile.h"

#include <math.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#define N 640

static void
near(double got, double wanted)
{
	if (!(fabs(got - wanted) <= 1e-9 * fabs(wanted) + 1e-12))
		fail_msg("got %.9g, wanted %.9g", got, wanted);
}

/* Ten seconds of two cores: 8 s of ours, 4 s of others, and ours waited 6 s for a core. */
static const struct profile_machine shared = {
	.known = true, .seconds = 10, .cores = 2, .used = 8, .others = 4, .waited = 6
};

static void
of_the_time_that_ours_waited_others_answer_for_their_part_of_the_cores(void **state)
{
	struct profile_machine m = shared;

	(void)state;
	near(profile_stretch(&m), 6.0 * 4 / 12 / 8); /* 2 s of waiting on 8 s of work */
	m.others = 0;                                /* ours waited for ours */
	near(profile_stretch(&m), 0);
	m.waited = 0;
	m.others = 4; /* others gave way */
	near(profile_stretch(&m), 0);
}

static void
where_nobody_counts_waiting_cores_are_taken_as_shared(void **state)
{
	struct profile_machine m = shared;

	(void)state;
	m.waited = PROFILE_UNKNOWN;
	near(profile_stretch(&m), 0.25); /* load of others 4/20: 1 / (1 - 0.2) as long */
	m.others = 20;
	near(profile_stretch(&m), 9); /* never more than a tenth is left */
}

static void
what_a_hypervisor_steals_stretches_everything_alike(void **state)
{
	struct profile_machine m = shared;

	(void)state;
	m.others = 2;
	m.waited = 0;
	m.stolen = 1; /* of ours and others', 10 s */
	near(profile_stretch(&m), 0.1);
	m.waited = 5; /* 1 s of it for others: 9/8 as long, and that by 1.1 */
	near(profile_stretch(&m), 1.125 * 1.1 - 1);
}

static void
what_is_not_known_stretches_nothing(void **state)
{
	const struct profile_machine m = { .known = false };

	(void)state;
	near(profile_stretch(&m), 0);
	near(profile_stretch_wall(&m, 1, 1, 0, 1), 0);
	near(profile_stretch_end_to_end(&m, false), 0);
}

static void
wall_time_is_stretched_as_far_as_it_is_work(void **state)
{
	(void)state;
	/* all on a core: stretched by 0.25, so that a fifth of what was seen is too much; but 5 s
	 * of CPU time and 1.25 s of waiting are 6.25 s of wall time */
	near(profile_stretch_wall(&shared, 6.25, 5, 0, 40), 0.25);
	/* asleep, with little work: by the part of all wall time that was waited, 2 of 40 s */
	near(profile_stretch_wall(&shared, 20, 0.01, 0, 40), 0.05 / 0.95);
	/* in the database: of 5 s seen 1 is waiting, at a stretch of 0.25 */
	near(profile_stretch_wall(&shared, 5, 0, 5, 40), 0.25);
	near(profile_stretch_wall(&shared, 0, 0, 0, 40), 0);
	/* of 5 s on a core all but a tenth: no more than that was waited */
	near(profile_stretch_wall(&shared, 5, 4.9, 0, 40), 0.02 / 0.98);
	near(profile_stretch_wall(&shared, 5, 5.1, 0, 40), 0); /* two clocks */
}

static void
a_closed_loop_is_stretched_as_its_parts_are_an_open_one_by_nobody_knows_what(void **state)
{
	struct profile_machine m = shared;

	(void)state;
	near(profile_stretch_end_to_end(&m, true), 0.25);
	assert_true(isinf(profile_stretch_end_to_end(&m, false)));
	m.waited = 0.6; /* 0.2 s on 8 s */
	near(profile_stretch_end_to_end(&m, false), 0.025);
}

/* ---- in a comparison ---- */

struct numbers {
	double cost[N];
	uint32_t jobs[N];
};

static struct profile_series
series_of(struct numbers *of, double mean, double stretch)
{
	uint64_t seed = 1;

	for (size_t i = 0; i < N; i++) {
		seed = splitmix64(seed);
		of->jobs[i] = 1 + (uint32_t)(seed % 7);
		of->cost[i] = of->jobs[i] * mean *
		              (1 + 0.05 * ((double)(seed >> 40) / (1 << 23) - 1));
	}
	return (struct profile_series){ of->cost, of->jobs, N, stretch };
}

static struct profile_effect
compare(double before, double stretch_before, double after, double stretch_after)
{
	static const struct profile_rule rule = { .fail_on = 0.05,
		                                  .fail_on_share = 0.01,
		                                  .alpha = PROFILE_ALPHA,
		                                  .family = 1,
		                                  .seed = 7 };
	static struct numbers x, y;
	struct profile_series a = series_of(&x, before, stretch_before),
	                      b = series_of(&y, after, stretch_after);
	struct profile_effect effect;

	profile_compare(PROFILE_WALL, &a, &b, &rule, &effect);
	return effect;
}

static void
what_others_may_have_done_is_no_regression_of_the_build(void **state)
{
	/* seen of the same build: 0.84 ms, and 1.0 ms while others had most of the cores */
	struct profile_effect quiet = compare(0.84e6, 0, 1.0e6, 0),
	                      loud = compare(0.84e6, 0, 1.0e6, 0.25);

	(void)state;
	assert_int_equal(quiet.verdict, PROFILE_REGRESSION);
	assert_int_equal(loud.verdict, PROFILE_DISTURBED);
	assert_true(loud.why[0]);
	assert_true(fabs(loud.effect - quiet.effect) < 1e-9);
	/* log scale: the low end comes down by log(1.25), the high one stays */
	near(1 + loud.low, (1 + quiet.low) / 1.25);
	near(loud.high, quiet.high);
}

static void
what_is_more_than_others_can_have_done_is_a_regression(void **state)
{
	(void)state;
	assert_int_equal(compare(0.84e6, 0.1, 1.5e6, 0.25).verdict, PROFILE_REGRESSION);
}

static void
a_disturbed_time_before_hides_no_regression(void **state)
{
	struct profile_effect effect = compare(1e6, 0.25, 1e6, 0);

	(void)state;
	assert_int_equal(effect.verdict, PROFILE_DISTURBED);
	assert_true(effect.low > -0.05 && effect.high > 0.25);
	/* half the time is no regression, whatever others did */
	assert_int_equal(compare(1e6, 0.25, 0.5e6, 0.25).verdict, PROFILE_NO_REGRESSION);
}

static void
a_stretch_that_nobody_knows_answers_nothing(void **state)
{
	struct profile_effect effect = compare(1e6, 0, 9e6, INFINITY);

	(void)state;
	assert_int_equal(effect.verdict, PROFILE_DISTURBED);
	assert_true(fabs(effect.effect - 8) < 0.1);
}

static void
disturbed_is_cannot_tell_and_comes_before_too_little(void **state)
{
	struct profile_effect e[3] = { { .verdict = PROFILE_NO_REGRESSION },
		                       { .verdict = PROFILE_DISTURBED },
		                       { .verdict = PROFILE_TOO_LITTLE } };

	(void)state;
	assert_int_equal(profile_verdict_all(e, 3), PROFILE_DISTURBED);
	assert_int_equal(profile_exit(PROFILE_DISTURBED), 2);
	e[0].verdict = PROFILE_REGRESSION;
	assert_int_equal(profile_verdict_all(e, 3), PROFILE_REGRESSION);
	assert_string_equal(profile_verdict_name(PROFILE_DISTURBED), "disturbed");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    of_the_time_that_ours_waited_others_answer_for_their_part_of_the_cores),
		cmocka_unit_test(where_nobody_counts_waiting_cores_are_taken_as_shared),
		cmocka_unit_test(what_a_hypervisor_steals_stretches_everything_alike),
		cmocka_unit_test(what_is_not_known_stretches_nothing),
		cmocka_unit_test(wall_time_is_stretched_as_far_as_it_is_work),
		cmocka_unit_test(
		    a_closed_loop_is_stretched_as_its_parts_are_an_open_one_by_nobody_knows_what),
		cmocka_unit_test(what_others_may_have_done_is_no_regression_of_the_build),
		cmocka_unit_test(what_is_more_than_others_can_have_done_is_a_regression),
		cmocka_unit_test(a_disturbed_time_before_hides_no_regression),
		cmocka_unit_test(a_stretch_that_nobody_knows_answers_nothing),
		cmocka_unit_test(disturbed_is_cannot_tell_and_comes_before_too_little),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
