/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * world.c - says what it sees of the world: the clocks, whether its memory, its body and its time
 * are there.
 */
#include <penstock.h>

#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

PS_OPTIONS(world)

static enum ps_outcome
world(struct ps_call *call, const struct ps_message *in, struct ps_message *out)
{
	struct ps_job *job = ps_this(call);
	struct timespec mono;
	struct timeval tv;
	size_t len;
	const void *body;
	char *memory;

	memory = strdup("memory");
	if (!memory)
		return ps_retry(call, job, -1, "NO_MEMORY", "strdup() gave NULL");
	free(memory);
	memory = calloc(10, 10);
	if (!memory)
		return ps_retry(call, job, -1, "NO_MEMORY", "calloc() gave NULL");
	free(memory);
	body = ps_body(call, in, &len);
	if (!body && len > 0)
		return ps_retry(call, job, 500, "NO_BODY", "the body did not come");
	if (ps_remaining_ms(call) == 0)
		return ps_retry(call, job, -1, "LATE", "no time is left");
	if (ps_cancelled(call, job))
		return ps_retry(call, job, -1, "CANCELLED", "nobody wants it");
	clock_gettime(CLOCK_MONOTONIC, &mono);
	gettimeofday(&tv, NULL);
	ps_set_int(call, out, "time", (int64_t)time(NULL));
	ps_set_int(call, out, "wall", tv.tv_sec);
	ps_set_int(call, out, "mono", mono.tv_sec);
	ps_set_int(call, out, "attempt", job->attempt);
	ps_set_int(call, out, "n", call->n);
	return PS_DONE;
}

PS_STAGE_EACH(world, "1.0.0", "Says what it sees of the world")
