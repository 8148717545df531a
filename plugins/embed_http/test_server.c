/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_server.c - see test_server.h. One thread and poll().
 */
#include "test_server.h"

#include "base/base.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define MOST 4096
#define DRIP_MS 1

struct client {
	int fd;
	struct buf in, out;
	size_t sent;
	bool asked; /* a whole request came, no answer was sent yet */
	bool held, drips, closes;
};

typedef void behave_fn(struct client *c, const char *head, const json_t *question);

static struct {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int listener, wake[2];
	uint16_t port;
	bool stop, release;
	unsigned hold, requests, given_up, most_texts, at_once, most_at_once;
	struct client *clients[MOST];
	size_t n;
} server = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

/* ---- answers ---- */

static void
answer(struct client *c, const char *status, const char *headers, const char *body)
{
	buf_printf(&c->out, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n%s\r\n%s", status, strlen(body),
	           headers, body);
}

/* `less` entries too few, vectors `more` numbers too long, of numbers that are written as `zero`.
 */
static char *
vectors(const json_t *question, size_t less, unsigned more, const char *zero)
{
	const json_t *input = json_object_get(question, "input");
	struct buf b = { 0 };

	buf_printf(&b, "{\"object\":\"list\",\"data\":[");
	for (size_t i = json_array_size(input); i-- > less;) {
		const char *text = json_string_value(json_array_get(input, i));

		buf_printf(&b, "{\"object\":\"embedding\",\"index\":%zu,\"embedding\":[%zu,%u.0", i,
		           strlen(text), (unsigned char)text[0]);
		for (unsigned d = 2; d < SERVER_DIMENSIONS + more; d++)
			buf_printf(&b, ",%s", zero);
		buf_printf(&b, "]}%s", i > less ? "," : "");
	}
	buf_printf(&b, "]}");
	return b.data;
}

static void
answer_vectors(struct client *c, const json_t *question, size_t less, unsigned more,
               const char *zero)
{
	char *body = vectors(question, less, more, zero);

	answer(c, "200 OK", "Content-Type: application/json\r\n", body);
	free(body);
}

static void
be_good(struct client *c, const char *head, const json_t *question)
{
	(void)head;
	answer_vectors(c, question, 0, 0, "0");
}

static void
want_key(struct client *c, const char *head, const json_t *question)
{
	const char *sent = strcasestr(head, "\r\nAuthorization: ");
	char body[300];

	if (sent && strncmp(sent + 17, "Bearer s3cret\r\n", 15) == 0) {
		be_good(c, head, question);
		return;
	}
	snprintf(body, sizeof body, "no such key: %.40s", sent ? sent + 17 : "none");
	answer(c, "401 Unauthorized", "", body);
}

static void
be_busy_for_seconds(struct client *c, const char *head, const json_t *question)
{
	(void)head, (void)question;
	answer(c, "429 Too Many Requests", "Retry-After: 7\r\n", "slow down");
}

static void
be_busy_until_a_date(struct client *c, const char *head, const json_t *question)
{
	time_t until = time(NULL) + 7200;
	char header[80];
	struct tm tm;

	(void)head, (void)question;
	strftime(header, sizeof header, "Retry-After: %a, %d %b %Y %H:%M:%S GMT\r\n",
	         gmtime_r(&until, &tm));
	answer(c, "429 Too Many Requests", header, "slow down");
}

static void
be_busy_since_a_date(struct client *c, const char *head, const json_t *question)
{
	(void)head, (void)question;
	answer(c, "503 Service Unavailable", "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT\r\n", "");
}

static void
be_busy_for_ages(struct client *c, const char *head, const json_t *question)
{
	(void)head, (void)question;
	answer(c, "503 Service Unavailable", "Retry-After: 99999999999999999\r\n", "");
}

static void
be_busy(struct client *c, const char *head, const json_t *question)
{
	(void)head, (void)question;
	answer(c, "429 Too Many Requests", "", "slow down");
}

static void
be_broken(struct client *c, const char *head, const json_t *question)
{
	(void)head, (void)question;
	answer(c, "500 Internal Server Error", "", "a trace\nof a stack");
}

/* 100 000 bytes of explanation. */
static void
be_elsewhere(struct client *c, const char *head, const json_t *question)
{
	char *body = malloc(100001);

	(void)head, (void)question;
	memset(body, 'x', 100000);
	body[100000] = '\0';
	memcpy(body, "no such model", 13);
	answer(c, "404 Not Found", "", body);
	free(body);
}

static void
redirect(struct client *c, const char *head, const json_t *question)
{
	(void)head, (void)question;
	answer(c, "302 Found", "Location: /good\r\n", "");
}

static void
hang(struct client *c, const char *head, const json_t *question)
{
	(void)c, (void)head, (void)question;
}

static void
hang_up(struct client *c, const char *head, const json_t *question)
{
	(void)head, (void)question;
	c->closes = true;
}

static void
cut(struct client *c, const char *head, const json_t *question)
{
	be_good(c, head, question);
	c->out.len -= 20;
	c->closes = true;
}

static void
talk_otherwise(struct client *c, const char *head, const json_t *question)
{
	(void)head, (void)question;
	buf_printf(&c->out, "SSH-2.0-OpenSSH_9.2\r\n");
	c->closes = true;
}

static void
answer_a_page(struct client *c, const char *head, const json_t *question)
{
	(void)head, (void)question;
	answer(c, "200 OK", "", "<html>It works!</html>");
}

static void
answer_half(struct client *c, const char *head, const json_t *question)
{
	char *body = vectors(question, 0, 0, "0");

	(void)head;
	body[strlen(body) - 3] = '\0';
	answer(c, "200 OK", "", body);
	free(body);
}

static void
answer_nothing(struct client *c, const char *head, const json_t *question)
{
	(void)head, (void)question;
	answer(c, "200 OK", "", "");
}

static void
answer_without_data(struct client *c, const char *head, const json_t *question)
{
	(void)head, (void)question;
	answer(c, "200 OK", "", "{\"error\":\"none\"}");
}

static void
answer_one_less(struct client *c, const char *head, const json_t *question)
{
	(void)head;
	answer_vectors(c, question, 1, 0, "0");
}

static void
answer_longer_vectors(struct client *c, const char *head, const json_t *question)
{
	(void)head;
	answer_vectors(c, question, 0, 1, "0");
}

static void
answer_words(struct client *c, const char *head, const json_t *question)
{
	(void)head;
	answer_vectors(c, question, 0, 0, "\"0\"");
}

/* A double, but no float. */
static void
answer_huge_numbers(struct client *c, const char *head, const json_t *question)
{
	(void)head;
	answer_vectors(c, question, 0, 0, "1e300");
}

static void
answer_the_same_place_twice(struct client *c, const char *head, const json_t *question)
{
	char *body = vectors(question, 0, 0, "0");

	(void)head;
	*(strstr(body, "\"index\":1") + 8) = '0';
	answer(c, "200 OK", "", body);
	free(body);
}

static void
answer_too_much(struct client *c, const char *head, const json_t *question)
{
	char *body = malloc(1000001);

	(void)head, (void)question;
	memset(body, ' ', 1000000);
	body[1000000] = '\0';
	answer(c, "200 OK", "", body);
	free(body);
}

static void
drip(struct client *c, const char *head, const json_t *question)
{
	be_good(c, head, question);
	c->drips = true;
}

/* Half a MiB, a byte at each turn. */
static void
drip_for_ages(struct client *c, const char *head, const json_t *question)
{
	answer_too_much(c, head, question);
	c->drips = true;
}

/* Breaks when it reads "bad", else hangs. */
static void
break_at_bad(struct client *c, const char *head, const json_t *question)
{
	const json_t *input = json_object_get(question, "input");

	if (strcmp(json_string_value(json_array_get(input, 0)), "bad") == 0)
		be_broken(c, head, question);
}

/* The answer is there, and kept back. */
static void
hold(struct client *c, const char *head, const json_t *question)
{
	be_good(c, head, question);
	c->held = true;
}

/* clang-format off */
static const struct {
	const char *path;
	behave_fn *behave;
} behaviours[] = {
	{ "/good", be_good },             { "/key", want_key },
	{ "/busy-seconds", be_busy_for_seconds }, { "/busy-date", be_busy_until_a_date },
	{ "/busy-past", be_busy_since_a_date },   { "/busy-ages", be_busy_for_ages },
	{ "/busy", be_busy },             { "/broken", be_broken },
	{ "/elsewhere", be_elsewhere },   { "/redirect", redirect },
	{ "/hang", hang },                { "/hang-up", hang_up },
	{ "/cut", cut },                  { "/otherwise", talk_otherwise },
	{ "/page", answer_a_page },       { "/half", answer_half },
	{ "/nothing", answer_nothing },   { "/no-data", answer_without_data },
	{ "/one-less", answer_one_less }, { "/longer", answer_longer_vectors },
	{ "/words", answer_words },       { "/huge", answer_huge_numbers },
	{ "/twice", answer_the_same_place_twice }, { "/too-much", answer_too_much },
	{ "/drip", drip },                { "/drip-ages", drip_for_ages },
	{ "/bad", break_at_bad },         { "/hold", hold },
};
/* clang-format on */

/* ---- a client ---- */

/* Under the lock. */
static void
note_request(struct client *c, const json_t *question)
{
	size_t texts = json_array_size(json_object_get(question, "input"));

	c->asked = true;
	server.requests++;
	if (texts > server.most_texts)
		server.most_texts = (unsigned)texts;
	if (++server.at_once > server.most_at_once)
		server.most_at_once = server.at_once;
	if (server.requests == server.hold)
		server.release = true;
	pthread_cond_broadcast(&server.changed);
}

static void
serve(struct client *c, const char *head, const json_t *question)
{
	behave_fn *behave = NULL;

	for (size_t i = 0; i < countof(behaviours); i++) {
		size_t len = strlen(behaviours[i].path);

		if (strncmp(head, "POST ", 5) == 0 &&
		    strncmp(head + 5, behaviours[i].path, len) == 0 && head[5 + len] == ' ')
			behave = behaviours[i].behave;
	}
	if (!behave || !question || !json_object_get(question, "model"))
		answer(c, "400 Bad Request", "", "the test server does not understand this");
	else
		behave(c, head, question);
	pthread_mutex_lock(&server.lock);
	note_request(c, question);
	pthread_mutex_unlock(&server.lock);
}

/* A request, when it has come whole. */
static void
read_request(struct client *c)
{
	char *end = c->in.data ? strstr(c->in.data, "\r\n\r\n") : NULL;
	char *length = end ? strcasestr(c->in.data, "\r\nContent-Length: ") : NULL;
	size_t head, body;
	json_t *question;

	if (!end || c->asked)
		return;
	head = (size_t)(end + 4 - c->in.data);
	body = length ? strtoul(length + 18, NULL, 10) : 0;
	if (c->in.len < head + body)
		return;
	question = json_loadb(c->in.data + head, body, 0, NULL);
	end[2] = '\0';
	serve(c, c->in.data, question);
	json_decref(question);
	buf_done(&c->in);
}

/* False: the client is gone. */
static bool
receive(struct client *c)
{
	char bytes[16384];
	ssize_t n = recv(c->fd, bytes, sizeof bytes, MSG_DONTWAIT);

	if (n > 0) {
		buf_add(&c->in, bytes, (size_t)n);
		read_request(c);
	}
	return n > 0 || (n < 0 && errno == EAGAIN);
}

static bool
may_send(const struct client *c)
{
	return c->asked && !c->held && (c->out.len > 0 || c->closes);
}

/* False: nothing more is to be said to this client. */
static bool
send_some(struct client *c)
{
	size_t left = c->out.len - c->sent;
	ssize_t n = 0;

	if (left > 0)
		n = send(c->fd, c->out.data + c->sent, c->drips ? 1 : left,
		         MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN;
	c->sent += (size_t)n;
	if (c->sent < c->out.len)
		return true;
	buf_done(&c->out);
	c->sent = 0;
	pthread_mutex_lock(&server.lock);
	c->asked = false;
	server.at_once--;
	pthread_mutex_unlock(&server.lock);
	return !c->closes;
}

static void
drop_client(size_t i)
{
	struct client *c = server.clients[i];

	pthread_mutex_lock(&server.lock);
	if (c->asked) {
		server.at_once--;
		server.given_up++;
		pthread_cond_broadcast(&server.changed);
	}
	pthread_mutex_unlock(&server.lock);
	close(c->fd);
	buf_done(&c->in);
	buf_done(&c->out);
	free(c);
	server.clients[i] = server.clients[--server.n];
}

/* ---- the thread ---- */

static void
accept_clients(void)
{
	int fd;

	while (server.n < MOST &&
	       (fd = accept4(server.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct client *c = calloc(1, sizeof *c);

		c->fd = fd;
		server.clients[server.n++] = c;
	}
}

static bool
take_orders(void)
{
	char bytes[64];
	bool release, stop;

	while (read(server.wake[0], bytes, sizeof bytes) > 0)
		;
	pthread_mutex_lock(&server.lock);
	release = server.release;
	stop = server.stop;
	pthread_mutex_unlock(&server.lock);
	for (size_t i = 0; release && i < server.n; i++)
		server.clients[i]->held = false;
	return !stop;
}

static void *
server_run(void *data)
{
	static struct pollfd fds[MOST + 2];

	(void)data;
	while (take_orders()) {
		int timeout = -1;

		for (size_t i = 0; i < server.n; i++) {
			struct client *c = server.clients[i];
			bool drips = may_send(c) && c->drips;

			fds[i] = (struct pollfd){ c->fd, POLLIN, 0 };
			if (drips)
				timeout = DRIP_MS;
			else if (may_send(c))
				fds[i].events |= POLLOUT;
		}
		fds[server.n] = (struct pollfd){ server.wake[0], POLLIN, 0 };
		fds[server.n + 1] = (struct pollfd){ server.listener, POLLIN, 0 };
		poll(fds, server.n + 2, timeout);
		for (size_t i = server.n; i-- > 0;) { /* drop_client() fills from the end */
			struct client *c = server.clients[i];

			if (fds[i].revents & (POLLIN | POLLHUP | POLLERR) && !receive(c))
				drop_client(i);
			else if (may_send(c) && !send_some(c))
				drop_client(i);
		}
		accept_clients();
	}
	while (server.n > 0)
		drop_client(0);
	return NULL;
}

static void
wake(void)
{
	assert_int_equal(write(server.wake[1], "", 1), 1);
}

/* ---- what tests call ---- */

void
server_start(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof a;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_true(server.listener >= 0);
	assert_int_equal(bind(server.listener, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(listen(server.listener, MOST), 0);
	assert_int_equal(getsockname(server.listener, (struct sockaddr *)&a, &len), 0);
	server.port = ntohs(a.sin_port);
	assert_int_equal(pipe2(server.wake, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(pthread_create(&server.thread, NULL, server_run, NULL), 0);
}

void
server_stop(void)
{
	pthread_mutex_lock(&server.lock);
	server.stop = true;
	pthread_mutex_unlock(&server.lock);
	wake();
	pthread_join(server.thread, NULL);
	close(server.listener);
	close(server.wake[0]);
	close(server.wake[1]);
}

uint16_t
server_port(void)
{
	return server.port;
}

void
server_expect(unsigned n)
{
	pthread_mutex_lock(&server.lock);
	server.hold = n;
	server.release = false;
	server.requests = server.given_up = server.most_texts = server.most_at_once = 0;
	pthread_mutex_unlock(&server.lock);
}

void
server_release(void)
{
	pthread_mutex_lock(&server.lock);
	server.release = true;
	pthread_mutex_unlock(&server.lock);
	wake();
}

static void
wait_for(const unsigned *count, unsigned n)
{
	struct timespec until;
	int error = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 60;
	pthread_mutex_lock(&server.lock);
	while (*count < n && error == 0)
		error = pthread_cond_timedwait(&server.changed, &server.lock, &until);
	pthread_mutex_unlock(&server.lock);
	if (error)
		fail_msg("the server waited a minute");
}

void
server_wait_requests(unsigned n)
{
	wait_for(&server.requests, n);
}

void
server_wait_given_up(unsigned n)
{
	wait_for(&server.given_up, n);
}

static unsigned
read_count(const unsigned *count)
{
	unsigned n;

	pthread_mutex_lock(&server.lock);
	n = *count;
	pthread_mutex_unlock(&server.lock);
	return n;
}

unsigned
server_requests(void)
{
	return read_count(&server.requests);
}

unsigned
server_most_texts(void)
{
	return read_count(&server.most_texts);
}

unsigned
server_most_at_once(void)
{
	return read_count(&server.most_at_once);
}
