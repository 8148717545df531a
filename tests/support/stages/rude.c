/* SPDX-License-Identifier: BSD-2-Clause */
/* rude.c - fails each job with a text that the attribute `text` chooses, none of them fit to be
 * stored. */
#include <penstock.h>

#include <string.h>

PS_OPTIONS(rude)

#define MESSAGE_BYTES 3000000

static enum ps_outcome
rude(struct ps_call *call, const struct ps_message *in, struct ps_message *out)
{
	struct ps_job *job = ps_this(call);
	const char *kind = ps_get_string(call, in, "text", "");
	char *huge;

	(void)out;
	if (strcmp(kind, "control") == 0)
		return ps_fail(call, job, "CON\x1b[31mTROL", "\x1b[31mred\a\r\n\x7f bell");
	if (strcmp(kind, "utf8") == 0)
		return ps_fail(call, job,
		               "UTF\xff"
		               "8",
		               "half \xe2\x82 of \xed\xa0\x80 a \xc0\x80 sign");
	if (strcmp(kind, "c1") == 0)
		return ps_fail(call, job, "C1",
		               "a \xc2\x9b"
		               "31m terminal's \xc2\x85 own");
	if (strcmp(kind, "percent") == 0)
		return ps_fail(call, job, "%s%n",
		               "%s %n %s {\"a\": 'b'} \\ '; drop table penstock.job; --");
	if (strcmp(kind, "none") == 0)
		return ps_fail(call, job, NULL, NULL);
	if (strcmp(kind, "empty") == 0)
		return ps_fail(call, job, "", "");
	huge = ps_alloc(call, MESSAGE_BYTES + 1);
	memset(huge, 'm', MESSAGE_BYTES);
	huge[MESSAGE_BYTES] = '\0';
	return ps_fail(call, job, huge, huge);
}

PS_STAGE_EACH(rude, "1.0.0", "Fails with texts that nobody could store")
