/* SPDX-License-Identifier: BSD-2-Clause */
/* upper.c - upper-cases the ASCII letters of the body. */
#include <penstock.h>

PS_OPTIONS(upper)

static enum ps_outcome
upper(struct ps_call *call, const struct ps_message *in, struct ps_message *out)
{
	size_t len;
	const char *body = ps_body(call, in, &len);
	char *to;

	if (!body)
		return len > 0 ? ps_retry(call, ps_this(call), -1, "NO_BODY", "cannot fetch it")
		               : PS_DONE;
	to = ps_alloc(call, len + 1);
	for (size_t i = 0; i < len; i++)
		to[i] = body[i] >= 'a' && body[i] <= 'z' ? (char)(body[i] - 32) : body[i];
	ps_set_body(call, out, to, len);
	return PS_DONE;
}

PS_STAGE_EACH(upper, "1.0.0", "Upper-cases the body")
