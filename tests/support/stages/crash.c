/* SPDX-License-Identifier: BSD-2-Clause */
/* crash.c - dies in the way that the attribute `crash` says; other jobs are done. */
#include <penstock.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

PS_OPTIONS(crash)

/* More than any stack holds. */
static int
descend(volatile int *depth)
{
	volatile char here[4096];

	here[0] = (char)*depth;
	return --*depth > 0 ? descend(depth) + here[0] : 0;
}

static enum ps_outcome
crash(struct ps_call *call, const struct ps_message *in, struct ps_message *out)
{
	const char *how = ps_get_string(call, in, "crash", "");
	volatile int depth = 1 << 30;

	(void)out;
	if (strcmp(how, "segv") == 0)
		raise(SIGSEGV);
	if (strcmp(how, "abort") == 0)
		abort();
	if (strcmp(how, "overflow") == 0)
		return descend(&depth) ? PS_DONE : PS_FAIL;
	if (strcmp(how, "kill") == 0)
		kill(getpid(), SIGKILL);
	if (strcmp(how, "exit") == 0)
		_exit(3);
	return PS_DONE;
}

PS_STAGE_EACH(crash, "1.0.0", "Dies as it is told")
