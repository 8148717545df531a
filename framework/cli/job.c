/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * job.c - penstock job show, cancel, retry and output: one job, its messages and its failures.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli_priv.h"
#include "sql_text.h"

static const struct cli_column job_columns[] = {
	{ "id", CLI_NUMBER },       { "pipeline", CLI_TEXT },    { "stage", CLI_TEXT },
	{ "state", CLI_TEXT },      { "attempt", CLI_NUMBER },   { "hop", CLI_NUMBER },
	{ "since", CLI_TIME },      { "run_at", CLI_TIME },      { "host", CLI_NUMBER },
	{ "created_at", CLI_TIME }, { "attributes", CLI_JSON },  { "body", CLI_BYTES },
	{ "parent", CLI_NUMBER },   { "traceparent", CLI_TEXT }, { NULL, CLI_TEXT }
};
static const struct cli_column failure_columns[] = {
	{ "stage", CLI_TEXT }, { "attempt", CLI_NUMBER }, { "at", CLI_TIME },
	{ "code", CLI_TEXT },  { "message", CLI_TEXT },   { "release", CLI_TEXT },
	{ NULL, CLI_TEXT }
};
static const struct cli_column output_columns[] = {
	{ "hop", CLI_NUMBER }, { "attributes", CLI_JSON }, { "body", CLI_BYTES }, { NULL, CLI_TEXT }
};

struct answer {
	struct cli_table *job, *failures, *outputs;
};

static enum status
ask(struct db *db, int64_t id, struct answer *a, struct fault *fault)
{
	const struct {
		const char *sql;
		struct cli_table *table;
	} parts[] = { { sql_job_show, a->job },
		      { sql_job_failures, a->failures },
		      { sql_job_outputs, a->outputs } };
	struct db_args args;
	enum status st = OK;

	db_args_init(&args);
	db_arg_int8(&args, id);
	for (size_t i = 0; i < countof(parts) && st == OK; i++) {
		struct db_result *r;

		st = db_call(db, parts[i].sql, &args, &r, fault);
		if (st != OK)
			break;
		cli_table_result(parts[i].table, r);
		db_result_free(r);
	}
	if (st == OK && cli_table_rows(a->job) == 0)
		st = fault_set(fault, NOT_FOUND, "there is no job %" PRId64, id);
	return st;
}

static void
print_json(const struct answer *a)
{
	struct buf out;

	buf_init(&out);
	buf_adds(&out, "{\"job\": ");
	cli_table_json(a->job, &out);
	buf_adds(&out, ", \"failures\": ");
	cli_table_json(a->failures, &out);
	buf_adds(&out, ", \"outputs\": ");
	cli_table_json(a->outputs, &out);
	printf("%s}\n", out.data);
	buf_done(&out);
}

static void
print_text(const struct cli *cli, const struct answer *a)
{
	cli_table_fields(a->job);
	if (cli_table_rows(a->failures) > 0) {
		puts("\nfailures");
		cli_table_print(a->failures, cli);
	}
	if (cli_table_rows(a->outputs) > 0) {
		puts("\nstored messages");
		cli_table_print(a->outputs, cli);
	}
}

int
job_show_command(struct cli *cli)
{
	struct fault fault = { 0 };
	struct answer a;
	struct db *db;
	int64_t id;
	enum status st;
	int end;

	if (text_int(cli->argv[0], 0, INT64_MAX, &id, &fault) != OK)
		return cli_fail(&fault);
	end = cli_open(cli, &db);
	if (end != CLI_OK)
		return end;
	a.job = cli_table_new(job_columns);
	a.failures = cli_table_new(failure_columns);
	a.outputs = cli_table_new(output_columns);
	st = ask(db, id, &a, &fault);
	if (st == OK && cli->json)
		print_json(&a);
	else if (st == OK)
		print_text(cli, &a);
	cli_table_free(a.job);
	cli_table_free(a.failures);
	cli_table_free(a.outputs);
	db_close(db);
	if (st == OK)
		return CLI_OK;
	end = cli_fail(&fault);
	return st == NOT_FOUND ? CLI_FOUND : end;
}

/* ---- changes ---- */

int
job_cancel_command(struct cli *cli)
{
	struct fault fault = { 0 };
	struct db_args args;
	struct db_result *r;
	int64_t id, cancelled, running;
	int end;

	if (text_int(cli->argv[0], 0, INT64_MAX, &id, &fault) != OK)
		return cli_fail(&fault);
	db_args_init(&args);
	db_arg_int8(&args, id);
	end = cli_call(cli, sql_job_cancel, &args, &r);
	if (end != CLI_OK)
		return end;
	cancelled = db_int(r, 0, 0);
	running = db_int(r, 0, 1);
	db_result_free(r);
	if (cli->json)
		printf("{\"cancelled\": %" PRId64 ", \"running\": %" PRId64 "}\n", cancelled,
		       running);
	else if (cancelled)
		puts("cancelled");
	else if (running)
		puts("running: it was asked to end");
	return cancelled || running ? CLI_OK : cli_not_done(cli, id, "it neither waits nor runs");
}

int
job_retry_command(struct cli *cli)
{
	return cli_change_one(cli, sql_job_retry, "retried", "it is neither deferred nor dead");
}

/* ---- its message ---- */

static int
print_message(const struct cli *cli, const struct db_result *r)
{
	const void *bytes;
	size_t len;

	if (!cli_flag(cli, "body")) {
		puts(db_text(r, 0, 0));
		return CLI_OK;
	}
	if (db_null(r, 0, 1)) {
		cli_say(cli, "it has no body");
		return CLI_FOUND;
	}
	bytes = db_bytes(r, 0, 1, &len);
	fwrite(bytes, 1, len, stdout);
	return CLI_OK;
}

int
job_output_command(struct cli *cli)
{
	const char *hop_text = cli_value(cli, "hop");
	struct fault fault = { 0 };
	struct db_args args;
	struct db_result *r;
	int64_t id, hop = 0;
	int end;

	if (text_int(cli->argv[0], 0, INT64_MAX, &id, &fault) != OK)
		return cli_fail(&fault);
	if (hop_text && text_int(hop_text, 0, INT16_MAX, &hop, &fault) != OK)
		return cli_fail_option("hop", &fault);
	db_args_init(&args);
	db_arg_int8(&args, id);
	if (hop_text)
		db_arg_int2(&args, (int16_t)hop);
	else
		db_arg_null(&args);
	end = cli_call(cli, sql_job_output, &args, &r);
	if (end != CLI_OK)
		return end;
	end = db_rows(r) > 0
	          ? print_message(cli, r)
	          : cli_not_done(cli, id,
	                         hop_text ? "it has no message of that hop" : "it has no message");
	db_result_free(r);
	return end;
}
