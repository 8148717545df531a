/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_fault.c - statuses as words; what a fault says, and that it is one line;
 * the end of a process that found a bug of its own.
 */
#include "base/base.h"
#include "support/death.h"

#include <errno.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void
every_status_has_words_of_its_own(void **state)
{
	static const char *const words[] = {
#define STATUS(name, text) text,
#include "base/status.def"
#undef STATUS
	};

	(void)state;
	assert_string_equal(status_text(OK), "ok");
	for (size_t i = 0; i < countof(words); i++) {
		assert_string_equal(status_text((enum status)i), words[i]);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(words[i], words[k]);
	}
}

static void
a_status_that_there_is_not_has_words_too(void **state)
{
	(void)state;
	assert_string_equal(status_text((enum status)99), "unknown status");
}

static void
a_fault_is_returned_as_its_status(void **state)
{
	struct fault fault = { 0 };

	(void)state;
	assert_int_equal(fault_set(&fault, LIMIT, "%d of %d", 3, 2), LIMIT);
	assert_int_equal(fault.status, LIMIT);
	assert_string_equal(fault.text, "3 of 2");
	assert_int_equal(fault.errnum, 0);
}

static void
errno_is_said_in_words(void **state)
{
	struct fault fault = { 0 };

	(void)state;
	assert_int_equal(fault_errno(&fault, ENOENT, "cannot open %s", "x"), SYSTEM);
	assert_int_equal(fault.errnum, ENOENT);
	assert_string_equal(fault.text, "cannot open x: No such file or directory");
}

static void
a_later_fault_does_not_keep_the_errno_of_an_earlier_one(void **state)
{
	struct fault fault = { 0 };

	(void)state;
	fault_errno(&fault, ENOENT, "first");
	fault_set(&fault, INVALID, "second");
	assert_int_equal(fault.errnum, 0);
}

static void
nobody_has_to_ask_for_the_fault(void **state)
{
	(void)state;
	assert_int_equal(fault_set(NULL, LIMIT, "x"), LIMIT);
	assert_int_equal(fault_errno(NULL, EIO, "x"), SYSTEM);
	fault_where(NULL, "x");
	fault_hint(NULL, "x");
}

static void
a_fault_is_one_line_whatever_the_world_put_into_it(void **state)
{
	struct fault fault = { 0 };

	(void)state;
	fault_set(&fault, INVALID, "a\nb\tc\x1b[31md\x7f%s", "\x01 \n\n");
	assert_string_equal(fault.text, "a b c?[31md??");
	fault_where(&fault, "x\ny");
	assert_string_equal(fault.where, "x y");
	fault_hint(&fault, "x\r");
	assert_string_equal(fault.hint, "x?");
}

static void
a_long_text_is_cut_to_fit(void **state)
{
	struct fault fault = { 0 };
	char text[2000];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	fault_set(&fault, INVALID, "%s", text);
	assert_int_equal(strlen(fault.text), sizeof(fault.text) - 1);
	fault_errno(&fault, ENOENT, "%s", text);
	assert_int_equal(strlen(fault.text), sizeof(fault.text) - 1);
	fault_where(&fault, "%s", text);
	assert_int_equal(strlen(fault.where), sizeof(fault.where) - 1);
	fault_hint(&fault, "%s", text);
	assert_int_equal(strlen(fault.hint), sizeof(fault.hint) - 1);
}

/* A character of three bytes at every distance from the end. */
static void
a_text_is_never_cut_within_a_character(void **state)
{
	struct fault fault = { 0 };
	struct buf text;

	(void)state;
	buf_init(&text);
	for (size_t i = 0; i < 3; i++) {
		buf_reset(&text);
		for (size_t k = 0; k < i; k++)
			buf_addc(&text, 'x');
		while (text.len < 1000)
			buf_adds(&text, "\u20ac");
		fault_set(&fault, INVALID, "%s", text.data);
		assert_int_equal(text_utf8(fault.text, strlen(fault.text)), strlen(fault.text));
		assert_in_range(strlen(fault.text), sizeof(fault.text) - 3, sizeof(fault.text) - 1);
		fault_where(&fault, "%s", text.data);
		assert_int_equal(text_utf8(fault.where, strlen(fault.where)), strlen(fault.where));
	}
	buf_done(&text);
}

/* A path may hold any bytes, and a fault's text goes into columns of text. */
static void
bytes_that_are_no_utf8_do_not_stay_in_a_fault(void **state)
{
	struct fault fault = { 0 };

	(void)state;
	fault_set(&fault, INVALID, "cannot open %s", "caf\xe9/\xc3\xa9/\xff");
	assert_string_equal(fault.text, "cannot open caf?/\xc3\xa9/?");
}

static char *
printed(const struct fault *fault)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	fault_print(fault, out);
	fclose(out);
	return text;
}

static void
a_fault_is_printed_with_its_place_and_its_hint(void **state)
{
	struct fault fault = { 0 };
	char *text;

	(void)state;
	fault_set(&fault, INVALID, "no such thing");
	text = printed(&fault);
	assert_string_equal(text, "penstock: no such thing\n");
	free(text);
	fault_where(&fault, "x.conf:%d", 3);
	fault_hint(&fault, "write %s", "another");
	text = printed(&fault);
	assert_string_equal(text, "penstock: x.conf:3: no such thing\nhint: write another\n");
	free(text);
}

static void
a_fault_without_text_is_printed_as_its_status(void **state)
{
	const struct fault fault = { .status = AWAY };
	char *text = printed(&fault);

	(void)state;
	assert_string_equal(text, "penstock: database away\n");
	free(text);
}

static void
break_a_promise(void *arg)
{
	const int *n = arg;

	check(*n == 2);
}

static void
a_failed_check_ends_the_process_and_says_where(void **state)
{
	int one = 1, two = 2;
	struct death none;

	(void)state;
	expect_abort(break_a_promise, &one, "penstock: bug: tests/unit/base/test_fault.c:");
	expect_abort(break_a_promise, &one, "check failed: *n == 2");
	death_of(break_a_promise, &two, &none);
	assert_int_equal(none.status, 0);
	assert_string_equal(none.said, "");
}

static void
multiply_too_far(void *arg)
{
	free(mem_array(arg, SIZE_MAX / 2, 3));
}

static void
take_everything(void *arg)
{
	free(mem_resize(arg, SIZE_MAX / 2));
}

static void
memory_that_is_not_there_ends_the_process(void **state)
{
	(void)state;
	/* the allocator of a sanitizer says it first, in its own words */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	expect_abort(take_everything, NULL, "penstock: out of memory: 9223372036854775807 bytes");
#else
	struct death death;

	death_of(take_everything, NULL, &death);
	assert_int_not_equal(death.status, 0);
#endif
	expect_abort(multiply_too_far, NULL, "penstock: out of memory: 18446744073709551615 bytes");
}

static void
memory_is_zeroed_and_there_even_for_nothing(void **state)
{
	unsigned char *p = mem_alloc(300), *nothing = mem_alloc(0);
	char *copy = mem_dupn("abc", 2), *text = mem_printf("%s-%d", "x", 7);

	(void)state;
	for (size_t i = 0; i < 300; i++)
		assert_int_equal(p[i], 0);
	assert_non_null(nothing);
	assert_string_equal(copy, "ab");
	assert_string_equal(text, "x-7");
	p = mem_resize(p, 0);
	assert_non_null(p);
	free(p);
	free(nothing);
	free(copy);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_status_has_words_of_its_own),
		cmocka_unit_test(a_status_that_there_is_not_has_words_too),
		cmocka_unit_test(a_fault_is_returned_as_its_status),
		cmocka_unit_test(errno_is_said_in_words),
		cmocka_unit_test(a_later_fault_does_not_keep_the_errno_of_an_earlier_one),
		cmocka_unit_test(nobody_has_to_ask_for_the_fault),
		cmocka_unit_test(a_fault_is_one_line_whatever_the_world_put_into_it),
		cmocka_unit_test(a_long_text_is_cut_to_fit),
		cmocka_unit_test(a_text_is_never_cut_within_a_character),
		cmocka_unit_test(bytes_that_are_no_utf8_do_not_stay_in_a_fault),
		cmocka_unit_test(a_fault_is_printed_with_its_place_and_its_hint),
		cmocka_unit_test(a_fault_without_text_is_printed_as_its_status),
		cmocka_unit_test(a_failed_check_ends_the_process_and_says_where),
		cmocka_unit_test(memory_that_is_not_there_ends_the_process),
		cmocka_unit_test(memory_is_zeroed_and_there_even_for_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
