/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * verify.c - penstock verify: the invariants that rows can show, and whether
 * this machine's host counted what the rows say.
 *
 * Note on counters and rows: jobs that settlements completed or discarded are
 * counted after the database has confirmed them, and such rows are final. So at
 * rest both are equal for each stage, when only this host worked since its
 * counters began. Where a host process died, or a reply was lost, a settlement
 * may have happened that nobody could count: then rows may be more, never
 * fewer. Dead letters and cancelled jobs are not compared: people change those.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/cli_priv.h"
#include "counters/counters.h"
#include "host/host.h"
#include "sql_text.h"

#define COUNTED "counters equal rows at rest"

struct counted {
	const struct segment *segment;
	struct counters_row *rows;
	size_t n_rows;
	bool more_is_fair; /* rows may be more than counters */
	int64_t jobs, wrong;
	char detail[560]; /* why it cannot be told, or the first that differs */
};

static bool
cannot(struct counted *c, const char *why)
{
	snprintf(c->detail, sizeof c->detail, "cannot be told: %s", why);
	return false;
}

/* Did only this host work since its counters began, and does nothing run now? */
static bool
comparable(const struct cli *cli, struct db *db, struct counted *c)
{
	const struct segment *s = c->segment;
	int64_t age = clock_wall() - s->started_wall_ns, keep = cli->config->set.retention;
	int64_t running, youngest;
	struct fault fault = { 0 };
	struct db_result *r;

	if (s->first_boot == 0)
		return cannot(c, "the host of this machine has not registered yet");
	if (s->boots_beside > 0)
		return cannot(c, "another host lived when this one came");
	if (keep > 0 && age >= keep)
		return cannot(c, "the host runs for longer than ended jobs are kept");
	if (db_call(db, sql_verify_rest, NULL, &r, &fault) != OK)
		return cannot(c, fault.text);
	running = db_int(r, 0, 0);
	youngest = db_int(r, 0, 1);
	db_result_free(r);
	if (youngest - s->first_boot + 1 != (int64_t)s->n_boots)
		return cannot(c, "another host came since");
	return running == 0 || cannot(c, "jobs are running");
}

static void
sum_stage(const struct counted *c, const char *pipeline, const char *stage, uint64_t *ret_completed,
          uint64_t *ret_discarded, bool *ret_joined)
{
	*ret_completed = *ret_discarded = 0;
	*ret_joined = false;
	for (size_t i = 0; i < c->n_rows; i++) {
		const struct counters_row *row = &c->rows[i];

		if (strcmp(row->pipeline, pipeline) != 0 || strcmp(row->stage, stage) != 0)
			continue;
		*ret_completed += row->value[COUNTER_settled_completed];
		*ret_discarded += row->value[COUNTER_settled_discarded];
		*ret_joined |= row->value[COUNTER_split] > 0; /* the last child completes it */
	}
}

static void
compare(struct counted *c, const char *pipeline, const char *stage, const char *what,
        uint64_t counted, int64_t in_rows, bool more_is_fair)
{
	int64_t more = in_rows - (int64_t)counted;

	c->jobs += in_rows;
	if (more == 0 || (more > 0 && more_is_fair))
		return;
	if (c->wrong == 0)
		snprintf(c->detail, sizeof c->detail, "%s/%s: %lld counted as %s, %lld in rows",
		         pipeline, stage, (long long)counted, what, (long long)in_rows);
	c->wrong += more > 0 ? more : -more;
}

static void
compare_stages(struct counted *c, const struct db_result *r)
{
	for (int i = 0; i < db_rows(r); i++) {
		const char *pipeline = db_text(r, i, 0), *stage = db_text(r, i, 1);
		uint64_t completed, discarded;
		bool joined;

		sum_stage(c, pipeline, stage, &completed, &discarded, &joined);
		compare(c, pipeline, stage, "completed", completed, db_int(r, i, 2),
		        c->more_is_fair || joined);
		compare(c, pipeline, stage, "discarded", discarded, db_int(r, i, 3),
		        c->more_is_fair);
	}
}

static void
compare_counters(const struct cli *cli, struct db *db, struct counted *c)
{
	struct counters_host host;
	struct fault fault = { 0 };
	struct db_args args;
	struct db_result *r;

	if (!comparable(cli, db, c))
		return;
	counters_host(c->segment, &host);
	c->more_is_fair = host.deaths > 0 || host.value[HOST_unknown_commits] > 0;
	if (!counters_sum(c->segment, &c->rows, &c->n_rows)) {
		cannot(c, "the counters are in motion");
		return;
	}
	db_args_init(&args);
	db_arg_int8(&args, c->segment->first_boot_us);
	if (db_call(db, sql_verify_ended, &args, &r, &fault) != OK) {
		cannot(c, fault.text);
		return;
	}
	compare_stages(c, r);
	if (c->wrong == 0)
		snprintf(c->detail, sizeof c->detail,
		         "completed or discarded since this host began: %lld%s", (long long)c->jobs,
		         c->more_is_fair ? "; some that a lost process settled may be uncounted"
		                         : "");
	db_result_free(r);
}

/* Adds its row to the table; the number of violations. */
static int64_t
check_counters(const struct cli *cli, struct db *db, struct cli_table *t)
{
	struct counted c = { 0 };
	struct fault fault = { 0 };
	char *path = host_segment_path(cli->config);

	if (counters_open(path, &c.segment, &fault) == OK)
		compare_counters(cli, db, &c);
	else
		cannot(&c,
		       fault.status == NOT_FOUND ? "no host has run on this machine" : fault.text);
	cli_cell_text(t, COUNTED);
	cli_cell_int(t, c.wrong);
	cli_cell_text(t, c.detail);
	counters_close(c.segment);
	free(c.rows);
	free(path);
	return c.wrong;
}

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
	violations += check_counters(cli, db, t);
	db_close(db);
	cli_table_print(t, cli);
	cli_table_free(t);
	cli_say(cli, violations ? "BROKEN: see above" : "clean");
	return violations ? CLI_FOUND : CLI_OK;
}
