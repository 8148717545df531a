/* SPDX-License-Identifier: BSD-2-Clause */
/* count.c - counters and gauges of its own, and a line of log for each job. */
#include <penstock.h>

PS_OPTIONS(count)
PS_COUNTERS(count, PS_COUNTER(seen, "jobs", "jobs that came by"),
            PS_GAUGE(last, "id", "the job that came last"))

static enum ps_outcome
count(struct ps_call *call, const struct ps_message *in, struct ps_message *out)
{
	(void)in, (void)out;
	ps_count(call, count_seen, 1);
	ps_count(call, count_last, (double)ps_this(call)->id);
	ps_count(call, 99, 1); /* declared by nobody: no effect */
	ps_log(call, PS_LOG_INFO, "job %lld came\nby", (long long)ps_this(call)->id);
	return PS_DONE;
}

PS_STAGE_EACH(count, "1.0.0", "Counts and logs", PS_WITH_COUNTERS(count))
