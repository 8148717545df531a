/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * worker_crash.c - which worker's thread is it that dies?
 *
 * Several workers may be inside plugins when a signal ends the process. The
 * handler notes it in the recorder line of the thread that it runs on, and lets
 * the signal do what it does: the supervisor reads the lines afterwards. The
 * sanitizers have handlers of their own, and keep them.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "worker/worker_priv.h"

#define STACK (64 * KiB) /* a thread that ran out of its stack has none for a handler */

static __thread struct recorder_line *own_line;
static __thread void *own_stack;
static __thread const char *own_title; /* of the stage that this thread opens */
static __thread char *own_opening;     /* where that is said when it dies */

static const int fatal[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static void
note(int signo)
{
	if (own_line && __atomic_load_n(&own_line->call, __ATOMIC_RELAXED))
		__atomic_store_n(&own_line->crashed, (uint32_t)signo, __ATOMIC_RELAXED);
	if (own_title)
		memcpy(own_opening, own_title, POOL_TITLE);
	/* SA_RESETHAND: what comes again, or is raised again, ends the process */
	raise(signo);
}

void
crash_watch_process(void)
{
	struct sigaction act = { .sa_handler = note, .sa_flags = (int)(SA_ONSTACK | SA_RESETHAND) };

	for (size_t i = 0; i < countof(fatal); i++)
		sigaction(fatal[i], &act, NULL);
}
#else
void
crash_watch_process(void)
{
}
#endif

void
crash_unblock(sigset_t *set)
{
	for (size_t i = 0; i < countof(fatal); i++)
		sigdelset(set, fatal[i]);
}

void
crash_opens(const char *title, char opening[POOL_TITLE])
{
	own_opening = opening;
	own_title = title;
}

void
crash_watch_thread(struct recorder_line *line)
{
	stack_t stack = { .ss_size = STACK };

	stack.ss_sp = own_stack = mem_alloc(STACK);
	sigaltstack(&stack, NULL);
	/* the watchdog reads it already */
	__atomic_store_n(&line->call, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&line->crashed, 0, __ATOMIC_RELAXED);
	own_line = line;
}

void
crash_unwatch_thread(void)
{
	stack_t none = { .ss_flags = SS_DISABLE };

	own_line = NULL;
	sigaltstack(&none, NULL);
	free(own_stack);
	own_stack = NULL;
}
