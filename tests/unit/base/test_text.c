/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_text.c - numbers with units read and written, near names, UTF-8, text
 * for a terminal.
 */
#include "base/base.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- read ---- */

#define REFUSED_TEXT INT64_MIN

struct reading {
	const char *text;
	int64_t value;
};

static void
expect_readings(enum status (*read)(const char *text, int64_t *ret, struct fault *fault),
                const struct reading *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct fault fault = { 0 };
		int64_t value = -77;
		enum status st = read(rows[i].text, &value, &fault);

		if (rows[i].value == REFUSED_TEXT && st == OK)
			fail_msg("'%s' was read as %lld", rows[i].text, (long long)value);
		if (rows[i].value != REFUSED_TEXT && st != OK)
			fail_msg("'%s': %s", rows[i].text, fault.text);
		if (st != OK) {
			assert_int_equal(st, INVALID);
			assert_int_equal(value, -77); /* untouched */
			if (rows[i].text[0] > ' ')
				assert_non_null(strstr(fault.text, rows[i].text));
		} else if (value != rows[i].value) {
			fail_msg("'%s' was read as %lld", rows[i].text, (long long)value);
		}
	}
}

static void
durations_are_read_with_their_units(void **state)
{
	static const struct reading rows[] = {
		{ "0", 0 },
		{ "0s", 0 },
		{ "1ns", 1 },
		{ "1us", 1000 },
		{ "250ms", 250 * MSEC },
		{ "1.5s", 1500 * MSEC },
		{ "30 s", 30 * SEC },
		{ "5m", 300 * SEC },
		{ "5min", 300 * SEC },
		{ "2h", 7200 * SEC },
		{ "1d", 86400 * SEC },
		{ "0.0000000014s", 1 },
		{ "106000d", INT64_C(106000) * 86400 * SEC },
		{ "", REFUSED_TEXT },
		{ "5", REFUSED_TEXT },
		{ "s", REFUSED_TEXT },
		{ "-1s", REFUSED_TEXT },
		{ " 1s", REFUSED_TEXT },
		{ "\t1s", REFUSED_TEXT },
		{ "1s ", REFUSED_TEXT },
		{ "1 S", REFUSED_TEXT },
		{ "1s2ms", REFUSED_TEXT },
		{ "1,5s", REFUSED_TEXT },
		{ "nan s", REFUSED_TEXT },
		{ "inf s", REFUSED_TEXT },
		{ "infinitys", REFUSED_TEXT },
		{ "0x10s", REFUSED_TEXT },
		{ "1e3s", REFUSED_TEXT },
		{ "1e999s", REFUSED_TEXT },
		{ "106752d", REFUSED_TEXT },
		{ "99999999999999999999s", REFUSED_TEXT },
		{ "64KiB", REFUSED_TEXT },
	};

	(void)state;
	expect_readings(text_duration, rows, countof(rows));
}

static void
sizes_are_read_with_their_units(void **state)
{
	static const struct reading rows[] = {
		{ "0", 0 },
		{ "512", 512 },
		{ "512B", 512 },
		{ "64KiB", 65536 },
		{ "1.5MiB", 3 * MiB / 2 },
		{ "2 GiB", 2048 * MiB },
		{ "1TiB", MiB * MiB },
		{ "10kB", 10000 },
		{ "10MB", 10000000 },
		{ "1GB", 1000000000 },
		{ "1TB", INT64_C(1000000000000) },
		{ "", REFUSED_TEXT },
		{ "KiB", REFUSED_TEXT },
		{ "-1KiB", REFUSED_TEXT },
		{ "10KB", REFUSED_TEXT }, /* 1000 or 1024? */
		{ "10k", REFUSED_TEXT },
		{ "10kib", REFUSED_TEXT },
		{ "9000000TiB", REFUSED_TEXT },
		{ "0x10", REFUSED_TEXT },
		{ "250ms", REFUSED_TEXT },
	};

	(void)state;
	expect_readings(text_size, rows, countof(rows));
}

static enum status
read_small_int(const char *text, int64_t *ret, struct fault *fault)
{
	return text_int(text, -5, 100, ret, fault);
}

static void
whole_numbers_are_read_within_their_range(void **state)
{
	static const struct reading rows[] = {
		{ "0", 0 },
		{ "100", 100 },
		{ "-5", -5 },
		{ "007", 7 },
		{ "101", REFUSED_TEXT },
		{ "-6", REFUSED_TEXT },
		{ "", REFUSED_TEXT },
		{ " 1", REFUSED_TEXT },
		{ "\n1", REFUSED_TEXT },
		{ "1 ", REFUSED_TEXT },
		{ "1.0", REFUSED_TEXT },
		{ "0x10", REFUSED_TEXT },
		{ "one", REFUSED_TEXT },
		{ "99999999999999999999", REFUSED_TEXT },
		{ "-99999999999999999999", REFUSED_TEXT },
	};

	(void)state;
	expect_readings(read_small_int, rows, countof(rows));
}

static void
the_ends_of_what_64_bits_hold_are_read(void **state)
{
	int64_t value;

	(void)state;
	assert_int_equal(text_int("9223372036854775807", INT64_MIN, INT64_MAX, &value, NULL), OK);
	assert_true(value == INT64_MAX);
	assert_int_equal(text_int("-9223372036854775808", INT64_MIN, INT64_MAX, &value, NULL), OK);
	assert_true(value == INT64_MIN);
	assert_int_equal(text_int("9223372036854775808", INT64_MIN, INT64_MAX, &value, NULL),
	                 INVALID);
}

/* ---- written ---- */

static void
quantities_are_written_for_people(void **state)
{
	static const struct {
		const char *(*write)(int64_t value, char *out);
		int64_t value;
		const char *text;
	} rows[] = {
		{ text_bytes, 0, "0 B" },
		{ text_bytes, 1023, "1023 B" },
		{ text_bytes, 1024, "1.0 KiB" },
		{ text_bytes, 12902000, "12.3 MiB" },
		{ text_bytes, 150 * MiB, "150 MiB" },
		{ text_bytes, MiB * MiB, "1.0 TiB" },
		{ text_bytes, INT64_MAX, "8192 PiB" },
		{ text_ns, 0, "0 ns" },
		{ text_ns, 999, "999 ns" },
		{ text_ns, 1500, "1.5 us" },
		{ text_ns, 150000, "150 us" },
		{ text_ns, 12 * MSEC, "12.0 ms" },
		{ text_ns, 500 * MSEC, "500 ms" },
		{ text_ns, 1200 * MSEC, "1.2 s" },
		{ text_ns, 119 * SEC, "119.0 s" },
		{ text_ns, 120 * SEC, "2 min" },
		{ text_ns, 7200 * SEC, "2.0 h" },
		{ text_count, 0, "0" },
		{ text_count, 999, "999" },
		{ text_count, 3400, "3 400" },
		{ text_count, 1234567, "1 234 567" },
		{ text_count, -100, "-100" },
		{ text_count, -1000, "-1 000" },
		{ text_count, INT64_MIN, "-9 223 372 036 854 775 808" },
		{ text_count, INT64_MAX, "9 223 372 036 854 775 807" },
	};
	char out[32];

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		assert_ptr_equal(rows[i].write(rows[i].value, out), out);
		assert_string_equal(out, rows[i].text);
	}
}

static void
ages_are_written_in_the_unit_that_people_think_in(void **state)
{
	char out[32];

	(void)state;
	assert_string_equal(text_seconds(0.25, out), "250 ms");
	assert_string_equal(text_seconds(119, out), "119.0 s");
	assert_string_equal(text_seconds(1500, out), "25 min");
	assert_string_equal(text_seconds(10800, out), "3 h");
	assert_string_equal(text_seconds(864000, out), "10 d");
}

/* Messages say a range with these, and people copy from messages. */
static void
what_is_written_can_be_read_again(void **state)
{
	char out[32];
	int64_t value;

	(void)state;
	for (uint64_t i = 0; i < 20000; i++) {
		int64_t v = (int64_t)(splitmix64(i) >> (14 + i % 50));

		assert_int_equal(text_duration(text_ns(v, out), &value, NULL), OK);
		assert_true(llabs(value - v) <= v / 4 + 1);
		if (v >= MiB * MiB * 1000)
			continue;
		assert_int_equal(text_size(text_bytes(v, out), &value, NULL), OK);
		assert_true(llabs(value - v) <= v / 4 + 1);
	}
}

/* ---- near names ---- */

static void
the_nearest_name_is_suggested(void **state)
{
	static const char *const names[] = { "workers", "processes", "heartbeat", "lease_jobs",
		                             "lease_bytes" };
	static const char *const rows[][2] = {
		{ "workrs", "workers" },
		{ "wrokers", "workers" },
		{ "Workers", "workers" },
		{ "worker", "workers" },
		{ "lease_job", "lease_jobs" },
		{ "lease_byte", "lease_bytes" },
		{ "hartbeet", "heartbeat" },
		{ "flux_capacitor", NULL },
		{ "x", NULL },
		{ "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		const char *near = text_nearest(rows[i][0], names, countof(names));

		if ((near == NULL) != (rows[i][1] == NULL) || (near && strcmp(near, rows[i][1])))
			fail_msg("%s: %s", rows[i][0], near ? near : "none");
	}
	assert_null(text_nearest("workers", NULL, 0));
}

static void
the_first_of_equally_near_names_is_suggested(void **state)
{
	static const char *const names[] = { "stage_b", "stage_c" };

	(void)state;
	assert_ptr_equal(text_nearest("stage_a", names, 2), names[0]);
}

static void
nothing_is_near_to_a_very_long_name(void **state)
{
	static const char *const names[] = { "workers", "heartbeat" };
	char name[400];

	(void)state;
	memset(name, 'w', sizeof(name) - 1);
	for (size_t len = 60; len < sizeof(name); len++) {
		char *cut = mem_dupn(name, len);

		if (text_nearest(cut, names, countof(names)))
			fail_msg("%zu letters are near to %s", len,
			         text_nearest(cut, names, countof(names)));
		free(cut);
	}
}

/* ---- UTF-8 ---- */

static void
utf8_is_valid_up_to_the_first_ill_formed_sequence(void **state)
{
	static const struct {
		const char *bytes;
		size_t len, valid;
	} rows[] = {
		{ "", 0, 0 },
		{ "plain", 5, 5 },
		{ "\xc2\x80", 2, 2 },         /* U+0080 */
		{ "\xdf\xbf", 2, 2 },         /* U+07FF */
		{ "\xe0\xa0\x80", 3, 3 },     /* U+0800 */
		{ "\xed\x9f\xbf", 3, 3 },     /* U+D7FF */
		{ "\xee\x80\x80", 3, 3 },     /* U+E000 */
		{ "\xef\xbf\xbf", 3, 3 },     /* U+FFFF */
		{ "\xf0\x90\x80\x80", 4, 4 }, /* U+10000 */
		{ "\xf4\x8f\xbf\xbf", 4, 4 }, /* U+10FFFF */
		{ "ab\0cd", 5, 2 },           /* NUL */
		{ "a\x80", 2, 1 },            /* a continuation alone */
		{ "\xc0\x80", 2, 0 },         /* overlong NUL */
		{ "\xc1\xbf", 2, 0 },         /* overlong */
		{ "\xe0\x9f\xbf", 3, 0 },     /* overlong */
		{ "\xf0\x8f\xbf\xbf", 4, 0 }, /* overlong */
		{ "\xed\xa0\x80", 3, 0 },     /* a surrogate */
		{ "\xf4\x90\x80\x80", 4, 0 }, /* beyond U+10FFFF */
		{ "\xf5\x80\x80\x80", 4, 0 },
		{ "\xff", 1, 0 },
		{ "x\xe2\x82", 3, 1 },     /* cut */
		{ "x\xe2\x82\xac", 3, 1 }, /* cut by the length */
		{ "\xe2\x28\xa1", 3, 0 },
		{ "\xf0\x90\x28\xbc", 4, 0 },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++)
		if (text_utf8(rows[i].bytes, rows[i].len) != rows[i].valid)
			fail_msg("row %zu: %zu", i, text_utf8(rows[i].bytes, rows[i].len));
}

static size_t
encode(unsigned c, char *out)
{
	if (c < 0x80)
		return out[0] = (char)c, 1;
	if (c < 0x800)
		return out[0] = (char)(0xc0 | c >> 6), out[1] = (char)(0x80 | (c & 63)), 2;
	if (c < 0x10000)
		return out[0] = (char)(0xe0 | c >> 12), out[1] = (char)(0x80 | (c >> 6 & 63)),
		       out[2] = (char)(0x80 | (c & 63)), 3;
	return out[0] = (char)(0xf0 | c >> 18), out[1] = (char)(0x80 | (c >> 12 & 63)),
	       out[2] = (char)(0x80 | (c >> 6 & 63)), out[3] = (char)(0x80 | (c & 63)), 4;
}

static void
every_character_but_nul_and_surrogates_is_valid(void **state)
{
	char bytes[4];

	(void)state;
	for (unsigned c = 0; c < 0x120000; c++) {
		size_t len = encode(c, bytes);
		bool good = c != 0 && c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);

		if (text_utf8(bytes, len) != (good ? len : 0))
			fail_msg("U+%04X", c);
	}
}

/* ---- for a terminal ---- */

static void
text_for_a_terminal_keeps_no_control_bytes(void **state)
{
	static const char *const rows[][2] = {
		{ "plain", "plain" },
		{ "gr\u00fcn \u20ac", "gr\u00fcn \u20ac" },
		{ "two\nlines\tand", "two lines and" },
		{ "\x1b[31mred\x7f", "?[31mred?" },
		{ "\xc2\x9b"
		  "31m",
		  "?31m" }, /* CSI in one character */
		{ "\xc2\xa0", "\xc2\xa0" },
		{ "caf\xe9!", "caf?!" },
	};
	char out[64];

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		text_clean(rows[i][0], strlen(rows[i][0]), out, sizeof(out));
		assert_string_equal(out, rows[i][1]);
	}
	text_clean("a\0b", 3, out, sizeof(out));
	assert_string_equal(out, "a?b");
}

static void
text_for_a_terminal_is_cut_between_characters(void **state)
{
	char out[8];

	(void)state;
	for (size_t size = 1; size <= sizeof(out); size++) {
		memset(out, 'x', sizeof(out));
		text_clean("\u20ac\u20ac\u20ac", 9, out, size);
		assert_int_equal(strlen(out), (size - 1) / 3 * 3);
		assert_int_equal(text_utf8(out, strlen(out)), strlen(out));
		for (size_t i = size; i < sizeof(out); i++)
			assert_int_equal(out[i], 'x');
	}
	memset(out, 'x', sizeof(out));
	text_clean("abc", 3, out, 0);
	assert_int_equal(out[0], 'x');
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations_are_read_with_their_units),
		cmocka_unit_test(sizes_are_read_with_their_units),
		cmocka_unit_test(whole_numbers_are_read_within_their_range),
		cmocka_unit_test(the_ends_of_what_64_bits_hold_are_read),
		cmocka_unit_test(quantities_are_written_for_people),
		cmocka_unit_test(ages_are_written_in_the_unit_that_people_think_in),
		cmocka_unit_test(what_is_written_can_be_read_again),
		cmocka_unit_test(the_nearest_name_is_suggested),
		cmocka_unit_test(the_first_of_equally_near_names_is_suggested),
		cmocka_unit_test(nothing_is_near_to_a_very_long_name),
		cmocka_unit_test(utf8_is_valid_up_to_the_first_ill_formed_sequence),
		cmocka_unit_test(every_character_but_nul_and_surrogates_is_valid),
		cmocka_unit_test(text_for_a_terminal_keeps_no_control_bytes),
		cmocka_unit_test(text_for_a_terminal_is_cut_between_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
