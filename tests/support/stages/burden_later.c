/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * burden_later.c - promises each job and completes it from a thread of its own
 * after wait_us; at most eight are out.
 */
#include <penstock.h>

#include "burden.h"
#include "detached.h"

PS_OPTIONS(burden_later, PS_INT(wait_us, 0, 0, 10000000, "from the promise to its completion"))

struct promise {
	const struct ps_host *host;
	uint64_t token;
	int64_t wait_us;
};

static void *
keep(void *data)
{
	struct promise *promise = data;

	burden_wait(promise->wait_us);
	ps_complete(promise->host, promise->token, PS_DONE, NULL);
	free(promise);
	return NULL;
}

static enum ps_outcome
burden_later(struct ps_call *call, const struct ps_message *in, struct ps_message *out)
{
	const struct burden_later_options *opt = ps_options(call, burden_later);
	struct promise *promise = calloc(1, sizeof *promise);
	const struct ps_message *copy;

	(void)in, (void)out;
	if (!promise)
		return PS_RETRY;
	promise->host = call->host;
	promise->wait_us = opt->wait_us;
	promise->token = ps_later(call, ps_this(call), &copy);
	if (promise->token == 0) {
		free(promise);
		return ps_snooze(call, ps_this(call), 5);
	}
	if (!detached_start(keep, promise)) {
		ps_complete(call->host, promise->token, PS_RETRY, NULL);
		free(promise);
	}
	return PS_LATER;
}

/* The thread answers by itself. */
static void
burden_later_cancel(void *instance, uint64_t token)
{
	(void)instance, (void)token;
}

PS_STAGE_EACH(burden_later, "1.0.0", "Takes as long as it is told, on no worker", PS_MAY_LATER(8),
              PS_CANCEL(burden_later_cancel))
