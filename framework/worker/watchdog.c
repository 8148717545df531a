/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * watchdog.c - ends the process whose stage does not come back.
 *
 * A thread cannot be taken out of a plugin. A stage is told that its time is
 * over (ps_cancelled(), ps_remaining_ms()); one that stays as long again, and a
 * second more, costs the process: the supervisor starts it anew, the job is
 * charged with TIMEOUT, and the other leases go back as they were. It must not
 * blame a stage for a time in which the whole process stood still.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "worker/worker_priv.h"

#define GRACE SEC

_Noreturn static void
end_process(struct recorder_line *line, const struct lane *lane, const struct pool *pool)
{
	bool exact = __atomic_load_n(&line->exact, __ATOMIC_RELAXED);
	char job[24];

	snprintf(job, sizeof(job), "%" PRId64, __atomic_load_n(&line->job, __ATOMIC_RELAXED));
	log_line(LOG_ERROR, "a stage does not come back: this process ends itself", "pipeline",
	         pool->pipelines[lane->pipeline].conf->name, "stage", lane->conf->name,
	         exact ? "job" : "first_job", job, NULL);
	__atomic_store_n(&line->crashed, RECORDER_TIMEOUT, __ATOMIC_RELAXED);
	_exit(EXIT_FAILURE);
}

/* The recorder has no clock for each job, so that it costs nothing: this thread takes the time for
 * which it sees the same one. */
static void
look(struct pool *pool, struct recorder_line *line, struct watched_call *w, int64_t now)
{
	uint64_t call = __atomic_load_n(&line->call, __ATOMIC_ACQUIRE);
	int64_t job = __atomic_load_n(&line->job, __ATOMIC_RELAXED);
	bool late = now - w->looked > GRACE;
	const struct lane *lane;

	w->looked = now;
	if (call != w->call || job != w->job || !call) {
		*w = (struct watched_call){ .call = call, .job = job, .since = now, .looked = now };
		return;
	}
	lane = pool_lane(pool, __atomic_load_n(&line->lane, __ATOMIC_RELAXED));
	if (!lane || !lane->conf->timeout_ns ||
	    now - w->since <= 2 * lane->conf->timeout_ns + GRACE)
		return;
	/* This thread came late, so the stage may have stood still with it: once it has the grace
	 * anew. Not twice: what keeps this thread may be a slow database, each time. */
	if (!late || w->spared)
		end_process(line, lane, pool);
	w->spared = true;
	w->since = now - 2 * lane->conf->timeout_ns;
}

void
watchdog_look(struct pool *pool, struct watched_call *watched)
{
	int64_t now = clock_mono();

	for (uint32_t i = 0; i < pool->n_workers; i++)
		look(pool, &pool->segment->recorder[pool->options->first_worker + i], &watched[i],
		     now);
}
