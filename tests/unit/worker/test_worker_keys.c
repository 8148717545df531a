/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_worker_keys.c - which jobs have one key, and how many.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "worker/worker_priv.h"

static struct arena *arena;

static int
set_up(void **state)
{
	(void)state;
	return arena_create(&arena, 0, NULL) == OK ? 0 : -1;
}

static int
tear_down(void **state)
{
	(void)state;
	arena_destroy(arena);
	return 0;
}

/* The most jobs with one value of "of"; the last is NULL. */
static size_t
most_of(const char *const *attributes)
{
	struct queue_job jobs[16] = { 0 };
	struct lease lease = { .jobs = jobs };

	while (attributes[lease.n]) {
		jobs[lease.n].attributes = attributes[lease.n];
		jobs[lease.n].attributes_len = strlen(attributes[lease.n]);
		lease.n++;
	}
	return keys_most(&lease, "of", arena);
}

static void
keys_are_the_same_where_their_text_is(void **state)
{
	static const struct {
		const char *one, *other;
		size_t most;
	} cases[] = {
		{ "{\"of\": \"a\"}", "{\"of\":\"a\", \"n\": 1}", 2 },
		{ "{\"of\": \"a\"}", "{\"of\": \"b\"}", 1 },
		{ "{\"of\": \"a\"}", "{\"of\": \"\\u0061\"}", 2 },
		{ "{\"of\": \"a\\n\"}", "{\"of\": \"a\\u000a\"}", 2 },
		{ "{\"of\": 7}", "{\"of\": \"7\"}", 2 },
		{ "{\"of\": 7}", "{\"of\": 7.0}", 1 },
		{ "{\"of\": true}", "{\"of\": \"true\"}", 2 },
		{ "{\"of\": {\"a\": 1}}", "{\"of\": {\"a\": 1}, \"n\": 2}", 2 },
		{ "{\"of\": null}", "{\"of\": null}", 0 },
		{ "{\"of\": \"null\"}", "{\"of\": \"null\"}", 2 },
		{ "{}", "{\"if\": 1}", 0 },
		{ "{\"of\": \"\"}", "{\"of\": \"\"}", 2 },
		{ "{\"of\": 1, \"of\": 2}", "{\"of\": 2}", 2 },
		{ "{\"of.a\": 1}", "{\"of\": {\"a\": 1}}", 1 },
	};

	(void)state;
	for (size_t i = 0; i < countof(cases); i++) {
		const char *const jobs[] = { cases[i].one, cases[i].other, NULL };

		if (most_of(jobs) != cases[i].most)
			fail_msg("%s, %s: %zu", cases[i].one, cases[i].other, most_of(jobs));
	}
}

static void
the_fullest_key_counts(void **state)
{
	static const char *const jobs[] = { "{\"of\": 1}", "{\"of\": 2}", "{}",
		                            "{\"of\": 1}", "{\"of\": 3}", "{\"of\": 2}",
		                            "{\"of\": 2}", NULL };

	(void)state;
	assert_int_equal(most_of(jobs), 3);
	assert_int_equal(most_of(jobs + 7), 0);
}

static void
many_keys_are_told_apart(void **state)
{
	enum { JOBS = 4000, KEYS = 1000 };
	struct lease lease = { .n = JOBS };

	(void)state;
	lease.jobs = arena_alloc(arena, JOBS * sizeof(*lease.jobs));
	for (size_t i = 0; i < JOBS; i++) {
		struct queue_job *job = &lease.jobs[i];

		job->attributes = arena_printf(arena, "{\"of\": \"key %zu\"}", i % KEYS);
		job->attributes_len = strlen(job->attributes);
	}
	assert_int_equal(keys_most(&lease, "of", arena), JOBS / KEYS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_the_same_where_their_text_is),
		cmocka_unit_test(the_fullest_key_counts),
		cmocka_unit_test(many_keys_are_told_apart),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
