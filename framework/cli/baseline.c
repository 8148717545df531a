/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * baseline.c - penstock baseline: keep what stages cost, and compare.
 */
#include <string.h>

#include "cli/cli_priv.h"
#include "load/load.h"
#include "sql_text.h"

#define RECORD_FOR (30 * SEC)

/* ---- record ---- */

static int
check_name(struct cli *cli, const char *name)
{
	return name[0] && strlen(name) <= 200
	           ? CLI_OK
	           : cli_usage(cli, "a name of 1 to 200 characters is needed");
}

/* Asked before half a minute goes by for nothing. */
static enum status
check_free(struct cli *cli, struct db *db, const char *name, struct fault *fault)
{
	struct db_args args;
	struct db_result *r;
	enum status st;

	if (cli_flag(cli, "replace"))
		return OK;
	db_args_init(&args);
	db_arg_text(&args, name);
	st = db_call(db, sql_baseline_list, &args, &r, fault);
	if (st != OK)
		return st;
	if (db_rows(r) > 0) {
		st = fault_set(fault, REFUSED, "there is a baseline '%s' already", name);
		fault_hint(fault, "--replace puts the new one in its place; or take another name");
	}
	db_result_free(r);
	return st;
}

static int
record(struct cli *cli, struct db *db, int64_t ns)
{
	struct baseline b = { 0 };
	struct fault fault = { 0 };
	int end = check_free(cli, db, cli->argv[0], &fault) == OK ? CLI_OK : cli_fail(&fault);

	if (end == CLI_OK)
		end = cli_record(cli, db, cli->argv[1], ns, &b);
	if (end == CLI_OK) {
		b.name = mem_dup(cli->argv[0]);
		if (baseline_keep(db, &b, cli_flag(cli, "replace"), &fault) != OK)
			end = cli_fail(&fault);
		else
			cli_recording_print(cli, &b);
	}
	if (end == CLI_OK)
		cli_say(cli, "kept; next: penstock baseline compare %s", b.name);
	baseline_done(&b);
	return end;
}

int
baseline_record_command(struct cli *cli)
{
	struct db *db;
	int64_t ns;
	int end = check_name(cli, cli->argv[0]);

	if (end == CLI_OK)
		end = cli_duration(cli, "for", RECORD_FOR, &ns);
	if (end == CLI_OK)
		end = cli_open(cli, &db);
	if (end != CLI_OK)
		return end;
	end = record(cli, db, ns);
	db_close(db);
	return end;
}

/* ---- list, show, delete ---- */

int
baseline_list_command(struct cli *cli)
{
	static const struct cli_column columns[] = {
		{ "id", CLI_NUMBER },      { "name", CLI_TEXT },
		{ "pipeline", CLI_TEXT },  { "recorded_at", CLI_TIME },
		{ "for_s", CLI_SECONDS },  { "jobs", CLI_COUNT },
		{ "load", CLI_TEXT },      { "machine", CLI_TEXT },
		{ "workers", CLI_NUMBER }, { "version", CLI_TEXT },
		{ "server", CLI_TEXT },    { "configuration", CLI_TEXT },
		{ NULL, CLI_TEXT }
	};
	struct db_args args;

	db_args_init(&args);
	db_arg_text(&args, NULL);
	return cli_show(cli, sql_baseline_list, &args, columns);
}

int
baseline_show_command(struct cli *cli)
{
	struct baseline b = { 0 };
	struct fault fault = { 0 };
	struct db *db;
	int end = cli_open(cli, &db);

	if (end != CLI_OK)
		return end;
	if (baseline_fetch(db, cli->argv[0], &b, &fault) == OK)
		cli_recording_print(cli, &b);
	else
		end = cli_fail(&fault);
	baseline_done(&b);
	db_close(db);
	return end;
}

int
baseline_delete_command(struct cli *cli)
{
	struct db_args args;
	struct db_result *r;
	int64_t dropped;
	int end;

	db_args_init(&args);
	db_arg_text(&args, cli->argv[0]);
	end = cli_call(cli, sql_baseline_drop, &args, &r);
	if (end != CLI_OK)
		return end;
	dropped = db_int(r, 0, 0);
	db_result_free(r);
	if (cli->json)
		printf("{\"deleted\": %d}\n", (int)dropped);
	if (dropped)
		return CLI_OK;
	cli_say(cli, "there is no baseline '%s'; hint: penstock baseline list", cli->argv[0]);
	return CLI_FOUND;
}

/* ---- compare ---- */

static int
get_after(struct cli *cli, struct db *db, const struct baseline *before, int64_t ns,
          struct baseline *after)
{
	const char *against = cli_value(cli, "against");
	struct fault fault = { 0 };

	if (!against)
		return cli_record(cli, db, before->pipeline, ns, after);
	return baseline_fetch(db, against, after, &fault) == OK ? CLI_OK : cli_fail(&fault);
}

/* The id is the seed: the same two baselines always give the same answer. */
static int
compare(struct cli *cli, struct db *db, double fail_on, int64_t ns)
{
	struct baseline before = { 0 }, after = { 0 };
	struct load_comparison c;
	struct fault fault = { 0 };
	int end = CLI_OK;

	if (baseline_fetch(db, cli->argv[0], &before, &fault) != OK)
		end = cli_fail(&fault);
	if (end == CLI_OK)
		end = get_after(cli, db, &before, ns, &after);
	if (end == CLI_OK) {
		struct profile_rule rule = { .fail_on = fail_on,
			                     .fail_on_share = fail_on / 5,
			                     .alpha = PROFILE_ALPHA,
			                     .seed = (uint64_t)before.id };

		load_compare(&before, &after, &rule, &c);
		end = cli_compare_print(cli, before.name, after.name ? after.name : "now", &c,
		                        fail_on, cli_flag(cli, "markdown"));
		load_comparison_done(&c);
	}
	baseline_done(&before);
	baseline_done(&after);
	return end;
}

int
baseline_compare_command(struct cli *cli)
{
	struct db *db;
	double fail_on;
	int64_t ns;
	int end;

	if (cli_flag(cli, "against") && cli_flag(cli, "for"))
		return cli_usage(cli, "--against or --for: only one of them");
	end = cli_duration(cli, "for", RECORD_FOR, &ns);
	if (end == CLI_OK)
		end = cli_fail_on(cli, &fail_on);
	if (end == CLI_OK)
		end = cli_open(cli, &db);
	if (end != CLI_OK)
		return end;
	end = compare(cli, db, fail_on, ns);
	db_close(db);
	return end;
}
