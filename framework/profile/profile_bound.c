/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * profile_bound.c - the resources of a pipeline, their bounds, and which of them binds.
 *
 * Bounds are the asymptotic ones (profile.h): capacity / demand. Which resource
 * is the narrowest follows from them alone; that it is really full is looked
 * at apart, since a pipeline without enough work has bounds as well.
 */
#include "profile/profile_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Worker threads are named only where more of them would buy at least this much before the next
 * resource binds. */
#define WORKERS_WORTH 1.15
/* A resource that is used less than this holds nobody back. */
#define FULL 0.7

const char *
profile_kind_name(enum profile_kind kind)
{
	static const char *const names[] = { "worker threads", "cores", "database", "cap" };

	return names[kind];
}

const char *
profile_cap_name(enum profile_cap cap)
{
	static const char *const names[] = { "", "serial", "max_in_flight", "max_running", "rate" };

	return names[cap];
}

static double
of_workers(const struct profile_part *part)
{
	if (part->serial > 0)
		return part->serial;
	return part->cpu + profile_server_apart(part) + part->locked + part->waits;
}

double
profile_part_demand(const struct profile_part *part, const struct profile_resource *r)
{
	switch (r->kind) {
	case PROFILE_WORKERS: return of_workers(part);
	case PROFILE_CORES: return part->cpu + part->server;
	case PROFILE_DATABASE: return part->locked;
	case PROFILE_CAP: break;
	}
	switch (r->cap) {
	case CAP_SERIAL: return part->serial;
	case CAP_IN_FLIGHT: return part->later;
	case CAP_RUNNING: return part->slots;
	default: return 0;
	}
}

static void
find_most(struct profile *p, struct profile_resource *r)
{
	double sum = 0, most = -1;

	for (size_t i = 0; i <= p->n_stages; i++) {
		double demand = profile_part_demand(&p->parts[i], r);

		sum += demand;
		if (demand > most) {
			most = demand;
			r->most = i;
		}
	}
	if (r->kind == PROFILE_CAP) {
		r->most = r->stage;
		most = sum = 1;
	}
	r->most_share = sum > 0 ? most / sum : 0;
}

static struct profile_resource *
add(struct profile *p, struct profile_resource r)
{
	struct profile_resource *at = &p->resources[p->n_resources++];

	*at = r;
	if (at->kind != PROFILE_CAP)
		for (size_t i = 0; i <= p->n_stages; i++)
			at->demand += profile_part_demand(&p->parts[i], at);
	at->bound = at->demand > 0 ? at->capacity / at->demand : INFINITY;
	find_most(p, at);
	return at;
}

static void
add_shared(const struct profile_seen *seen, struct profile *p)
{
	double server = seen->server_cpu > 0 ? seen->server_cpu : 0;
	double threads = p->workers * seen->seconds;

	add(p, (struct profile_resource){
	           .kind = PROFILE_WORKERS,
	           .capacity = p->workers,
	           .busy = threads > 0 ? 1 - seen->idle / threads : 0,
	       });
	add(p, (struct profile_resource){
	           .kind = PROFILE_CORES,
	           .capacity = p->cores,
	           .busy = (seen->host_cpu + server) / seen->seconds / p->cores,
	       });
	if (seen->lock_held > LOCK_SEEN)
		add(p, (struct profile_resource){
		           .kind = PROFILE_DATABASE, .capacity = 1, .busy = seen->lock_held });
}

static void
add_cap(struct profile *p, enum profile_cap cap, size_t stage, double capacity, double demand,
        double busy)
{
	add(p, (struct profile_resource){ .kind = PROFILE_CAP,
	                                  .cap = cap,
	                                  .stage = stage,
	                                  .capacity = capacity,
	                                  .demand = demand,
	                                  .busy = busy });
}

/* Of max_running jobs take their place for as long as their lease lives, longer than they run. */
static double
leased_demand(const struct profile_seen *seen, const struct profile *p, size_t i)
{
	const struct profile_seen_stage *s = &seen->stages[i];
	double held = s->leased > 0 ? s->leased * seen->seconds : 0;

	held = s->jobs > 0 ? held / s->jobs * p->stages[i].visits : 0;
	return held > p->parts[i].slots ? held : p->parts[i].slots;
}

static void
add_caps(const struct profile_seen *seen, struct profile *p, size_t i)
{
	const struct profile_seen_stage *s = &seen->stages[i];
	const struct profile_part *part = &p->parts[i];
	double t = seen->seconds;

	if (s->serial)
		add_cap(p, CAP_SERIAL, i, p->processes, part->serial, s->wall / t / p->processes);
	if (s->max_in_flight > 0)
		add_cap(p, CAP_IN_FLIGHT, i, s->max_in_flight * p->processes, part->later,
		        s->later / t / (s->max_in_flight * p->processes));
	if (s->max_running > 0)
		add_cap(p, CAP_RUNNING, i, s->max_running, leased_demand(seen, p, i),
		        s->leased >= 0 ? s->leased / s->max_running
		                       : part->slots * s->jobs / t / s->max_running);
	if (s->rate > 0)
		add_cap(p, CAP_RATE, i, s->rate, p->stages[i].visits, s->jobs / t / s->rate);
}

/* Where the server takes more of the cores than the host does, it is the database that binds. */
static void
name_cores(struct profile *p)
{
	double host = 0, server = 0;

	for (size_t i = 0; i <= p->n_stages; i++) {
		host += p->parts[i].cpu;
		server += p->parts[i].server;
	}
	if (server > host)
		p->resources[p->binding].kind = PROFILE_DATABASE;
}

static void
find_binding(struct profile *p)
{
	const struct profile_resource *workers = &p->resources[0], *r;
	size_t least = 0, next = 0;

	for (size_t i = 1; i < p->n_resources; i++) {
		r = &p->resources[i];
		if (r->bound < p->resources[least].bound)
			least = i;
		if (next == 0 || r->bound < p->resources[next].bound)
			next = i;
	}
	r = &p->resources[next];
	if (least == 0 && next > 0 && r->busy >= FULL && r->bound < workers->bound * WORKERS_WORTH)
		least = next;
	p->binding = least;
	p->bound = p->resources[least].bound;
	if (p->bound > workers->bound)
		p->bound = workers->bound;
}

static enum profile_load
load_of(const struct profile_seen *seen, const struct profile *p)
{
	double most = 0;

	if (p->rate <= 0)
		return PROFILE_NO_JOBS;
	for (size_t i = 0; i < p->n_resources; i++)
		if (p->resources[i].busy > most)
			most = p->resources[i].busy;
	if (seen->least_ready >= 0)
		return seen->least_ready >= 1 ? PROFILE_SATURATED : PROFILE_KEEPS_UP;
	return most >= FULL ? PROFILE_SATURATED : PROFILE_KEEPS_UP;
}

void
profile_bounds(const struct profile_seen *seen, struct profile *p)
{
	p->resources = mem_array(NULL, 3 + 4 * seen->n_stages, sizeof *p->resources);
	add_shared(seen, p);
	for (size_t i = 0; i < seen->n_stages; i++)
		add_caps(seen, p, i);
	find_binding(p);
	p->load = load_of(seen, p);
	if (p->load == PROFILE_NO_JOBS)
		p->binding = p->n_resources;
	else if (p->resources[p->binding].kind == PROFILE_CORES)
		name_cores(p);
}

/* ---- the whole ---- */

static double
ended(const struct profile_seen *seen)
{
	double sum = 0;

	for (size_t i = 0; i < seen->n_stages; i++)
		sum += seen->stages[i].ended;
	return sum;
}

/* Cores that strangers keep busy are not there for us as far as they make us wait: who never waits
 * for a core takes it from them. */
static double
cores_for_us(const struct profile_seen *seen)
{
	double server = seen->server_cpu > 0 ? seen->server_cpu : 0;
	double on_cores = seen->host_cpu + server, kept = 1;

	if (seen->cores_wait >= 0 && on_cores > 0)
		kept = seen->cores_wait / (seen->cores_wait + on_cores);
	return fmax(seen->cores - seen->cores_elsewhere * kept, 0.1);
}

void
profile_make(const struct profile_seen *seen, struct profile *ret)
{
	double *visits = mem_array(NULL, seen->n_stages + 1, sizeof *visits);

	*ret = (struct profile){ .n_stages = seen->n_stages, .processes = seen->processes };
	ret->stages = mem_array(NULL, seen->n_stages + 1, sizeof *ret->stages);
	memset(ret->stages, 0, (seen->n_stages + 1) * sizeof *ret->stages);
	ret->parts = mem_array(NULL, seen->n_stages + 1, sizeof *ret->parts);
	memset(ret->parts, 0, (seen->n_stages + 1) * sizeof *ret->parts);
	ret->workers = fmax(seen->workers - seen->workers_elsewhere, 0.1);
	ret->cores = cores_for_us(seen);
	ret->rate = ended(seen) / seen->seconds;
	profile_visits(seen, visits);
	for (size_t i = 0; i < seen->n_stages; i++)
		ret->stages[i].visits = visits[i];
	free(visits);
	profile_demands(seen, ret);
	profile_bounds(seen, ret);
	profile_say_stages(seen, ret);
	profile_changes(seen, ret);
}

void
profile_done(struct profile *p)
{
	free(p->resources);
	free(p->stages);
	free(p->parts);
	free(p->changes);
}
