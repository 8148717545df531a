/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_watchdog.c - when a stage that does not come back costs its process, and when the process
 * itself stood still.
 */
#include "support/death.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "worker/worker_priv.h"

#define TIMEOUT_NS (200 * MSEC)
#define LIMIT (2 * TIMEOUT_NS + SEC) /* as long again, and a second more */

static struct config_stage stage = { .name = "work", .timeout_ns = TIMEOUT_NS };
static struct config_pipeline pipeline = { .name = "p", .stages = &stage, .n_stages = 1 };
static struct lane lane = { .id = 11, .conf = &stage };
static struct pool_pipeline pool_pipeline = { &pipeline, &lane };
static struct pool_options options;
static struct segment *segment;
static struct pool pool;
static struct watched_call watched;
static int64_t now;

static int64_t
fake_mono(void)
{
	return now;
}

static int
set_up(void **state)
{
	(void)state;
	segment = mem_alloc(sizeof(*segment));
	memset(segment->recorder, 0, sizeof(segment->recorder));
	segment->recorder[0] = (struct recorder_line){
		.call = 7, .lane = 11, .job = 42, .exact = 1
	};
	pool = (struct pool){
		.options = &options,
		.segment = segment,
		.pipelines = &pool_pipeline,
		.n_pipelines = 1,
		.lanes = &lane,
		.n_lanes = 1,
		.n_workers = 1,
	};
	watched = (struct watched_call){ 0 };
	now = 1000 * SEC;
	clock_hooks.mono = fake_mono;
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	free(segment);
	return 0;
}

static void
look(void)
{
	watchdog_look(&pool, &watched);
}

/* Looks each 100 ms until `time` has passed. */
static void
look_for(int64_t time)
{
	for (int64_t until = now + time; now < until;) {
		now += 100 * MSEC;
		look();
	}
}

/* The process sees nothing for this long, and looks then. */
static void
stand_still(int64_t time)
{
	now += time;
	look();
}

static void
in_a_child(void *run)
{
	(*(void (**)(void))run)();
}

static void
expect_end(void (*run)(void))
{
	struct death death;

	death_of(in_a_child, &run, &death);
	assert_true(WIFEXITED(death.status));
	assert_int_equal(WEXITSTATUS(death.status), EXIT_FAILURE);
	assert_non_null(strstr(death.said, "a stage does not come back"));
}

static void
expect_life(void (*run)(void))
{
	struct death death;

	death_of(in_a_child, &run, &death);
	assert_true(WIFEXITED(death.status));
	assert_int_equal(WEXITSTATUS(death.status), 0);
}

static void
up_to_the_limit(void)
{
	look();
	look_for(LIMIT);
}

static void
beyond_the_limit(void)
{
	look();
	look_for(LIMIT + 100 * MSEC);
}

static void
with_another_job_in_between(void)
{
	look();
	look_for(LIMIT);
	segment->recorder[0].job++;
	look_for(LIMIT);
}

static void
all_stand_still_and_the_stage_comes_back(void)
{
	look();
	look_for(100 * MSEC);
	stand_still(3600 * SEC);
	look_for(500 * MSEC);
	segment->recorder[0].call = 0;
	look_for(LIMIT + SEC);
}

static void
all_stand_still_and_the_stage_hangs(void)
{
	look();
	look_for(100 * MSEC);
	stand_still(3600 * SEC);
	look_for(SEC + 100 * MSEC);
}

static void
each_look_is_late(void)
{
	look();
	stand_still(10 * SEC);
	stand_still(10 * SEC);
}

static void
a_stage_has_twice_its_time_and_a_second(void **state)
{
	(void)state;
	expect_life(up_to_the_limit);
	expect_end(beyond_the_limit);
}

static void
each_job_of_a_call_has_its_own_time(void **state)
{
	(void)state;
	expect_life(with_another_job_in_between);
}

static void
a_process_that_stood_still_blames_no_stage_that_comes_back(void **state)
{
	(void)state;
	expect_life(all_stand_still_and_the_stage_comes_back);
	expect_end(all_stand_still_and_the_stage_hangs);
}

static void
a_watchdog_that_is_always_late_ends_the_process_all_the_same(void **state)
{
	(void)state;
	expect_end(each_look_is_late);
}

#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_stage_has_twice_its_time_and_a_second),
		T(each_job_of_a_call_has_its_own_time),
		T(a_process_that_stood_still_blames_no_stage_that_comes_back),
		T(a_watchdog_that_is_always_late_ends_the_process_all_the_same),
	};

	return cmocka_run_group_tests_name("watchdog", tests, NULL, NULL);
}
