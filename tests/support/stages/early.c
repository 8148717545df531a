/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * early.c - runs code as soon as it is loaded: makes the file that EARLY names.
 */
#include <penstock.h>

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

PS_OPTIONS(early)

__attribute__((constructor)) static void
leave_mark(void)
{
	const char *path = getenv("EARLY");

	if (path)
		close(open(path, O_WRONLY | O_CREAT, 0600));
}

static enum ps_outcome
early(struct ps_call *call, const struct ps_message *in, struct ps_message *out)
{
	(void)call, (void)in, (void)out;
	return PS_DONE;
}

PS_STAGE_EACH(early, "1.0.0", "Runs code when it is loaded")
