/* SPDX-License-Identifier: BSD-2-Clause */
/* route.c - takes the route that the attribute `route` names. */
#include <penstock.h>

PS_OPTIONS(route)

static enum ps_outcome
route(struct ps_call *call, const struct ps_message *in, struct ps_message *out)
{
	(void)out;
	return ps_done(call, ps_this(call), ps_get_string(call, in, "route", NULL));
}

PS_STAGE_EACH(route, "1.0.0", "Routes by an attribute", PS_ROUTES("left, right, back"))
