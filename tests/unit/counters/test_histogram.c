/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_histogram.c - the buckets of time hold what their comment promises.
 */
#include "counters/counters.h"

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LARGEST (UINT64_C(1) << (HISTOGRAM_LEAST + HISTOGRAM_OCTAVES))

static uint64_t seed = 1;

/* log-uniform over the whole range: every octave is visited alike */
static uint64_t
random_ns(void)
{
	uint64_t r = splitmix64(seed++);
	unsigned octave = HISTOGRAM_LEAST + (unsigned)(r % HISTOGRAM_OCTAVES);

	return (UINT64_C(1) << octave) + (splitmix64(r) & ((UINT64_C(1) << octave) - 1));
}

static void
the_middle_of_a_bucket_is_within_4_4_percent_of_any_value_in_it(void **state)
{
	double worst = 0;

	(void)state;
	for (int i = 0; i < 1000000; i++) {
		uint64_t ns = random_ns();
		double error = fabs(histogram_middle(histogram_bucket(ns)) - (double)ns) /
		               (double)ns;

		if (error > worst)
			worst = error;
	}
	print_message("worst error of 1000000: %.3f %%\n", worst * 100);
	assert_true(worst <= 0.044);
	assert_true(worst > 0.040); /* the values did reach the ends of buckets */
}

static void
a_value_lies_between_the_ends_of_its_bucket(void **state)
{
	(void)state;
	for (int i = 0; i < 1000000; i++) {
		uint64_t ns = random_ns();
		unsigned b = histogram_bucket(ns);

		assert_true((double)ns >= histogram_least(b) * (1 - 1e-12));
		assert_true((double)ns < histogram_least(b + 1) * (1 + 1e-12));
	}
}

static void
buckets_never_step_back_as_time_grows(void **state)
{
	unsigned last = 0;

	(void)state;
	for (uint64_t ns = 1; ns < LARGEST; ns += 1 + ns / 97) {
		unsigned b = histogram_bucket(ns);

		assert_true(b == last || b == last + 1);
		last = b;
	}
	assert_int_equal(last, HISTOGRAM_BUCKETS - 1);
}

static void
times_beyond_either_end_count_in_the_outermost_buckets(void **state)
{
	(void)state;
	assert_int_equal(histogram_bucket(0), 0);
	assert_int_equal(histogram_bucket(63), 0);
	assert_int_equal(histogram_bucket(64), 0);
	assert_int_equal(histogram_bucket(128), 8);
	assert_int_equal(histogram_bucket(LARGEST - 1), HISTOGRAM_BUCKETS - 1);
	assert_int_equal(histogram_bucket(LARGEST), HISTOGRAM_BUCKETS - 1);
	assert_int_equal(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
}

static int
ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void
a_quantile_is_within_4_4_percent_of_the_sorted_values(void **state)
{
	static const double qs[] = { 0, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1 };
	enum { N = 20000 };
	static uint64_t values[N];
	static struct histogram h;

	(void)state;
	memset(&h, 0, sizeof h);
	for (int i = 0; i < N; i++) {
		values[i] = random_ns();
		histogram_add(&h, values[i], 1);
	}
	qsort(values, N, sizeof *values, ascending);
	for (size_t i = 0; i < countof(qs); i++) {
		size_t rank = (size_t)ceil(qs[i] * N);
		double exact = (double)values[rank ? rank - 1 : 0];

		assert_true(fabs(histogram_quantile(&h, qs[i]) - exact) / exact <= 0.044);
	}
}

static void
weights_count_like_so_many_values(void **state)
{
	static struct histogram h;

	(void)state;
	memset(&h, 0, sizeof h);
	histogram_add(&h, 1000, 99);
	histogram_add(&h, 1000000, 1);
	assert_int_equal(h.n, 100);
	assert_true(histogram_quantile(&h, 0.99) < 1100);
	assert_true(histogram_quantile(&h, 0.991) > 900000);
}

static void
an_empty_histogram_has_quantile_zero(void **state)
{
	static struct histogram h;

	(void)state;
	memset(&h, 0, sizeof h);
	assert_true(histogram_quantile(&h, 0.5) == 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_middle_of_a_bucket_is_within_4_4_percent_of_any_value_in_it),
		cmocka_unit_test(a_value_lies_between_the_ends_of_its_bucket),
		cmocka_unit_test(buckets_never_step_back_as_time_grows),
		cmocka_unit_test(times_beyond_either_end_count_in_the_outermost_buckets),
		cmocka_unit_test(a_quantile_is_within_4_4_percent_of_the_sorted_values),
		cmocka_unit_test(weights_count_like_so_many_values),
		cmocka_unit_test(an_empty_histogram_has_quantile_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
