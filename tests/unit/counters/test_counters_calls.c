/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_counters_calls.c - the ring of last calls: whole entries only, and what is lost is told.
 */
#include "counters/counters.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

/* Each member follows from the sequence, so that a torn entry shows. */
static struct call_sample
sample_of(uint64_t i)
{
	return (struct call_sample){
		.ended_at = (int64_t)i,
		.wall_ns = i * 3,
		.cpu_ns = i * 5,
		.db_ns = i * 7,
		.allocated = i * 11,
		.jobs = (uint32_t)i,
		.errors = (uint32_t)i / 2,
	};
}

static void
assert_whole(const struct call_sample *got)
{
	struct call_sample want = sample_of(got->sequence);

	assert_int_equal(got->ended_at, want.ended_at);
	assert_int_equal(got->wall_ns, want.wall_ns);
	assert_int_equal(got->cpu_ns, want.cpu_ns);
	assert_int_equal(got->db_ns, want.db_ns);
	assert_int_equal(got->allocated, want.allocated);
	assert_int_equal(got->jobs, want.jobs);
	assert_int_equal(got->errors, want.errors);
}

static void
write_calls(struct counter_slot *slot, uint64_t from, uint64_t n)
{
	for (uint64_t i = from; i < from + n; i++) {
		struct call_sample s = sample_of(i);

		counter_call(slot, &s);
	}
}

static void
calls_are_read_once_and_in_order(void **state)
{
	static struct counter_slot slot;
	struct call_sample got[CALLS_KEPT];
	uint64_t seen = 0, lost = 0;

	(void)state;
	slot = (struct counter_slot){ 0 };
	assert_int_equal(counters_calls(&slot, &seen, got, &lost), 0);
	write_calls(&slot, 1, 10);
	assert_int_equal(counters_calls(&slot, &seen, got, &lost), 10);
	for (size_t i = 0; i < 10; i++) {
		assert_int_equal(got[i].sequence, i + 1);
		assert_whole(&got[i]);
	}
	assert_int_equal(counters_calls(&slot, &seen, got, &lost), 0);
	write_calls(&slot, 11, 1);
	assert_int_equal(counters_calls(&slot, &seen, got, &lost), 1);
	assert_int_equal(got[0].sequence, 11);
	assert_int_equal(lost, 0);
}

static void
what_the_ring_lost_is_counted(void **state)
{
	static struct counter_slot slot;
	struct call_sample got[CALLS_KEPT];
	uint64_t seen = 0, lost = 0;

	(void)state;
	slot = (struct counter_slot){ 0 };
	write_calls(&slot, 1, CALLS_KEPT + 25);
	assert_int_equal(counters_calls(&slot, &seen, got, &lost), CALLS_KEPT);
	assert_int_equal(lost, 25);
	assert_int_equal(got[0].sequence, 26);
	assert_int_equal(seen, CALLS_KEPT + 25);
}

/* A writer that was killed between its stores. */
static void
an_entry_that_was_never_finished_is_lost_alone(void **state)
{
	static struct counter_slot slot;
	struct call_sample got[CALLS_KEPT];
	uint64_t seen = 0, lost = 0;

	(void)state;
	slot = (struct counter_slot){ 0 };
	write_calls(&slot, 1, 5);
	slot.calls.call[3].sequence = 0;
	assert_int_equal(counters_calls(&slot, &seen, got, &lost), 4);
	assert_int_equal(lost, 1);
	assert_int_equal(got[2].sequence, 4);
}

#define RACED 400000u
static struct counter_slot raced;

static void *
write_all(void *data)
{
	write_calls(&raced, 1, RACED);
	return data;
}

static void
a_reader_beside_the_writer_sees_whole_calls_only(void **state)
{
	struct call_sample got[CALLS_KEPT];
	uint64_t seen = 0, lost = 0, read = 0;
	pthread_t writer;

	(void)state;
	assert_int_equal(pthread_create(&writer, NULL, write_all, NULL), 0);
	while (seen < RACED) {
		size_t n = counters_calls(&raced, &seen, got, &lost);

		for (size_t i = 0; i < n; i++) {
			assert_whole(&got[i]);
			assert_true(i == 0 || got[i].sequence > got[i - 1].sequence);
		}
		read += n;
	}
	pthread_join(writer, NULL);
	assert_int_equal(read + lost, RACED);
	assert_true(read > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calls_are_read_once_and_in_order),
		cmocka_unit_test(what_the_ring_lost_is_counted),
		cmocka_unit_test(an_entry_that_was_never_finished_is_lost_alone),
		cmocka_unit_test(a_reader_beside_the_writer_sees_whole_calls_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
