/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * status.c - penstock status, lanes and hosts: what is where.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/cli_priv.h"
#include "counters/counters.h"
#include "host/host.h"
#include "sql_text.h"

static const struct cli_column lane_columns[] = {
	{ "pipeline", CLI_TEXT }, { "stage", CLI_TEXT },     { "ready", CLI_COUNT },
	{ "running", CLI_COUNT }, { "deferred", CLI_COUNT }, { "waiting", CLI_COUNT },
	{ "dead", CLI_COUNT },    { "parcels", CLI_COUNT },  { "oldest", CLI_SECONDS },
	{ "paused", CLI_YES },    { "removed", CLI_YES },    { "estimated", CLI_YES },
	{ NULL, CLI_TEXT }
};
static const struct cli_column host_columns[] = {
	{ "id", CLI_NUMBER },     { "name", CLI_TEXT },    { "machine", CLI_TEXT },
	{ "pid", CLI_NUMBER },    { "version", CLI_TEXT }, { "started_at", CLI_TIME },
	{ "running", CLI_COUNT }, { "wake", CLI_TEXT },    { NULL, CLI_TEXT }
};
static const struct cli_column ended_columns[] = { { "pipeline", CLI_TEXT },
	                                           { "completed", CLI_COUNT },
	                                           { "discarded", CLI_COUNT },
	                                           { "cancelled", CLI_COUNT },
	                                           { NULL, CLI_TEXT } };
static const struct cli_column reason_columns[] = {
	{ "state", CLI_TEXT }, { "stage", CLI_TEXT },     { "code", CLI_TEXT },
	{ "jobs", CLI_COUNT }, { "example", CLI_NUMBER }, { "message", CLI_TEXT },
	{ NULL, CLI_TEXT }
};
static const struct cli_column stage_columns[] = {
	{ "pipeline", CLI_TEXT }, { "stage", CLI_TEXT },    { "release", CLI_TEXT },
	{ "calls", CLI_COUNT },   { "jobs", CLI_COUNT },    { "time_s", CLI_SECONDS },
	{ "share", CLI_NUMBER },  { "cpu_s", CLI_SECONDS }, { "a_job_s", CLI_SECONDS },
	{ "p50_s", CLI_SECONDS }, { "p99_s", CLI_SECONDS }, { "not_done", CLI_COUNT },
	{ NULL, CLI_TEXT }
};

/* ---- the plain lists ---- */

int
lanes_command(struct cli *cli)
{
	struct db_args args;
	int end = cli_check_names(cli, cli_value(cli, "pipeline"), NULL);

	if (end != CLI_OK)
		return end;
	db_args_init(&args);
	db_arg_text(&args, cli_value(cli, "pipeline"));
	return cli_show(cli, sql_lanes, &args, lane_columns);
}

int
hosts_command(struct cli *cli)
{
	return cli_show(cli, sql_hosts, NULL, host_columns);
}

/* ---- status: several of them together ---- */

struct section {
	const char *name, *title;
	struct cli_table *table;
};

static enum status
query(struct db *db, const char *sql, const struct db_args *args, const struct cli_column *columns,
      struct cli_table **ret, struct fault *fault)
{
	struct db_result *r;
	enum status st = db_call(db, sql, args, &r, fault);

	*ret = cli_table_new(columns);
	if (st != OK)
		return st;
	cli_table_result(*ret, r);
	db_result_free(r);
	return OK;
}

static uint64_t
time_of_all(const struct counters_row *rows, size_t n, const char *pipeline)
{
	uint64_t ns = 0;

	for (size_t i = 0; i < n; i++)
		if (!pipeline || strcmp(rows[i].pipeline, pipeline) == 0)
			ns += rows[i].value[COUNTER_wall_ns];
	return ns;
}

static void
add_stage(struct cli_table *t, const struct counters_row *row, uint64_t all_ns)
{
	const uint64_t *v = row->value;
	double jobs = v[COUNTER_jobs] ? (double)v[COUNTER_jobs] : 1;
	double share = all_ns ? (double)v[COUNTER_wall_ns] * 100 / (double)all_ns : 0;

	cli_cell_text(t, row->pipeline);
	cli_cell_text(t, row->stage);
	cli_cell_text(t, row->release);
	cli_cell_int(t, (int64_t)v[COUNTER_calls]);
	cli_cell_int(t, (int64_t)v[COUNTER_jobs]);
	cli_cell_double(t, (double)v[COUNTER_wall_ns] / 1e9);
	cli_cell_int(t, (int64_t)(share + 0.5));
	cli_cell_double(t, (double)v[COUNTER_cpu_ns] / 1e9);
	cli_cell_double(t, (double)v[COUNTER_wall_ns] / 1e9 / jobs);
	cli_cell_double(t, histogram_quantile(&row->time, 0.5) / 1e9);
	cli_cell_double(t, histogram_quantile(&row->time, 0.99) / 1e9);
	cli_cell_int(t, (int64_t)(v[COUNTER_retried] + v[COUNTER_failed] + v[COUNTER_discarded]));
}

/* What a host on this machine counted since it started; nothing when there is none. */
static struct cli_table *
stages_here(const struct config *config, const char *pipeline)
{
	struct cli_table *t = cli_table_new(stage_columns);
	const struct segment *segment;
	struct counters_row *rows;
	struct fault fault = { 0 };
	char *path = host_segment_path(config);
	uint64_t all;
	size_t n;

	if (counters_open(path, &segment, &fault) == OK) {
		counters_sum(segment, &rows, &n);
		all = time_of_all(rows, n, pipeline);
		for (size_t i = 0; i < n; i++)
			if (!pipeline || strcmp(rows[i].pipeline, pipeline) == 0)
				add_stage(t, &rows[i], all);
		free(rows);
		counters_close(segment);
	}
	free(path);
	return t;
}

static void
print_sections(const struct cli *cli, struct section *sections, size_t n)
{
	struct buf json;
	bool first = true;

	if (cli->json) {
		buf_init(&json);
		for (size_t i = 0; i < n; i++) {
			buf_printf(&json, "%s\"%s\": ", i ? ", " : "{", sections[i].name);
			cli_table_json(sections[i].table, &json);
		}
		printf("%s}\n", json.data);
		buf_done(&json);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		if (cli_table_rows(sections[i].table) == 0)
			continue;
		printf("%s%s%s%s\n", first ? "" : "\n", cli->colour ? "\033[1m" : "",
		       sections[i].title, cli->colour ? "\033[0m" : "");
		cli_table_print(sections[i].table, cli);
		first = false;
	}
}

int
status_command(struct cli *cli)
{
	const char *pipeline = cli->argc > 0 ? cli->argv[0] : NULL;
	struct section sections[] = {
		{ "hosts", "Hosts", NULL },
		{ "lanes", "Where jobs are", NULL },
		{ "ended", "Ended", NULL },
		{ "reasons", "Ended without success, by reason", NULL },
		{ "stages", "Time in stages, on this machine since its host started", NULL },
	};
	struct fault fault = { 0 };
	struct db_args one, reasons;
	struct db *db;
	enum status st;
	int end = cli_check_names(cli, pipeline, NULL);

	if (end == CLI_OK)
		end = cli_open(cli, &db);
	if (end != CLI_OK)
		return end;
	db_args_init(&one);
	db_arg_text(&one, pipeline);
	db_args_init(&reasons);
	db_arg_text(&reasons, pipeline);
	db_arg_int4(&reasons, 20);
	st = query(db, sql_hosts, NULL, host_columns, &sections[0].table, &fault);
	if (st == OK)
		st = query(db, sql_lanes, &one, lane_columns, &sections[1].table, &fault);
	if (st == OK)
		st = query(db, sql_ended, &one, ended_columns, &sections[2].table, &fault);
	if (st == OK)
		st = query(db, sql_reasons, &reasons, reason_columns, &sections[3].table, &fault);
	db_close(db);
	if (st == OK) {
		sections[4].table = stages_here(cli->config, pipeline);
		print_sections(cli, sections, countof(sections));
		if (cli_table_rows(sections[0].table) == 0)
			cli_say(cli, "no host is running; hint: penstock run");
	}
	for (size_t i = 0; i < countof(sections); i++)
		if (sections[i].table)
			cli_table_free(sections[i].table);
	return st == OK ? CLI_OK : cli_fail(&fault);
}
