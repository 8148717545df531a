/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * load.h - watch what calls cost, keep it, compare it; and make load to be watched.
 *
 * A watch reads the counters segment of the host on this machine, from a
 * thread of its own. A baseline is what it saw, kept as rows. What numbers
 * mean is said in profile/.
 */
#ifndef PENSTOCK_LOAD_H
#define PENSTOCK_LOAD_H

#include "base/base.h"
#include "config/config.h"
#include "counters/counters.h"
#include "db/db.h"
#include "profile/profile.h"

/* ---- what was seen of a pipeline ---- */

/* Single calls of one stage and release that are kept: of more, every second, fourth... one. */
#define LOAD_CALLS_MOST 32768u

struct load_stage {
	char stage[64], release[24];
	uint64_t value[COUNTER_N]; /* of the time that was watched */
	struct histogram time;
	struct call_sample *calls; /* in order of time */
	size_t n_calls;
	uint64_t lost; /* calls that are not among them */
};
/* Jobs that ended together, and their times from creation to end added up. */
struct load_end {
	int32_t jobs;
	int64_t us;
};

struct baseline {
	char *name; /* NULL: not kept */
	char *pipeline;
	char *machine; /* its class: load_machine() */
	char *version, *server, *configuration;
	char *load; /* what made the jobs; "": whatever came */
	int64_t id, recorded_at_us;
	double seconds;
	int64_t workers;
	struct profile_machine shared; /* what else the machine did meanwhile */
	struct load_stage *stages;     /* in the order of the pipeline */
	size_t n_stages;
	struct load_end *ends;
	size_t n_ends;
};
void baseline_done(struct baseline *b);
/* Processor, cores, memory and system: what must be alike for times to be comparable. The caller
 * frees. */
char *load_machine(void);
/* Hex sha256 of what the pipeline is made of and of how the host works on it; the caller frees. */
char *load_configuration(const struct config *config, const struct config_pipeline *pipeline);

/* ---- who uses the cores of this machine ---- */

struct load_process {
	int pid;
	double cpu, wait; /* s; wait: ready to run, without a core */
};
/* One reading: seconds since beginnings of their own, so only differences of two say something. */
struct load_cores {
	double at, cores;              /* cores: that the host may run on */
	double host_cpu, workers_wait; /* workers_wait: PROFILE_UNKNOWN where nobody counts it */
	double own_cpu;                /* of the process that looks */
	double busy, stolen;           /* of the whole machine; stolen by a hypervisor */
	struct load_process *server;   /* of the database */
	size_t n_server;
	bool server_here; /* on this machine, and to be seen */
};
/* Never fails: what cannot be seen is unknown. db NULL: the database is away. */
void load_cores_read(struct db *db, const struct segment *segment, struct load_cores *ret);
void load_cores_done(struct load_cores *cores);
struct load_cores_used {
	double seconds, cores;
	double host_cpu;
	double server_cpu; /* PROFILE_UNKNOWN: not on this machine */
	double wait; /* of workers and of their sessions' processes, for a core; PROFILE_UNKNOWN */
	double busy, stolen;
	double others; /* busy with what is neither host nor server nor the process that looked */
};
void load_cores_between(const struct load_cores *from, const struct load_cores *to,
                        struct load_cores_used *ret);
struct profile_machine load_cores_machine(const struct load_cores_used *used);

/* ---- a watch ---- */

struct load_watch;
/* NOT_FOUND: no host runs here. db is used at the beginning and at the end, to know the server's
 * processes. */
enum status load_watch_start(struct db *db, const char *segment_path,
                             const struct config_pipeline *pipeline, struct load_watch **ret_watch,
                             struct fault *fault);
/* Ends the watch and fills in seconds, workers, shared and stages of *b. AWAY: the host was started
 * anew meanwhile. The watch is gone in any case. */
enum status load_watch_stop(struct load_watch *watch, struct db *db, struct baseline *b,
                            struct fault *fault);
void load_watch_drop(struct load_watch *watch); /* takes NULL */

/* ---- from one moment to another: what ended ---- */

struct load_moment {
	char at[64]; /* by the database's clock */
	int64_t block;
	char server[64]; /* its version */
};
enum status load_moment_now(struct db *db, struct load_moment *ret, struct fault *fault);
/* Fills in ends and server of *b. */
enum status load_ends_since(struct db *db, const struct load_moment *moment, struct baseline *b,
                            struct fault *fault);

/* ---- kept ---- */

/* One transaction. REFUSED: there is one of that name, and it shall not be replaced. */
enum status baseline_keep(struct db *db, const struct baseline *b, bool replace,
                          struct fault *fault);
enum status baseline_fetch(struct db *db, const char *name, struct baseline *ret,
                           struct fault *fault);

/* ---- compared ---- */

struct load_effect {
	const char *stage; /* NULL: the pipeline; borrowed from the baselines */
	struct profile_effect effect;
};
struct load_comparison {
	struct load_effect *effects;
	size_t n;
	enum profile_verdict verdict;
	struct buf warnings; /* a line each: what makes the two hard to compare */
};
/* Both outlive the comparison. */
void load_compare(const struct baseline *before, const struct baseline *after,
                  const struct profile_rule *rule, struct load_comparison *ret);
void load_comparison_done(struct load_comparison *c);

/* ---- load ---- */

enum load_kind { LOAD_CLOSED, LOAD_CONSTANT, LOAD_POISSON, LOAD_BURST, LOAD_RAMP };
struct load_plan {
	enum load_kind kind;
	double rate;         /* jobs a second; of a ramp where it begins */
	double rate_to;      /* of a ramp where it ends, after duration_ns */
	int64_t burst;       /* jobs at once */
	int64_t in_flight;   /* of LOAD_CLOSED */
	int64_t duration_ns; /* 0: until count */
	int64_t count;       /* 0: until duration_ns */
	uint64_t seed;
};
/* "poisson, 500/s"; the caller frees. */
char *load_plan_text(const struct load_plan *plan);

/* When jobs shall come, in ns from the beginning: of open loops, one after the other. False: that
 * was the last one. */
struct load_arrivals {
	const struct load_plan *plan;
	int64_t n;
	double at; /* seconds */
	uint64_t random;
};
bool load_next(struct load_arrivals *arrivals, int64_t *ret_at_ns);

/* Messages that are sent in turn, each time with another salt. */
struct load_payload {
	char **lines;
	size_t n;
	const char *salt;   /* name of the attribute */
	const char *copies; /* folder where a file named by `path` is copied to, with the salt
	                       behind it; NULL: none are */
	char run[37];
	int64_t made; /* messages, over all runs */
};
/* Reads JSON objects, a line each; path NULL: {}. INVALID names file and line. */
enum status load_payload_read(const char *path, struct load_payload *ret, struct fault *fault);
void load_payload_done(struct load_payload *payload);
/* The next message, in *out. */
enum status load_payload_make(struct load_payload *payload, struct buf *out, struct fault *fault);

/* CPU time and memory of the processes of the host whose segment this is; zeros when it is not on
 * this machine. */
struct load_usage {
	int64_t cpu_ns, memory;
};
void load_usage_now(const char *segment_path, struct load_usage *ret);

/* ---- over the time of a run, and on paper ---- */

#define LOAD_SLICES 120u
struct load_slice {
	struct histogram time; /* ns, of jobs by their intended start */
	int64_t started, ended;
};
struct load_timeline {
	int64_t width_ns; /* of a slice */
	size_t n;         /* slices up to the last with a job */
	struct load_slice slice[LOAD_SLICES];
};
void load_timeline_init(struct load_timeline *t);
/* A job: ns from the beginning of the run to its intended start, and from there to its end. */
void load_timeline_add(struct load_timeline *t, int64_t intended_ns, int64_t latency_ns);

struct load_series {
	const char *name, *colour;
	const double *x, *y; /* y NAN: nothing there */
	size_t n;
	bool dashed, dots;
};
struct load_panel {
	const char *name;
	bool seconds, log; /* seconds: values of y are times */
	const struct load_series *series;
	size_t n_series;
};
struct load_plot {
	const char *title, *x_label;
	const struct load_panel *panels;
	size_t n_panels;
};
/* Appends an SVG. */
void load_plot(const struct load_plot *plot, struct buf *out);
/* Latencies and rates of a run. */
void load_timeline_plot(const struct load_timeline *t, const char *title, struct buf *out);

struct load_result {
	int64_t enqueued, completed, discarded, cancelled, dead, failures, left;
	int64_t refused;       /* by a full queue */
	double seconds;        /* from the first intended start to the last end */
	double offered;        /* jobs a second, as planned; of closed loops as they came */
	double achieved;       /* jobs a second that ended */
	struct histogram time; /* ns, from the intended start to the end */
	struct histogram stay; /* ns, from creation to the end */
	struct histogram lag;  /* ns, from the intended start to the sending */
	int64_t longest_ns;
	int64_t wal;             /* bytes, of the whole server */
	struct load_usage usage; /* of the host's processes: CPU of the run, memory at its end */
	bool broken;             /* given up: the backlog grew beyond `backlog` */
};
struct load_run {
	struct db *db;
	const char *pipeline, *segment_path;
	const struct load_plan *plan;
	struct load_payload *payload;
	int64_t backlog;                /* give up when more jobs are open; 0: never */
	int64_t drain_ns;               /* wait so long for the end of what was sent */
	struct load_timeline *timeline; /* filled in; NULL: nobody asks */
	void (*progress)(void *data, int64_t done, int64_t total); /* may be NULL */
	void *data;
};
enum status load_run(const struct load_run *run, struct load_result *ret, struct fault *fault);

#endif
