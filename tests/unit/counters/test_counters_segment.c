/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_counters_segment.c - the segment outlives its writers and refuses strangers.
 */
#include "support/segment_bench.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const struct segment *
open_again(void)
{
	const struct segment *segment = NULL;
	struct fault fault = { 0 };

	if (counters_open(segment_bench_path, &segment, &fault) != OK)
		fail_msg("%s", fault.text);
	return segment;
}

static void
expect_refusal(enum status status, const char *text)
{
	const struct segment *segment = NULL;
	struct fault fault = { 0 };

	assert_int_equal(counters_open(segment_bench_path, &segment, &fault), status);
	if (!strstr(fault.text, text))
		fail_msg("no \"%s\" in \"%s\"", text, fault.text);
	assert_null(segment);
}

static void
overwrite(off_t offset, const void *bytes, size_t len)
{
	int fd = open(segment_bench_path, O_WRONLY);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, len, offset), len);
	close(fd);
}

static void
a_reader_sees_what_the_writer_stored(void **state)
{
	struct segment *segment = segment_bench_create();
	struct counter_slot *slot = counters_slot(segment, 3, "documents", "extract",
	                                          "0011223344556677");
	const struct segment *reader = open_again();
	struct counters_row *rows;
	size_t n;

	(void)state;
	counter_add(slot, COUNTER_jobs, 5);
	counter_add(slot, COUNTER_jobs, 6);
	histogram_add(&slot->time, 5000, 11);
	counters_sum(reader, &rows, &n);
	assert_int_equal(n, 1);
	assert_string_equal(rows[0].pipeline, "documents");
	assert_string_equal(rows[0].stage, "extract");
	assert_string_equal(rows[0].release, "0011223344556677");
	assert_int_equal(rows[0].value[COUNTER_jobs], 11);
	assert_int_equal(rows[0].time.n, 11);
	assert_string_equal(reader->host, "mill-1");
	free(rows);
	counters_close(reader);
	counters_close(segment);
}

static void
the_same_worker_stage_and_release_get_the_same_slot(void **state)
{
	struct segment *segment = segment_bench_create();
	struct counter_slot *slot = counters_slot(segment, 0, "p", "s", "r");

	(void)state;
	assert_ptr_equal(counters_slot(segment, 0, "p", "s", "r"), slot);
	assert_ptr_not_equal(counters_slot(segment, 1, "p", "s", "r"), slot);
	assert_ptr_not_equal(counters_slot(segment, 0, "q", "s", "r"), slot);
	assert_ptr_not_equal(counters_slot(segment, 0, "p", "t", "r"), slot);
	assert_ptr_not_equal(counters_slot(segment, 0, "p", "s", "r2"), slot);
	assert_int_equal(counters_n_slots(segment), 5);
	counters_close(segment);
}

static void
rows_are_summed_over_workers_in_order_of_first_use(void **state)
{
	struct segment *segment = segment_bench_create();
	struct counters_row *rows;
	size_t n;

	(void)state;
	for (uint32_t w = 0; w < 4; w++) {
		struct counter_slot *late = counters_slot(segment, w, "p", "late", "r");
		struct counter_slot *early = counters_slot(segment, w, "p", "early", "r");

		counter_add(late, COUNTER_calls, 1);
		counter_add(early, COUNTER_calls, 10);
		counter_add(early, COUNTER_longest_ns, 100 + w % 3);
		counter_add(early, COUNTER_longest_job, 7000 + w);
		histogram_add(&early->time, 1000 * (w + 1), 1);
	}
	counters_sum(segment, &rows, &n);
	assert_int_equal(n, 2);
	assert_string_equal(rows[0].stage, "late");
	assert_string_equal(rows[1].stage, "early");
	assert_int_equal(rows[1].value[COUNTER_calls], 40);
	assert_int_equal(rows[1].value[COUNTER_longest_ns], 102); /* not the sum */
	assert_int_equal(rows[1].value[COUNTER_longest_job], 7002);
	assert_int_equal(rows[1].time.n, 4);
	free(rows);
	counters_close(segment);
}

static void
work_goes_on_uncounted_when_slots_run_out(void **state)
{
	struct segment *segment = segment_bench_create();
	struct counters_row *rows;
	char release[24];
	size_t n;

	(void)state;
	for (unsigned i = 0; i < COUNTERS_SLOTS; i++) {
		snprintf(release, sizeof release, "%u", i);
		assert_non_null(counters_slot(segment, 0, "p", "s", release));
	}
	assert_null(counters_slot(segment, 0, "p", "s", "one too many"));
	assert_null(counters_slot(segment, 0, "p", "s", "and another"));
	assert_non_null(counters_slot(segment, 0, "p", "s", "17"));
	counter_add(NULL, COUNTER_jobs, 1); /* what a worker then does */
	counters_sum(segment, &rows, &n);
	assert_int_equal(n, COUNTERS_SLOTS);
	free(rows);
	counters_close(segment);
}

static void
names_longer_than_their_field_are_cut_and_still_found_again(void **state)
{
	struct segment *segment = segment_bench_create();
	char name[200];
	struct counter_slot *slot;

	(void)state;
	memset(name, 'x', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	slot = counters_slot(segment, 0, name, name, name);
	assert_int_equal(strlen(slot->pipeline), sizeof slot->pipeline - 1);
	assert_ptr_equal(counters_slot(segment, 0, name, name, name), slot);
	counters_close(segment);
}

/* A writer that is killed at any instruction leaves a histogram whose number and buckets may
 * differ by one, and a slot that may not be used yet. The reader must see neither. */
static void
values_survive_a_writer_that_is_killed_half_way(void **state)
{
	struct segment *segment = segment_bench_create();

	(void)state;
	for (int round = 0; round < 20; round++) {
		const struct segment *reader;
		struct counters_row *rows;
		uint64_t buckets = 0;
		int told[2];
		size_t n;
		char byte;
		pid_t pid;

		assert_int_equal(pipe(told), 0);
		pid = fork();
		if (pid == 0) {
			char release[24];

			for (uint64_t i = 0;; i++) {
				struct counter_slot *slot;

				snprintf(release, sizeof release, "%d-%u", round,
				         (unsigned)(i / 1000) % 8);
				slot = counters_slot(segment, 0, "p", "s", release);
				counter_add(slot, COUNTER_jobs, 1);
				histogram_add(&slot->time, i % 100000, 1);
				if (i == 5000 && write(told[1], "x", 1) != 1)
					_exit(1);
			}
		}
		close(told[1]);
		assert_int_equal(read(told[0], &byte, 1), 1);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		close(told[0]);

		reader = open_again();
		counters_sum(reader, &rows, &n);
		assert_in_range(n, 1, 8 * (round + 1));
		for (unsigned b = 0; b < HISTOGRAM_BUCKETS; b++)
			buckets += rows[n - 1].time.bucket[b];
		assert_int_equal(rows[n - 1].time.n, buckets);
		for (size_t i = 0; i < n; i++)
			assert_in_range(rows[i].value[COUNTER_jobs], rows[i].time.n,
			                rows[i].time.n + 1);
		assert_true(rows[0].value[COUNTER_jobs] >= 1000);
		free(rows);
		counters_close(reader);
	}
	counters_close(segment);
}

static void
a_slot_that_was_never_finished_is_not_read(void **state)
{
	struct segment *segment = segment_bench_create();
	struct counter_slot *slot = counters_slot(segment, 0, "p", "s", "r");
	struct counters_row *rows;
	size_t n;

	(void)state;
	slot->state = SLOT_FREE; /* as if killed before the last store */
	counters_sum(segment, &rows, &n);
	assert_int_equal(n, 0);
	/* nor lost: the next one gets it */
	counter_add(slot, COUNTER_jobs, 7);
	slot->state = SLOT_FREE;
	for (unsigned i = 0; i < COUNTERS_SLOTS; i++) {
		char release[24];

		snprintf(release, sizeof release, "%u", i);
		assert_non_null(counters_slot(segment, 0, "p", "s", release));
	}
	assert_int_equal(slot->state, SLOT_USED);
	assert_int_equal(slot->value[COUNTER_jobs], 0);
	free(rows);
	counters_close(segment);
}

static void
a_reader_of_the_old_file_keeps_it_when_it_is_made_anew(void **state)
{
	struct segment *old = segment_bench_create(), *new;
	const struct segment *reader;
	const struct segment *again;

	(void)state;
	counters_slot(old, 0, "p", "s", "r");
	reader = open_again();
	new = segment_bench_create();
	assert_int_equal(counters_n_slots(reader), 1); /* no SIGBUS */
	again = open_again();
	assert_int_equal(counters_n_slots(again), 0);
	counters_close(again);
	counters_close(reader);
	counters_close(new);
	counters_close(old);
}

static void
a_missing_file_is_not_found(void **state)
{
	(void)state;
	unlink(segment_bench_path);
	expect_refusal(NOT_FOUND, "no counters file");
}

static void
another_version_is_refused_and_both_are_named(void **state)
{
	const uint32_t version = COUNTERS_VERSION + 1;
	char text[80];

	(void)state;
	snprintf(text, sizeof text, "layout version %d, this program reads version %d",
	         COUNTERS_VERSION + 1, COUNTERS_VERSION);
	counters_close(segment_bench_create());
	overwrite(offsetof(struct segment, version), &version, sizeof version);
	expect_refusal(INVALID, text);
	/* a later layout may be shorter than ours */
	assert_int_equal(truncate(segment_bench_path, 100), 0);
	expect_refusal(INVALID, text);
}

static void
files_of_other_kinds_are_refused(void **state)
{
	uint64_t size = 12;

	(void)state;
	counters_close(segment_bench_create());
	overwrite(0, "not counters", 12);
	expect_refusal(INVALID, "not a counters file");

	counters_close(segment_bench_create());
	assert_int_equal(truncate(segment_bench_path, 5), 0);
	expect_refusal(INVALID, "too short");

	counters_close(segment_bench_create());
	assert_int_equal(truncate(segment_bench_path, sizeof(struct segment) - 1), 0);
	expect_refusal(INVALID, "cut short");

	counters_close(segment_bench_create());
	overwrite(offsetof(struct segment, size), &size, sizeof size);
	expect_refusal(INVALID, "says that it has 12 bytes");

	unlink(segment_bench_path);
	assert_int_equal(mkfifo(segment_bench_path, 0600), 0); /* neither blocks nor is read */
	expect_refusal(SYSTEM, "cannot read");
	unlink(segment_bench_path);
}

static void
creating_it_where_nobody_can_fails_with_the_path(void **state)
{
	struct segment *segment = NULL;
	struct fault fault = { 0 };

	(void)state;
	assert_int_equal(counters_create("/nowhere/counters", "h", &segment, &fault), SYSTEM);
	assert_non_null(strstr(fault.text, "/nowhere/counters"));
	assert_null(segment);
}

static void
every_counter_has_a_name_a_unit_and_a_text(void **state)
{
	(void)state;
	for (int c = 0; c < COUNTER_N; c++) {
		assert_true(*counter_name((enum counter)c));
		assert_true(*counter_unit((enum counter)c));
		assert_true(*counter_text((enum counter)c));
	}
	assert_string_equal(counter_name(COUNTER_wall_ns), "wall_ns");
}

static int64_t
at_nine_seconds(void)
{
	return 9 * SEC;
}

static void
the_state_that_a_worker_is_in_counts_up_to_now(void **state)
{
	struct segment *segment = segment_bench_create();
	struct worker_line *line = &segment->worker[1];
	const struct clock_hooks before = clock_hooks;
	struct counters_host host;

	(void)state;
	line->pid = 1;
	line->state = 3;
	line->state_ns[3] = 5 * SEC;
	line->state_ns[1] = 2 * SEC;
	line->since = 8 * SEC;
	segment->worker[2].state_ns[1] =
	    SEC; /* of a process that has ended: what it counted stays */
	segment->worker[2].since = 1;
	clock_hooks.mono = at_nine_seconds;
	counters_host(segment, &host);
	clock_hooks = before;
	assert_int_equal(host.state_ns[3], 6 * SEC);
	assert_int_equal(host.state_ns[1], 3 * SEC);
	counters_close(segment);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reader_sees_what_the_writer_stored),
		cmocka_unit_test(the_same_worker_stage_and_release_get_the_same_slot),
		cmocka_unit_test(rows_are_summed_over_workers_in_order_of_first_use),
		cmocka_unit_test(work_goes_on_uncounted_when_slots_run_out),
		cmocka_unit_test(names_longer_than_their_field_are_cut_and_still_found_again),
		cmocka_unit_test(values_survive_a_writer_that_is_killed_half_way),
		cmocka_unit_test(a_slot_that_was_never_finished_is_not_read),
		cmocka_unit_test(a_reader_of_the_old_file_keeps_it_when_it_is_made_anew),
		cmocka_unit_test(a_missing_file_is_not_found),
		cmocka_unit_test(another_version_is_refused_and_both_are_named),
		cmocka_unit_test(files_of_other_kinds_are_refused),
		cmocka_unit_test(creating_it_where_nobody_can_fails_with_the_path),
		cmocka_unit_test(the_state_that_a_worker_is_in_counts_up_to_now),
		cmocka_unit_test(every_counter_has_a_name_a_unit_and_a_text),
	};

	return cmocka_run_group_tests(tests, segment_bench_make, segment_bench_remove);
}
