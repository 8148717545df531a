/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * later.c - promises each job, and completes it from a thread of its own after
 * a while, at once in the same call, or never.
 */
#include <penstock.h>

#include <stdlib.h>
#include <time.h>

#include "detached.h"

PS_OPTIONS(later, PS_ENUM(when, "thread", "thread|now|never", "who completes a job"),
           PS_DURATION(delay, "1ms", 0, 60000, "of the thread"))

enum { WHEN_THREAD, WHEN_NOW, WHEN_NEVER };

/* One promise: what its thread needs to keep it. */
struct promise {
	const struct ps_host *host;
	uint64_t token;
	const struct ps_message *in;
	int64_t delay_ms;
};

static int
later_open(const struct ps_open *open, void **ret_instance)
{
	*ret_instance = (void *)(uintptr_t)open->host;
	return 0;
}

static void *
keep(void *data)
{
	struct promise *promise = data;
	struct timespec t = { promise->delay_ms / 1000, promise->delay_ms % 1000 * 1000000 };
	struct ps_result result = { 0 };

	nanosleep(&t, NULL);
	result.attributes = "{\"kept\": true}";
	result.attributes_len = sizeof "{\"kept\": true}" - 1;
	result.body = promise->in->body;
	result.body_len = promise->in->body_len;
	result.body_set = true;
	ps_complete(promise->host, promise->token, PS_DONE, &result);
	free(promise);
	return NULL;
}

static enum ps_outcome
later(struct ps_call *call, const struct ps_message *in, struct ps_message *out)
{
	const struct later_options *opt = ps_options(call, later);
	struct promise *promise = calloc(1, sizeof *promise);

	(void)in, (void)out;
	if (!promise)
		return PS_RETRY;
	promise->host = call->host;
	promise->delay_ms = opt->delay;
	promise->token = ps_later(call, ps_this(call), &promise->in);
	if (promise->token == 0) {
		free(promise);
		return ps_snooze(call, ps_this(call), 10);
	}
	if (opt->when == WHEN_NOW) {
		ps_complete(call->host, promise->token, PS_DONE, NULL);
		free(promise);
	} else if (opt->when == WHEN_NEVER) {
		free(promise);
	} else if (!detached_start(keep, promise)) {
		ps_complete(call->host, promise->token, PS_RETRY, NULL);
		free(promise);
	}
	return PS_LATER;
}

/* What never completes by itself answers here: the host says PS_STALE and frees the copy. The
 * thread answers by itself. */
static void
later_cancel(void *instance, uint64_t token)
{
	(void)instance, (void)token;
}

PS_STAGE_EACH(later, "1.0.0", "Keeps promises", PS_OPEN(later_open), PS_MAY_LATER(64),
              PS_CANCEL(later_cancel))
