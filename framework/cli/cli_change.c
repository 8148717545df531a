/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cli_change.c - commands that change jobs: filters, --dry-run and --confirm, what was done.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli_priv.h"
#include "sql_text.h"

int
cli_limit(struct cli *cli, int32_t *ret_most)
{
	const char *limit = cli_value(cli, "limit");
	struct fault fault = { 0 };
	int64_t most = 50;

	if (limit && text_int(limit, 1, INT32_MAX, &most, &fault) != OK)
		return cli_fail_option("limit", &fault);
	*ret_most = (int32_t)most;
	return CLI_OK;
}

int
cli_arg_pair(struct cli *cli, const char *option, struct db_args *args)
{
	const char *pair = cli_value(cli, option), *equals = pair ? strchr(pair, '=') : NULL;

	if (pair && (!equals || equals == pair))
		return cli_usage(cli, "--%s %s: it must be NAME=VALUE", option, pair);
	free(cli->pair_name);
	cli->pair_name = pair ? mem_dupn(pair, (size_t)(equals - pair)) : NULL;
	db_arg_text(args, cli->pair_name);
	db_arg_text(args, pair ? equals + 1 : NULL);
	return CLI_OK;
}

int
cli_not_done(struct cli *cli, int64_t job, const char *what_not)
{
	struct fault fault = { 0 };
	struct db_args args;
	struct db_result *r;
	int end;

	db_args_init(&args);
	db_arg_int8(&args, job);
	end = cli_call(cli, sql_job_show, &args, &r);
	if (end != CLI_OK)
		return end;
	if (db_rows(r) == 0) {
		fault_set(&fault, NOT_FOUND, "there is no job %" PRId64, job);
	} else {
		fault_set(&fault, INVALID, "job %" PRId64 " is %s: %s", job, db_text(r, 0, 3),
		          what_not);
		fault_hint(&fault, "penstock job show %" PRId64, job);
	}
	db_result_free(r);
	fault_print(&fault, stderr);
	return CLI_FOUND;
}

/* Is there a row whose first two columns are these? NULL: any. */
static bool
has_lane(const struct db_result *r, const char *pipeline, const char *stage)
{
	for (int i = 0; i < db_rows(r); i++)
		if ((!pipeline || strcmp(db_text(r, i, 0), pipeline) == 0) &&
		    (!stage || strcmp(db_text(r, i, 1), stage) == 0))
			return true;
	return false;
}

int
cli_check_names(struct cli *cli, const char *pipeline, const char *stage)
{
	struct fault fault = { 0 };
	struct db_args args;
	struct db_result *r;
	int end;

	if (!pipeline && !stage)
		return CLI_OK;
	db_args_init(&args);
	db_arg_null(&args);
	end = cli_call(cli, sql_lanes, &args, &r);
	if (end != CLI_OK)
		return end;
	if (pipeline && !has_lane(r, pipeline, NULL))
		fault_set(&fault, NOT_FOUND, "there is no pipeline '%s'", pipeline);
	else if (!has_lane(r, pipeline, stage))
		fault_set(&fault, NOT_FOUND, "there is no stage '%s'%s%s%s", stage,
		          pipeline ? " in pipeline '" : "", pipeline ? pipeline : "",
		          pipeline ? "'" : "");
	db_result_free(r);
	if (fault.status == OK)
		return CLI_OK;
	fault_hint(&fault, "penstock lanes shows which there are");
	return cli_fail(&fault);
}

int
cli_change(struct cli *cli, const char *sql, const struct db_args *filter,
           const struct cli_column *columns)
{
	static const struct cli_column jobs_only[] = { { "jobs", CLI_COUNT }, { NULL, CLI_TEXT } };
	bool confirmed = cli_flag(cli, "confirm"), dry = cli_flag(cli, "dry-run");
	struct db_args args = *filter;
	struct db_result *r;
	bool none;
	int end;

	if (confirmed && dry)
		return cli_usage(cli, "--confirm or --dry-run: only one of them");
	db_arg_bool(&args, !confirmed);
	end = cli_call(cli, sql, &args, &r);
	if (end != CLI_OK)
		return end;
	cli_show_fields(cli, r, confirmed ? columns : jobs_only);
	none = db_int(r, 0, 0) == 0;
	db_result_free(r);
	if (none && (end = cli_check_names(cli, cli_value(cli, "pipeline"),
	                                   cli_value(cli, "stage"))) != CLI_OK)
		return end;
	if (confirmed || dry)
		return CLI_OK;
	cli_say(cli, "nothing was done; hint: say --confirm to do it");
	return CLI_WRONG;
}

int
cli_change_one(struct cli *cli, const char *sql, const char *done, const char *what_not)
{
	const struct cli_column columns[] = { { done, CLI_COUNT }, { NULL, CLI_TEXT } };
	struct fault fault = { 0 };
	struct db_args args;
	struct db_result *r;
	int64_t id, n = 0;
	int end;

	if (text_int(cli->argv[0], 0, INT64_MAX, &id, &fault) != OK)
		return cli_fail(&fault);
	db_args_init(&args);
	db_arg_int8(&args, id);
	end = cli_call(cli, sql, &args, &r);
	if (end != CLI_OK)
		return end;
	n = db_int(r, 0, 0);
	if (cli->json)
		cli_show_fields(cli, r, columns);
	else if (n > 0)
		puts(done);
	db_result_free(r);
	return n > 0 ? CLI_OK : cli_not_done(cli, id, what_not);
}
