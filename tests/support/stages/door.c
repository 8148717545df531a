/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * door.c - is opened as the options say: its open() or its thread_init() dies or never returns.
 */
#include <penstock.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

PS_OPTIONS(door, PS_STRING(open, "", "what open() does: segv, abort, exit, hang"),
           PS_STRING(thread, "", "what thread_init() does"),
           PS_STRING(when, "", "only while there is such a file"))

static void
be_nasty(const char *how)
{
	if (strcmp(how, "segv") == 0)
		raise(SIGSEGV);
	if (strcmp(how, "abort") == 0)
		abort();
	if (strcmp(how, "exit") == 0)
		_exit(2);
	while (strcmp(how, "hang") == 0)
		nanosleep(&(struct timespec){ .tv_sec = 1 }, NULL);
}

static int
door_open(const struct ps_open *open, void **ret_instance)
{
	const struct door_options *opt = ps_options(open, door);

	*ret_instance = (void *)(uintptr_t)opt; /* not changed */
	if (!opt->when[0] || access(opt->when, F_OK) == 0)
		be_nasty(opt->open);
	return 0;
}

static int
door_thread_init(void *instance, void **ret_thread)
{
	const struct door_options *opt = instance;

	*ret_thread = NULL;
	if (!opt->when[0] || access(opt->when, F_OK) == 0)
		be_nasty(opt->thread);
	return 0;
}

static enum ps_outcome
door(struct ps_call *call, const struct ps_message *in, struct ps_message *out)
{
	(void)call, (void)in, (void)out;
	return PS_DONE;
}

PS_STAGE_EACH(door, "1.0.0", "Does not let everybody in", PS_OPEN(door_open),
              PS_THREAD_INIT(door_thread_init))
