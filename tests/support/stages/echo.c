/* SPDX-License-Identifier: BSD-2-Clause */
/* echo.c - tells in the attributes what it saw of the job. */
#include <penstock.h>

PS_OPTIONS(echo)

static enum ps_outcome
echo(struct ps_call *call, const struct ps_message *in, struct ps_message *out)
{
	struct ps_job *job = ps_this(call);
	size_t len;
	const char *body = ps_body(call, in, &len);

	if (!body && len > 0)
		return ps_retry(call, job, -1, "NO_BODY", "the body could not be fetched");
	ps_set_int(call, out, "saw_job", job->id);
	ps_set_int(call, out, "saw_attempt", job->attempt);
	ps_set_int(call, out, "saw_bytes", (int64_t)len);
	ps_set_string(call, out, "saw_key", ps_idempotency_key(call, job));
	ps_set_bool(call, out, "saw_cancelled", ps_cancelled(call, job));
	ps_set_double(call, out, "saw_half", ps_get_double(call, in, "number", 0) / 2);
	ps_progress(call, job, 0.5, "half\nway");
	return PS_DONE;
}

PS_STAGE_EACH(echo, "1.0.0", "Writes what it saw of a job into its attributes")
