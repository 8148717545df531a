/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * death.c - what must end the process, tried in a child.
 */
#include "support/death.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

_Noreturn static void
run_child(void (*fn)(void *arg), void *arg, int to)
{
	prctl(PR_SET_DUMPABLE, 0); /* no core file of a death that is wanted */
	signal(SIGABRT, SIG_DFL);
	dup2(to, STDERR_FILENO);
	fn(arg);
	_exit(0);
}

/* To the end, so that the child never waits for a full pipe; keeps what fits. */
static void
read_all(int from, struct death *ret)
{
	char chunk[4096];
	size_t len = 0;
	ssize_t n;

	while ((n = read(from, chunk, sizeof(chunk))) != 0) {
		size_t room = sizeof(ret->said) - 1 - len;

		if (n < 0 && errno == EINTR)
			continue;
		assert_true(n > 0);
		if ((size_t)n < room)
			room = (size_t)n;
		memcpy(ret->said + len, chunk, room);
		len += room;
	}
	ret->said[len] = '\0';
}

void
death_of(void (*fn)(void *arg), void *arg, struct death *ret)
{
	int ends[2];
	pid_t child;

	assert_int_equal(pipe(ends), 0);
	fflush(NULL);
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		run_child(fn, arg, ends[1]);
	close(ends[1]);
	read_all(ends[0], ret);
	close(ends[0]);
	assert_int_equal(waitpid(child, &ret->status, 0), child);
}

void
expect_abort(void (*fn)(void *arg), void *arg, const char *text)
{
	struct death death;

	death_of(fn, arg, &death);
	if (!WIFSIGNALED(death.status) || WTERMSIG(death.status) != SIGABRT)
		fail_msg("status %#x, said: %s", (unsigned)death.status, death.said);
	if (!strstr(death.said, text))
		fail_msg("said '%s', not '%s'", death.said, text);
}
