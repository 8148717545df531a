/* SPDX-License-Identifier: BSD-2-Clause */
/* spin.c - each job burns so many turns of the processor: work of a length that a bench chooses. */
#include <penstock.h>

PS_OPTIONS(spin, PS_INT(turns, 1000, 0, 1000000000, "how often a number is stirred"))

static enum ps_outcome
spin(struct ps_call *call, const struct ps_message *in, struct ps_message *out)
{
	const struct spin_options *o = ps_options(call, spin);
	volatile uint64_t kept;
	uint64_t x = in->attributes_len + 1;

	(void)out;
	for (int64_t i = 0; i < o->turns; i++)
		x = x * 6364136223846793005u + 1442695040888963407u;
	kept = x;
	(void)kept;
	return PS_DONE;
}

PS_STAGE_EACH(spin, "1.0.0", "Burns the processor, job by job")
