/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wait.c - penstock wait: until nothing is ready, running, deferred or waiting.
 */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "cli/cli_priv.h"
#include "sql_text.h"

#define LOOK_EVERY (200 * MSEC)
#define LONELY_AFTER (5 * SEC)

struct remaining {
	int64_t open, dead, hosts;
};

static enum status
look(struct db *db, const char *pipeline, struct remaining *ret, struct fault *fault)
{
	struct db_args args;
	struct db_result *r;
	enum status st;

	db_args_init(&args);
	db_arg_text(&args, pipeline);
	st = db_call(db, sql_remaining, &args, &r, fault);
	if (st != OK)
		return st;
	*ret = (struct remaining){ db_int(r, 0, 0), db_int(r, 0, 1), db_int(r, 0, 2) };
	db_result_free(r);
	return OK;
}

static void
pause_for(int64_t ns)
{
	struct timespec t = { .tv_sec = ns / SEC, .tv_nsec = ns % SEC };

	nanosleep(&t, NULL);
}

/* A restart of the database is no reason to give up. */
static enum status
look_again(struct db *db, const char *pipeline, struct remaining *ret, struct fault *fault)
{
	enum status st = look(db, pipeline, ret, fault);

	if (st == AWAY && db_reconnect(db, fault) == OK)
		st = look(db, pipeline, ret, fault);
	return st;
}

static enum status
wait_until_empty(struct cli *cli, struct db *db, const char *pipeline, int64_t until,
                 struct remaining *first, struct remaining *now, struct fault *fault)
{
	struct cli_progress progress;
	int64_t begun = clock_mono(), most;
	bool told = false;
	enum status st = look(db, pipeline, first, fault);

	*now = *first;
	most = first->open;
	cli_progress_begin(&progress, cli, "done");
	while (st == OK && now->open > 0) {
		if (clock_mono() >= until) {
			st = fault_set(fault, TIMEOUT, "%" PRId64 " jobs are not done yet",
			               now->open);
			break;
		}
		if (now->hosts == 0 && !told && clock_mono() - begun > LONELY_AFTER) {
			cli_say(cli, "no host is running; hint: penstock run");
			told = true;
		}
		pause_for(LOOK_EVERY);
		st = look_again(db, pipeline, now, fault);
		if (st == AWAY) {
			*fault = (struct fault){ 0 };
			st = OK;
			continue;
		}
		most = now->open > most ? now->open : most;
		cli_progress_step(&progress, most - now->open, most);
	}
	cli_progress_end(&progress);
	return st;
}

static enum status
check_pipeline(struct db *db, const char *pipeline, struct fault *fault)
{
	struct db_args args;

	if (!pipeline)
		return OK;
	db_args_init(&args);
	db_arg_text(&args, pipeline);
	return db_call(db, sql_enqueue_target, &args, NULL, fault);
}

int
wait_command(struct cli *cli)
{
	const char *pipeline = cli->argc > 0 ? cli->argv[0] : NULL;
	int64_t timeout = 0, until = INT64_MAX;
	struct remaining first = { 0 }, last = { 0 };
	struct fault fault = { 0 };
	struct db *db;
	enum status st;
	int end;

	if (cli_flag(cli, "timeout")) {
		if (text_duration(cli_value(cli, "timeout"), &timeout, &fault) != OK)
			return cli_fail_option("timeout", &fault);
		until = clock_mono() + timeout;
	}
	end = cli_open(cli, &db);
	if (end != CLI_OK)
		return end;
	st = check_pipeline(db, pipeline, &fault);
	if (st == OK)
		st = wait_until_empty(cli, db, pipeline, until, &first, &last, &fault);
	db_close(db);
	if (cli->json && (st == OK || st == TIMEOUT))
		printf("{\"open\": %" PRId64 ", \"dead\": %" PRId64 "}\n", last.open, last.dead);
	if (st == TIMEOUT) {
		fault_print(&fault, stderr);
		return CLI_FOUND;
	}
	if (st != OK)
		return cli_fail(&fault);
	if (last.dead <= first.dead)
		return CLI_OK;
	cli_say(cli, "%" PRId64 " more dead letters; hint: penstock status",
	        last.dead - first.dead);
	return CLI_FOUND;
}
