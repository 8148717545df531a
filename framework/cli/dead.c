/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dead.c - penstock dead list, replay and purge: jobs that ended without success and wait for a
 * person.
 */
#include <inttypes.h>

#include "cli/cli_priv.h"
#include "sql_text.h"

/* $1 to $7 of the statements. */
static int
filter_args(struct cli *cli, struct db_args *args)
{
	db_args_init(args);
	db_arg_text(args, cli_value(cli, "pipeline"));
	db_arg_text(args, cli_value(cli, "stage"));
	db_arg_text(args, cli_value(cli, "code"));
	db_arg_text(args, cli_value(cli, "since"));
	db_arg_text(args, cli_value(cli, "until"));
	return cli_arg_pair(cli, "attribute", args);
}

int
dead_list_command(struct cli *cli)
{
	static const struct cli_column columns[] = {
		{ "id", CLI_NUMBER },    { "pipeline", CLI_TEXT },   { "stage", CLI_TEXT },
		{ "at", CLI_TIME },      { "attempts", CLI_NUMBER }, { "code", CLI_TEXT },
		{ "message", CLI_TEXT }, { NULL, CLI_TEXT }
	};
	struct db_args args;
	int32_t most;
	int end = filter_args(cli, &args);

	if (end == CLI_OK)
		end = cli_limit(cli, &most);
	if (end != CLI_OK)
		return end;
	db_arg_int4(&args, most);
	return cli_show_found(cli, sql_dead_list, &args, columns);
}

static bool
has_filter(const struct cli *cli)
{
	return cli_flag(cli, "pipeline") || cli_flag(cli, "stage") || cli_flag(cli, "code") ||
	       cli_flag(cli, "since") || cli_flag(cli, "until") || cli_flag(cli, "attribute");
}

/* One by its id, or all that the filters mean. */
static int
change(struct cli *cli, const char *one, const char *many, const char *done)
{
	const struct cli_column columns[] = { { "jobs", CLI_COUNT },
		                              { done, CLI_COUNT },
		                              { NULL, CLI_TEXT } };
	struct db_args args;
	int end;

	if (cli->argc > 0 && has_filter(cli))
		return cli_usage(cli, "an ID or filters: only one of them");
	if (cli->argc > 0 && cli_flag(cli, "dry-run"))
		return cli_usage(cli, "--dry-run is for filters: an ID acts at once");
	if (cli->argc > 0)
		return cli_change_one(cli, one, done, "it is no dead letter");
	end = filter_args(cli, &args);
	return end == CLI_OK ? cli_change(cli, many, &args, columns) : end;
}

int
dead_replay_command(struct cli *cli)
{
	return change(cli, sql_dead_replay_one, sql_dead_replay, "replayed");
}

int
dead_purge_command(struct cli *cli)
{
	return change(cli, sql_dead_purge_one, sql_dead_purge, "purged");
}
