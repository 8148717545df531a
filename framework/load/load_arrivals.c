/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * load_arrivals.c - when jobs come, whatever becomes of those before them.
 *
 * Intended times follow from the plan alone: what is late to be sent is late,
 * and its latency counts from when it should have been.
 */
#include "load/load.h"

#include <math.h>

static double
uniform(uint64_t *random)
{
	*random = splitmix64(*random);
	return ((double)(*random >> 11) + 0.5) / 9007199254740992.0;
}

/* The n-th of a ramp is due where the area under the rate is n. */
static double
ramp_at(const struct load_plan *plan, int64_t n)
{
	double slope = (plan->rate_to - plan->rate) / ((double)plan->duration_ns / 1e9), inside;

	if (fabs(slope) < 1e-9)
		return (double)n / plan->rate;
	inside = plan->rate * plan->rate + 2 * slope * (double)n;
	return inside < 0 ? INFINITY : (sqrt(inside) - plan->rate) / slope;
}

bool
load_next(struct load_arrivals *a, int64_t *ret_at_ns)
{
	const struct load_plan *plan = a->plan;

	if (plan->count > 0 && a->n == plan->count)
		return false;
	switch (plan->kind) {
	case LOAD_CONSTANT: a->at = (double)a->n / plan->rate; break;
	case LOAD_BURST: a->at = (double)(a->n / plan->burst * plan->burst) / plan->rate; break;
	case LOAD_RAMP: a->at = ramp_at(plan, a->n); break;
	default:
		if (a->n == 0)
			a->random = plan->seed;
		a->at -= log(uniform(&a->random)) / plan->rate;
	}
	if (!(a->at < 1e9) || (plan->duration_ns > 0 && a->at * 1e9 >= (double)plan->duration_ns))
		return false;
	a->n++;
	*ret_at_ns = (int64_t)(a->at * 1e9);
	return true;
}

char *
load_plan_text(const struct load_plan *plan)
{
	switch (plan->kind) {
	case LOAD_CLOSED: return mem_printf("closed, %lld in flight", (long long)plan->in_flight);
	case LOAD_CONSTANT: return mem_printf("constant, %g/s", plan->rate);
	case LOAD_BURST:
		return mem_printf("bursts of %lld, %g/s", (long long)plan->burst, plan->rate);
	case LOAD_RAMP: return mem_printf("ramp, %g/s to %g/s", plan->rate, plan->rate_to);
	default: return mem_printf("poisson, %g/s", plan->rate);
	}
}
