/* SPDX-License-Identifier: BSD-2-Clause */
/* retry_once.c - fails each job's first attempt, at once due again. */
#include <penstock.h>

PS_OPTIONS(retry_once, PS_DURATION(delay, "0", 0, 3600000, "until the second attempt"))

static enum ps_outcome
retry_once(struct ps_call *call, const struct ps_message *in, struct ps_message *out)
{
	const struct retry_once_options *opt = ps_options(call, retry_once);
	struct ps_job *job = ps_this(call);

	(void)in;
	if (job->attempt == 1)
		return ps_retry(call, job, opt->delay, "FIRST", "the first attempt always fails");
	ps_set_int(call, out, "attempt", job->attempt);
	return PS_DONE;
}

PS_STAGE_EACH(retry_once, "1.0.0", "Succeeds at the second attempt")
