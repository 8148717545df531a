/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * profile.h - what numbers say: is this slower than that, and is that known? Which
 * resource holds a pipeline back, and what would a change buy?
 *
 * Pure functions of numbers: no database, no clock, no file; the same numbers
 * always give the same answer. Where numbers come from is said in load/ and cli/.
 *
 * Note on the model: a pipeline is seen as a closed network. Its customers are
 * the worker threads, each of which always has a job while there is a backlog.
 * A job of the pipeline costs each resource its demand D = V x S (visits times
 * time of a visit: Lazowska, Zahorjan, Graham, Sevcik, "Quantitative System
 * Performance", ch. 3, forced flow and utilization law). No throughput is above
 * capacity / D of any resource (ibid., ch. 5, asymptotic bounds); between the
 * bounds, where workers queue for cores, for a lock or for a serial stage, the
 * throughput is that of a network of queues (ibid., ch. 6; profile_network.c). Caps that hold
 * no worker (LATER, max_running, rate) are bounds of their own. A prediction is the
 * ratio of two answers of the model times what was measured, so that
 * what the model leaves out cancels.
 */
#ifndef PENSTOCK_PROFILE_H
#define PENSTOCK_PROFILE_H

#include "base/base.h"
#include "counters/counters.h"

/* ---- comparison: two sets of calls ---- */

enum profile_metric {
	PROFILE_WALL,         /* ns a job, in the stage */
	PROFILE_CPU,          /* ns a job */
	PROFILE_ALLOCATED,    /* bytes a job */
	PROFILE_DB,           /* ns a job */
	PROFILE_ERRORS,       /* share of the jobs that ended RETRY or FAIL */
	PROFILE_END_TO_END,   /* ns from a job's creation until it has settled */
	PROFILE_INSTRUCTIONS, /* a job */
	PROFILE_METRICS
};
const char *profile_metric_name(enum profile_metric metric); /* "wall" */

enum profile_verdict {
	PROFILE_NO_REGRESSION, /* the interval ends below the limit */
	PROFILE_REGRESSION,    /* the interval begins above the limit */
	PROFILE_TOO_LITTLE,    /* the limit is inside the interval */
	PROFILE_DISTURBED,     /* it may be what else the machine did: `why` says it */
	PROFILE_NOT_JUDGED     /* the two cannot be compared: `why` says it */
};
const char *profile_verdict_name(enum profile_verdict verdict);

/* Calls in the order of time: what the jobs of a call cost together. */
struct profile_series {
	const double *cost;
	const uint32_t *jobs; /* none 0 */
	size_t n;
	double stretch; /* the costs may be so much too high because of what else the machine
	                   did: 0.2 is by a fifth; INFINITY: nobody can say by how much */
};

struct profile_rule {
	double fail_on;       /* 0.05: five per cent more, a job */
	double fail_on_share; /* of error shares: 0.01 is one job of a hundred more */
	double alpha;         /* chance of a false regression over all of a family */
	size_t family;        /* comparisons that are made together, at least 1 */
#define PROFILE_ALPHA 0.02
	bool paired; /* the n-th call of both was made at about the same time */
	uint64_t seed;
};

struct profile_effect {
	enum profile_metric metric;
	enum profile_verdict verdict;
	double before, after;     /* a job */
	double effect, low, high; /* relative: 0.1 is ten per cent more; of error shares the
	                             difference. low and high are simultaneous over the family */
	size_t n_before, n_after; /* calls */
	size_t blocks;            /* that were resampled, of the side with fewer */
	const char *why;          /* "" or a sentence */
};

/* Fewer calls than this say nothing. */
#define PROFILE_CALLS_LEAST 64u

/* docs/decisions/0006-comparing-calls.md has the method and its error rates. */
void profile_compare(enum profile_metric metric, const struct profile_series *before,
                     const struct profile_series *after, const struct profile_rule *rule,
                     struct profile_effect *ret);

/* What else the machine did while a recording was made. */
struct profile_machine {
	bool known;
	double seconds, cores; /* cores: that the host may run on */
	double used;           /* CPU seconds of the host and of the database's server here */
	double others;         /* CPU seconds of anything else */
	double stolen;         /* seconds that a hypervisor kept cores from all of them */
	double waited; /* seconds that workers and their sessions were ready to run and had no
	                  core, whoever had it; PROFILE_UNKNOWN */
};
/* How much longer work on a core took because of others: 0.2 is by a fifth. */
double profile_stretch(const struct profile_machine *m);
/* The same of a stage's wall time, which is wall of all_wall, and has cpu and db in it (seconds).
 */
double profile_stretch_wall(const struct profile_machine *m, double wall, double cpu, double db,
                            double all_wall);
/* Of the time from a job's creation to its end: `closed` when a job is put in for each that ended.
 */
double profile_stretch_end_to_end(const struct profile_machine *m, bool closed);

/* Many at once: the family is those of them that there is something to say about, and each has a
 * seed of its own, made from the rule's. */
struct profile_pair {
	enum profile_metric metric;
	struct profile_series before, after;
};
void profile_compare_all(const struct profile_pair *pairs, size_t n,
                         const struct profile_rule *rule, struct profile_effect *ret);

/* The metric's series of some calls; the caller frees both arrays. Calls without jobs are left
 * out. */
void profile_series_of(enum profile_metric metric, const struct call_sample *calls, size_t n,
                       struct profile_series *ret);
void profile_series_free(struct profile_series *series);

/* One verdict of many: REGRESSION before DISTURBED before TOO_LITTLE before NO_REGRESSION;
 * NOT_JUDGED ones do not count, and when there is nothing else it is TOO_LITTLE. */
enum profile_verdict profile_verdict_all(const struct profile_effect *effects, size_t n);
/* What a command exits with: 0 no regression, 1 regression, 2 cannot tell. */
int profile_exit(enum profile_verdict verdict);

#define PROFILE_UNKNOWN (-1.0) /* of a number that could not be measured */

/* ---- the bottleneck: what was seen, over the time of the measurement; times in seconds ---- */

struct profile_seen_stage {
	const char *name;
	double jobs;   /* given to the stage, each attempt once */
	double came;   /* sent here by stages of the pipeline */
	double again;  /* of `jobs`, those that come again: retried, snoozed */
	uint64_t from; /* bit j: stage j has a route that leads here */
	double ended;  /* whose way through the pipeline ended here */
	double calls;
	double wall;            /* of workers inside the stage */
	double cpu;             /* of it on a core */
	double db;              /* of it with the lent connection */
	double blocked;         /* of workers in front of a serial stage, until it was free */
	double promised;        /* jobs that ended LATER */
	double later;           /* from their start to their completion, all of them together */
	double later_worker;    /* the part of wall that jobs took which ended LATER */
	double timed, time_sum; /* of the histogram: jobs, and their times together */
	double ready;           /* mean jobs waiting in the lane; PROFILE_UNKNOWN */
	double leased;          /* mean jobs in leases of the lane; PROFILE_UNKNOWN */
	double inside;          /* mean workers seen inside, by samples */
	double in_flight;       /* mean LATER jobs that are out, by samples */
	bool serial;
	double max_in_flight, max_running; /* jobs; 0: no such cap */
	double rate;                       /* jobs a second; 0: no such cap */
};

struct profile_seen {
	double seconds;
	double samples; /* looks at what workers are in */
	double workers, processes, cores;
	double workers_elsewhere; /* mean workers busy with other pipelines */
	double cores_elsewhere;   /* mean cores busy with what is not this pipeline */
	double idle;              /* of workers without work */
	double trips;             /* of workers in claims and settlements */
	double cores_wait;        /* of workers for a core that was not free; PROFILE_UNKNOWN */
	double host_cpu;          /* of the host's processes, stages included */
	/* The server's side. Means of sessions of workers in a statement, by samples, in the
	 * queue's own statements and in those of stages; PROFILE_UNKNOWN: not visible. */
	double server_cpu; /* seconds of its processes on this machine; PROFILE_UNKNOWN */
	double queue_active, stage_active; /* in a statement */
	double queue_cpu, stage_cpu;       /* of it, waiting for nothing */
	double queue_lock, stage_lock;     /* of it, waiting for a lock */
	double lock_held;   /* share of the time at which somebody waited for a lock */
	double least_ready; /* jobs ready in all lanes when there were fewest; PROFILE_UNKNOWN */
	const struct profile_seen_stage *stages;
	size_t n_stages;
};

/* ---- what follows ---- */

/* What a job of the pipeline asks of each resource at one stage, or in the queue's own work. */
struct profile_part {
	double cpu;    /* of the host */
	double server; /* CPU of the database's server */
	double locked; /* behind a lock of the database that others wait for */
	double waits;  /* anything else that holds the worker: sleep, network, disk, statements */
	double later;  /* LATER: from start to completion, on no worker */
	double serial; /* in a stage that runs one call at a time */
	double slots;  /* job-time that it takes of max_running */
};

enum profile_kind { PROFILE_WORKERS, PROFILE_CORES, PROFILE_DATABASE, PROFILE_CAP };
enum profile_cap { CAP_NONE, CAP_SERIAL, CAP_IN_FLIGHT, CAP_RUNNING, CAP_RATE };

struct profile_resource {
	enum profile_kind kind;
	enum profile_cap cap;
	size_t stage; /* of a cap */
	double
	    capacity;  /* how much of it there is: threads, cores, jobs; of a rate jobs a second */
	double demand; /* seconds of it for a job of the pipeline; of a rate jobs */
	double busy;   /* share of capacity that was in use */
	double bound;  /* jobs of the pipeline a second; INFINITY: it is not asked for */
	size_t most;   /* stage that uses most of it; n_stages: the queue's own work */
	double most_share;
};

struct profile_stage {
	double visits;    /* for each job of the pipeline */
	double rate;      /* jobs a second */
	double wait_s;    /* in its lane, a visit; PROFILE_UNKNOWN */
	double run_s;     /* in the stage, a visit; of LATER jobs to their completion */
	double db_s;      /* of it in the database */
	double cpu_s;     /* of it on a core */
	double share;     /* of the end-to-end time, waits included; PROFILE_UNKNOWN */
	double run_share; /* of the end-to-end time without what jobs wait */
	/* Little's law N = X R (ibid., ch. 3): jobs inside as seen, and as rate times time */
	double little_n, little_xr, little_margin;
	bool little_holds; /* also when there was too little to tell */
};

enum profile_change_kind {
	CHANGE_NONE,
	CHANGE_STAGE,   /* the stage twice as fast */
	CHANGE_WORKERS, /* two more */
	CHANGE_CORES,   /* twice as many */
	CHANGE_LEASES,  /* twice as large: half the claims and settlements */
	CHANGE_CAP      /* of the stage, twice as high */
};
struct profile_change {
	enum profile_change_kind kind;
	enum profile_cap cap;
	size_t stage;
	double rate; /* predicted, jobs a second */
	double gain; /* rate / the measured one - 1 */
};

enum profile_load {
	PROFILE_NO_JOBS,  /* none ended: nothing can be said */
	PROFILE_KEEPS_UP, /* jobs come more slowly than they could be done */
	PROFILE_SATURATED
};

struct profile {
	double rate; /* jobs of the pipeline that ended, a second */
	enum profile_load load;
	double bound;   /* jobs a second: the least of all resources' */
	size_t binding; /* index of the resource that gives it; n_resources when load is NO_JOBS */
	struct profile_resource *resources;
	size_t n_resources;
	struct profile_stage *stages;
	struct profile_part *parts; /* n_stages + 1: the last is the queue's own work */
	size_t n_stages;
	struct profile_change *changes; /* largest gain first */
	size_t n_changes;
	bool little_holds;                /* of every stage */
	double workers, cores, processes; /* what of them is this pipeline's */
	double factor;                    /* of the model: measured / answered */
};

void profile_make(const struct profile_seen *seen, struct profile *ret);
void profile_done(struct profile *profile);
/* Jobs a second after the change. */
double profile_predict(const struct profile *profile, const struct profile_seen *seen,
                       const struct profile_change *change);
const char *profile_kind_name(enum profile_kind kind); /* "worker threads" */
const char *profile_cap_name(enum profile_cap cap);    /* "max_in_flight" */

/* ---- its parts, each to be tested alone ---- */

/* Visits of each stage for a job of the pipeline, from flows that need not be even: a stage that
 * ran ahead of a slower one behind it counts by what it sends, not by what came out. */
void profile_visits(const struct profile_seen *seen, double *ret_visits);

struct profile_station {
	double demand; /* s */
	double servers;
};
/* Throughput of a closed network: `customers` go round between `delay` seconds of anything that
 * nobody waits for and stations with one queue each. Exact where times of service are exponential
 * (Lazowska et al., ch. 6.4 and 8.2, Buzen 1973). Servers need not be whole: of 1.5 a single
 * customer gets one, and many get one and a half. 0 when there are no customers, INFINITY when
 * nothing takes time. */
double profile_network(const struct profile_station *stations, size_t n, double delay,
                       unsigned customers);

#endif
