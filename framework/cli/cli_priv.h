/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cli_priv.h - what the commands share: their table, settings, tables of rows, progress.
 */
#ifndef PENSTOCK_CLI_PRIV_H
#define PENSTOCK_CLI_PRIV_H

#include "base/base.h"
#include "cli/cli.h"
#include "config/config.h"
#include "db/db.h"
#include "profile/profile.h"

/* ---- the table ---- */

struct cli_option {
	const char *name;  /* long; NULL ends a list */
	char letter;       /* 0: none */
	const char *value; /* what stands for its value in help; NULL: a flag */
	const char *help;
};

/* What a value is, by what stands for it in help. */
enum cli_values {
	CLI_ANY,
	CLI_WORDS, /* one of a few words; the parser refuses others */
	CLI_FILES,
	CLI_FOLDERS,
	CLI_PIPELINES,
	CLI_STAGES,
	CLI_COMMANDS,
	CLI_SETTINGS /* name=value */
};
struct cli_kind_of_value {
	const char *name; /* "STATE"; NULL ends the list */
	enum cli_values values;
	const char *words; /* of CLI_WORDS, with blanks between */
};

struct cli;
struct cli_command {
	const char *name;      /* "job show"; NULL ends the table */
	const char *arguments; /* as in help: "PIPELINE [ATTRIBUTES]" */
	const char *summary;   /* one line, no full stop */
	const char *text;      /* paragraphs for `penstock help COMMAND`; may be "" */
	const struct cli_option *options;
	int least, most; /* arguments; most -1: any number */
	int (*run)(struct cli *cli);
};
extern const struct cli_command cli_commands[];
extern const struct cli_option cli_global_options[];
extern const struct cli_kind_of_value cli_kinds[];

/* The kind of that name of n bytes, or NULL: any text. */
const struct cli_kind_of_value *cli_kind(const char *name, size_t n);
/* The n-th argument of the command as help names it, without brackets; NULL behind the last. */
const char *cli_argument(const struct cli_command *command, int n, size_t *ret_len);
/* The command with the most words in front of argv. */
const struct cli_command *cli_find_command(int argc, char **argv, int *ret_words);

/* ---- one invocation ---- */

#define CLI_OPTIONS_MAX 32

struct cli {
	const struct cli_command *command;
	int argc; /* arguments behind the command's words, without options */
	char **argv;
	bool json, quiet, colour;            /* colour: stdout is a terminal that wants it */
	bool progress;                       /* stderr is a terminal, and not quiet */
	const char *values[CLI_OPTIONS_MAX]; /* of command->options; a flag's is its name */
	struct config_override *overrides;   /* --database, --set */
	size_t n_overrides;
	const char *config_path;
	struct config *config;
	char *pair_name; /* of cli_arg_pair() */
};

/* The value of the command's option, NULL when it was not given. The name must be in its table. */
const char *cli_value(const struct cli *cli, const char *name);
static inline bool
cli_flag(const struct cli *cli, const char *name)
{
	return cli_value(cli, name) != NULL;
}
/* A setting that this invocation changes; before cli_config(). */
void cli_override(struct cli *cli, const char *name, const char *value);
/* Prints the fault to stderr and gives the exit code that its status asks for. */
int cli_fail(const struct fault *fault);
/* The same, about the value of an option. */
int cli_fail_option(const char *option, struct fault *fault);
/* The same for wrong usage, with how to get help. */
int cli_usage(const struct cli *cli, const char *format, ...) printf_like(2, 3);
/* A message for people, to stderr; not with --quiet. */
void cli_say(const struct cli *cli, const char *format, ...) printf_like(2, 3);

/* Reads the configuration once; problems go to stderr. CLI_OK or the exit code. */
int cli_config(struct cli *cli);
/* Reads the configuration and connects. */
int cli_open(struct cli *cli, struct db **ret_db);

/* cli_help.c */
void cli_help_all(FILE *out);
void cli_help_command(const struct cli_command *command, FILE *out);
int cli_help_run(struct cli *cli);
/* What the option means, with the words that it takes. */
void cli_help_option(const struct cli_option *option, FILE *out);

/* cli_manual.c: the names of the pages, and one of them for scdoc; false: there is none. */
void cli_manual_pages(FILE *out);
bool cli_manual_page(const char *name, FILE *out);

/* ---- rows as a table or as JSON ---- */

enum cli_kind {
	CLI_TEXT,
	CLI_COUNT,
	CLI_NUMBER,
	CLI_BYTES,
	CLI_SECONDS,
	CLI_TIME,
	CLI_JSON,
	CLI_YES,    /* a boolean: yes, or nothing */
	CLI_PERCENT /* a share: 0.42 is shown as 42 % */
};

struct cli_column {
	const char *name; /* title of the table, member of the JSON object; NULL ends a list */
	enum cli_kind kind;
};

struct cli_table;
struct cli_table *cli_table_new(const struct cli_column *columns);
/* Cells of a row, in order; each call fills the next one and begins a row where the last is full.
 */
void cli_cell_text(struct cli_table *t, const char *text); /* NULL: nothing, JSON null */
void cli_cell_int(struct cli_table *t, int64_t v);
void cli_cell_double(struct cli_table *t, double v);
void cli_cell_none(struct cli_table *t);
/* All rows of a result whose columns are those of the table. */
void cli_table_result(struct cli_table *t, const struct db_result *r);
/* As a table, or with --json as an array of objects. */
void cli_table_print(struct cli_table *t, const struct cli *cli);
/* One line for each cell that holds something: name and value. */
void cli_table_fields(const struct cli_table *t);
void cli_table_json(struct cli_table *t, struct buf *out);
void cli_table_free(struct cli_table *t);
size_t cli_table_rows(const struct cli_table *t);

/* Connects, calls the one statement and leaves. CLI_OK, and the caller frees *ret; else the fault
 * was told, and the exit code comes back. NULL args: none. */
int cli_call(struct cli *cli, const char *sql, const struct db_args *args, struct db_result **ret);
/* The same, and prints its rows as a table; the way of most read commands. */
int cli_show(struct cli *cli, const char *sql, const struct db_args *args,
             const struct cli_column *columns);
/* The same for rows that --pipeline and --stage choose: none because of a name that is not there is
 * an error. */
int cli_show_found(struct cli *cli, const char *sql, const struct db_args *args,
                   const struct cli_column *columns);
/* Prints a result of one row as lines, or with --json as an array of one object. */
void cli_show_fields(const struct cli *cli, const struct db_result *r,
                     const struct cli_column *columns);

/* ---- commands that change jobs (cli_change.c) ---- */

/* The option --limit; 50 when it was not given. CLI_OK or the exit code, here and below. */
int cli_limit(struct cli *cli, int32_t *ret_most);
/* Two arguments from an option NAME=VALUE, both null when it was not given; the texts live as long
 * as cli. */
int cli_arg_pair(struct cli *cli, const char *option, struct db_args *args);
/* Changes what a filter means. The statement takes the filter and whether it shall only count; its
 * first column says how many are meant, the others what was done. Without --confirm it counts. */
int cli_change(struct cli *cli, const char *sql, const struct db_args *filter,
               const struct cli_column *columns);
/* Says that there is no such job, or its state and what it therefore is not: "it is no dead
 * letter". CLI_FOUND, or the exit code of what went wrong. */
int cli_not_done(struct cli *cli, int64_t job, const char *what_not);
/* Changes the job that the first argument names; the statement answers 1, or 0 when the job is not
 * of the kind: see cli_not_done(). */
int cli_change_one(struct cli *cli, const char *sql, const char *done, const char *what_not);
/* Nothing was found: are the pipeline and the stage known at all? CLI_OK: they are, or NULL. */
int cli_check_names(struct cli *cli, const char *pipeline, const char *stage);

/* ---- progress ---- */

struct cli_progress {
	const struct cli *cli;
	const char *what;
	int64_t begun, drawn; /* mono */
	bool shown;
};
/* total 0: not known. Draws at most ten times a second, and nothing in the first one. */
void cli_progress_begin(struct cli_progress *p, const struct cli *cli, const char *what);
void cli_progress_step(struct cli_progress *p, int64_t done, int64_t total);
void cli_progress_end(struct cli_progress *p);

struct stage_manifest;
/* A configuration whose one pipeline has one stage of this plugin, with these options, checked; the
 * caller frees. */
enum status plugin_config(const struct stage_manifest *manifest, const char *options,
                          struct config **ret_config, struct fault *fault);

/* ---- plugin test: the lines of --input and --expect (plugin_lines.c) ---- */

struct stage_job;
struct release;

struct plugin_line {
	int64_t number;   /* in the file */
	char *attributes; /* NUL-terminated */
	bool has_body;
	struct buf body;
	uint32_t attempt, max_attempts;
};
struct plugin_lines {
	struct plugin_line *line;
	size_t n;
};
/* Jobs, a JSON object each line; blank lines are nothing. body_file is relative to the file's
 * folder. The fault says file:line. */
enum status plugin_lines_read(const char *path, struct plugin_lines *ret, struct fault *fault);
void plugin_lines_done(struct plugin_lines *lines);
/* What became of a job, as one line of JSON without its end. */
void plugin_line_result(const struct stage_job *job, int64_t number, struct buf *out);
/* Compares the results, a line each, with the file: of each of its lines the members that it has.
 * What differs is appended to report: lines for people, or objects of JSON with commas between.
 * *ret_n: the differences. Not OK: the file cannot be read. */
enum status plugin_lines_compare(const char *path, const struct buf *results, size_t n, bool json,
                                 struct buf *report, size_t *ret_n, struct fault *fault);

/* ---- plugin test: the world of the lines (plugin_world.c) ---- */

/* What shall go wrong. */
struct plugin_faults {
	int64_t alloc; /* this allocation of the plugin in each call; 0: none */
	bool cancel, deadline, body, full;
};
/* "alloc:3,cancel"; NULL: nothing goes wrong. */
enum status plugin_faults_read(const char *words, struct plugin_faults *ret, struct fault *fault);
/* From now on host and plugin have a clock that only calls move, unless `real_clock`, and the
 * plugin allocates through us. Once, before the calls. */
void plugin_world_begin(struct release *release, const struct plugin_faults *faults,
                        bool real_clock);
void plugin_world_call_begin(void);
/* Allocations that the plugin made since the call began. */
int64_t plugin_world_call_end(void);

/* ---- recordings and comparisons (cli_record.c, cli_compare.c) ---- */

struct baseline;
struct load_comparison;
/* A duration from an option; `fallback` when it was not given. CLI_OK or the exit code. */
int cli_duration(struct cli *cli, const char *option, int64_t fallback, int64_t *ret_ns);
/* --fail-on: "5%" is 0.05. */
int cli_fail_on(struct cli *cli, double *ret);
/* Watches the pipeline on this machine for so long; the caller ends the baseline. */
int cli_record(struct cli *cli, struct db *db, const char *pipeline, int64_t ns,
               struct baseline *ret);
/* What names a recording that is made here and now: machine, versions, configuration. */
void cli_record_head(struct cli *cli, const struct config_pipeline *pipeline, const char *load,
                     struct baseline *ret);
/* As a table, Markdown or JSON; warnings go with the data in the latter, else to stderr. Gives the
 * exit code of the verdict. */
int cli_compare_print(struct cli *cli, const char *before, const char *after,
                      const struct load_comparison *c, double fail_on, bool markdown);
/* A table of a recording's stages. */
void cli_recording_print(struct cli *cli, const struct baseline *b);

/* ---- the commands ---- */

#define COMMAND(name) int name##_command(struct cli *cli);
COMMAND(run)
COMMAND(dev)
COMMAND(reload)
COMMAND(host_status)
COMMAND(host_workers)
COMMAND(host_log)
COMMAND(host_stop)
COMMAND(migrate_up)
COMMAND(migrate_down)
COMMAND(migrate_status)
COMMAND(check)
COMMAND(config_diff)
COMMAND(enqueue)
COMMAND(status)
COMMAND(lanes)
COMMAND(hosts)
COMMAND(jobs)
COMMAND(jobs_cancel)
COMMAND(jobs_retry)
COMMAND(job_show)
COMMAND(job_cancel)
COMMAND(job_retry)
COMMAND(job_output)
COMMAND(dead_list)
COMMAND(dead_replay)
COMMAND(dead_purge)
COMMAND(pause)
COMMAND(resume)
COMMAND(schedule_list)
COMMAND(schedule_put)
COMMAND(schedule_drop)
COMMAND(schedule_run)
COMMAND(wait)
COMMAND(verify)
COMMAND(profile)
COMMAND(top)
COMMAND(doctor)
COMMAND(bench)
COMMAND(baseline_record)
COMMAND(baseline_list)
COMMAND(baseline_show)
COMMAND(baseline_compare)
COMMAND(baseline_delete)
COMMAND(plugin_inspect)
COMMAND(plugin_lint)
COMMAND(plugin_test)
COMMAND(plugin_bench)
COMMAND(plugin_new)
COMMAND(completion)
COMMAND(completion_words)
#undef COMMAND

/* ---- profile ---- */

struct profile_measured {
	double stretch; /* how much longer work on a core took because of others */
	double waiting; /* mean threads that had no core because of others */
	struct profile_seen seen;
	struct profile_seen_stage *stages;
	bool sessions_hidden; /* this role may not see what workers' sessions do */
};
/* Watches the pipeline on this machine for a while. The names are the configuration's. After a
 * failure done() is due as well. */
enum status profile_measure(struct cli *cli, const struct config_pipeline *pipeline, int64_t for_ns,
                            struct profile_measured *ret, struct fault *fault);
void profile_measured_done(struct profile_measured *measured);

/* Migrations of the plugins that the configured pipelines use, and the core's; used by migrate and
 * dev. Says what it applies. */
int cli_migrate_up(struct cli *cli, struct db *db);

/* A plugin's file, from a path or from a name on plugin_path; the caller frees. */
enum status cli_plugin_path(struct cli *cli, const char *name, char **ret_path,
                            struct fault *fault);

#endif
