/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_embed_http.c - each thing that an endpoint may do, and how the job ends.
 *
 * Nothing here depends on how fast anything is: where one side has to be first
 * the other is held until then, and a minute without news fails the test.
 */
#include "../chunk/passages.h"
#include "test_server.h"

#include "support/stage_bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define EMBED_HTTP TEST_BUILD_DIR "/plugins/embed_http.so"

static struct bench bench;
static struct stage_completion *done; /* of the last job that was waited for */
static struct passages got;           /* in done's body */
static sem_t news;

/* What a test may set before it opens the stage; reset by close_stage(). */
static struct {
	int64_t batch, max_in_flight;
	const char *timeout, *key_file;
} with;

static void
wake(void *data)
{
	(void)data;
	sem_post(&news);
}

static enum status
open_url(const char *url)
{
	struct bench_option options[8] = {
		{ "endpoint", CONFIG_T_STRING, 0, url, 0 },
		{ "model", CONFIG_T_STRING, 0, "test-model", 0 },
		{ "dimensions", CONFIG_T_INT, SERVER_DIMENSIONS, NULL, 0 },
	};
	size_t n = 3;

	if (with.batch)
		options[n++] = (struct bench_option){ "batch", CONFIG_T_INT, with.batch, NULL, 0 };
	if (with.max_in_flight)
		options[n++] = (struct bench_option){ "max_in_flight", CONFIG_T_INT,
			                              with.max_in_flight, NULL, 0 };
	if (with.timeout)
		options[n++] = (struct bench_option){ "timeout", CONFIG_T_STRING, 0, with.timeout,
			                              0 };
	if (with.key_file)
		options[n++] = (struct bench_option){ "key_file", CONFIG_T_STRING, 0, with.key_file,
			                              0 };
	bench.completions = stage_completions_create(wake, NULL);
	return bench_open(&bench, EMBED_HTTP, options, 1);
}

static void
open_stage(const char *path)
{
	char url[100];

	snprintf(url, sizeof url, "http://127.0.0.1:%u%s", server_port(), path);
	if (open_url(url) != OK)
		fail_msg("%s", bench.fault.text);
}

static void
close_stage(void)
{
	stage_completion_free(done);
	done = NULL;
	bench_close(&bench);
	memset(&with, 0, sizeof with);
}

/* A job with a passage for each text, all below one heading, that the stage has promised. */
static struct stage_job *
promise(int64_t id, const char *heading, const char *const *texts, uint32_t n)
{
	struct stage_job *job = bench_job(&bench, id, "{\"kept\":true}", NULL);
	uint32_t h = (uint32_t)strlen(heading), all = 0, at = 0;
	unsigned char *bytes;

	for (uint32_t i = 0; i < n; i++)
		all += (uint32_t)strlen(texts[i]);
	job->in.body_len = passages_size(n, 0, h, all);
	bytes = arena_alloc(bench.arena, job->in.body_len);
	passages_begin(bytes, n, 0, h, all);
	memcpy(bytes + job->in.body_len - all - h, heading, h);
	for (uint32_t i = 0; i < n; i++) {
		struct passage p = { .offset = at,
			             .length = (uint32_t)strlen(texts[i]),
			             .heading_length = h };

		passages_put(bytes, i, &p);
		memcpy(bytes + job->in.body_len - all + at, texts[i], p.length);
		at += p.length;
	}
	job->in.body = bytes;
	bench_run(&bench, &job, 1);
	if (job->ps.outcome != PS_LATER)
		fail_msg("outcome %u %s", job->ps.outcome, job->ps.code ? job->ps.code : "");
	return job;
}

/* Waits for the next job to end, into `done`. */
static void
receive(void)
{
	struct timespec until;

	stage_completion_free(done);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 60;
	while ((done = stage_completions_pop(bench.completions)) == NULL)
		if (sem_timedwait(&news, &until) != 0 && errno == ETIMEDOUT)
			fail_msg("no job ended in a minute");
	got.n = 0;
	if (done->outcome == PS_DONE)
		assert_true(passages_open(done->result.body, done->result.body_len, &got));
}

static void
is_good(void)
{
	if (done->outcome != PS_DONE)
		fail_msg("outcome %u %s: %s", done->outcome, done->result.code,
		         done->result.message);
}

static void
is_ended(enum ps_outcome outcome, const char *code)
{
	assert_int_equal(done->outcome, outcome);
	assert_non_null(done->result.code);
	if (strcmp(done->result.code, code) != 0)
		fail_msg("code %s (%s), expected %s", done->result.code, done->result.message,
		         code);
}

/* A job of two passages, asked of that path. */
static void
ends(const char *path, enum ps_outcome outcome, const char *code)
{
	static const char *const texts[] = { "first", "second" };

	open_stage(path);
	promise(1, "", texts, 2);
	receive();
	is_ended(outcome, code);
}

static void
ends_after(const char *path, enum ps_outcome outcome, const char *code, int64_t delay_ms)
{
	ends(path, outcome, code);
	assert_int_equal(done->result.delay_ms, delay_ms);
	close_stage();
}

static void
vector_is(uint32_t i, size_t len, char first)
{
	assert_true(got.dimensions == SERVER_DIMENSIONS);
	assert_true(passages_get_float(&got, i, 0) == (float)len);
	assert_true(passages_get_float(&got, i, 1) == (float)(unsigned char)first);
	assert_true(passages_get_float(&got, i, SERVER_DIMENSIONS - 1) == 0);
}

/* ---- what goes well ---- */

static void
each_passage_gets_its_own_vector_whatever_their_order(void **state)
{
	static const char *const texts[] = { "alpha", "be", "gamma ray" };

	(void)state;
	server_expect(0);
	open_stage("/good");
	promise(1, "", texts, 3);
	receive();
	is_good();
	assert_int_equal(got.n, 3);
	vector_is(0, 5, 'a');
	vector_is(1, 2, 'b');
	vector_is(2, 9, 'g');
	assert_memory_equal(passages_get(&got, 2).text, "gamma ray", 9);
	assert_int_equal(server_requests(), 1);
	assert_null(done->result.attributes);
	close_stage();
}

static void
the_heading_goes_before_its_passage(void **state)
{
	static const char *const texts[] = { "text" };

	(void)state;
	open_stage("/good");
	promise(1, "Head", texts, 1);
	receive();
	is_good();
	vector_is(0, sizeof "Head\ntext" - 1, 'H');
	close_stage();
}

static void
a_job_is_cut_into_batches(void **state)
{
	static const char *const texts[] = {
		"a", "bb", "ccc", "dddd", "eeeee", "ffffff", "ggggggg"
	};

	(void)state;
	server_expect(0);
	with.batch = 3;
	open_stage("/good");
	promise(1, "", texts, 7);
	receive();
	is_good();
	for (uint32_t i = 0; i < 7; i++)
		vector_is(i, i + 1, (char)('a' + i));
	assert_int_equal(server_requests(), 3);
	assert_int_equal(server_most_texts(), 3);
	close_stage();
}

static void
empty_passages_are_not_sent(void **state)
{
	static const char *const texts[] = { "", "one", "", "two", "" };

	(void)state;
	server_expect(0);
	with.batch = 2;
	open_stage("/good");
	promise(1, "", texts, 5);
	receive();
	is_good();
	vector_is(0, 0, '\0');
	vector_is(1, 3, 'o');
	vector_is(3, 3, 't');
	assert_int_equal(server_requests(), 1);
	promise(2, "", texts, 1);
	receive();
	is_good();
	vector_is(0, 0, '\0');
	promise(3, "", NULL, 0);
	receive();
	is_good();
	assert_int_equal(got.n, 0);
	assert_int_equal(server_requests(), 1);
	close_stage();
}

static void
an_answer_that_drips_is_waited_for(void **state)
{
	static const char *const texts[] = { "patience" };

	(void)state;
	open_stage("/drip");
	promise(1, "", texts, 1);
	receive();
	is_good();
	vector_is(0, 8, 'p');
	close_stage();
}

static void
a_thousand_requests_are_in_flight_at_once(void **state)
{
	enum { JOBS = 1000 };
	static const char *const texts[] = { "passage" };
	bool seen[JOBS] = { false };

	(void)state;
	server_expect(JOBS); /* no answer before the last request is there */
	open_stage("/hold");
	for (int i = 0; i < JOBS; i++)
		promise(i, "", texts, 1);
	for (int i = 0; i < JOBS; i++) {
		int64_t id;

		receive();
		is_good();
		id = ((struct stage_job *)done->user)->ps.id;
		assert_false(seen[id]);
		seen[id] = true;
	}
	assert_int_equal(server_most_at_once(), JOBS);
	assert_int_equal(stage_completions_out(bench.completions), 0);
	close_stage();
}

static void
no_more_requests_go_out_than_max_in_flight(void **state)
{
	static const char *const texts[] = { "a", "b", "c", "d", "e" };

	(void)state;
	server_expect(0);
	with.max_in_flight = 3;
	with.batch = 1;
	open_stage("/drip");
	for (int i = 0; i < 4; i++)
		promise(i, "", texts, 5);
	for (int i = 0; i < 4; i++) {
		receive();
		is_good();
	}
	assert_int_equal(server_requests(), 20);
	assert_true(server_most_at_once() <= 3);
	close_stage();
}

/* ---- what the server answers ---- */

static void
too_many_requests_retry_when_the_server_says(void **state)
{
	(void)state;
	ends_after("/busy-seconds", PS_RETRY, "HTTP_429", 7000);
	ends_after("/busy", PS_RETRY, "HTTP_429", -1);
	ends_after("/busy-past", PS_RETRY, "HTTP_503", -1);
	ends_after("/busy-ages", PS_RETRY, "HTTP_503", 24 * 3600 * 1000);
}

/* Two hours from when the server answered, of which a slow machine may have spent one. */
static void
a_date_to_retry_after_is_understood(void **state)
{
	(void)state;
	ends("/busy-date", PS_RETRY, "HTTP_429");
	assert_true(done->result.delay_ms > 3600 * 1000);
	assert_true(done->result.delay_ms <= 7200 * 1000);
	close_stage();
}

static void
trouble_of_the_server_retries_and_is_quoted(void **state)
{
	(void)state;
	ends("/broken", PS_RETRY, "HTTP_500");
	assert_int_equal(done->result.delay_ms, -1);
	assert_non_null(strstr(done->result.message, "500: a trace"));
	close_stage();
}

static void
other_refusals_fail_and_are_quoted_in_part(void **state)
{
	(void)state;
	ends("/elsewhere", PS_FAIL, "HTTP_404");
	assert_non_null(strstr(done->result.message, "404: no such model"));
	assert_true(strlen(done->result.message) < 500);
	close_stage();
}

static void
redirections_are_not_followed(void **state)
{
	(void)state;
	ends_after("/redirect", PS_FAIL, "HTTP_302", -1);
}

static void
answers_that_are_no_vectors_retry(void **state)
{
	(void)state;
	ends_after("/page", PS_RETRY, "BAD_JSON", -1);
	ends_after("/half", PS_RETRY, "BAD_JSON", -1);
	ends_after("/nothing", PS_RETRY, "BAD_JSON", -1);
	ends_after("/no-data", PS_RETRY, "BAD_ANSWER", -1);
	ends_after("/words", PS_RETRY, "BAD_ANSWER", -1);
	ends_after("/huge", PS_RETRY, "BAD_ANSWER", -1);
	ends_after("/twice", PS_RETRY, "BAD_ANSWER", -1);
	ends_after("/too-much", PS_RETRY, "ANSWER_TOO_LARGE", -1);
}

static void
fewer_vectors_than_texts_retry(void **state)
{
	(void)state;
	ends_after("/one-less", PS_RETRY, "WRONG_COUNT", -1);
}

static void
vectors_of_another_length_fail(void **state)
{
	(void)state;
	ends("/longer", PS_FAIL, "WRONG_DIMENSIONS");
	assert_non_null(strstr(done->result.message, "9 numbers"));
	close_stage();
}

/* ---- what the network does ---- */

static void
a_connection_that_ends_early_retries(void **state)
{
	(void)state;
	ends_after("/cut", PS_RETRY, "CUT_SHORT", -1);
	ends_after("/hang-up", PS_RETRY, "CUT_SHORT", -1);
	ends_after("/otherwise", PS_RETRY, "NOT_HTTP", -1);
}

static void
silence_and_endless_dripping_time_out(void **state)
{
	(void)state;
	with.timeout = "200ms";
	ends_after("/hang", PS_RETRY, "TIMEOUT", -1);
	with.timeout = "200ms";
	ends_after("/drip-ages", PS_RETRY, "TIMEOUT", -1);
}

/* A port that is bound and not listened to. */
static void
a_refused_connection_retries(void **state)
{
	static const char *const texts[] = { "text" };
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char url[60];

	(void)state;
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	snprintf(url, sizeof url, "http://127.0.0.1:%u/v1/embeddings", ntohs(a.sin_port));
	assert_int_equal(open_url(url), OK);
	for (int i = 0; i < 20; i++) /* more than go out before an address is known */
		promise(i, "", texts, 1);
	for (int i = 0; i < 20; i++) {
		receive();
		is_ended(PS_RETRY, "NO_CONNECTION");
	}
	close_stage();
	close(fd);
}

static void
after_a_failure_the_next_job_goes_well(void **state)
{
	static const char *const bad[] = { "bad" }, *const good[] = { "good" };

	(void)state;
	server_expect(0);
	with.max_in_flight = 1;
	open_stage("/bad");
	promise(1, "", bad, 1);
	receive();
	is_ended(PS_RETRY, "HTTP_500");
	promise(2, "", bad, 1);
	promise(3, "", good, 1); /* hangs: so it was sent */
	receive();
	is_ended(PS_RETRY, "HTTP_500");
	server_wait_requests(3);
	close_stage();
}

/* ---- giving up ---- */

static void
one_bad_batch_ends_the_job_and_lets_go_of_the_others(void **state)
{
	static const char *const texts[] = { "good", "fine", "bad", "well" };

	(void)state;
	server_expect(0);
	with.batch = 1;
	open_stage("/bad"); /* all but one hang */
	promise(1, "", texts, 4);
	receive();
	is_ended(PS_RETRY, "HTTP_500");
	assert_int_equal(stage_completions_out(bench.completions), 0);
	assert_null(stage_completions_pop(bench.completions));
	close_stage();
}

static void
a_cancelled_job_lets_go_of_its_request(void **state)
{
	static const char *const texts[] = { "text" };
	struct stage_job *job;

	(void)state;
	server_expect(0);
	open_stage("/hang");
	job = promise(1, "", texts, 1);
	server_wait_requests(1);
	assert_true(stage_later_cancel(job->token));
	server_wait_given_up(1);
	assert_false(stage_later_cancel(job->token));
	assert_null(stage_completions_pop(bench.completions));
	close_stage();
}

static void
a_job_that_is_cancelled_while_it_waits_is_never_sent(void **state)
{
	static const char *const texts[] = { "text" };
	struct stage_job *second;

	(void)state;
	server_expect(0);
	with.max_in_flight = 1;
	open_stage("/hold");
	promise(1, "", texts, 1);
	server_wait_requests(1);
	second = promise(2, "", texts, 1);
	promise(3, "", texts, 1);
	assert_true(stage_later_cancel(second->token));
	server_release();
	receive();
	is_good();
	assert_int_equal(((struct stage_job *)done->user)->ps.id, 1);
	receive();
	is_good();
	assert_int_equal(((struct stage_job *)done->user)->ps.id, 3);
	assert_int_equal(server_requests(), 2);
	close_stage();
}

/* As a stop: the tokens are given up, then the stage is closed. */
static void
a_stage_closes_with_requests_out(void **state)
{
	static const char *const texts[] = { "a", "b" };

	(void)state;
	server_expect(0);
	with.batch = 1;
	with.max_in_flight = 100;
	open_stage("/hang");
	for (int i = 0; i < 200; i++)
		promise(i, "", texts, 2);
	server_wait_requests(100);
	close_stage();
	server_wait_given_up(100);
	assert_int_equal(server_requests(), 100);
}

static void
what_is_out_at_close_comes_back_uncharged(void **state)
{
	static const char *const texts[] = { "a" };

	(void)state;
	server_expect(0);
	with.max_in_flight = 10;
	open_stage("/hang");
	for (int i = 0; i < 50; i++)
		promise(i, "", texts, 1);
	server_wait_requests(10);
	stage_thread_fini(bench.release, 0);
	stage_close(bench.release);
	bench.release = NULL;
	for (int i = 0; i < 50; i++) {
		receive();
		assert_int_equal(done->outcome, PS_SNOOZE);
	}
	close_stage();
}

/* ---- the key ---- */

static const char *
write_key(const char *text)
{
	static char path[] = "/tmp/test_embed_http.key.XXXXXX";
	int fd;

	memcpy(path + sizeof path - 7, "XXXXXX", 6);
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	return path;
}

static void
the_key_is_sent(void **state)
{
	static const char *const texts[] = { "text" };
	const char *path = write_key("s3cret\n");

	(void)state;
	with.key_file = path;
	open_stage("/key");
	promise(1, "", texts, 1);
	receive();
	is_good();
	close_stage();
	unlink(path);
}

static void
a_wrong_key_fails_and_is_not_shown_where_the_server_repeats_it(void **state)
{
	const char *path = write_key("wr0ng-key");

	(void)state;
	with.key_file = path;
	ends("/key", PS_FAIL, "HTTP_401");
	assert_non_null(strstr(done->result.message, "no such key: Bearer *********"));
	assert_null(strstr(done->result.message, "wr0ng"));
	close_stage();
	unlink(path);
}

static void
a_key_of_two_lines_is_refused(void **state)
{
	const char *path = write_key("one\nX-Header: two\n");

	(void)state;
	with.key_file = path;
	assert_int_not_equal(open_url("http://127.0.0.1:1/"), OK);
	assert_non_null(strstr(bench.fault.text, "one line"));
	assert_null(strstr(bench.fault.text, "X-Header"));
	close_stage();
	unlink(path);
}

static void
an_empty_key_file_is_refused(void **state)
{
	static const char *const empty[] = { "", "\n" };

	(void)state;
	for (size_t i = 0; i < sizeof empty / sizeof *empty; i++) {
		const char *path = write_key(empty[i]);

		with.key_file = path;
		assert_int_not_equal(open_url("http://127.0.0.1:1/"), OK);
		assert_non_null(strstr(bench.fault.text, "is empty"));
		close_stage();
		unlink(path);
	}
}

/* ---- what never leaves the house ---- */

static void
an_endpoint_that_is_no_url_of_http_is_refused(void **state)
{
	static const char *const urls[] = { "", "host/v1", "ftp://host/", "file:///etc/passwd",
		                            "http://" };

	(void)state;
	for (size_t i = 0; i < countof(urls); i++) {
		if (open_url(urls[i]) == OK)
			fail_msg("\"%s\" was taken", urls[i]);
		close_stage();
	}
}

static struct stage_job *
run(const void *bytes, size_t len)
{
	struct stage_job *job = bench_job(&bench, 1, "{}", NULL);

	job->in.body = bytes;
	job->in.body_len = len;
	bench_run(&bench, &job, 1);
	return job;
}

static void
a_body_that_holds_no_passages_fails_at_once(void **state)
{
	struct stage_job *job;

	(void)state;
	open_stage("/good");
	job = run("a plain text that is longer than a head", 39);
	assert_int_equal(job->ps.outcome, PS_FAIL);
	assert_string_equal(job->ps.code, "NOT_PASSAGES");
	job = run(NULL, 0);
	assert_int_equal(job->ps.outcome, PS_FAIL);
	close_stage();
}

static void
vectors_that_make_the_body_too_large_fail_at_once(void **state)
{
	uint32_t n = 2000000; /* times 8 floats and a row: 96 MB */
	size_t len = passages_size(n, 0, 0, 0);
	unsigned char *bytes = mem_alloc(len);
	struct stage_job *job;

	(void)state;
	open_stage("/good");
	passages_begin(bytes, n, 0, 0, 0);
	job = run(bytes, len);
	assert_int_equal(job->ps.outcome, PS_FAIL);
	assert_string_equal(job->ps.code, "TOO_LARGE");
	close_stage();
	free(bytes);
}

static void
a_text_that_is_not_utf8_fails(void **state)
{
	static const char *const texts[] = { "good", "\xff\xfe" };

	(void)state;
	server_expect(0);
	open_stage("/good");
	promise(1, "", texts, 2);
	receive();
	is_ended(PS_FAIL, "NOT_UTF8");
	assert_int_equal(server_requests(), 0);
	close_stage();
}

/* ---- all of them ---- */

/* Both ends of a thousand connections are in this process; and no proxy is asked for. */
static int
set_up(void **state)
{
	struct rlimit files;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	if (files.rlim_cur < 4096)
		files.rlim_cur = files.rlim_max < 4096 ? files.rlim_max : 4096;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
	assert_int_equal(setenv("no_proxy", "*", 1), 0);
	sem_init(&news, 0, 0);
	server_start();
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	server_stop();
	sem_destroy(&news);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_passage_gets_its_own_vector_whatever_their_order),
		cmocka_unit_test(the_heading_goes_before_its_passage),
		cmocka_unit_test(a_job_is_cut_into_batches),
		cmocka_unit_test(empty_passages_are_not_sent),
		cmocka_unit_test(an_answer_that_drips_is_waited_for),
		cmocka_unit_test(a_thousand_requests_are_in_flight_at_once),
		cmocka_unit_test(no_more_requests_go_out_than_max_in_flight),
		cmocka_unit_test(too_many_requests_retry_when_the_server_says),
		cmocka_unit_test(a_date_to_retry_after_is_understood),
		cmocka_unit_test(trouble_of_the_server_retries_and_is_quoted),
		cmocka_unit_test(other_refusals_fail_and_are_quoted_in_part),
		cmocka_unit_test(redirections_are_not_followed),
		cmocka_unit_test(answers_that_are_no_vectors_retry),
		cmocka_unit_test(fewer_vectors_than_texts_retry),
		cmocka_unit_test(vectors_of_another_length_fail),
		cmocka_unit_test(a_connection_that_ends_early_retries),
		cmocka_unit_test(silence_and_endless_dripping_time_out),
		cmocka_unit_test(a_refused_connection_retries),
		cmocka_unit_test(after_a_failure_the_next_job_goes_well),
		cmocka_unit_test(one_bad_batch_ends_the_job_and_lets_go_of_the_others),
		cmocka_unit_test(a_cancelled_job_lets_go_of_its_request),
		cmocka_unit_test(a_job_that_is_cancelled_while_it_waits_is_never_sent),
		cmocka_unit_test(a_stage_closes_with_requests_out),
		cmocka_unit_test(what_is_out_at_close_comes_back_uncharged),
		cmocka_unit_test(the_key_is_sent),
		cmocka_unit_test(a_wrong_key_fails_and_is_not_shown_where_the_server_repeats_it),
		cmocka_unit_test(a_key_of_two_lines_is_refused),
		cmocka_unit_test(an_empty_key_file_is_refused),
		cmocka_unit_test(an_endpoint_that_is_no_url_of_http_is_refused),
		cmocka_unit_test(a_body_that_holds_no_passages_fails_at_once),
		cmocka_unit_test(vectors_that_make_the_body_too_large_fail_at_once),
		cmocka_unit_test(a_text_that_is_not_utf8_fails),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
