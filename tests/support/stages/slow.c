/* SPDX-License-Identifier: BSD-2-Clause */
/* slow.c - takes its time for each job: sleeps, keeps the processor busy, or waits to be cancelled.
 */
#include <penstock.h>

#include <time.h>

PS_OPTIONS(slow, PS_DURATION(sleep, "10ms", 0, 600000, "asleep for each job"),
           PS_INT(spin, 0, 0, 1000000000, "steps of busy work for each job"))

static enum ps_outcome
slow(struct ps_call *call, const struct ps_message *in, struct ps_message *out)
{
	const struct slow_options *opt = ps_options(call, slow);
	int64_t ms = ps_get_int(call, in, "sleep_ms", opt->sleep);
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
	volatile uint64_t x = 1;

	(void)out;
	while (ps_get_bool(call, in, "until_cancelled", false)) {
		if (ps_cancelled(call, ps_this(call)))
			return ps_retry(call, ps_this(call), 0,
			                ps_remaining_ms(call) > 0 ? "STOPPED" : "LATE",
			                "it was asked to stop");
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	if (ms > 0)
		nanosleep(&t, NULL);
	for (int64_t i = 0; i < opt->spin; i++)
		x = x * 6364136223846793005u + 1;
	return PS_DONE;
}

PS_STAGE_EACH(slow, "1.0.0", "Takes its time")
