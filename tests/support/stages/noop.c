/* SPDX-License-Identifier: BSD-2-Clause */
/* noop.c - each job is done, untouched. */
#include <penstock.h>

PS_OPTIONS(noop)

static enum ps_outcome
noop(struct ps_call *call, const struct ps_message *in, struct ps_message *out)
{
	(void)call, (void)in, (void)out;
	return PS_DONE;
}

PS_STAGE_EACH(noop, "1.0.0", "Does nothing, job by job")
