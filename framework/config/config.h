/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config.h - penstock.conf, conf.d/ and pipelines.d/ read into plain structs.
 *
 * settings.def is the one list of settings: the struct below, the sample
 * configuration, the manual and `penstock check` are made from it. Reading
 * either gives a whole, checked configuration or a fault with file:line; it
 * never changes a running one.
 */
#ifndef PENSTOCK_CONFIG_H
#define PENSTOCK_CONFIG_H

#include <string.h>

#include "base/base.h"

#ifndef PENSTOCK_STAGEDIR
#define PENSTOCK_STAGEDIR "/usr/lib/penstock/stages" /* the Makefile says it */
#endif

/* settings.def rows: SETTING(type, name, default as text, min, max, environment variable, help)
 * type is one of BOOL INT SIZE DURATION STRING PATH; durations are in nanoseconds here. */
#define CONFIG_BOOL bool
#define CONFIG_INT int64_t
#define CONFIG_SIZE int64_t
#define CONFIG_DURATION int64_t
#define CONFIG_STRING char *
#define CONFIG_PATH char *

struct settings {
#define SETTING(type, name, fallback, min, max, env, help) CONFIG_##type name;
#include "config/settings.def"
#undef SETTING
};

/* A pooler gives each transaction another session of the server. */
static inline bool
settings_pooled(const struct settings *set)
{
	return strcmp(set->pooler, "transaction") == 0;
}

/* Where HTTP is served: "127.0.0.1:9187", "[::1]:9187", "localhost:9187", ":9187" (loopback). An
 * address, no name: names are looked up elsewhere than where one thinks. INVALID. */
struct config_http {
	char host[64];
	uint16_t port;
	bool ipv6;
};
enum status config_http(const char *text, struct config_http *ret, struct fault *fault);

/* One option of a stage as the file has it; typed by the plugin's option table later (stage/). */
enum config_type { CONFIG_T_BOOL, CONFIG_T_INT, CONFIG_T_FLOAT, CONFIG_T_STRING, CONFIG_T_LIST };
struct config_option {
	char *name;
	enum config_type type;
	bool boolean;
	int64_t integer;
	double number;
	char *string;
	char **items; /* list of strings */
	size_t n_items;
	char *file; /* where it stands, for messages */
	int line;
};

struct config_route {
	char *outcome; /* the plugin's route name */
	char *stage;   /* name of the stage it leads to; "end" ends the job as completed;
	                * "pipeline:NAME" is for children: the first stage of another one.
	                * "end:job" ends it also where the pipeline is used by another; only while
	                * files are read, then "end" */
	int line;      /* in the file of its stage */
	/* To several stages at once: a child of the job goes to each of these, with its message,
	 * while it waits; `stage` is where it goes on when they ended. Else none. */
	char **to;
	size_t n_to;
	bool any; /* goes on however they ended; else it dies of one that failed */
};

struct config_stage {
	char *name;   /* "USE.STAGE" when it is one of another pipeline's that is used here */
	char *plugin; /* file name without .so, found in plugin_path */
	char *uses;   /* a pipeline whose stages stand here; only while files are read, then NULL */
	char *from;   /* the pipeline in which it is written; NULL: in its own */
	char *next;   /* where a route leads that is not named; NULL: to the next stage of the list
	               */
	bool branch;  /* jobs here are children of such a route: what becomes of them is kept, for
	               * the job that waits */
	bool durable; /* settle before this stage: what came before is kept */
	int64_t max_attempts;
	int64_t timeout_ns; /* 0: none */
	int64_t backoff_ns; /* first delay of a retry; doubles each attempt, ± 20 % jitter */
	int64_t backoff_max_ns;
	int64_t max_lease;   /* most jobs of one lease; 0: as the host's setting */
	int64_t max_running; /* jobs at once over all hosts; 0: no limit */
	double rate;         /* jobs a second over all hosts; 0: no limit */
	int64_t burst;       /* jobs; with rate */
	int64_t max_per_key; /* jobs of one key at once over all hosts; 0: no limit */
	char *limit_key;     /* the attribute that is the key; NULL without max_per_key */
	int64_t max_ready;   /* the queue is full with so many ready jobs; 0: never */
	bool refuses;        /* enqueue, when it is full; else warns */
	struct config_option *options;
	size_t n_options;
	struct config_route *routes;
	size_t n_routes;
	char *onward; /* of a stage that leaves: not configured any more, it works off the jobs that
	               * it has; where a route leads that is not named: a stage, or "end". Else NULL
	               */
	char *file;
	int line;
};

/* Which messages that stages made are kept besides those that the queue needs itself. */
enum config_outputs {
	OUTPUTS_LAST, /* what a completed job was made into */
	OUTPUTS_ALL,  /* also what each fused stage made */
	OUTPUTS_NONE
};

struct config_pipeline {
	char *name;
	enum config_outputs outputs;
	struct config_stage *stages;
	size_t n_stages;
	size_t n_leaving; /* of these, the last ones */
	char *file;
	int line;
};

/* What becomes of times that passed while no host ran. */
enum config_catch_up { CATCH_UP_ONE, CATCH_UP_SKIP, CATCH_UP_ALL };

/* A job of a pipeline at each time that a cron expression names. */
struct config_schedule {
	char *name, *pipeline, *cron, *time_zone;
	char *attributes; /* a JSON object */
	int64_t priority;
	enum config_catch_up catch_up;
	char *file;
	int line;
};
const char *config_catch_up_name(enum config_catch_up catch_up);
/* INVALID with the reason: what penstock.cron_parse() refuses is refused here, in the same words.
 */
enum status config_cron_check(const char *cron, struct fault *fault);

struct config {
	char *path; /* of penstock.conf; NULL when there is none and all is default */
	struct settings set;
	struct config_pipeline *pipelines;
	size_t n_pipelines;
	struct config_schedule *schedules;
	size_t n_schedules;
};

/* One flag of the command line that overrides a setting (flags > environment > files). */
struct config_override {
	const char *name, *value;
};

/* Reads path (NULL: $PENSTOCK_CONF, else /etc/penstock/penstock.conf when it is there, else the
 * defaults), its conf.d and pipelines.d. All problems found are appended to `report` (may be NULL)
 * one a line as "file:line: text; did you mean …?"; the fault carries the first. On failure
 * *ret_config is untouched. INVALID: bad content. */
enum status config_load(const char *path, const struct config_override *over, size_t n_over,
                        struct config **ret_config, struct buf *report, struct fault *fault);
void config_free(struct config *config);

struct config_pipeline *config_find(const struct config *config, const char *pipeline);
/* Index of the stage that `route` of stage i leads to; n_stages means the end. -1: no such route.
 */
int config_next(const struct config_pipeline *pipeline, size_t i, const char *route);
/* The route by which stage i leads to several stages; NULL: `route` is none. Its `to` are in the
 * pipeline. */
const struct config_route *config_branches(const struct config_pipeline *pipeline, size_t i,
                                           const char *route);
/* Index of a stage by its name; -1: there is none. */
int config_stage_index(const struct config_pipeline *pipeline, const char *name);
/* Can a job come from stage i to stage `to` by one step, as far as the configuration tells? */
bool config_leads(const struct config_pipeline *pipeline, size_t i, size_t to);
/* Where a route leads, as the file would write it; the caller frees. */
char *config_route_text(const struct config_route *route);
/* Where children begin that go by `route` of stage i of `pipeline`: indexes of a pipeline and of
 * its stage. False: nowhere. */
bool config_child(const struct config *config, const struct config_pipeline *pipeline, size_t i,
                  const char *route, size_t *ret_pipeline, size_t *ret_stage);
/* The routes that a stage's plugin declares, the first one its default; NULL: not known. */
struct config_declared {
	char *const *routes;
	size_t n;
};
/* Reports each stage from which a job cannot reach the end by what is declared, one line each as
 * config_load() does. */
void config_check_ends(const struct config_pipeline *pipeline,
                       const struct config_declared *declared, struct buf *report);
/* Has the stage a limit over all hosts? Its jobs then have leases of their own. */
static inline bool
config_limited(const struct config_stage *stage)
{
	return stage->max_running > 0 || stage->rate > 0 || stage->max_per_key > 0;
}
/* Canonical text of a stage's options, sorted by name: what a release's identity is made from. */
void config_options_text(const struct config_stage *stage, struct buf *out);

/* The sample penstock.conf with every setting commented, and the manual's section; from
 * settings.def. */
void config_print_sample(FILE *out);
void config_print_manual(FILE *out);
/* The manual's tables of keys, from pipeline_keys.def, stage_keys.def and schedule_keys.def. */
void config_print_pipeline_keys(FILE *out);
void config_print_stage_keys(FILE *out);
void config_print_schedule_keys(FILE *out);
/* penstock.conf(5) as scdoc reads it. */
void config_print_scd(FILE *out);
/* A line of text for scdoc: what it would take for markup is escaped, `code` is bold. */
void config_print_scd_text(const char *text, FILE *out);

/* ---- a running host takes another configuration ---- */

/* Can this setting only be changed by a restart? */
bool config_is_fixed(const char *setting);
/* Gives `config` the fixed settings of the running one. */
void config_keep_fixed(struct config *config, const struct config *running);
/* Stages of `before` that `after` has not are added to it as stages that leave. */
void config_keep_leaving(struct config *after, const struct config *before);
void config_drop_leaving(struct config *config);

/* Names of all settings. */
const char *const *config_setting_names(size_t *ret_n);

/* ---- what differs between two configurations ---- */

struct config_change {
	const char *pipeline, *stage; /* NULL: a setting of the host; stage NULL: of the pipeline */
	const char *what;             /* name of a setting or key, "option NAME", "route NAME" */
	const char *before, *after;   /* as the file would write it; NULL: it is not there */
	bool restart;                 /* else a reload takes it */
};
struct config_diff {
	struct config_change *changes;
	size_t n;
	void *texts; /* what the changes point to */
};
/* Settings first, then pipelines as `before` has them, then new ones. The diff borrows names from
 * both configurations. A password of `database` is not in it. */
void config_diff(const struct config *before, const struct config *after, struct config_diff *diff);
void config_diff_done(struct config_diff *diff);

#endif
