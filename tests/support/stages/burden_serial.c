/* SPDX-License-Identifier: BSD-2-Clause */
/* burden_serial.c - as burden.c, one call at a time in a process. */
#include <penstock.h>

#include "burden.h"

PS_OPTIONS(burden_serial, PS_INT(cpu_us, 0, 0, 10000000, "on a core for each job"),
           PS_INT(wait_us, 0, 0, 10000000, "asleep for each job"))

static enum ps_outcome
burden_serial(struct ps_call *call, const struct ps_message *in, struct ps_message *out)
{
	const struct burden_serial_options *opt = ps_options(call, burden_serial);

	(void)in, (void)out;
	burden_cpu(opt->cpu_us);
	burden_wait(opt->wait_us);
	return PS_DONE;
}

PS_STAGE_EACH(burden_serial, "1.0.0", "Takes as much as it is told, one call at a time",
              PS_THREADING(PS_SERIAL))
