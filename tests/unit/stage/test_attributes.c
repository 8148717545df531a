/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_attributes.c - JSON checked, read and changed: tables of cases.
 */
#include "stage/stage.h"

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct arena *arena;

static int
make_arena(void **state)
{
	struct fault fault = { 0 };

	(void)state;
	return arena_create(&arena, 0, &fault) == OK ? 0 : -1;
}

static int
drop_arena(void **state)
{
	(void)state;
	arena_destroy(arena);
	return 0;
}

/* A copy without a NUL and with nothing behind it: the sanitizer sees each byte read too far. */
static char *
exact(const char *text, size_t len)
{
	char *copy = malloc(len ? len : 1);

	memcpy(copy, text, len);
	return copy;
}

static void
sound_objects_pass(void **state)
{
	static const char *const sound[] = {
		"{}",
		" { } ",
		"{\"a\":1}",
		"{\"a\": -0.5e-3, \"b\": [true, false, null], \"c\": {\"d\": \"\"}}",
		"{\"\":\"\"}",
		"{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"}",
		"{\"a\":\"\\ud83d\\ude00\"}",
		"{\"a\":\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\"}",
		"{\"a\":0,\"a\":1}",
		"{\"a\":12345678901234567890123456789}",
		"{\"a\":1.7976931348623157e308}",
		"\t\r\n{\"a\"\n:\t[\r]}\n",
		"{\"a\":\"\x7f\"}",
	};

	(void)state;
	for (size_t i = 0; i < countof(sound); i++) {
		struct fault fault = { 0 };
		size_t len = strlen(sound[i]);
		char *copy = exact(sound[i], len);

		if (attributes_check(copy, len, &fault) != OK)
			fail_msg("%s: %s", sound[i], fault.text);
		free(copy);
	}
}

static void
broken_objects_are_refused_with_the_offset(void **state)
{
	static const struct {
		const char *json, *text;
	} broken[] = {
		{ "", "not a JSON object" },
		{ "  ", "not a JSON object" },
		{ "[]", "not a JSON object" },
		{ "\"{}\"", "not a JSON object" },
		{ "{", "expected a name in quotes at byte 1" },
		{ "{}x", "more text after the value at byte 2" },
		{ "{}{}", "more text after the value at byte 2" },
		{ "{a:1}", "expected a name in quotes at byte 1" },
		{ "{\"a\"}", "expected ':' at byte 4" },
		{ "{\"a\":}", "unexpected character at byte 5" },
		{ "{\"a\":1,}", "expected a name in quotes at byte 7" },
		{ "{\"a\":1 \"b\":2}", "expected ',' or '}' at byte 7" },
		{ "{\"a\":[1,]}", "unexpected character at byte 8" },
		{ "{\"a\":[1}", "expected ',' or ']' at byte 7" },
		{ "{\"a\":[1", "expected ',' or ']' at byte 7" },
		{ "{\"a\":", "text ends too early at byte 5" },
		{ "{\"a\":\"x", "unterminated string at byte 5" },
		{ "{\"a\":\"x\\\"}", "unterminated string at byte 5" },
		{ "{\"a\":\"\\x\"}", "bad escape at byte 6" },
		{ "{\"a\":\"\\", "bad escape at byte 6" },
		{ "{\"a\":\"\\u12", "bad \\u escape at byte 6" },
		{ "{\"a\":\"\\u12g4\"}", "bad \\u escape at byte 6" },
		{ "{\"a\":\"x\\u0000\"}",
		  "\\u0000, which no text of PostgreSQL can hold, at byte 7" },
		{ "{\"a\":\"\\ud83d\"}", "half of a surrogate pair at byte 6" },
		{ "{\"a\":\"\\ude00\"}", "half of a surrogate pair at byte 6" },
		{ "{\"a\":\"\\ud83d\\u0041\"}", "half of a surrogate pair at byte 6" },
		{ "{\"a\":\"\n\"}", "control byte in a string at byte 6" },
		{ "{\"a\":\"long enough for a word\x1f\"}", "control byte in a string at byte 28" },
		{ "{\"a\":\"\xff\"}", "invalid UTF-8 at byte 6" },
		{ "{\"a\":\"\xc3\"}", "invalid UTF-8 at byte 6" },
		{ "{\"a\":\"\xc0\x80\"}", "invalid UTF-8 at byte 6" },
		{ "{\"a\":\"\xed\xa0\x80\"}", "invalid UTF-8 at byte 6" },
		{ "{\"a\":\"\xf4\x90\x80\x80\"}", "invalid UTF-8 at byte 6" },
		{ "{\"a\":\"\xe2\x82", "invalid UTF-8 at byte 6" },
		{ "{\"a\":01}", "expected ',' or '}' at byte 6" },
		{ "{\"a\":+1}", "unexpected character at byte 5" },
		{ "{\"a\":.5}", "unexpected character at byte 5" },
		{ "{\"a\":1.}", "bad number at byte 5" },
		{ "{\"a\":1e}", "bad number at byte 5" },
		{ "{\"a\":-}", "unexpected character at byte 5" },
		{ "{\"a\":1e309}", "number beyond a double at byte 5" },
		{ "{\"a\":-1e999999999999}", "number beyond a double at byte 5" },
		{ "{\"a\":NaN}", "unexpected character at byte 5" },
		{ "{\"a\":Infinity}", "unexpected character at byte 5" },
		{ "{\"a\":tru}", "unexpected character at byte 5" },
		{ "{\"a\":nul", "unexpected character at byte 5" },
		{ "{\"a\":'x'}", "unexpected character at byte 5" },
		{ "\xef\xbb\xbf{}", "not a JSON object" },
	};

	(void)state;
	for (size_t i = 0; i < countof(broken); i++) {
		struct fault fault = { 0 };
		size_t len = strlen(broken[i].json);
		char *copy = exact(broken[i].json, len);
		enum status st = attributes_check(copy, len, &fault);

		if (st != INVALID || strcmp(fault.text, broken[i].text) != 0)
			fail_msg("%s: \"%s\", expected \"%s\"", broken[i].json, fault.text,
			         broken[i].text);
		free(copy);
	}
}

/* "{"a":[[[...]]]}": `depth` levels with the object. */
static enum status
check_nested(unsigned depth, struct fault *fault)
{
	struct buf buf;
	enum status st;

	buf_init(&buf);
	buf_adds(&buf, "{\"a\":");
	for (unsigned i = 1; i < depth; i++)
		buf_addc(&buf, '[');
	for (unsigned i = 1; i < depth; i++)
		buf_addc(&buf, ']');
	buf_addc(&buf, '}');
	st = attributes_check(buf.data, buf.len, fault);
	buf_done(&buf);
	return st;
}

static void
sixty_four_levels_pass_and_one_more_does_not(void **state)
{
	struct fault fault = { 0 };

	(void)state;
	assert_int_equal(check_nested(64, &fault), OK);
	assert_int_equal(check_nested(65, &fault), INVALID);
	assert_string_equal(fault.text, "nested deeper than 64 levels at byte 68");
	assert_int_equal(check_nested(100000, &fault), INVALID);
}

static void
a_number_of_many_digits_is_measured_not_guessed(void **state)
{
	char json[1024];
	struct fault fault = { 0 };

	(void)state;
	snprintf(json, sizeof json, "{\"a\":1%0308d}", 0);
	assert_int_equal(attributes_check(json, strlen(json), &fault), OK);
	snprintf(json, sizeof json, "{\"a\":1%0309d}", 0);
	assert_int_equal(attributes_check(json, strlen(json), &fault), INVALID);
}

static void
more_than_a_mebibyte_is_refused(void **state)
{
	size_t len = ATTRIBUTES_MOST + 1;
	char *json = malloc(len);
	struct fault fault = { 0 };

	(void)state;
	memset(json, ' ', len);
	json[0] = '{';
	json[1] = '}';
	assert_int_equal(attributes_check(json, len - 1, &fault), OK);
	assert_int_equal(attributes_check(json, len, &fault), LIMIT);
	free(json);
}

#define TREE                                                                                       \
	"{\"title\": \"A b\", \"n\": -12, \"meta\": {\"lang\": \"en\", \"deep\": {\"x\": [1]}},"   \
	" \"tags\": [\"one\", {\"k\": 2}, [3, 4], \"four, \\\"]\"], \"\": 7,"                      \
	" \"t\\u0069me\": 5, \"twice\": 1, \"twice\": 2, \"s\\\\\": {\"}\": \"{\"}, \"last\": null}"

static void
paths_lead_to_slices(void **state)
{
	static const struct {
		const char *path, *value;
	} cases[] = {
		{ "title", "\"A b\"" },
		{ "n", "-12" },
		{ "meta", "{\"lang\": \"en\", \"deep\": {\"x\": [1]}}" },
		{ "meta.lang", "\"en\"" },
		{ "meta.deep.x.0", "1" },
		{ "tags.0", "\"one\"" },
		{ "tags.1.k", "2" },
		{ "tags.2.1", "4" },
		{ "tags.3", "\"four, \\\"]\"" },
		{ "", "7" },
		{ "time", "5" },
		{ "twice", "2" },
		{ "s\\", "{\"}\": \"{\"}" },
		{ "s\\.}", "\"{\"" },
		{ "last", "null" },
		{ "absent", NULL },
		{ "titl", NULL },
		{ "title.x", NULL },
		{ "tags.4", NULL },
		{ "tags.x", NULL },
		{ "tags.-1", NULL },
		{ "tags.99999999999999999999", NULL },
		{ "tags.", NULL },
		{ "meta.", NULL },
		{ "n.0", NULL },
	};
	char *copy = exact(TREE, strlen(TREE));
	struct fault fault = { 0 };

	(void)state;
	assert_int_equal(attributes_check(copy, strlen(TREE), &fault), OK);
	for (size_t i = 0; i < countof(cases); i++) {
		const char *value = "";
		size_t len = 0;
		enum status st = attributes_get(copy, strlen(TREE), cases[i].path, &value, &len);

		if (!cases[i].value) {
			if (st != NOT_FOUND)
				fail_msg("%s is there: %.*s", cases[i].path, (int)len, value);
			continue;
		}
		if (st != OK || len != strlen(cases[i].value) ||
		    memcmp(value, cases[i].value, len) != 0)
			fail_msg("%s: \"%.*s\", expected %s", cases[i].path, (int)len, value,
			         cases[i].value);
	}
	free(copy);
}

static void
getters_stay_inside_of_broken_texts(void **state)
{
	static const char *const broken[] = {
		"",          "{",          "{\"",        "{\"a",
		"{\"a\"",    "{\"a\":",    "{\"a\":\"",  "{\"a\":\"\\",
		"{\"a\":[",  "{\"a\":[1,", "{\"a\":{",   "{\"a\":{\"b\":",
		"{\"a\":}",  "{\"a\":1",   "}",          "[[[[",
		"{\"a\":]}", "{\"a\\",     "{\"\\u0061", "{\"\\u0061\":1,",
		",,,",       "{,}",        "{\"a\":1,,",
	};

	(void)state;
	for (size_t i = 0; i < countof(broken); i++) {
		size_t len = strlen(broken[i]), got;
		char *copy = exact(broken[i], len);
		const char *value;

		(void)attributes_get(copy, len, "a", &value, &got);
		(void)attributes_get(copy, len, "a.b.0", &value, &got);
		(void)attributes_get(copy, len, "0.0", &value, &got);
		free(copy);
	}
}

static void
a_member_is_found_by_its_whole_name(void **state)
{
	static const struct {
		const char *json, *name, *value; /* NULL: not there */
	} cases[] = {
		{ "{\"a\": 1}", "a", "1" },
		{ " {\"a.b\": [1, {\"c\": 2}], \"c\": 3} ", "a.b", "[1, {\"c\": 2}]" },
		{ "{\"a\": {\"b\": 1}}", "a.b", NULL },
		{ "{\"a\": {\"b\": 1}}", "b", NULL },
		{ "{\"a\": 1, \"a\": 2}", "a", "2" },
		{ "{}", "a", NULL },
		{ "[1]", "0", NULL },
		{ "", "a", NULL },
		{ "{\"a\"", "a", NULL },
	};

	(void)state;
	for (size_t i = 0; i < countof(cases); i++) {
		size_t len = strlen(cases[i].json), got = 0;
		char *copy = exact(cases[i].json, len);
		const char *value = NULL;
		enum status st = attributes_member(copy, len, cases[i].name, &value, &got);

		assert_int_equal(st, cases[i].value ? OK : NOT_FOUND);
		if (st == OK)
			assert_int_equal(got, strlen(cases[i].value));
		if (st == OK)
			assert_memory_equal(value, cases[i].value, got);
		free(copy);
	}
}

static void
setting_changes_one_member_and_keeps_the_others(void **state)
{
	static const struct {
		const char *json, *name, *value, *result;
	} cases[] = {
		{ "{}", "a", "1", "{\"a\": 1}" },
		{ " {\n} ", "a", "1", "{\"a\": 1}" },
		{ "{\"a\":1}", "a", "2", "{\"a\": 2}" },
		{ "{\"a\":1,\"b\":[1, {\"a\":3}]}", "a", "\"x\"",
		  "{\"a\": \"x\", \"b\": [1, {\"a\":3}]}" },
		{ "{\"a\":1}", "b", "{\"c\": null}", "{\"a\": 1, \"b\": {\"c\": null}}" },
		{ "{\"a\":1,\"b\":2,\"c\":3}", "b", NULL, "{\"a\": 1, \"c\": 3}" },
		{ "{\"a\":1}", "a", NULL, "{}" },
		{ "{\"a\":1}", "b", NULL, "{\"a\": 1}" },
		{ "{\"a\":1,\"b\":2,\"a\":3}", "a", "4", "{\"a\": 4, \"b\": 2}" },
		{ "{\"\\u0061\":1}", "a", "4", "{\"\\u0061\": 4}" },
		{ "{}", "q\"\n\xc3\xa9", "1", "{\"q\\\"\\n\xc3\xa9\": 1}" },
		{ "{}", "a.b", "1", "{\"a.b\": 1}" },
	};

	(void)state;
	for (size_t i = 0; i < countof(cases); i++) {
		size_t len = strlen(cases[i].json), got = 0;
		char *copy = exact(cases[i].json, len);
		const char *result = "";
		struct fault fault = { 0 };

		if (attributes_set(arena, copy, len, cases[i].name, cases[i].value,
		                   cases[i].value ? strlen(cases[i].value) : 0, &result, &got,
		                   &fault) != OK)
			fail_msg("%s %s: %s", cases[i].json, cases[i].name, fault.text);
		assert_string_equal(result, cases[i].result);
		assert_int_equal(got, strlen(result));
		assert_int_equal(attributes_check(result, got, &fault), OK);
		free(copy);
	}
	arena_reset(arena);
}

static void
what_is_no_value_cannot_be_set(void **state)
{
	static const char *const bad[] = {
		"", "x", "1 2", "\"a", "1e999", "[", "{\"a\":\"\\u0000\"}"
	};
	const char *result = "untouched";
	struct fault fault = { 0 };
	size_t len = 9;

	(void)state;
	for (size_t i = 0; i < countof(bad); i++)
		assert_int_equal(attributes_set(arena, "{}", 2, "a", bad[i], strlen(bad[i]),
		                                &result, &len, &fault),
		                 INVALID);
	assert_int_equal(attributes_set(arena, "{}", 2, "\xff", "1", 1, &result, &len, &fault),
	                 INVALID);
	assert_string_equal(result, "untouched");
	assert_int_equal(len, 9);
	arena_reset(arena);
}

static void
attributes_cannot_grow_beyond_the_limit(void **state)
{
	char *value = malloc(ATTRIBUTES_MOST);
	const char *result = NULL;
	struct fault fault = { 0 };
	size_t len = 0;

	(void)state;
	memset(value, 'x', ATTRIBUTES_MOST);
	value[0] = value[ATTRIBUTES_MOST - 8] = '"';
	assert_int_equal(
	    attributes_set(arena, "{}", 2, "a", value, ATTRIBUTES_MOST - 7, &result, &len, &fault),
	    OK);
	assert_int_equal(len, ATTRIBUTES_MOST);
	assert_int_equal(
	    attributes_set(arena, "{}", 2, "ab", value, ATTRIBUTES_MOST - 7, &result, &len, &fault),
	    LIMIT);
	assert_int_equal(len, ATTRIBUTES_MOST);
	free(value);
	arena_reset(arena);
}

static void
quoting_and_unescaping_are_each_others_inverse(void **state)
{
	uint64_t seed = 1;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		char text[64], quoted[6 * sizeof text + 2], back[sizeof quoted];
		size_t len = splitmix64(seed++) % sizeof text, n, m;
		struct fault fault = { 0 };

		for (size_t i = 0; i < len; i++) {
			text[i] = (char)(splitmix64(seed++) % 127 + 1);
			if (i + 2 < len && splitmix64(seed++) % 8 == 0) {
				memcpy(text + i, "\xe2\x82\xac", 3);
				i += 2;
			}
		}
		n = attributes_quote(text, len, quoted);
		assert_int_equal(attributes_check_value(quoted, n, &fault), OK);
		m = attributes_unescape(quoted, n, back);
		assert_int_equal(m, len);
		assert_memory_equal(back, text, len);
	}
}

static void
bytes_that_are_not_utf8_become_replacement_characters(void **state)
{
	char out[64];
	size_t n = attributes_quote("a\xff\xc3z\0", 5, out);

	(void)state;
	assert_int_equal(n, 13);
	assert_memory_equal(out, "\"a\xef\xbf\xbd\xef\xbf\xbdz\xef\xbf\xbd\"", n);
}

static void
escapes_are_read_as_json_says(void **state)
{
	static const struct {
		const char *json, *text;
	} cases[] = {
		{ "\"\"", "" },
		{ "\"\\u20ac\"", "\xe2\x82\xac" },
		{ "\"\\uD83D\\uDE00\"", "\xf0\x9f\x98\x80" },
		{ "\"\\ud83d!\"", "\xef\xbf\xbd!" },
		{ "\"\\u0000\"", "\xef\xbf\xbd" },
		{ "\"\\/\\\"\\\\\\b\\f\\n\\r\\t\"", "/\"\\\b\f\n\r\t" },
		{ "\"\\u\"", "\xef\xbf\xbd" },
	};

	(void)state;
	for (size_t i = 0; i < countof(cases); i++) {
		size_t len = strlen(cases[i].json), n;
		char *copy = exact(cases[i].json, len), *out = malloc(len);

		n = attributes_unescape(copy, len, out);
		assert_int_equal(n, strlen(cases[i].text));
		assert_memory_equal(out, cases[i].text, n);
		free(copy);
		free(out);
	}
}

static void
numbers_keep_their_type(void **state)
{
	int64_t i = 99;
	double d = 99;

	(void)state;
	assert_true(attributes_int("-9223372036854775808", 20, &i) && i == INT64_MIN);
	assert_true(attributes_int("9223372036854775807", 19, &i) && i == INT64_MAX);
	i = 99;
	assert_false(attributes_int("9223372036854775808", 19, &i));
	assert_false(attributes_int("1.5", 3, &i));
	assert_false(attributes_int("\"1\"", 3, &i));
	assert_false(attributes_int("true", 4, &i));
	assert_false(attributes_int("1e300", 5, &i));
	assert_int_equal(i, 99);
	assert_true(attributes_int("1e3", 3, &i) && i == 1000);
	assert_true(attributes_int("2.0", 3, &i) && i == 2);
	assert_true(attributes_double("0.1", 3, &d) && d == 0.1);
	assert_false(attributes_double("null", 4, &d));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sound_objects_pass),
		cmocka_unit_test(broken_objects_are_refused_with_the_offset),
		cmocka_unit_test(sixty_four_levels_pass_and_one_more_does_not),
		cmocka_unit_test(a_number_of_many_digits_is_measured_not_guessed),
		cmocka_unit_test(more_than_a_mebibyte_is_refused),
		cmocka_unit_test(paths_lead_to_slices),
		cmocka_unit_test(getters_stay_inside_of_broken_texts),
		cmocka_unit_test(a_member_is_found_by_its_whole_name),
		cmocka_unit_test(setting_changes_one_member_and_keeps_the_others),
		cmocka_unit_test(what_is_no_value_cannot_be_set),
		cmocka_unit_test(attributes_cannot_grow_beyond_the_limit),
		cmocka_unit_test(quoting_and_unescaping_are_each_others_inverse),
		cmocka_unit_test(bytes_that_are_not_utf8_become_replacement_characters),
		cmocka_unit_test(escapes_are_read_as_json_says),
		cmocka_unit_test(numbers_keep_their_type),
	};

	return cmocka_run_group_tests(tests, make_arena, drop_arena);
}
