/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_buf.c - a byte string that grows, ends with a NUL and can be quoted.
 */
#include "base/base.h"
#include "support/death.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void
bytes_are_kept_while_it_grows_and_a_nul_stands_behind_them(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf);
	for (size_t i = 0; i < 100000; i++) {
		buf_addc(&buf, (char)(splitmix64(i) & 0xff));
		assert_int_equal(buf.len, i + 1);
		assert_int_equal(buf.data[buf.len], 0);
	}
	for (size_t i = 0; i < 100000; i++)
		assert_int_equal((unsigned char)buf.data[i], splitmix64(i) & 0xff);
	buf_done(&buf);
}

static void
it_grows_by_doubling(void **state)
{
	struct buf buf;
	size_t grown = 0, cap = 0;

	(void)state;
	buf_init(&buf);
	while (buf.len < (size_t)MiB) {
		buf_addc(&buf, 'x');
		grown += buf.cap != cap;
		cap = buf.cap;
	}
	assert_in_range(grown, 1, 15);
	buf_done(&buf);
}

static void
what_is_reserved_can_be_written_to_its_last_byte(void **state)
{
	struct buf buf;
	char *at;

	(void)state;
	buf_init(&buf);
	buf_adds(&buf, "head");
	at = buf_reserve(&buf, 1000);
	assert_ptr_equal(at, buf.data + 4);
	memset(at, 'x', 1001); /* and the NUL; the sanitizers watch */
	buf.len += 1000;
	buf_reserve(&buf, 0)[0] = '\0';
	assert_int_equal(strlen(buf.data), 1004);
	buf_done(&buf);
}

static void
nothing_added_is_an_empty_string(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf);
	buf_add(&buf, NULL, 0);
	assert_string_equal(buf.data, "");
	buf_done(&buf);
}

static void
bytes_may_be_nul(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf);
	buf_add(&buf, "a\0b", 3);
	assert_int_equal(buf.len, 3);
	assert_memory_equal(buf.data, "a\0b", 4);
	buf_done(&buf);
}

static void
printing_appends_and_grows(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf);
	buf_printf(&buf, "%d-", 1);
	buf_printf(&buf, "%0500d", 2);
	assert_int_equal(buf.len, 502);
	assert_memory_equal(buf.data, "1-000", 5);
	assert_int_equal(buf.data[501], '2');
	buf_printf(&buf, "%s", "");
	assert_int_equal(buf.len, 502);
	buf_done(&buf);
}

static void
reset_keeps_the_memory_and_done_gives_it_back(void **state)
{
	struct buf buf;
	char *data;

	(void)state;
	buf_init(&buf);
	buf_reset(&buf);
	assert_null(buf.data);
	buf_adds(&buf, "text");
	data = buf.data;
	buf_reset(&buf);
	assert_string_equal(buf.data, "");
	buf_adds(&buf, "else");
	assert_ptr_equal(buf.data, data);
	buf_done(&buf);
	assert_null(buf.data);
	assert_int_equal(buf.len + buf.cap, 0);
	buf_adds(&buf, "again");
	assert_string_equal(buf.data, "again");
	buf_done(&buf);
	buf_done(&buf);
}

static void
a_stolen_string_belongs_to_the_thief(void **state)
{
	struct buf buf;
	char *text, *nothing;

	(void)state;
	buf_init(&buf);
	buf_adds(&buf, "loot");
	text = buf_steal(&buf);
	assert_null(buf.data);
	nothing = buf_steal(&buf);
	assert_string_equal(text, "loot");
	assert_string_equal(nothing, "");
	free(text);
	free(nothing);
}

static void
reserve_more_than_there_are_numbers(void *arg)
{
	buf_reserve(arg, SIZE_MAX);
}

static void
a_length_that_no_number_holds_ends_the_process(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf);
	buf_adds(&buf, "x");
	expect_abort(reserve_more_than_there_are_numbers, &buf, "check failed: need > buf->len");
	buf_done(&buf);
}

/* ---- as JSON ---- */

static void
text_is_quoted_as_json(void **state)
{
	static const char *const ways[][2] = {
		{ "", "\"\"" },
		{ "plain", "\"plain\"" },
		{ "\"\\/", "\"\\\"\\\\/\"" },
		{ "\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\"" },
		{ "\x01\x1f\x7f", "\"\\u0001\\u001f\\u007f\"" },
		{ "\u00e9\u20ac\U0001f600", "\"\u00e9\u20ac\U0001f600\"" },
		/* each byte that is no UTF-8 becomes U+FFFD */
		{ "a\xff z", "\"a\ufffd z\"" },
		{ "\xe2\x82", "\"\ufffd\ufffd\"" },
		{ "\xc0\xaf\n", "\"\ufffd\ufffd\\n\"" },
		{ "\xed\xa0\x80", "\"\ufffd\ufffd\ufffd\"" },
	};
	struct buf buf;

	(void)state;
	buf_init(&buf);
	for (size_t i = 0; i < countof(ways); i++) {
		buf_reset(&buf);
		buf_add_json(&buf, ways[i][0], strlen(ways[i][0]));
		assert_string_equal(buf.data, ways[i][1]);
	}
	buf_reset(&buf);
	buf_add_json(&buf, "a\0b", 3);
	assert_string_equal(buf.data, "\"a\\u0000b\"");
	buf_done(&buf);
}

static void
any_bytes_without_nul_are_quoted_as_valid_json(void **state)
{
	struct fault fault = { 0 };
	struct buf buf;
	char bytes[40];

	(void)state;
	buf_init(&buf);
	for (uint64_t i = 0; i < 50000; i++) {
		size_t len = splitmix64(~i) % sizeof(bytes);

		for (size_t k = 0; k < len; k++)
			bytes[k] = (char)(1 + splitmix64(i * 64 + k) % 255);
		buf_reset(&buf);
		buf_add_json(&buf, bytes, len);
		if (json_check(buf.data, buf.len, 1, &fault) != OK)
			fail_msg("%s: %s", fault.text, buf.data);
	}
	buf_done(&buf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_are_kept_while_it_grows_and_a_nul_stands_behind_them),
		cmocka_unit_test(it_grows_by_doubling),
		cmocka_unit_test(what_is_reserved_can_be_written_to_its_last_byte),
		cmocka_unit_test(nothing_added_is_an_empty_string),
		cmocka_unit_test(bytes_may_be_nul),
		cmocka_unit_test(printing_appends_and_grows),
		cmocka_unit_test(reset_keeps_the_memory_and_done_gives_it_back),
		cmocka_unit_test(a_stolen_string_belongs_to_the_thief),
		cmocka_unit_test(a_length_that_no_number_holds_ends_the_process),
		cmocka_unit_test(text_is_quoted_as_json),
		cmocka_unit_test(any_bytes_without_nul_are_quoted_as_valid_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
