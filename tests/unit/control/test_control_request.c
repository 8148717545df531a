/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_control_request.c - lines that clients send, good ones and whatever else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/control.h"

static struct control_request
good(const char *line)
{
	struct control_request request;
	struct fault fault = { 0 };

	if (control_parse(line, strlen(line), &request, &fault) != OK)
		fail_msg("%s: %s", line, fault.text);
	return request;
}

static void
bad(const char *line, const char *text)
{
	struct control_request request = { .command = CONTROL_stop, .arguments = 77 };
	struct fault fault = { 0 };

	assert_int_equal(control_parse(line, strlen(line), &request, &fault), INVALID);
	assert_string_equal(fault.text, text);
	assert_int_equal(request.command, CONTROL_stop); /* untouched */
	assert_int_equal(request.arguments, 77);
}

static void
commands_and_their_arguments(void **state)
{
	struct control_request request;

	(void)state;
	assert_int_equal(good("status").command, CONTROL_status);
	assert_int_equal(good("  workers ").command, CONTROL_workers);
	assert_int_equal(good("stop").command, CONTROL_stop);
	request = good("reload");
	assert_int_equal(request.command, CONTROL_reload);
	assert_false(control_has(&request, "wait"));
	request = good("reload  drain   wait");
	assert_true(control_has(&request, "wait"));
	assert_true(control_has(&request, "drain"));
	request = good("log-level warning");
	assert_true(control_has(&request, "warning"));
	assert_false(control_has(&request, "info"));
}

static void
what_is_wrong_is_told(void **state)
{
	(void)state;
	bad("", "there is no command ''");
	bad("   ", "there is no command ''");
	bad("statu", "there is no command 'statu'");
	bad("statuss", "there is no command 'statuss'");
	bad("STATUS", "there is no command 'STATUS'");
	bad("status now", "status does not take 'now' here");
	bad("reload wait wait", "reload does not take 'wait' here");
	bad("reload wai", "reload does not take 'wai' here");
	bad("log-level", "log-level takes 1 to 1 of: debug info warning error");
	bad("log-level info error", "log-level takes 1 to 1 of: debug info warning error");
	bad("status\ttab", "there is no command 'status tab'");
	bad("\033[2Jstop", "there is no command '?[2Jstop'");
}

static void
a_line_that_is_too_long_is_refused_unread(void **state)
{
	char line[CONTROL_LINE + 1];

	(void)state;
	memset(line, ' ', sizeof line);
	memcpy(line, "stop", 4);
	assert_int_equal(control_parse(line, sizeof line, &(struct control_request){ 0 }, NULL),
	                 INVALID);
	assert_int_equal(control_parse(line, sizeof line - 1, &(struct control_request){ 0 }, NULL),
	                 OK);
}

/* Words, pieces of words, blanks and any bytes, in lines of exactly their size: the sanitizers see
 * a step beyond. What is taken is a command with arguments that its list has. */
static void
any_bytes_are_taken_or_refused(void **state)
{
	static const char *const pieces[] = { "status", "reload", "wait",  "drain", "log-level",
		                              "info",   " ",      " ",     "stop",  "x",
		                              "\377",   "\0",     "debug", "re" };
	uint64_t random = 20;
	unsigned taken = 0;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		char line[CONTROL_LINE + 64], *exact;
		size_t len = 0;
		struct control_request request = { .command = CONTROL_N };
		struct fault fault = { 0 };

		for (random = splitmix64(random); len < CONTROL_LINE + 16 && random % 5;) {
			const char *piece = pieces[random / 7 % countof(pieces)];
			size_t n = piece[0] ? strlen(piece) : 1;

			memcpy(line + len, piece, n);
			if (random / 1000 % 50 == 0)
				line[len] = (char)(random >> 40);
			len += n;
			random = splitmix64(random);
		}
		exact = mem_alloc(len + 1);
		exact = mem_resize(exact, len ? len : 1);
		memcpy(exact, line, len);
		if (control_parse(exact, len, &request, &fault) == OK) {
			taken++;
			assert_true(len <= CONTROL_LINE);
			assert_true(request.command < CONTROL_N);
			assert_true(request.arguments < 16);
		} else {
			assert_int_equal(request.command, CONTROL_N);
			assert_true(fault.text[0]);
			assert_int_equal(text_utf8(fault.text, strlen(fault.text)),
			                 strlen(fault.text));
		}
		free(exact);
	}
	assert_true(taken > 1000);
}

static void
root_the_services_user_and_its_group_may_change(void **state)
{
	const gid_t groups[] = { 4, 50, 27 };
	const struct {
		struct control_peer peer;
		bool may;
	} rows[] = {
		{ { 0, 0, NULL, 0 }, true },     { { 100, 7, NULL, 0 }, true },
		{ { 5, 50, NULL, 0 }, true },    { { 5, 7, groups, 3 }, true },
		{ { 5, 7, groups, 1 }, false },  { { 5, 7, NULL, 0 }, false },
		{ { 50, 100, NULL, 0 }, false },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++)
		assert_int_equal(control_may_change(&rows[i].peer, 100, 50), rows[i].may);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands_and_their_arguments),
		cmocka_unit_test(what_is_wrong_is_told),
		cmocka_unit_test(a_line_that_is_too_long_is_refused_unread),
		cmocka_unit_test(any_bytes_are_taken_or_refused),
		cmocka_unit_test(root_the_services_user_and_its_group_may_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
