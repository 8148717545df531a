/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * profile_change.c - what a change would buy, as the model has it.
 *
 * The model is asked twice, as things are and as they would be, and the ratio
 * is applied to what was measured: whatever it leaves out stands in both.
 */
#include "profile/profile_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What is gained less than this is not worth a line. */
#define GAIN_LEAST 0.01
#define CUSTOMERS_MOST 1024

/* The pipeline as a change leaves it. */
struct variant {
	const struct profile *p;
	const struct profile_seen *seen;
	struct profile_change change;
	struct profile_part *parts;
	double workers, cores;
};

static void
halve(struct profile_part *part)
{
	part->cpu /= 2;
	part->server /= 2;
	part->locked /= 2;
	part->waits /= 2;
	part->later /= 2;
	part->serial /= 2;
	part->slots /= 2;
}

static void
variant_init(struct variant *v, const struct profile *p, const struct profile_seen *seen,
             const struct profile_change *change)
{
	size_t size = (p->n_stages + 1) * sizeof *v->parts;

	*v = (struct variant){
		.p = p, .seen = seen, .change = *change, .workers = p->workers, .cores = p->cores
	};
	v->parts = mem_alloc(size);
	memcpy(v->parts, p->parts, size);
	switch (change->kind) {
	case CHANGE_STAGE: halve(&v->parts[change->stage]); break;
	case CHANGE_LEASES: halve(&v->parts[p->n_stages]); break;
	case CHANGE_WORKERS: v->workers += 2; break;
	case CHANGE_CORES: v->cores += seen->cores; break;
	case CHANGE_CAP:
	case CHANGE_NONE: break;
	}
}

/* What a serial stage or a lock does while others wait is at its station, not at the cores'. */
static size_t
stations(const struct variant *v, struct profile_station *ret, double *ret_delay)
{
	struct profile_station cores = { 0, v->cores }, lock = { 0, 1 };
	size_t n = 0;

	*ret_delay = 0;
	for (size_t i = 0; i <= v->p->n_stages; i++) {
		const struct profile_part *part = &v->parts[i];

		if (part->serial > 0) {
			double servers = v->p->processes;

			if (v->change.kind == CHANGE_CAP && v->change.cap == CAP_SERIAL &&
			    v->change.stage == i)
				servers *= 2;
			ret[n++] = (struct profile_station){ part->serial, servers };
			continue;
		}
		lock.demand += part->locked;
		cores.demand += part->cpu + profile_server_apart(part);
		*ret_delay += part->waits;
	}
	ret[n++] = cores;
	if (lock.demand > 0)
		ret[n++] = lock;
	return n;
}

/* Populations are whole; between two of them the throughput is taken as straight. */
static double
network(const struct variant *v)
{
	struct profile_station *s = mem_array(NULL, v->p->n_stages + 3, sizeof *s);
	double delay, customers = fmin(v->workers, CUSTOMERS_MOST), low, high;
	size_t n = stations(v, s, &delay);

	low = profile_network(s, n, delay, (unsigned)floor(customers));
	high = profile_network(s, n, delay, (unsigned)ceil(customers));
	free(s);
	return low + (high - low) * (customers - floor(customers));
}

static bool
changes_cap(const struct variant *v, const struct profile_resource *r)
{
	return v->change.kind == CHANGE_CAP && v->change.cap == r->cap &&
	       v->change.stage == r->stage;
}

/* Of a cap that binds, what its places lose between two jobs stays lost: 1 / X = (D + lost) / C. */
static double
cap_bound(const struct variant *v, const struct profile_resource *r)
{
	double capacity = changes_cap(v, r) ? r->capacity * 2 : r->capacity;
	double demand = r->demand, lost = 0;

	if (r->cap != CAP_RATE)
		demand -= profile_part_demand(&v->p->parts[r->stage], r) -
		          profile_part_demand(&v->parts[r->stage], r);
	if (v->p->load == PROFILE_SATURATED && r == &v->p->resources[v->p->binding])
		lost = fmax(r->capacity / v->p->rate - r->demand, 0);
	return demand + lost > 0 ? capacity / (demand + lost) : INFINITY;
}

static double
cores_bound(const struct variant *v)
{
	double demand = 0;

	for (size_t i = 0; i <= v->p->n_stages; i++)
		demand += v->parts[i].cpu + v->parts[i].server;
	return demand > 0 ? v->cores / demand : INFINITY;
}

static double
model(const struct variant *v, double factor)
{
	double rate = factor * network(v);

	rate = fmin(rate, cores_bound(v) * fmax(factor, 1));
	for (size_t i = 0; i < v->p->n_resources; i++) {
		const struct profile_resource *r = &v->p->resources[i];

		if (r->kind == PROFILE_CAP && r->cap != CAP_SERIAL)
			rate = fmin(rate, cap_bound(v, r));
	}
	return rate;
}

static double
answer(const struct profile *p, const struct profile_seen *seen,
       const struct profile_change *change, double factor)
{
	struct variant v;
	double rate;

	variant_init(&v, p, seen, change);
	rate = model(&v, factor);
	free(v.parts);
	return rate;
}

/* Only while the workers always have work does what was measured say how far off the model is. */
static double
factor_of(const struct profile *p, const struct profile_seen *seen)
{
	const struct profile_change none = { .kind = CHANGE_NONE };
	const struct profile_resource *r = &p->resources[p->binding];
	double now;

	if (p->load != PROFILE_SATURATED || (r->kind == PROFILE_CAP && r->cap != CAP_SERIAL))
		return 1;
	now = answer(p, seen, &none, 1);
	return now > 0 && isfinite(now) ? p->rate / now : 1;
}

double
profile_predict(const struct profile *p, const struct profile_seen *seen,
                const struct profile_change *change)
{
	return answer(p, seen, change, p->factor);
}

/* ---- the list ---- */

static int
by_gain(const void *a, const void *b)
{
	const struct profile_change *x = a, *y = b;

	return (x->gain < y->gain) - (x->gain > y->gain);
}

static void
consider(struct profile *p, const struct profile_seen *seen, double now,
         struct profile_change change)
{
	change.rate = profile_predict(p, seen, &change);
	change.gain = now > 0 ? change.rate / now - 1 : 0;
	if (isfinite(change.gain) && change.gain >= GAIN_LEAST)
		p->changes[p->n_changes++] = change;
}

void
profile_changes(const struct profile_seen *seen, struct profile *p)
{
	const struct profile_change none = { .kind = CHANGE_NONE };
	double now;

	p->factor = 1;
	p->changes = mem_array(NULL, 3 + 5 * p->n_stages, sizeof *p->changes);
	if (p->load == PROFILE_NO_JOBS)
		return;
	p->factor = factor_of(p, seen);
	now = profile_predict(p, seen, &none);
	for (size_t i = 0; i < p->n_stages; i++)
		consider(p, seen, now, (struct profile_change){ .kind = CHANGE_STAGE, .stage = i });
	consider(p, seen, now, (struct profile_change){ .kind = CHANGE_WORKERS });
	consider(p, seen, now, (struct profile_change){ .kind = CHANGE_CORES });
	consider(p, seen, now, (struct profile_change){ .kind = CHANGE_LEASES });
	for (size_t i = 0; i < p->n_resources; i++)
		if (p->resources[i].kind == PROFILE_CAP)
			consider(p, seen, now,
			         (struct profile_change){ .kind = CHANGE_CAP,
			                                  .cap = p->resources[i].cap,
			                                  .stage = p->resources[i].stage });
	qsort(p->changes, p->n_changes, sizeof *p->changes, by_gain);
}
