/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_control_server.c - the server in a poll loop, with clients that ask, stall, flood and go.
 *
 * Server and clients are one thread: a round is polled without waiting, and the
 * clock is the test's.
 */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/control.h"

struct world {
	char folder[32];
	struct control_server *server;
	unsigned asked, again;
	bool ready;    /* answers to reload are there */
	size_t answer; /* bytes of an answer to status */
};

static int64_t now = 1000 * SEC;

static int64_t
test_mono(void)
{
	return now;
}

static bool
handle(void *data, const struct control_request *request, uint64_t *ticket, bool again,
       struct buf *answer)
{
	struct world *w = data;

	w->asked += !again;
	w->again += again;
	if (request->command == CONTROL_reload && !w->ready) {
		*ticket = 7;
		return false;
	}
	assert_true(!again || *ticket == 7);
	buf_adds(answer, "{\"ok\":true");
	for (size_t i = 0; i < w->answer; i++)
		buf_addc(answer, ' ');
	buf_addc(answer, '}');
	return true;
}

static void
turn(struct world *w)
{
	struct pollfd fds[CONTROL_FDS];
	size_t n = control_server_fds(w->server, fds);

	assert_true(n <= CONTROL_FDS);
	poll(fds, n, 0);
	control_server_serve(w->server, fds, n);
	control_server_ask_again(w->server);
}

static int
enter(void **state)
{
	static struct world w;
	struct fault fault = { 0 };

	w = (struct world){ .folder = "/tmp/control.XXXXXX" };
	clock_hooks.mono = test_mono;
	assert_non_null(mkdtemp(w.folder));
	assert_int_equal(control_server_open(w.folder, "one", handle, &w, &w.server, &fault), OK);
	*state = &w;
	return 0;
}

static int
leave(void **state)
{
	struct world *w = *state;

	control_server_close(w->server);
	return rmdir(w->folder); /* nothing is left in it */
}

static int
knock(const struct world *w, bool read_only)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	char *path = control_path(w->folder, "one", read_only);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	memcpy(at.sun_path, path, strlen(path) + 1);
	free(path);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
	return fd;
}

static void
say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* What is there by now; "" when the server has closed it, NULL when it has not said anything. */
static const char *
hear(int fd)
{
	static char text[4096];
	ssize_t n = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return NULL;
	text[n > 0 ? n : 0] = '\0';
	return text;
}

/* Of a new connection, which the caller closes. */
static int
ask(struct world *w, bool read_only, const char *text)
{
	int fd = knock(w, read_only);

	turn(w);
	say(fd, text);
	turn(w);
	return fd;
}

static void
a_question_is_answered_and_the_connection_ends(void **state)
{
	struct world *w = *state;
	int fd = knock(w, true);

	turn(w);
	say(fd, "sta");
	turn(w);
	assert_null(hear(fd));
	say(fd, "tus\r\nand more");
	turn(w);
	assert_string_equal(hear(fd), "{\"ok\":true}\n");
	assert_string_equal(hear(fd), "");
	close(fd);
	assert_int_equal(w->asked, 1);
}

static void
sockets_have_the_rights_that_they_need(void **state)
{
	struct world *w = *state;
	char *paths[] = { control_path(w->folder, "one", false),
		          control_path(w->folder, "one", true) };
	struct stat st;

	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(stat(paths[i], &st), 0);
		assert_int_equal(st.st_mode & 0777, i ? 0666 : 0660);
		free(paths[i]);
	}
}

static void
the_read_only_one_changes_nothing(void **state)
{
	struct world *w = *state;
	int fd = ask(w, true, "stop\n");

	assert_non_null(strstr(hear(fd), "\"ok\":false,\"status\":\"refused\""));
	close(fd);
	assert_int_equal(w->asked, 0);
}

static void
nonsense_is_answered_with_what_is_wrong(void **state)
{
	struct world *w = *state;
	int fd = ask(w, false, "make coffee\n");
	char flood[4 * CONTROL_LINE];

	assert_non_null(strstr(hear(fd), "there is no command 'make'"));
	close(fd);

	fd = knock(w, false);
	memset(flood, 'x', sizeof flood);
	assert_true(send(fd, flood, sizeof flood, MSG_NOSIGNAL) > CONTROL_LINE);
	turn(w);
	turn(w);
	assert_non_null(strstr(hear(fd), "at most"));
	close(fd);
	assert_int_equal(w->asked, 0);
}

static void
who_waits_for_a_reload_gets_its_answer_when_it_is_there(void **state)
{
	struct world *w = *state;
	int fd = knock(w, false);

	turn(w);
	say(fd, "reload wait\n");
	for (int i = 0; i < 3; i++) {
		now += 3600 * SEC; /* however long it takes */
		turn(w);
	}
	assert_null(hear(fd));
	w->ready = true;
	turn(w);
	assert_string_equal(hear(fd), "{\"ok\":true}\n");
	close(fd);
	assert_int_equal(w->asked, 1);
	assert_true(w->again >= 3);
}

static void
who_waits_and_goes_is_forgotten(void **state)
{
	struct world *w = *state;
	struct pollfd fds[CONTROL_FDS];
	int fd = ask(w, false, "reload wait\n");

	close(fd);
	turn(w);
	assert_int_equal(control_server_fds(w->server, fds), 2);
}

static void
who_says_nothing_is_dropped_after_a_while(void **state)
{
	struct world *w = *state;
	int fd = knock(w, true);

	turn(w);
	assert_true(control_server_until(w->server) > now);
	assert_true(control_server_until(w->server) <= now + 10 * SEC);
	now = control_server_until(w->server);
	turn(w);
	assert_string_equal(hear(fd), "");
	assert_true(control_server_until(w->server) == INT64_MAX);
	close(fd);
}

static void
who_does_not_take_the_answer_is_dropped_too(void **state)
{
	struct world *w = *state;
	struct pollfd fds[CONTROL_FDS];
	int fd = knock(w, true);

	w->answer = 1024 * 1024;
	turn(w);
	say(fd, "status\n");
	turn(w);
	turn(w);
	assert_int_equal(control_server_fds(w->server, fds), 3);
	now = control_server_until(w->server);
	turn(w);
	assert_int_equal(control_server_fds(w->server, fds), 2);
	close(fd);
}

static void
a_large_answer_comes_whole_to_who_takes_it(void **state)
{
	struct world *w = *state;
	int fd = knock(w, true);
	const char *text;
	size_t got = 0;

	w->answer = 1024 * 1024;
	turn(w);
	say(fd, "status\n");
	for (;;) {
		turn(w);
		text = hear(fd);
		if (text && !text[0])
			break;
		got += text ? strlen(text) : 0;
	}
	assert_int_equal(got, strlen("{\"ok\":true}\n") + w->answer);
	close(fd);
}

/* A crowd that says nothing does not keep an operator out, and takes no more places than there are.
 */
static void
a_crowd_keeps_nobody_out(void **state)
{
	struct world *w = *state;
	struct pollfd fds[CONTROL_FDS];
	int crowd[3 * CONTROL_CLIENTS], fd;

	for (size_t i = 0; i < countof(crowd); i++) {
		crowd[i] = knock(w, true);
		now++;
		turn(w);
	}
	assert_int_equal(control_server_fds(w->server, fds), 2 + CONTROL_CLIENTS);
	fd = ask(w, true, "status\n");
	assert_string_equal(hear(fd), "{\"ok\":true}\n");
	close(fd);
	fd = ask(w, false, "status\n"); /* the other door has places of its own */
	assert_string_equal(hear(fd), "{\"ok\":true}\n");
	close(fd);
	for (size_t i = 0; i < countof(crowd); i++)
		close(crowd[i]);
}

static void
a_dead_hosts_sockets_are_replaced(void **state)
{
	struct world *w = *state;
	struct control_server *other;
	struct fault fault = { 0 };
	int fd;

	control_server_forget(w->server); /* as a process that died: they stay */
	assert_int_equal(control_server_open(w->folder, "one", handle, w, &other, &fault), OK);
	w->server = other;
	fd = ask(w, true, "status\n");
	assert_string_equal(hear(fd), "{\"ok\":true}\n");
	close(fd);
}

static void
the_client_says_who_does_not_answer(void **state)
{
	struct world *w = *state;
	char *path = control_path(w->folder, "another", true);
	struct fault fault = { 0 };
	struct buf answer;

	buf_init(&answer);
	assert_int_equal(control_ask(path, "status", SEC, &answer, &fault), NOT_FOUND);
	assert_non_null(strstr(fault.text, "no host of this name runs here"));
	free(path);
	buf_done(&answer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_question_is_answered_and_the_connection_ends),
		TEST(sockets_have_the_rights_that_they_need),
		TEST(the_read_only_one_changes_nothing),
		TEST(nonsense_is_answered_with_what_is_wrong),
		TEST(who_waits_for_a_reload_gets_its_answer_when_it_is_there),
		TEST(who_waits_and_goes_is_forgotten),
		TEST(who_says_nothing_is_dropped_after_a_while),
		TEST(who_does_not_take_the_answer_is_dropped_too),
		TEST(a_large_answer_comes_whole_to_who_takes_it),
		TEST(a_crowd_keeps_nobody_out),
		TEST(a_dead_hosts_sockets_are_replaced),
		TEST(the_client_says_who_does_not_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
