/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * set.c - sets one attribute, and fails where the attribute `fail` names it.
 */
#include <penstock.h>

#include <string.h>

PS_OPTIONS(set, PS_STRING(name, "set", "of the attribute"),
           PS_STRING(value, "yes", "what it becomes"))

static enum ps_outcome
set(struct ps_call *call, const struct ps_message *in, struct ps_message *out)
{
	const struct set_options *opt = ps_options(call, set);

	if (strcmp(ps_get_string(call, in, "fail", ""), opt->name) == 0)
		return ps_fail(call, ps_this(call), "TOLD", "told to fail");
	ps_set_string(call, out, opt->name, opt->value);
	return PS_DONE;
}

PS_STAGE_EACH(set, "1.0.0", "Sets an attribute")
