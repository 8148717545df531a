/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pause.c - penstock pause and resume: the lanes of a pipeline, on all hosts at once.
 */
#include "cli/cli_priv.h"
#include "sql_text.h"

static int
change(struct cli *cli, const char *sql, const char *changed, const char *unchanged)
{
	static const struct cli_column columns[] = { { "lanes", CLI_COUNT }, { NULL, CLI_TEXT } };
	struct fault fault = { 0 };
	struct db_args args;
	struct cli_table *t;
	struct db_result *r;
	struct db *db;
	int64_t n;
	int end = cli_open(cli, &db);

	if (end != CLI_OK)
		return end;
	db_args_init(&args);
	db_arg_text(&args, cli->argv[0]);
	db_arg_text(&args, cli->argc > 1 ? cli->argv[1] : NULL);
	if (db_call(db, sql, &args, &r, &fault) != OK) {
		db_close(db);
		return cli_fail(&fault);
	}
	db_close(db);
	n = db_int(r, 0, 0);
	if (cli->json) {
		t = cli_table_new(columns);
		cli_table_result(t, r);
		cli_table_print(t, cli);
		cli_table_free(t);
	}
	db_result_free(r);
	cli_say(cli, n > 0 ? changed : unchanged);
	return CLI_OK;
}

int
pause_command(struct cli *cli)
{
	return change(cli, sql_lane_pause, "paused: what runs is finished; hint: penstock resume",
	              "it was paused already");
}

int
resume_command(struct cli *cli)
{
	return change(cli, sql_lane_resume, "resumed", "it was not paused");
}
