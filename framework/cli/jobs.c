/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * jobs.c - penstock jobs, jobs cancel, jobs retry: many jobs by a filter.
 */
#include <string.h>

#include "cli/cli_priv.h"
#include "sql_text.h"

static const struct cli_column job_columns[] = {
	{ "id", CLI_NUMBER },   { "pipeline", CLI_TEXT },  { "stage", CLI_TEXT },
	{ "state", CLI_TEXT },  { "attempt", CLI_NUMBER }, { "since", CLI_TIME },
	{ "run_at", CLI_TIME }, { NULL, CLI_TEXT }
};

/* $1 to $5 of the statements. */
static int
filter_args(struct cli *cli, struct db_args *args)
{
	db_args_init(args);
	db_arg_text(args, cli_value(cli, "pipeline"));
	db_arg_text(args, cli_value(cli, "stage"));
	db_arg_text(args, cli_value(cli, "state"));
	return cli_arg_pair(cli, "attribute", args);
}

int
jobs_command(struct cli *cli)
{
	struct db_args args;
	int32_t most;
	int end = filter_args(cli, &args);

	if (end == CLI_OK)
		end = cli_limit(cli, &most);
	if (end != CLI_OK)
		return end;
	db_arg_int4(&args, most);
	return cli_show_found(cli, sql_jobs, &args, job_columns);
}

static int
change(struct cli *cli, const char *sql, const struct cli_column *columns)
{
	struct db_args args;
	int end = filter_args(cli, &args);

	return end == CLI_OK ? cli_change(cli, sql, &args, columns) : end;
}

int
jobs_cancel_command(struct cli *cli)
{
	static const struct cli_column columns[] = { { "jobs", CLI_COUNT },
		                                     { "cancelled", CLI_COUNT },
		                                     { "running", CLI_COUNT },
		                                     { NULL, CLI_TEXT } };

	return change(cli, sql_jobs_cancel, columns);
}

int
jobs_retry_command(struct cli *cli)
{
	static const struct cli_column columns[] = { { "jobs", CLI_COUNT },
		                                     { "due", CLI_COUNT },
		                                     { "replayed", CLI_COUNT },
		                                     { NULL, CLI_TEXT } };

	return change(cli, sql_jobs_retry, columns);
}
