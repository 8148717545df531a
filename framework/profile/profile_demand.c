/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * profile_demand.c - what a job of the pipeline asks of each resource, stage by stage.
 *
 * Times that a worker spends in queues (for a core, a lock, its turn in a serial
 * stage) are no demand: they are taken out here, and the model makes them
 * anew. Never below zero: two clocks that disagree must not lend time.
 */
#include "profile/profile_priv.h"

#include <math.h>

static double
ratio(double a, double b)
{
	return b > 0 ? a / b : 0;
}

static double
at_least_0(double v)
{
	return v > 0 ? v : 0;
}

static double
known(double v)
{
	return v >= 0 ? v : 0;
}

/* Visits for each job that a stage was given, of those before stage i that lead to it. */
static double
visits_a_job_before(const struct profile_seen *seen, const double *visits, size_t i)
{
	double sum = 0, jobs = 0;

	for (size_t j = 0; j < i; j++) {
		if (j < 64 && seen->stages[i].from && !(seen->stages[i].from >> j & 1))
			continue;
		sum += visits[j];
		jobs += seen->stages[j].jobs;
	}
	return ratio(sum, jobs);
}

void
profile_visits(const struct profile_seen *seen, double *ret_visits)
{
	bool begun = false;

	for (size_t i = 0; i < seen->n_stages; i++) {
		const struct profile_seen_stage *s = &seen->stages[i];
		double first = s->came * visits_a_job_before(seen, ret_visits, i);
		double back = ratio(s->again, s->jobs);

		/* those in front may have been held all the time, because a queue behind them is
		 * full */
		if (!begun)
			first = s->jobs > 0;
		begun |= s->jobs > 0;
		ret_visits[i] = first / (back < 0.99 ? 1 - back : 0.01);
	}
}

/* Jobs of the pipeline that the work seen amounts to. */
static double
pipeline_jobs(const struct profile_seen *seen, const struct profile *p)
{
	double jobs = 0, visits = 0;

	for (size_t i = 0; i < seen->n_stages; i++) {
		jobs += seen->stages[i].jobs;
		visits += p->stages[i].visits;
	}
	return ratio(jobs, visits);
}

/* Of the whole time, by what must be spread over stages and queue. */
struct spread {
	double jobs;                       /* of the pipeline */
	double wait_per_cpu;               /* for a core, for each second on one */
	double stage_db;                   /* of all stages, with the lent connection */
	double stage_server, queue_server; /* CPU of the server */
	double stage_lock, queue_lock;
	double locked; /* held while others waited */
};

static void
make_spread(const struct profile_seen *seen, const struct profile *p, struct spread *ret)
{
	double server = known(seen->server_cpu), on_cores = seen->host_cpu + server, share, ours;
	double stage_lock = known(seen->stage_lock) * seen->seconds;

	*ret = (struct spread){ .jobs = pipeline_jobs(seen, p) };
	for (size_t i = 0; i < seen->n_stages; i++)
		ret->stage_db += seen->stages[i].db;
	if (seen->stage_cpu >= 0 && seen->stage_cpu + seen->queue_cpu > 0)
		share = seen->stage_cpu / (seen->stage_cpu + seen->queue_cpu);
	else
		share = ratio(ret->stage_db, ret->stage_db + seen->trips);
	ret->stage_server = server * share;
	ret->queue_server = server - ret->stage_server;
	ret->stage_lock = stage_lock < ret->stage_db ? stage_lock : ret->stage_db;
	ret->queue_lock = known(seen->queue_lock) * seen->seconds;
	ret->locked = seen->lock_held > LOCK_SEEN ? seen->lock_held * seen->seconds : 0;
	/* what strangers made us wait for is no queue of our own: it stays in `waits` */
	ours = on_cores / seen->seconds;
	ret->wait_per_cpu = ratio(known(seen->cores_wait), on_cores) *
	                    ratio(ours, ours + seen->cores_elsewhere);
}

/* A stage, all that was seen of it together. */
static struct profile_part
stage_total(const struct profile_seen_stage *s, const struct spread *spread)
{
	double of_db = ratio(s->db, spread->stage_db);
	double lock_wait = spread->stage_lock * of_db, in_database = at_least_0(s->db - lock_wait);
	double all_in_database = at_least_0(spread->stage_db - spread->stage_lock);
	struct profile_part part = { .cpu = s->cpu, .server = spread->stage_server * of_db };
	double held = spread->locked < all_in_database ? spread->locked : all_in_database;
	double on_cores;

	part.locked = held * ratio(in_database, all_in_database);
	on_cores = s->cpu + profile_server_apart(&part);
	part.waits = at_least_0(s->wall - lock_wait - part.locked -
	                        on_cores * (1 + spread->wait_per_cpu));
	if (s->serial) {
		part.serial = at_least_0(s->wall - lock_wait - on_cores * spread->wait_per_cpu);
		part.waits = 0;
	}
	part.later = s->later;
	if (s->max_running > 0)
		part.slots = s->wall * ratio(s->jobs, s->calls);
	return part;
}

/* Claims, settlements, and what lies between the calls of stages. */
static struct profile_part
queue_total(const struct profile_seen *seen, const struct spread *spread)
{
	double busy = (seen->workers - seen->workers_elsewhere) * seen->seconds - seen->idle;
	struct profile_part part = { .cpu = seen->host_cpu, .server = spread->queue_server };
	double stage_locked = at_least_0(spread->stage_db - spread->stage_lock);

	for (size_t i = 0; i < seen->n_stages; i++) {
		busy -= seen->stages[i].wall + seen->stages[i].blocked;
		part.cpu -= seen->stages[i].cpu;
	}
	part.cpu = at_least_0(part.cpu);
	busy = at_least_0(busy);
	part.locked = at_least_0(spread->locked - stage_locked);
	if (part.locked > busy)
		part.locked = busy;
	part.waits = at_least_0(busy - part.locked - spread->queue_lock -
	                        (part.cpu + profile_server_apart(&part)) *
	                            (1 + spread->wait_per_cpu));
	return part;
}

static void
scale(struct profile_part *part, double by)
{
	part->cpu *= by;
	part->server *= by;
	part->locked *= by;
	part->waits *= by;
	part->later *= by;
	part->serial *= by;
	part->slots *= by;
}

void
profile_demands(const struct profile_seen *seen, struct profile *p)
{
	struct spread spread;

	make_spread(seen, p, &spread);
	for (size_t i = 0; i < seen->n_stages; i++) {
		const struct profile_seen_stage *s = &seen->stages[i];

		p->parts[i] = stage_total(s, &spread);
		scale(&p->parts[i], ratio(p->stages[i].visits, s->jobs));
	}
	p->parts[seen->n_stages] = queue_total(seen, &spread);
	scale(&p->parts[seen->n_stages], ratio(1, spread.jobs));
}
