/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_clock.c - the kernel's clocks, and tests that own the time.
 */
#include "base/base.h"

#include <pthread.h>
#include <setjmp.h>
#include <time.h>

#include <cmocka.h>

static void
the_monotonic_clock_never_steps_back(void **state)
{
	int64_t last = clock_mono();

	(void)state;
	for (int i = 0; i < 100000; i++) {
		int64_t now = clock_mono();

		assert_true(now >= last);
		last = now;
	}
}

static void
the_wall_clock_counts_nanoseconds_since_1970(void **state)
{
	time_t before = time(NULL);
	int64_t now = clock_wall();
	time_t after = time(NULL);

	(void)state;
	/* time() may be one tick of the kernel late */
	assert_in_range(now / SEC, before, after + 1);
}

static void *
burn(void *arg)
{
	int64_t *spent = arg, begun = clock_cpu();
	static volatile uint64_t sink;

	while (clock_cpu() - begun < 100 * MSEC)
		sink = splitmix64(sink);
	*spent = clock_cpu() - begun;
	return NULL;
}

static void
the_cpu_clock_counts_what_this_thread_spends_and_no_other(void **state)
{
	int64_t begun = clock_cpu(), spent = 0;
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, burn, &spent), 0);
	pthread_join(thread, NULL);
	assert_true(spent >= 100 * MSEC);
	assert_true(clock_cpu() - begun < 50 * MSEC); /* waiting costs next to nothing */
	burn(&spent);
	assert_true(clock_cpu() - begun >= 100 * MSEC);
}

static int64_t
seven(void)
{
	return 7;
}

static void
a_test_that_replaces_a_hook_owns_that_clock_only(void **state)
{
	struct clock_hooks real = clock_hooks;

	(void)state;
	clock_hooks.mono = seven;
	assert_int_equal(clock_mono(), 7);
	assert_true(clock_wall() > 7);
	clock_hooks = real;
	assert_true(clock_mono() != 7);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_monotonic_clock_never_steps_back),
		cmocka_unit_test(the_wall_clock_counts_nanoseconds_since_1970),
		cmocka_unit_test(the_cpu_clock_counts_what_this_thread_spends_and_no_other),
		cmocka_unit_test(a_test_that_replaces_a_hook_owns_that_clock_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
