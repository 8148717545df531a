/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * death.h - what must end the process, tried in a child.
 */
#ifndef DEATH_H
#define DEATH_H

#include <stdbool.h>

struct death {
	int status;      /* of waitpid() */
	char said[8192]; /* on standard error, cut to fit */
};

/* Runs fn(arg) in a child, which is ended by _exit(0) when fn comes back. */
void death_of(void (*fn)(void *arg), void *arg, struct death *ret);
/* Fails the test unless fn(arg) aborts and says `text` before. */
void expect_abort(void (*fn)(void *arg), void *arg, const char *text);

#endif
