/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * profile_little.c - what is said of each stage, and whether the counters fit together.
 *
 * Little's law N = X R (Lazowska et al., ch. 3): the jobs that are inside of a stage
 * by looking at its workers again and again, and by rate times mean time of the
 * histogram. The two come from different code, so where they
 * differ beyond the errors of both, one of them lies.
 */
#include "profile/profile_priv.h"

#include <math.h>

/* Of a bucket's middle (counters.h). */
#define HISTOGRAM_ERROR 0.044
/* Fewer jobs than this say nothing. */
#define JOBS_LEAST 20

/* Standard error of a mean of looks, of which those within one call say the same again. */
static double
error_of_looks(const struct profile_seen *seen, double mean, double call_s)
{
	double apart = seen->seconds / seen->samples, looks = seen->samples;

	if (call_s > apart)
		looks = seen->seconds / call_s;
	return sqrt(mean / fmax(looks, 1));
}

static void
check_little(const struct profile_seen *seen, const struct profile_seen_stage *s,
             struct profile_stage *ret)
{
	double mean_time = s->timed > 0 ? s->time_sum / s->timed : 0;
	double in_calls = s->wall > 0 ? 1 - s->later_worker / s->wall : 0;
	double call_s = s->calls > 0 ? s->wall / s->calls : 0;
	double later_s = s->promised > 0 ? s->later / s->promised : 0;
	double workers, edges, more;

	ret->little_n = s->inside * in_calls + s->in_flight;
	ret->little_xr = s->timed / seen->seconds * mean_time;
	/* what is inside at the two readings is counted at its end only */
	workers = fmin(ret->little_n + 1, seen->workers);
	edges = workers * call_s + ret->little_n * later_s;
	ret->little_margin = HISTOGRAM_ERROR * ret->little_xr + edges / seen->seconds +
	                     3 * error_of_looks(seen, ret->little_n, fmax(call_s, later_s)) + 0.01;
	/* a promised job is inside until its worker has come for it, its time ends before */
	more = ret->little_n - ret->little_xr;
	if (s->promised > 0 && more > 0)
		more = 0;
	ret->little_holds = s->timed < JOBS_LEAST || seen->samples < JOBS_LEAST ||
	                    fabs(more) <= ret->little_margin;
}

static double
mean_run(const struct profile_seen_stage *s)
{
	double jobs = s->jobs > 0 ? s->jobs : 1;
	double kept = s->promised > 0 ? s->later : 0;

	return (s->wall - s->later_worker + kept) / jobs;
}

static void
say_stage(const struct profile_seen *seen, const struct profile_seen_stage *s,
          struct profile_stage *ret)
{
	double jobs = s->jobs > 0 ? s->jobs : 1;

	ret->rate = s->jobs / seen->seconds;
	ret->run_s = mean_run(s);
	ret->db_s = s->db / jobs;
	ret->cpu_s = s->cpu / jobs;
	/* Little's law again: nobody measures it job by job, which costs more than one may
	 * (docs/decisions/0012-time-in-the-lane.md) */
	ret->wait_s = PROFILE_UNKNOWN;
	if (s->ready >= 0)
		ret->wait_s = s->jobs > 0 ? s->ready / ret->rate : 0;
	check_little(seen, s, ret);
}

void
profile_say_stages(const struct profile_seen *seen, struct profile *p)
{
	double all = 0, run = 0;
	bool known = true;

	p->little_holds = true;
	for (size_t i = 0; i < p->n_stages; i++) {
		struct profile_stage *s = &p->stages[i];

		say_stage(seen, &seen->stages[i], s);
		p->little_holds &= s->little_holds;
		known &= s->wait_s >= 0;
		run += s->visits * s->run_s;
		all += s->visits * (s->run_s + fmax(s->wait_s, 0));
	}
	for (size_t i = 0; i < p->n_stages; i++) {
		struct profile_stage *s = &p->stages[i];
		double mine = s->visits * (s->run_s + fmax(s->wait_s, 0));

		s->run_share = run > 0 ? s->visits * s->run_s / run : 0;
		s->share = !known ? PROFILE_UNKNOWN : all > 0 ? mine / all : 0;
	}
}
