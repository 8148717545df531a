/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_arena.c - objects live until the reset, aligned, zeroed, apart from
 * each other and within the bound; afterwards nothing is left of them.
 *
 * The same file tests both arenas: with SAN=1 it is the one that the sanitizers
 * see, and what they must catch is tried in a child.
 */
#include "memory/memory.h"
#include "support/death.h"

#include <setjmp.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#include <jemalloc/jemalloc.h>
#endif

static struct arena *
new_arena(size_t most)
{
	struct fault fault = { 0 };
	struct arena *arena = NULL;

	if (arena_create(&arena, most, &fault) != OK)
		fail_msg("%s", fault.text);
	return arena;
}

/* ---- objects ---- */

static void
objects_of_every_size_are_aligned_for_any_type_and_zeroed(void **state)
{
	struct arena *arena = new_arena(0);

	(void)state;
	for (int round = 0; round < 3; round++) {
		for (size_t size = 0; size < 2000; size++) {
			unsigned char *p = arena_alloc(arena, size);

			assert_non_null(p);
			assert_int_equal((uintptr_t)p % alignof(max_align_t), 0);
			for (size_t i = 0; i < size; i++)
				assert_int_equal(p[i], 0);
			memset(p, 0xa5, size); /* for the next round to find */
		}
		arena_reset(arena);
	}
	arena_destroy(arena);
}

/* Small, middle and large ones in any order; log-uniform up to 4 MiB. */
static size_t
any_size(uint64_t i)
{
	return splitmix64(i) % (UINT64_C(1) << splitmix64(~i) % 23);
}

static void
objects_keep_what_is_written_to_them_until_the_reset(void **state)
{
	enum { N = 400 };
	struct arena *arena = new_arena(0);
	unsigned char *objects[N];

	(void)state;
	for (uint64_t round = 0; round < 3; round++) {
		for (size_t i = 0; i < N; i++) {
			size_t size = any_size(round * N + i);

			objects[i] = arena_alloc(arena, size);
			for (size_t k = 0; k < size; k += 997)
				assert_int_equal(objects[i][k], 0);
			memset(objects[i], (int)(1 + i % 255), size);
		}
		for (size_t i = 0; i < N; i++) {
			size_t size = any_size(round * N + i);

			for (size_t k = 0; k < size; k += 61)
				assert_int_equal(objects[i][k], 1 + i % 255);
			if (size > 0)
				assert_int_equal(objects[i][size - 1], 1 + i % 255);
		}
		arena_reset(arena);
	}
	arena_destroy(arena);
}

static void
small_objects_after_an_oversized_one_are_apart_from_it(void **state)
{
	struct arena *arena = new_arena(0);
	char *before = arena_alloc(arena, 100), *large, *after;

	(void)state;
	memset(before, 'b', 100);
	large = arena_alloc(arena, (size_t)(10 * MiB));
	after = arena_alloc(arena, 100);
	memset(large, 'l', (size_t)(10 * MiB));
	memset(after, 'a', 100);
	assert_int_equal(strspn((char[]){ before[0], before[99], '\0' }, "b"), 2);
	assert_int_equal(strspn((char[]){ large[0], large[10 * MiB - 1], '\0' }, "l"), 2);
	arena_destroy(arena);
}

static char *
print(struct arena *arena, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = arena_vprintf(arena, format, args);
	va_end(args);
	return text;
}

static void
text_is_copied_and_printed_into_the_arena(void **state)
{
	struct arena *arena = new_arena(0);
	char *copy = arena_dupn(arena, "abcdef", 3), *nothing = arena_dupn(arena, NULL, 0);

	(void)state;
	assert_string_equal(copy, "abc");
	assert_string_equal(nothing, "");
	assert_string_equal(print(arena, "%s-%0300d", "x", 7) + 290, "000000000007");
	arena_destroy(arena);
}

/* ---- the bound ---- */

static void
an_arena_holds_what_its_bound_says_and_no_more(void **state)
{
	struct arena *arena = new_arena(100000);

	(void)state;
	assert_null(arena_try(arena, 100001));
	assert_int_equal(arena_used(arena), 0);
	assert_non_null(arena_try(arena, 60000));
	assert_null(arena_try(arena, 60000));
	assert_non_null(arena_try(arena, 40000));
	assert_null(arena_try(arena, 1));
	arena_reset(arena);
	assert_non_null(arena_try(arena, 100000));
	arena_destroy(arena);
}

static void
a_request_that_no_machine_can_serve_is_refused_and_forgotten(void **state)
{
	struct arena *arena = new_arena((size_t)MiB);

	(void)state;
	assert_null(arena_try(arena, SIZE_MAX));
	assert_null(arena_try(arena, SIZE_MAX - 7));
	assert_null(arena_try(arena, SIZE_MAX / 2));
	assert_int_equal(arena_used(arena), 0);
	assert_int_equal(arena_peak(arena), 0);
	assert_non_null(arena_try(arena, 100));
	arena_destroy(arena);
}

#if !SANITIZED
/* Without a bound the machine says no. */
static void
memory_that_the_machine_has_not_is_refused_and_forgotten(void **state)
{
	struct arena *arena = new_arena(0);

	(void)state;
	assert_null(arena_try(arena, SIZE_MAX / 2));
	assert_int_equal(arena_used(arena), 0);
	assert_int_equal(arena_peak(arena), 0);
	assert_non_null(arena_try(arena, 100));
	arena_destroy(arena);
}
#endif

static void
ask_for_too_much(void *arg)
{
	struct arena *arena = new_arena(1000);

	(void)arg;
	(void)!arena_alloc(arena, 900);
	(void)!arena_alloc(arena, 200);
}

static void
a_lease_beyond_its_bound_ends_the_process_with_a_clear_message(void **state)
{
	(void)state;
	expect_abort(ask_for_too_much, NULL,
	             "penstock: a lease needs more memory than worker_memory allows: 200 bytes");
}

static void
used_counts_since_the_reset_and_peak_ever(void **state)
{
	struct arena *arena = new_arena(0);

	(void)state;
	assert_int_equal(arena_used(arena), 0);
	(void)!arena_alloc(arena, 4096);
	(void)!arena_alloc(arena, 1024);
	assert_int_equal(arena_used(arena), 5120);
	arena_reset(arena);
	assert_int_equal(arena_used(arena), 0);
	assert_int_equal(arena_peak(arena), 5120);
	(void)!arena_alloc(arena, 1024);
	assert_int_equal(arena_peak(arena), 5120);
	arena_destroy(arena);
}

/* ---- the reset ---- */

static char order[16];
static size_t n_order;

static void
note(void *data)
{
	order[n_order++] = *(char *)data;
	order[n_order] = '\0';
}

static void
what_was_deferred_runs_at_the_reset_the_last_first_and_once(void **state)
{
	struct arena *arena = new_arena(0);
	char letters[] = "abc";

	(void)state;
	n_order = 0;
	for (size_t i = 0; i < 3; i++)
		arena_on_reset(arena, note, &letters[i]);
	assert_int_equal(n_order, 0);
	arena_reset(arena);
	assert_string_equal(order, "cba");
	arena_reset(arena);
	assert_string_equal(order, "cba");
	arena_on_reset(arena, note, &letters[1]);
	arena_destroy(arena);
	assert_string_equal(order, "cbab");
}

static void
what_was_deferred_still_sees_the_objects(void **state)
{
	struct arena *arena = new_arena(0);
	char *first = arena_dupn(arena, "x", 1), *second;

	(void)state;
	n_order = 0;
	arena_on_reset(arena, note, first);
	second = arena_dupn(arena, "y", 1);
	arena_on_reset(arena, note, second);
	(void)!arena_alloc(arena, (size_t)(2 * MiB));
	arena_reset(arena);
	assert_string_equal(order, "yx");
	arena_destroy(arena);
}

static void
a_free_can_be_deferred_when_the_arena_is_full(void **state)
{
	struct arena *arena = new_arena(1000);
	char letter = 'f';

	(void)state;
	n_order = 0;
	assert_non_null(arena_try(arena, 1000));
	assert_null(arena_try(arena, 1));
	arena_on_reset(arena, note, &letter);
	arena_reset(arena);
	assert_string_equal(order, "f");
	assert_non_null(arena_try(arena, 1000));
	arena_destroy(arena);
}

static void
many_deferred_frees_are_not_counted_as_the_leases_memory(void **state)
{
	struct arena *arena = new_arena(0);
	char **texts = mem_array(NULL, 10000, sizeof(*texts));

	(void)state;
	for (size_t i = 0; i < 10000; i++) {
		texts[i] = mem_dup("foreign");
		arena_on_reset(arena, free, texts[i]); /* LeakSanitizer sees that all are */
	}
	assert_int_equal(arena_used(arena), 0);
	arena_destroy(arena);
	free(texts);
}

static void
nothing_is_destroyed_in_peace(void **state)
{
	struct arena *arena = new_arena(0);

	(void)state;
	arena_destroy(NULL);
	arena_reset(arena);
	arena_reset(arena);
	arena_destroy(arena);
}

#if !SANITIZED
/* Bytes of this thread that are allocated and not freed. */
static int64_t
held(void)
{
	uint64_t allocated, freed;

	memory_thread_bytes(&allocated, &freed);
	return (int64_t)(allocated - freed);
}

static void
a_reset_gives_back_all_but_a_small_amount(void **state)
{
	struct arena *arena = new_arena(0);
	int64_t before = held();

	(void)state;
	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < 1000; i++)
			(void)!arena_alloc(arena, 10000);
		(void)!arena_alloc(arena, (size_t)(20 * MiB));
		assert_true(held() - before >= 29 * MiB);
		arena_reset(arena);
		assert_int_equal(held(), before);
	}
	arena_destroy(arena);
	assert_true(held() <= before);
}

static void
an_arena_that_is_kept_costs_at_most_128_kib(void **state)
{
	int64_t before = held();
	struct arena *arena = new_arena(0);

	(void)state;
	assert_true(held() - before <= 128 * KiB);
	arena_destroy(arena);
}

static unsigned
jemalloc_arenas(void)
{
	unsigned n = 0;
	size_t size = sizeof(n);

	assert_int_equal(mallctl("arenas.narenas", &n, &size, NULL, 0), 0);
	return n;
}

static void
the_arena_of_a_worker_that_left_is_used_by_the_next(void **state)
{
	unsigned before = jemalloc_arenas();

	(void)state;
	for (int i = 0; i < 100; i++) {
		struct arena *one = new_arena(0), *other = new_arena(0);

		(void)!arena_alloc(one, 100000);
		(void)!arena_alloc(other, 100000);
		arena_destroy(one);
		arena_destroy(other);
	}
	assert_in_range(jemalloc_arenas(), before, before + 2);
}

static void
bytes_of_a_thread_count_malloc_too(void **state)
{
	int64_t before = held();
	void *volatile p = malloc(100000);

	(void)state;
	assert_in_range(held() - before, 100000, 130000);
	free(p);
	assert_int_equal(held(), before);
}
#else
static void
bytes_of_a_thread_are_zero_in_sanitizer_builds(void **state)
{
	uint64_t allocated = 1, freed = 1;

	(void)state;
	memory_thread_bytes(&allocated, &freed);
	assert_int_equal(allocated, 0);
	assert_int_equal(freed, 0);
}
#endif

/* ---- what the sanitizers must see ---- */

#ifdef __SANITIZE_ADDRESS__
static volatile char sink;

static void
read_after_reset(void *arg)
{
	struct arena *arena = new_arena(0);
	char *text = arena_dupn(arena, "gone", 4);

	(void)arg;
	arena_reset(arena);
	sink = text[0];
}

static void
write_after_destroy(void *arg)
{
	struct arena *arena = new_arena(0);
	volatile char *p = arena_alloc(arena, 10);

	(void)arg;
	arena_destroy(arena);
	p[9] = 1;
}

static void
write_behind_the_end(void *arg)
{
	struct arena *arena = new_arena(0);
	volatile char *p = arena_alloc(arena, 10);

	(void)arg;
	(void)!arena_alloc(arena, 10);
	p[10] = 1;
}

static void
read_before_the_start(void *arg)
{
	struct arena *arena = new_arena(0);
	const volatile char *p = arena_alloc(arena, 10);

	(void)arg;
	sink = p[-1];
}

static void
expect_caught(void (*fn)(void *arg), const char *as)
{
	struct death death;

	death_of(fn, NULL, &death);
	if (death.status == 0 || !strstr(death.said, as))
		fail_msg("status %#x, said: %s", (unsigned)death.status, death.said);
}

static void
a_use_after_the_reset_is_caught(void **state)
{
	(void)state;
	expect_caught(read_after_reset, "heap-use-after-free");
	expect_caught(write_after_destroy, "heap-use-after-free");
}

static void
an_overrun_into_the_next_object_is_caught(void **state)
{
	(void)state;
	expect_caught(write_behind_the_end, "heap-buffer-overflow");
	expect_caught(read_before_the_start, "heap-buffer-overflow");
}
#endif

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects_of_every_size_are_aligned_for_any_type_and_zeroed),
		cmocka_unit_test(objects_keep_what_is_written_to_them_until_the_reset),
		cmocka_unit_test(small_objects_after_an_oversized_one_are_apart_from_it),
		cmocka_unit_test(text_is_copied_and_printed_into_the_arena),
		cmocka_unit_test(an_arena_holds_what_its_bound_says_and_no_more),
		cmocka_unit_test(a_request_that_no_machine_can_serve_is_refused_and_forgotten),
		cmocka_unit_test(a_lease_beyond_its_bound_ends_the_process_with_a_clear_message),
		cmocka_unit_test(used_counts_since_the_reset_and_peak_ever),
		cmocka_unit_test(what_was_deferred_runs_at_the_reset_the_last_first_and_once),
		cmocka_unit_test(what_was_deferred_still_sees_the_objects),
		cmocka_unit_test(a_free_can_be_deferred_when_the_arena_is_full),
		cmocka_unit_test(many_deferred_frees_are_not_counted_as_the_leases_memory),
		cmocka_unit_test(nothing_is_destroyed_in_peace),
#if !SANITIZED
		cmocka_unit_test(memory_that_the_machine_has_not_is_refused_and_forgotten),
		cmocka_unit_test(a_reset_gives_back_all_but_a_small_amount),
		cmocka_unit_test(an_arena_that_is_kept_costs_at_most_128_kib),
		cmocka_unit_test(the_arena_of_a_worker_that_left_is_used_by_the_next),
		cmocka_unit_test(bytes_of_a_thread_count_malloc_too),
#else
		cmocka_unit_test(bytes_of_a_thread_are_zero_in_sanitizer_builds),
#endif
#ifdef __SANITIZE_ADDRESS__
		cmocka_unit_test(a_use_after_the_reset_is_caught),
		cmocka_unit_test(an_overrun_into_the_next_object_is_caught),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
