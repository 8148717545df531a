/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_load_arrivals.c - jobs come when the plan says.
 */
#include "load/load.h"

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

#define MOST 200000

static int64_t at[MOST];

static size_t
all_of(const struct load_plan *plan)
{
	struct load_arrivals arrivals = { .plan = plan };
	size_t n = 0;

	while (n < MOST && load_next(&arrivals, &at[n])) {
		assert_true(n == 0 || at[n] >= at[n - 1]);
		n++;
	}
	assert_true(n < MOST);
	return n;
}

static void
a_constant_rate_has_equal_gaps(void **state)
{
	const struct load_plan plan = { .kind = LOAD_CONSTANT, .rate = 1000, .duration_ns = SEC };

	(void)state;
	assert_int_equal(all_of(&plan), 1000);
	for (int64_t i = 0; i < 1000; i++)
		assert_true(llabs(at[i] - i * MSEC) <= 1);
}

static void
poisson_arrivals_have_the_rate_and_exponential_gaps(void **state)
{
	const struct load_plan plan = {
		.kind = LOAD_POISSON, .rate = 1000, .count = 100000, .seed = 3
	};
	double mean, square = 0;
	size_t n;

	(void)state;
	n = all_of(&plan);
	assert_int_equal(n, 100000);
	mean = (double)at[n - 1] / (double)n;
	for (size_t i = 1; i < n; i++)
		square += pow((double)(at[i] - at[i - 1]) - mean, 2) / (double)n;
	assert_true(fabs(mean / 1e6 - 1) < 0.02);
	assert_true(fabs(sqrt(square) / mean - 1) < 0.02);
}

static void
bursts_come_whole(void **state)
{
	const struct load_plan plan = {
		.kind = LOAD_BURST, .rate = 100, .burst = 25, .duration_ns = SEC
	};

	(void)state;
	assert_int_equal(all_of(&plan), 100);
	for (int64_t i = 0; i < 100; i++)
		assert_true(llabs(at[i] - i / 25 * (SEC / 4)) <= 1);
}

/* From 100 to 300 a second over two seconds: 400 jobs, a quarter of them and a half in the first.
 */
static void
a_ramp_has_its_area_before_each_moment(void **state)
{
	const struct load_plan up = {
		.kind = LOAD_RAMP, .rate = 100, .rate_to = 300, .duration_ns = 2 * SEC
	};
	const struct load_plan down = {
		.kind = LOAD_RAMP, .rate = 300, .rate_to = 0.001, .duration_ns = 2 * SEC
	};
	size_t n, first = 0;

	(void)state;
	n = all_of(&up);
	assert_int_equal(n, 400);
	while (at[first] < SEC)
		first++;
	assert_int_equal(first, 150);
	n = all_of(&down);
	assert_true(n == 300 || n == 301);
}

static void
count_and_duration_end_it_whichever_comes_first(void **state)
{
	const struct load_plan few = {
		.kind = LOAD_CONSTANT, .rate = 1000, .count = 7, .duration_ns = SEC
	};

	(void)state;
	assert_int_equal(all_of(&few), 7);
}

static void
messages_have_a_salt_each_and_stay_json(void **state)
{
	static const char *const lines[] = { "{}", "{\"a\": [1, {}]}", "{ \"bench\": 1 }  " };
	struct load_payload p = {
		.lines = (char **)(uintptr_t)lines, .n = 3, .salt = "bench", .run = "r"
	};
	static const char *const want[] = { "{\"bench\": \"r-0\"}",
		                            "{\"a\": [1, {}], \"bench\": \"r-1\"}",
		                            "{ \"bench\": 1, \"bench\": \"r-2\"}",
		                            "{\"bench\": \"r-3\"}" };
	struct buf out;

	(void)state;
	buf_init(&out);
	for (int64_t i = 0; i < 4; i++) {
		assert_int_equal(load_payload_make(&p, &out, NULL), OK);
		assert_string_equal(out.data, want[i]);
		assert_int_equal(json_check_object(out.data, out.len, NULL), OK);
	}
	buf_done(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_constant_rate_has_equal_gaps),
		cmocka_unit_test(poisson_arrivals_have_the_rate_and_exponential_gaps),
		cmocka_unit_test(bursts_come_whole),
		cmocka_unit_test(a_ramp_has_its_area_before_each_moment),
		cmocka_unit_test(count_and_duration_end_it_whichever_comes_first),
		cmocka_unit_test(messages_have_a_salt_each_and_stay_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
