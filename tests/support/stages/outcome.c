/* SPDX-License-Identifier: BSD-2-Clause */
/* outcome.c - ends each job as its attributes say: do, code, message, delay_ms, route. */
#include <penstock.h>

#include <string.h>

PS_OPTIONS(outcome)

static enum ps_outcome
outcome(struct ps_call *call, const struct ps_message *in, struct ps_message *out)
{
	struct ps_job *job = ps_this(call);
	const char *what = ps_get_string(call, in, "do", "done");
	const char *code = ps_get_string(call, in, "code", NULL);
	const char *message = ps_get_string(call, in, "message", NULL);
	int64_t delay_ms = ps_get_int(call, in, "delay_ms", -1);

	ps_set_bool(call, out, "touched", true);
	if (strcmp(what, "retry") == 0)
		return ps_retry(call, job, delay_ms, code, message);
	if (strcmp(what, "snooze") == 0)
		return ps_snooze(call, job, delay_ms);
	if (strcmp(what, "fail") == 0)
		return ps_fail(call, job, code, message);
	if (strcmp(what, "discard") == 0)
		return ps_discard(call, job, code, message);
	if (strcmp(what, "unset") == 0)
		return PS_UNSET;
	return ps_done(call, job, ps_get_string(call, in, "route", NULL));
}

PS_STAGE_EACH(outcome, "1.0.0", "Ends jobs as their attributes say", PS_ROUTES("done,other"))
