/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_load_plot.c - slices of a run, and its drawing.
 */
#include "load/load.h"

#include <math.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

static int64_t
started(const struct load_timeline *t)
{
	int64_t sum = 0;

	for (size_t i = 0; i < LOAD_SLICES; i++)
		sum += t->slice[i].started;
	return sum;
}

static void
a_job_counts_where_it_should_have_begun_and_where_it_ended(void **state)
{
	static struct load_timeline t;

	(void)state;
	load_timeline_init(&t);
	load_timeline_add(&t, 250 * MSEC, 500 * MSEC);
	assert_int_equal(t.width_ns, 100 * MSEC);
	assert_int_equal(t.n, 8);
	assert_int_equal(t.slice[2].started, 1);
	assert_int_equal(t.slice[2].time.n, 1);
	assert_int_equal(t.slice[7].ended, 1);
	load_timeline_add(&t, -5, 10); /* a clock that is a little off */
	assert_int_equal(t.slice[0].started, 1);
}

static void
slices_grow_with_the_run_and_lose_no_job(void **state)
{
	static struct load_timeline t;

	(void)state;
	load_timeline_init(&t);
	for (int64_t i = 0; i < 1000; i++)
		load_timeline_add(&t, i * 100 * MSEC, MSEC); /* a hundred seconds */
	assert_int_equal(t.width_ns, 1600 * MSEC);           /* 62.5 of 120 slices */
	assert_int_equal(t.n, 63);
	assert_int_equal(started(&t), 1000);
	assert_int_equal(t.slice[0].started, 16);
	assert_int_equal(t.slice[62].started, 8);
	assert_int_equal(t.slice[0].time.n, 16);
}

static size_t
count(const char *text, const char *what)
{
	size_t n = 0;

	for (const char *p = text; (p = strstr(p, what)); p++)
		n++;
	return n;
}

static void
a_drawing_has_a_line_for_each_series_and_breaks_where_nothing_is(void **state)
{
	const double x[] = { 0, 1, 2, 3, 4 }, whole[] = { 1, 2, 3, 2, 1 },
	             broken[] = { 1, 2, NAN, 2, 1 };
	const struct load_series series[] = {
		{ "whole", "#111111", x, whole, 5, false, false },
		{ "broken", "#222222", x, broken, 5, true, true },
	};
	const struct load_panel panel = { "a < b & c", false, true, series, 2 };
	struct buf out;

	(void)state;
	buf_init(&out);
	load_plot(&(struct load_plot){ "one \"run\"", "seconds", &panel, 1 }, &out);
	assert_int_equal(count(out.data, "<polyline"), 3);
	assert_int_equal(count(out.data, "<circle"), 4);
	assert_non_null(strstr(out.data, "a &lt; b &amp; c"));
	assert_non_null(strstr(out.data, "one &quot;run&quot;"));
	assert_null(strstr(out.data, "nan"));
	assert_null(strstr(out.data, "inf"));
	/* 1 at the bottom, 5 at the top, of 210 from 256 upwards: log(2) / log(5) of it */
	assert_non_null(strstr(out.data, "84.0,256.0"));
	assert_non_null(strstr(out.data, "245.5,165.6"));
	buf_done(&out);
}

static void
nothing_to_draw_is_a_drawing_too(void **state)
{
	static struct load_timeline t;
	struct buf out;

	(void)state;
	load_timeline_init(&t);
	buf_init(&out);
	load_timeline_plot(&t, "empty", &out);
	assert_non_null(strstr(out.data, "</svg>"));
	assert_null(strstr(out.data, "nan"));
	assert_null(strstr(out.data, "inf"));
	buf_done(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_job_counts_where_it_should_have_begun_and_where_it_ended),
		cmocka_unit_test(slices_grow_with_the_run_and_lose_no_job),
		cmocka_unit_test(a_drawing_has_a_line_for_each_series_and_breaks_where_nothing_is),
		cmocka_unit_test(nothing_to_draw_is_a_drawing_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
