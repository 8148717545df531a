/* SPDX-License-Identifier: BSD-2-Clause */
/* noop_call.c - as noop, a whole call at once. */
#include <penstock.h>

PS_OPTIONS(noop_call)

static int
noop_call_process(void *instance, void *thread, struct ps_call *call)
{
	(void)instance, (void)thread;
	for (uint32_t i = 0; i < call->n; i++)
		ps_done(call, ps_job_at(call, i), NULL);
	return 0;
}

PS_STAGE(noop_call, "1.0.0", "Does nothing, call by call")
