/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pause.c - penstock pause and resume: the lanes of a pipeline, on all hosts at once.
 */
#include "cli/cli_priv.h"
#include "sql_text.h"

static int
change(struct cli *cli, const char *sql, bool *ret_changed)
{
	static const struct cli_column columns[] = { { "lanes", CLI_COUNT }, { NULL, CLI_TEXT } };
	struct db_args args;
	struct db_result *r;
	int64_t n;
	int end;

	db_args_init(&args);
	db_arg_text(&args, cli->argv[0]);
	db_arg_text(&args, cli->argc > 1 ? cli->argv[1] : NULL);
	end = cli_call(cli, sql, &args, &r);
	if (end != CLI_OK)
		return end;
	n = db_int(r, 0, 0);
	if (cli->json)
		cli_show_fields(cli, r, columns);
	db_result_free(r);
	*ret_changed = n > 0;
	return CLI_OK;
}

int
pause_command(struct cli *cli)
{
	const char *stage = cli->argc > 1 ? cli->argv[1] : NULL;
	bool changed;
	int end = change(cli, sql_lane_pause, &changed);

	if (end == CLI_OK && changed)
		cli_say(cli, "paused: what runs is finished; hint: penstock resume %s%s%s",
		        cli->argv[0], stage ? " " : "", stage ? stage : "");
	else if (end == CLI_OK)
		cli_say(cli, "it was paused already");
	return end;
}

int
resume_command(struct cli *cli)
{
	bool changed;
	int end = change(cli, sql_lane_resume, &changed);

	if (end == CLI_OK)
		cli_say(cli, changed ? "resumed" : "it was not paused");
	return end;
}
