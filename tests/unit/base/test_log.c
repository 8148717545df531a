/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_log.c - one event is one line that can be taken apart again.
 */
#include "base/base.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define NOON (INT64_C(1700049600) * SEC) /* 2023-11-15T12:00:00Z */

static int64_t now = NOON;
static struct clock_hooks real;
static int log_file;

static int64_t
told_time(void)
{
	return now;
}

static int
begin(void **state)
{
	FILE *file = tmpfile();

	(void)state;
	real = clock_hooks;
	clock_hooks.wall = told_time;
	now = NOON;
	log_file = dup(fileno(file));
	fclose(file);
	return log_file < 0 ? -1 : 0;
}

static int
end(void **state)
{
	(void)state;
	log_open(STDERR_FILENO, LOG_INFO, LOG_TEXT);
	clock_hooks = real;
	return close(log_file);
}

/* What was written since the last call. */
static const char *
written(void)
{
	static char text[65536];
	ssize_t len = pread(log_file, text, sizeof(text) - 1, 0);

	assert_true(len >= 0);
	text[len] = '\0';
	assert_int_equal(ftruncate(log_file, 0), 0);
	assert_int_equal(lseek(log_file, 0, SEEK_SET), 0);
	return text;
}

static void
a_line_of_text_has_time_level_message_and_fields(void **state)
{
	(void)state;
	log_open(log_file, LOG_INFO, LOG_TEXT);
	now = NOON + 7 * MSEC + 999999;
	log_line(LOG_INFO, "lease lost", "job", "17", "lane", "a/b", NULL);
	assert_string_equal(written(),
	                    "2023-11-15T12:00:00.007Z info    lease lost job=17 lane=a/b\n");
	log_line(LOG_WARNING, "slow", NULL);
	assert_string_equal(written(), "2023-11-15T12:00:00.007Z warning slow\n");
}

static void
a_line_of_json_is_an_object_of_strings(void **state)
{
	(void)state;
	log_open(log_file, LOG_INFO, LOG_JSON);
	log_line(LOG_ERROR, "lease \"lost\"", "job", "17", NULL);
	assert_string_equal(written(), "{\"time\":\"2023-11-15T12:00:00.000Z\",\"level\":\"error\","
	                               "\"message\":\"lease \\\"lost\\\"\",\"job\":\"17\"}\n");
}

static void
what_is_below_the_least_level_is_not_written(void **state)
{
	(void)state;
	log_open(log_file, LOG_WARNING, LOG_TEXT);
	assert_false(log_enabled(LOG_DEBUG));
	assert_false(log_enabled(LOG_INFO));
	assert_true(log_enabled(LOG_WARNING));
	assert_true(log_enabled(LOG_ERROR));
	log_line(LOG_INFO, "no", NULL);
	log_fault(LOG_DEBUG, "no", &(struct fault){ 0 });
	assert_string_equal(written(), "");
	log_open(log_file, LOG_DEBUG, LOG_TEXT);
	log_line(LOG_DEBUG, "yes", NULL);
	assert_string_not_equal(written(), "");
}

static void
values_that_would_run_into_others_are_quoted(void **state)
{
	static const char *const ways[][2] = {
		{ "plain", "v=plain" },
		{ "", "v=\"\"" },
		{ "two words", "v=\"two words\"" },
		{ "a=b", "v=\"a=b\"" },
		{ "say \"x\"", "v=\"say \\\"x\\\"\"" },
		{ "back\\slash", "v=\"back\\\\slash\"" },
		{ "line\nbreak", "v=\"line\\nbreak\"" },
		{ "\x1b[31m", "v=\"\\u001b[31m\"" },
		{ "del\x7f", "v=\"del\\u007f\"" },
		{ "gr\u00fcn", "v=gr\u00fcn" },
		{ "caf\xe9", "v=\"caf\ufffd\"" },
	};

	(void)state;
	log_open(log_file, LOG_INFO, LOG_TEXT);
	for (size_t i = 0; i < countof(ways); i++) {
		char *line = mem_printf("2023-11-15T12:00:00.000Z info    m %s\n", ways[i][1]);

		log_line(LOG_INFO, "m", "v", ways[i][0], NULL);
		assert_string_equal(written(), line);
		free(line);
	}
}

static void
a_value_that_is_null_is_empty(void **state)
{
	const char *nothing = NULL;

	(void)state;
	log_open(log_file, LOG_INFO, LOG_TEXT);
	log_line(LOG_INFO, "m", "v", nothing, "w", "1", NULL);
	assert_non_null(strstr(written(), " v=\"\" w=1\n"));
}

static void
a_fault_is_logged_with_what_it_knows_and_nothing_else(void **state)
{
	struct fault fault = { .status = AWAY };

	(void)state;
	log_open(log_file, LOG_INFO, LOG_TEXT);
	log_fault(LOG_ERROR, "gone", &fault);
	assert_non_null(strstr(written(), " error   gone reason=\"database away\"\n"));
	fault_set(&fault, SQL, "no such table");
	fault_where(&fault, "x.conf:3");
	fault_hint(&fault, "migrate");
	strcpy(fault.sqlstate, "42P01");
	log_fault(LOG_ERROR, "gone", &fault);
	assert_non_null(strstr(written(), " error   gone reason=\"no such table\" where=x.conf:3 "
	                                  "sqlstate=42P01 hint=migrate\n"));
}

/* Shippers throw away a line that is no JSON. */
static void
a_line_of_json_is_json_whatever_bytes_are_in_it(void **state)
{
	struct fault fault = { 0 };
	char value[64];

	(void)state;
	log_open(log_file, LOG_INFO, LOG_JSON);
	for (uint64_t i = 0; i < 5000; i++) {
		const char *line;

		for (size_t k = 0; k + 1 < sizeof(value); k++)
			value[k] = (char)(1 + splitmix64(i * 64 + k) % 255);
		value[sizeof(value) - 1] = '\0';
		log_line(LOG_INFO, value, value, value, NULL);
		line = written();
		assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
		if (json_check_object(line, strlen(line), &fault) != OK)
			fail_msg("%s: %s", fault.text, line);
	}
}

enum { THREADS = 4, LINES = 500 };

static void *
write_many(void *arg)
{
	char long_value[200];

	memset(long_value, *(const char *)arg, sizeof(long_value) - 1);
	long_value[sizeof(long_value) - 1] = '\0';
	for (int i = 0; i < LINES; i++)
		log_line(LOG_INFO, "m", "v", long_value, NULL);
	return NULL;
}

static void
lines_of_threads_do_not_mix(void **state)
{
	pthread_t threads[THREADS];
	char letters[] = "abcd", seen[256] = { 0 };
	int ends[2], lines = 0;
	FILE *in;
	char line[512];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	log_open(ends[1], LOG_INFO, LOG_TEXT);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_many, &letters[i]), 0);
	in = fdopen(ends[0], "r");
	while (lines < THREADS * LINES && fgets(line, sizeof(line), in)) {
		const char *value = strstr(line, " v=");

		assert_non_null(value);
		assert_int_equal(strspn(value + 3, (char[]){ value[3], '\0' }), 199);
		assert_string_equal(value + 3 + 199, "\n");
		seen[(unsigned char)value[3]] = 1;
		lines++;
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	fclose(in);
	close(ends[1]);
	assert_int_equal(lines, THREADS * LINES);
	assert_int_equal(seen['a'] + seen['b'] + seen['c'] + seen['d'], THREADS);
}

static void
a_log_that_cannot_be_written_does_not_stop_the_work(void **state)
{
	(void)state;
	log_open(-1, LOG_INFO, LOG_TEXT);
	log_line(LOG_ERROR, "nobody hears", NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

static struct log_about in_a_call = { .pipeline = "documents",
	                              .stage = "extract",
	                              .release = "0123456789abcdef",
	                              .job = 41,
	                              .attempt = 2,
	                              .jobs = 1 };

static void
a_line_says_what_its_thread_is_about(void **state)
{
	(void)state;
	log_open(log_file, LOG_INFO, LOG_TEXT);
	log_about(&in_a_call);
	log_line(LOG_INFO, "hello", "page", "7", NULL);
	assert_non_null(strstr(written(), "hello page=7 pipeline=documents stage=extract "
	                                  "release=0123456789abcdef job=41 attempt=2\n"));
	log_line(LOG_INFO, "hello", "stage", "own", NULL); /* what the line says itself wins */
	assert_non_null(strstr(written(), "hello stage=own pipeline=documents release="));
	in_a_call.job = 0;
	in_a_call.jobs = 40;
	log_line(LOG_INFO, "hello", NULL);
	assert_non_null(strstr(written(), "release=0123456789abcdef jobs=40\n"));
	in_a_call.job = 41;
	assert_ptr_equal(log_about(NULL), &in_a_call);
	log_line(LOG_INFO, "hello", NULL);
	assert_non_null(strstr(written(), "hello\n"));
}

/* The journal's socket, and what came to it. */
static char journal_path[64];
static int journal;

static void
listen_as_the_journal(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	snprintf(journal_path, sizeof journal_path, "/tmp/penstock-journal-%d", (int)getpid());
	strcpy(at.sun_path, journal_path);
	unlink(journal_path);
	journal = socket(AF_UNIX, SOCK_DGRAM, 0);
	assert_int_equal(bind(journal, (struct sockaddr *)(void *)&at, sizeof at), 0);
	log_journal_socket = journal_path;
}

static size_t
received(char *out, size_t size)
{
	ssize_t n = recv(journal, out, size - 1, MSG_DONTWAIT);

	assert_true(n > 0);
	out[n] = '\0';
	return (size_t)n;
}

static void
the_journal_gets_fields(void **state)
{
	static const char length[8] = { 9 }; /* little-endian */
	char text[4096], *at;

	(void)state;
	listen_as_the_journal();
	log_open(log_file, LOG_INFO, LOG_JOURNAL);
	log_about(&in_a_call);
	log_line(LOG_WARNING, "slow", "took-ms", "12", NULL);
	log_about(NULL);
	received(text, sizeof text);
	assert_string_equal(text, "PRIORITY=4\nSYSLOG_IDENTIFIER=penstock\nMESSAGE=slow\n"
	                          "PENSTOCK_TOOK_MS=12\nPENSTOCK_PIPELINE=documents\n"
	                          "PENSTOCK_STAGE=extract\n"
	                          "PENSTOCK_RELEASE=0123456789abcdef\nPENSTOCK_JOB=41\n"
	                          "PENSTOCK_ATTEMPT=2\n");
	assert_string_equal(written(), ""); /* not twice */

	log_line(LOG_ERROR, "two\nlines", "x", "a=b", NULL);
	received(text, sizeof text);
	at = strstr(text, "MESSAGE\n");
	assert_non_null(at);
	assert_memory_equal(at + 8, length, 8);
	assert_memory_equal(at + 16, "two\nlines\nPENSTOCK_X=a=b\n", 26);
	close(journal);
	unlink(journal_path);
}

static void
what_the_journal_does_not_take_is_written_as_text(void **state)
{
	(void)state;
	listen_as_the_journal();
	log_open(log_file, LOG_INFO, LOG_JOURNAL);
	close(journal);
	unlink(journal_path);
	log_line(LOG_INFO, "alone", "x", "1", NULL);
	assert_non_null(strstr(written(), "info    alone x=1\n"));
	log_open(log_file, LOG_INFO, LOG_JOURNAL); /* nor when it is not there at the start */
	log_line(LOG_INFO, "alone", "x", "2", NULL);
	assert_non_null(strstr(written(), "info    alone x=2\n"));
}

static void
the_journal_is_known_by_its_device_and_inode(void **state)
{
	struct stat info;
	char name[64];

	(void)state;
	assert_int_equal(fstat(log_file, &info), 0);
	unsetenv("JOURNAL_STREAM");
	assert_false(log_is_journal(log_file));
	snprintf(name, sizeof name, "%llu:%llu", (unsigned long long)info.st_dev,
	         (unsigned long long)info.st_ino);
	setenv("JOURNAL_STREAM", name, 1);
	assert_true(log_is_journal(log_file));
	snprintf(name, sizeof name, "%llu:%llu", (unsigned long long)info.st_dev,
	         (unsigned long long)info.st_ino + 1);
	setenv("JOURNAL_STREAM", name, 1);
	assert_false(log_is_journal(log_file)); /* stderr was sent elsewhere since */
	unsetenv("JOURNAL_STREAM");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_line_of_text_has_time_level_message_and_fields),
		TEST(a_line_of_json_is_an_object_of_strings),
		TEST(what_is_below_the_least_level_is_not_written),
		TEST(values_that_would_run_into_others_are_quoted),
		TEST(a_value_that_is_null_is_empty),
		TEST(a_fault_is_logged_with_what_it_knows_and_nothing_else),
		TEST(a_line_of_json_is_json_whatever_bytes_are_in_it),
		TEST(lines_of_threads_do_not_mix),
		TEST(a_log_that_cannot_be_written_does_not_stop_the_work),
		TEST(a_line_says_what_its_thread_is_about),
		TEST(the_journal_gets_fields),
		TEST(what_the_journal_does_not_take_is_written_as_text),
		TEST(the_journal_is_known_by_its_device_and_inode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
