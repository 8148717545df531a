/* SPDX-License-Identifier: BSD-2-Clause */
/* life.c - one instance a thread, with every function of its life; tells them in the attributes. */
#include <penstock.h>

#include <stdlib.h>

PS_OPTIONS(life, PS_BOOL(fail_open, false, "open() fails"),
           PS_BOOL(fail_thread, false, "thread_init() fails"))

struct life {
	int opened, threads, calls;
	bool fail_thread;
};

static int
life_open(const struct ps_open *open, void **ret_instance)
{
	const struct life_options *opt = ps_options(open, life);
	struct life *life;

	if (opt->fail_open) {
		ps_open_error(open, "told to fail");
		return 7;
	}
	life = calloc(1, sizeof *life);
	if (!life)
		return 1;
	life->opened = 1;
	life->fail_thread = opt->fail_thread;
	*ret_instance = life;
	return 0;
}

static void
life_close(void *instance)
{
	free(instance);
}

static int
life_thread_init(void *instance, void **ret_thread)
{
	struct life *life = instance;

	if (life->fail_thread)
		return 5;
	life->threads++;
	*ret_thread = malloc(1);
	return *ret_thread ? 0 : 1;
}

static void
life_thread_fini(void *instance, void *thread)
{
	struct life *life = instance;

	life->threads--;
	free(thread);
}

static int
life_process(void *instance, void *thread, struct ps_call *call)
{
	struct life *life = instance;

	life->calls++;
	for (uint32_t i = 0; i < call->n; i++) {
		struct ps_job *job = ps_job_at(call, i);

		ps_set_int(call, job->out, "threads", life->threads);
		ps_set_int(call, job->out, "calls", life->calls);
		ps_set_bool(call, job->out, "thread", thread != NULL);
		if (ps_get_bool(call, job->in, "stop", false))
			return 3; /* this job and those behind it are left without an outcome */
		ps_done(call, job, NULL);
	}
	return 0;
}

PS_STAGE(life, "1.0.0", "Has a whole life on each thread", PS_OPEN(life_open), PS_CLOSE(life_close),
         PS_THREAD_INIT(life_thread_init), PS_THREAD_FINI(life_thread_fini),
         PS_THREADING(PS_PER_THREAD), PS_MAX_CALL(64))
