/* SPDX-License-Identifier: BSD-2-Clause */
/* burden.c - burns CPU, waits and allocates for each job, as much as its options say. */
#include <penstock.h>

#include "burden.h"

PS_OPTIONS(burden, PS_INT(cpu_us, 0, 0, 10000000, "on a core for each job"),
           PS_INT(wait_us, 0, 0, 10000000, "asleep for each job"),
           PS_SIZE(alloc_bytes, "0", 0, 1 << 30, "allocated, written and freed for each job"))

static enum ps_outcome
burden(struct ps_call *call, const struct ps_message *in, struct ps_message *out)
{
	const struct burden_options *opt = ps_options(call, burden);

	(void)in, (void)out;
	burden_cpu(opt->cpu_us);
	burden_alloc(opt->alloc_bytes);
	burden_wait(opt->wait_us);
	return PS_DONE;
}

PS_STAGE_EACH(burden, "1.0.0", "Takes as much as it is told")
