/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_counters_directory.c - slots change hands, and a writer is killed at
 * every step of it: no reader hangs or sees a value twice or not at all.
 */
#include "support/segment_bench.h"

#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define MANY (COUNTERS_SLOTS - COUNTERS_SLOTS / 4 + 1) /* so many, and the next makes room */

static int64_t now;

static int64_t
fake_mono(void)
{
	return now;
}

static int
enter(void **state)
{
	clock_hooks.mono = fake_mono;
	now = 1000 * SEC;
	return segment_bench_make(state);
}

/* A release with some of everything, and its worker gone. */
static struct counter_slot *
used_and_left(struct segment *segment, const char *release, uint64_t jobs)
{
	struct counter_slot *slot = counters_slot(segment, 0, "p", "s", release);

	counter_add(slot, COUNTER_jobs, jobs);
	counter_add(slot, COUNTER_settled_dead, jobs / 10);
	counter_max(slot, COUNTER_longest_ns, jobs * 10);
	__atomic_store_n(&slot->value[COUNTER_longest_job], jobs, __ATOMIC_RELAXED);
	for (uint64_t i = 0; i < 50; i++)
		histogram_add(&slot->time, jobs << (i % 20), 1);
	counter_own(slot, 0, "pages", OWN_COUNTER, (double)jobs);
	counter_own(slot, 1, "depth", OWN_GAUGE, (double)jobs);
	now += SEC;
	counters_leave(slot);
	return slot;
}

/* Of another stage, in use: until a slot of the tested stage must make room. */
static void
fill(struct segment *segment, unsigned n)
{
	char release[24];

	for (unsigned i = 0; i < n; i++) {
		snprintf(release, sizeof release, "%u", i);
		assert_non_null(counters_slot(segment, 1, "p", "other", release));
	}
}

struct total {
	uint64_t jobs, dead, times, longest, longest_job;
	double pages, depth;
	size_t rows;
};

static struct total
total_of(const struct segment *segment)
{
	struct total t = { 0 };
	struct counters_row *rows;
	int64_t newest = 0;
	size_t n;

	assert_true(counters_sum(segment, &rows, &n));
	for (size_t i = 0; i < n; i++) {
		if (strcmp(rows[i].stage, "s") != 0)
			continue;
		t.rows++;
		t.jobs += rows[i].value[COUNTER_jobs];
		t.dead += rows[i].value[COUNTER_settled_dead];
		t.times += rows[i].time.n;
		if (rows[i].value[COUNTER_longest_ns] > t.longest) {
			t.longest = rows[i].value[COUNTER_longest_ns];
			t.longest_job = rows[i].value[COUNTER_longest_job];
		}
		for (unsigned k = 0; k < COUNTERS_OWN && rows[i].own[k].kind; k++) {
			if (strcmp(rows[i].own[k].name, "pages") == 0) {
				t.pages += rows[i].own[k].value;
			} else if (rows[i].own[k].set_at >= newest) {
				newest = rows[i].own[k].set_at;
				t.depth = rows[i].own[k].value;
			}
		}
	}
	free(rows);
	return t;
}

static bool
same_total(const struct total *a, const struct total *b)
{
	return a->jobs == b->jobs && a->dead == b->dead && a->times == b->times &&
	       a->longest == b->longest && a->longest_job == b->longest_job &&
	       a->pages == b->pages && a->depth == b->depth;
}

static void
releases_that_are_over_become_one_row_when_slots_are_scarce(void **state)
{
	struct segment *segment = segment_bench_create();
	struct counters_row *rows;
	struct total before, after;
	size_t n;

	(void)state;
	used_and_left(segment, "a", 100);
	used_and_left(segment, "b", 30);
	used_and_left(segment, "c", 20);
	assert_non_null(counters_slot(segment, 0, "p", "s", "d"));
	before = total_of(segment);
	assert_int_equal(before.rows, 4);
	fill(segment, MANY - 4);
	assert_int_equal(total_of(segment).rows, 4); /* all had room */
	assert_non_null(counters_slot(segment, 2, "p", "other", "x"));
	assert_non_null(counters_slot(segment, 2, "p", "other", "y"));
	after = total_of(segment);
	assert_int_equal(after.rows, 3); /* the earlier ones, c, d */
	assert_true(same_total(&before, &after));
	assert_int_equal(after.jobs, 150);
	assert_int_equal(after.longest_job, 100);
	assert_true(after.pages == 150);
	assert_true(after.depth == 20);

	assert_true(counters_sum(segment, &rows, &n));
	assert_string_equal(rows[0].release, "");
	assert_int_equal(rows[0].value[COUNTER_jobs], 130);
	assert_false(rows[0].live);
	assert_string_equal(rows[1].release, "c");
	assert_string_equal(rows[2].release, "d");
	assert_true(rows[2].live);
	free(rows);
	counters_close(segment);
}

static void
a_slot_rests_for_sixty_seconds_before_another_gets_it(void **state)
{
	struct segment *segment = segment_bench_create();
	struct counter_slot *rested, *next;

	(void)state;
	used_and_left(segment, "a", 100);
	rested = used_and_left(segment, "b", 30);
	fill(segment, MANY - 2);
	for (unsigned i = 0; counters_n_slots(segment) < COUNTERS_SLOTS; i++) {
		char release[24];

		snprintf(release, sizeof release, "%u", i);
		assert_non_null(counters_slot(segment, 2, "p", "other", release));
	}
	assert_int_equal(rested->state, SLOT_RESTING);
	assert_string_equal(rested->stage, "s"); /* who still knows its number finds its name */
	now = rested->left_at + COUNTERS_REST - 1;
	assert_null(counters_slot(segment, 3, "p", "other", "z"));
	now++;
	next = counters_slot(segment, 3, "p", "other", "z");
	assert_ptr_equal(next, rested);
	assert_int_equal(next->value[COUNTER_jobs], 0);
	assert_string_equal(next->release, "z");
	assert_int_equal(total_of(segment).jobs, 130);
	counters_close(segment);
}

static void
a_worker_that_comes_back_goes_on_in_its_slot(void **state)
{
	struct segment *segment = segment_bench_create();
	struct counter_slot *slot = used_and_left(segment, "a", 100);
	struct total total;
	int status;
	pid_t pid = fork(); /* the next process of the same worker */

	(void)state;
	if (pid == 0) {
		struct counter_slot *again = counters_slot(segment, 0, "p", "s", "a");

		counter_add(again, COUNTER_jobs, 5);
		_exit(again == slot ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	total = total_of(segment);
	assert_int_equal(total.rows, 1);
	assert_int_equal(total.jobs, 105);
	counters_close(segment);
}

static void
promises_of_a_dead_process_are_not_outstanding(void **state)
{
	struct segment *segment = segment_bench_create();
	struct counters_row *rows;
	struct counter_slot *slot;
	size_t n;
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		slot = counters_slot(segment, 0, "p", "s", "a");
		segment->worker[0].pid = (uint32_t)getpid();
		counter_add(slot, COUNTER_later, 9);
		counter_add(slot, COUNTER_later_ended, 2);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(counters_sum(segment, &rows, &n));
	assert_int_equal(rows[0].outstanding, 7);
	free(rows);
	segment->worker[0].pid = 0; /* the supervisor has seen its end */
	assert_true(counters_sum(segment, &rows, &n));
	assert_int_equal(rows[0].outstanding, 0);
	free(rows);
	slot = counters_slot(segment, 0, "p", "s", "a");
	segment->worker[0].pid = (uint32_t)getpid();
	counter_add(slot, COUNTER_later, 1);
	assert_true(counters_sum(segment, &rows, &n));
	assert_int_equal(rows[0].outstanding, 1);
	assert_int_equal(rows[0].value[COUNTER_later], 10);
	free(rows);
	counters_close(segment);
}

/* ---- killed at each step ---- */

static long steps_left;

static void
die_when_counted_down(void)
{
	if (steps_left-- == 0)
		raise(SIGKILL);
}

/* The change under test, killed before its step `at`. False: it ended before. */
static bool
change_killed_at(struct segment *segment, long at)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		steps_left = at;
		counters_step_hook = die_when_counted_down;
		_exit(counters_slot(segment, 2, "p", "other", "new") ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFSIGNALED(status)) {
		assert_int_equal(status, 0);
		return false;
	}
	assert_int_equal(WTERMSIG(status), SIGKILL);
	return true;
}

static void
a_writer_killed_at_any_step_misleads_no_reader_and_stops_no_writer(void **state)
{
	struct segment *segment = segment_bench_create();
	char *fresh = mem_alloc(sizeof *segment);
	struct total before;
	const bool all_of_them = getenv("LONG") != NULL; /* the addition is a thousand alike */
	unsigned half_done = 0, tried = 0;
	long at;

	(void)state;
	used_and_left(segment, "a", 100);
	used_and_left(segment, "b", 30);
	fill(segment, MANY - 2);
	assert_non_null(counters_slot(segment, 2, "p", "other", "x")); /* a becomes the earlier */
	used_and_left(segment, "c", 20);
	before = total_of(segment);
	assert_int_equal(before.jobs, 150);
	memcpy(fresh, segment, sizeof *segment);
	for (at = 0; change_killed_at(segment, at); at += at < 40 || all_of_them ? 1 : 29) {
		struct total seen = total_of(segment);

		tried++;
		half_done += segment->directory.sequence % 2;
		if (!same_total(&before, &seen))
			fail_msg("killed at step %ld: %llu jobs, %llu times, not %llu, %llu", at,
			         (unsigned long long)seen.jobs, (unsigned long long)seen.times,
			         (unsigned long long)before.jobs, (unsigned long long)before.times);
		assert_non_null(counters_slot(segment, 2, "p", "other", "new"));
		assert_int_equal(segment->directory.sequence % 2, 0);
		seen = total_of(segment);
		if (!same_total(&before, &seen))
			fail_msg("mended after step %ld: %llu jobs", at,
			         (unsigned long long)seen.jobs);
		memcpy(segment, fresh, sizeof *segment);
	}
	print_message("killed at %u of %ld steps, in %u with the directory half changed\n", tried,
	              at, half_done);
	assert_true(at > 3 * HISTOGRAM_BUCKETS); /* it was the addition that was tried */
	assert_true(half_done > tried / 2);
	free(fresh);
	counters_close(segment);
}

/* A live writer that is always in the middle of something: the reader gives up, and says so. */
static void
a_reader_of_a_directory_that_never_rests_says_so_and_comes_back(void **state)
{
	struct segment *moving = segment_bench_create();
	struct counters_row *rows;
	size_t n = 99;
	int told[2];
	char byte;
	pid_t pid;

	(void)state;
	used_and_left(moving, "a", 100);
	fill(moving, 500); /* a look takes longer than what is done to it meanwhile */
	assert_int_equal(pipe(told), 0);
	pid = fork();
	if (pid == 0) {
		for (uint64_t i = 0;; i++) {
			__atomic_store_n(&moving->directory.sequence, i * 2 + 1, __ATOMIC_RELEASE);
			if (i == 1000 && write(told[1], "x", 1) != 1)
				_exit(1);
		}
	}
	close(told[1]);
	assert_int_equal(read(told[0], &byte, 1), 1);
	/* it may be that the writer did not run during one of the looks: then the rows are right */
	if (counters_sum(moving, &rows, &n))
		assert_int_equal(n, 501);
	else
		assert_int_equal(n, 0);
	free(rows);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(total_of(moving).jobs, 100); /* odd for good: its writer is dead */
	close(told[0]);
	counters_close(moving);
}

static void
jobs_inside_a_stage_are_seen_by_the_recorder(void **state)
{
	struct segment *segment = segment_bench_create();
	struct counter_slot *slot = counters_slot(segment, 0, "p", "s", "a");
	struct counters_host host;
	struct counters_row *rows;
	size_t n;

	(void)state;
	segment->worker[0] = (struct worker_line){
		.state = 3, .pid = 77, .connections = 2, .in_use = 1, .arenas = 2, .arena_peak = 9
	};
	segment->worker[1] = (struct worker_line){
		.state = 5, .pid = 77, .waiting = 1, .arenas = 2, .arena_peak = 5
	};
	segment->worker[1].value[HOST_claims] = 3;
	segment->worker[2].value[HOST_claims] = 4; /* of a process that is dead */
	segment->worker[2].connections = 1;
	segment->process[0] = (struct process_line){ .pid = 77, .starts = 3, .deaths = 2 };
	segment->recorder[0] = (struct recorder_line){ .call = 5, .slot = slot->index, .n = 40 };
	assert_true(counters_sum(segment, &rows, &n));
	assert_int_equal(rows[0].in_stage, 40);
	free(rows);
	counters_host(segment, &host);
	assert_int_equal(host.workers[3], 1);
	assert_int_equal(host.workers[5], 1);
	assert_int_equal(host.connections, 2);
	assert_int_equal(host.in_use, 1);
	assert_int_equal(host.waiting, 1);
	assert_int_equal(host.arenas, 4);
	assert_int_equal(host.arena_peak, 9);
	assert_int_equal(host.value[HOST_claims], 7);
	assert_int_equal(host.processes, 1);
	assert_int_equal(host.starts, 3);
	assert_int_equal(host.deaths, 2);
	segment->recorder[0].call = 0;
	assert_true(counters_sum(segment, &rows, &n));
	assert_int_equal(rows[0].in_stage, 0);
	free(rows);
	counters_close(segment);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(releases_that_are_over_become_one_row_when_slots_are_scarce),
		cmocka_unit_test(a_slot_rests_for_sixty_seconds_before_another_gets_it),
		cmocka_unit_test(a_worker_that_comes_back_goes_on_in_its_slot),
		cmocka_unit_test(promises_of_a_dead_process_are_not_outstanding),
		cmocka_unit_test(
		    a_writer_killed_at_any_step_misleads_no_reader_and_stops_no_writer),
		cmocka_unit_test(a_reader_of_a_directory_that_never_rests_says_so_and_comes_back),
		cmocka_unit_test(jobs_inside_a_stage_are_seen_by_the_recorder),
	};

	return cmocka_run_group_tests(tests, enter, segment_bench_remove);
}
