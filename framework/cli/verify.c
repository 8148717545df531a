/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * verify.c - penstock verify: the invariants that rows can show.
 */
#include "cli/cli_priv.h"
#include "sql_text.h"

int
verify_command(struct cli *cli)
{
	static const struct cli_column columns[] = { { "invariant", CLI_TEXT },
		                                     { "violations", CLI_COUNT },
		                                     { "detail", CLI_TEXT },
		                                     { NULL, CLI_TEXT } };
	struct fault fault = { 0 };
	struct cli_table *t;
	struct db_result *r;
	struct db *db;
	int64_t violations = 0;
	int end = cli_open(cli, &db);

	if (end != CLI_OK)
		return end;
	if (db_call(db, sql_verify, NULL, &r, &fault) != OK) {
		db_close(db);
		return cli_fail(&fault);
	}
	for (int row = 0; row < db_rows(r); row++)
		violations += db_int(r, row, 1);
	t = cli_table_new(columns);
	cli_table_result(t, r);
	db_result_free(r);
	db_close(db);
	cli_table_print(t, cli);
	cli_table_free(t);
	cli_say(cli, violations ? "BROKEN: see above" : "clean");
	return violations ? CLI_FOUND : CLI_OK;
}
