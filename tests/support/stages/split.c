/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * split.c - gives a job the children that its attribute `parts` lists, and waits for them
 * ("join": "all" or "any"), or does not ("join": "none").
 */
#include <penstock.h>

#include <stdlib.h>
#include <string.h>

PS_OPTIONS(split)

static enum ps_outcome
split(struct ps_call *call, const struct ps_message *in, struct ps_message *out)
{
	struct ps_job *job = ps_this(call);
	const char *join = ps_get_string(call, in, "join", "all");
	const char *route = ps_get_string(call, in, "by", NULL);
	int64_t i = 0;

	for (;; i++) {
		const char *json, *body = ps_printf(call, "part %d", (int)i);
		size_t len;
		char *text;

		if (ps_get_json(call, in, ps_printf(call, "parts.%d", (int)i), &json, &len) !=
		    PS_OK)
			break;
		text = ps_printf(call, "%.*s", (int)len, json);
		if (ps_child(call, job, route ? route : "part", text, body, strlen(body)) != PS_OK)
			return ps_fail(call, job, "BAD_CHILD", "a child was refused");
	}
	ps_set_int(call, out, "split_into", i);
	if (strcmp(join, "none") == 0)
		return ps_done(call, job, "done");
	ps_done(call, job, "done");
	return ps_split(call, job, strcmp(join, "any") == 0 ? PS_JOIN_ANY : PS_JOIN_ALL);
}

PS_STAGE_EACH(split, "1.0.0", "Splits a job into parts", PS_ROUTES("done,part,elsewhere,lost"))
