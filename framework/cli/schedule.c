/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * schedule.c - penstock schedule list, put, drop and run: jobs that come by the clock.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli_priv.h"
#include "sql_text.h"

int
schedule_list_command(struct cli *cli)
{
	static const struct cli_column columns[] = {
		{ "name", CLI_TEXT },      { "pipeline", CLI_TEXT }, { "cron", CLI_TEXT },
		{ "time_zone", CLI_TEXT }, { "catch_up", CLI_TEXT }, { "next_at", CLI_TIME },
		{ "last_at", CLI_TIME },   { "source", CLI_TEXT },   { NULL, CLI_TEXT }
	};

	return cli_show(cli, sql_schedule_list, NULL, columns);
}

static const char *
or_else(const char *value, const char *fallback)
{
	return value ? value : fallback;
}

/* One row as lines for people, or as JSON. *ret, if any: its number. */
static int
tell(struct cli *cli, const char *sql, const struct db_args *args, const struct cli_column *columns,
     int64_t *ret)
{
	struct db_result *r;
	int end = cli_call(cli, sql, args, &r);

	if (end != CLI_OK)
		return end;
	if (ret)
		*ret = db_int(r, 0, 0);
	cli_show_fields(cli, r, columns);
	db_result_free(r);
	return CLI_OK;
}

int
schedule_put_command(struct cli *cli)
{
	static const struct cli_column columns[] = { { "next_at", CLI_TIME }, { NULL, CLI_TEXT } };
	const char *priority_text = cli_value(cli, "priority");
	struct fault fault = { 0 };
	int64_t priority = 0;
	struct db_args args;

	if (priority_text && text_int(priority_text, INT16_MIN, INT16_MAX, &priority, &fault) != OK)
		return cli_fail_option("priority", &fault);
	db_args_init(&args);
	db_arg_text(&args, cli->argv[0]);
	db_arg_text(&args, cli->argv[1]);
	db_arg_text(&args, cli->argv[2]);
	db_arg_text(&args, cli->argc > 3 ? cli->argv[3] : "{}");
	db_arg_text(&args, or_else(cli_value(cli, "time-zone"), "UTC"));
	db_arg_int4(&args, (int32_t)priority);
	db_arg_text(&args, or_else(cli_value(cli, "catch-up"), "one"));
	return tell(cli, sql_schedule_put, &args, columns, NULL);
}

/* Of a schedule that a configuration has, where; NULL: none. The caller frees. */
static int
find_source(struct cli *cli, const char *name, char **ret)
{
	struct db_result *r;
	int end = cli_call(cli, sql_schedule_list, NULL, &r);

	if (end != CLI_OK)
		return end;
	*ret = NULL;
	for (int i = 0; i < db_rows(r); i++)
		if (strcmp(db_text(r, i, 0), name) == 0 && !db_null(r, i, 7))
			*ret = mem_dup(db_text(r, i, 7));
	db_result_free(r);
	return CLI_OK;
}

int
schedule_drop_command(struct cli *cli)
{
	static const struct cli_column columns[] = { { "dropped", CLI_NUMBER },
		                                     { NULL, CLI_TEXT } };
	char *source;
	struct fault fault = { 0 };
	struct db_args args;
	int64_t dropped = 0;
	int end = find_source(cli, cli->argv[0], &source);

	if (end != CLI_OK)
		return end;
	db_args_init(&args);
	db_arg_text(&args, cli->argv[0]);
	end = tell(cli, sql_schedule_drop, &args, columns, &dropped);
	if (end == CLI_OK && dropped && source)
		cli_say(cli, "%s has it: it comes again when a host with that starts or reloads",
		        source);
	free(source);
	if (end != CLI_OK || dropped)
		return end;
	fault_set(&fault, NOT_FOUND, "there is no schedule '%s'", cli->argv[0]);
	fault_hint(&fault, "penstock schedule list");
	fault_print(&fault, stderr);
	return CLI_FOUND;
}

int
schedule_run_command(struct cli *cli)
{
	static const struct cli_column columns[] = { { "job", CLI_NUMBER }, { NULL, CLI_TEXT } };
	struct db_args args;

	db_args_init(&args);
	db_arg_text(&args, cli->argv[0]);
	return tell(cli, sql_schedule_run, &args, columns, NULL);
}
