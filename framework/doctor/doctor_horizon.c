/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * doctor_horizon.c - dead rows, and who keeps them: snapshots, prepared transactions, slots.
 *
 * penstock's own tables are made to bear an old snapshot for a while
 * (docs/decisions/0001-queue-by-sets.md); what grows is disk, and the time
 * that VACUUM needs afterwards.
 */
#include <inttypes.h>
#include <string.h>

#include "doctor/doctor_priv.h"
#include "sql_text.h"

#define HELD_WARN_S 60.0
#define HELD_BAD_S 3600.0
#define HELD_WARN 10000 /* transactions begun since */
#define HELD_BAD 1000000
#define WAL_WARN (1024 * MiB)
#define DEAD_WARN 50000 /* rows; and at least so many times the living ones: */
#define DEAD_TIMES 5
#define DEAD_BAD 1000000

enum doctor_level
judge_held(int64_t transactions, double seconds)
{
	if (transactions >= HELD_BAD || seconds >= HELD_BAD_S)
		return DOCTOR_PROBLEM;
	if (transactions >= HELD_WARN || seconds >= HELD_WARN_S)
		return DOCTOR_WARNING;
	return DOCTOR_OK;
}

static double
seconds_at(const struct db_result *rows, int row, int col)
{
	return db_null(rows, row, col) ? -1 : db_float(rows, row, col);
}

static int64_t
amount_at(const struct db_result *rows, int row, int col)
{
	return db_null(rows, row, col) ? -1 : db_int(rows, row, col);
}

/* "12 min and 10 400 transactions" */
static const char *
held_text(int64_t transactions, double seconds, char out[96])
{
	char count[32], age[32];

	text_count(transactions < 0 ? 0 : transactions, count);
	if (seconds < 0)
		snprintf(out, 96, "%s transactions", count);
	else
		snprintf(out, 96, "%s and %s transactions", text_seconds(seconds, age), count);
	return out;
}

/* ---- snapshots ---- */

/* "process 4711 of psql, role anna, idle in transaction" */
static void
add_who(struct buf *out, const struct snapshot_fact *f)
{
	buf_printf(out, "process %" PRId64, f->pid);
	if (f->application && f->application[0])
		buf_printf(out, " of %s", f->application);
	if (f->role)
		buf_printf(out, ", role %s", f->role);
	if (f->state)
		buf_printf(out, ", %s", f->state);
}

static void
advise_snapshot(struct doctor_report *r, const struct snapshot_fact *f)
{
	if (f->kind && strcmp(f->kind, "walsender") == 0)
		doctor_advise(r, "end the query on the standby that it serves; with "
		                 "hot_standby_feedback its snapshots count here");
	else if (f->seconds < 0)
		doctor_advise(
		    r,
		    "dead rows stay until it ends: select pg_terminate_backend(%" PRId64
		    "); a member of pg_read_all_stats sees since when it is there, and why",
		    f->pid);
	else
		doctor_advise(
		    r,
		    "dead rows stay until it ends: select pg_terminate_backend(%" PRId64
		    "); idle_in_transaction_session_timeout ends forgotten ones by itself",
		    f->pid);
}

void
judge_snapshot(struct doctor_report *r, const struct snapshot_fact *f)
{
	enum doctor_level level = judge_held(f->transactions, f->seconds);
	struct buf who;
	char held[96];

	if (level == DOCTOR_OK)
		return;
	buf_init(&who);
	add_who(&who, f);
	doctor_say(r, level, "%s has held a snapshot for %s%s%s", who.data,
	           held_text(f->transactions, f->seconds, held), f->query ? "; it did: " : "",
	           f->query ? f->query : "");
	advise_snapshot(r, f);
	buf_done(&who);
}

static const char *
text_at(const struct db_result *rows, int row, int col)
{
	return db_null(rows, row, col) ? NULL : db_text(rows, row, col);
}

enum status
doctor_snapshots(struct doctor *d, struct fault *fault)
{
	struct db_result *rows;
	size_t said = d->report->n;
	char held[96];
	enum status st = db_call(d->db, sql_doctor_snapshots, NULL, &rows, fault);

	if (st != OK)
		return st;
	for (int i = 0; i < db_rows(rows); i++) {
		/* what a stranger did is told as "<insufficient privilege>" beside a null state */
		bool seen = !db_null(rows, i, 3);

		judge_snapshot(d->report, &(struct snapshot_fact){
		                              .pid = db_int(rows, i, 0),
		                              .application = text_at(rows, i, 1),
		                              .role = text_at(rows, i, 2),
		                              .state = text_at(rows, i, 3),
		                              .kind = text_at(rows, i, 4),
		                              .query = seen ? text_at(rows, i, 5) : NULL,
		                              .transactions = db_int(rows, i, 6),
		                              .seconds = seconds_at(rows, i, 7),
		                          });
	}
	if (d->report->n == said && db_rows(rows) > 0)
		doctor_say(d->report, DOCTOR_OK, "the oldest of %d is held for %s", db_rows(rows),
		           held_text(db_int(rows, 0, 6), seconds_at(rows, 0, 7), held));
	else if (d->report->n == said)
		doctor_say(d->report, DOCTOR_OK, "none is held");
	db_result_free(rows);
	return OK;
}

/* ---- prepared transactions ---- */

enum status
doctor_prepared(struct doctor *d, struct fault *fault)
{
	struct db_result *rows;
	size_t said = d->report->n;
	char held[96];
	enum status st = db_call(d->db, sql_doctor_prepared, NULL, &rows, fault);

	if (st != OK)
		return st;
	for (int i = 0; i < db_rows(rows); i++) {
		enum doctor_level level = judge_held(db_int(rows, i, 2), seconds_at(rows, i, 3));

		if (level == DOCTOR_OK)
			continue;
		doctor_say(
		    d->report, level,
		    "the transaction '%s' of %s was prepared %s ago and waits for its second commit: its "
		    "locks and dead rows stay",
		    db_text(rows, i, 0), db_text(rows, i, 1),
		    held_text(db_int(rows, i, 2), seconds_at(rows, i, 3), held));
		doctor_advise(d->report,
		              "commit prepared '%s', or rollback prepared '%s', as its "
		              "transaction manager says",
		              db_text(rows, i, 0), db_text(rows, i, 0));
	}
	if (d->report->n == said)
		doctor_say(d->report, DOCTOR_OK,
		           db_rows(rows) ? "%d, none of them old" : "there are none",
		           db_rows(rows));
	db_result_free(rows);
	return OK;
}

/* ---- slots ---- */

static enum doctor_level
worse(enum doctor_level a, enum doctor_level b)
{
	return a > b ? a : b;
}

void
judge_slot(struct doctor_report *r, const struct slot_fact *f)
{
	enum doctor_level level = worse(judge_held(f->transactions, -1),
	                                judge_held(f->catalog, -1));
	char rows[96], wal[32];

	if (!f->active)
		level = worse(level, f->wal >= WAL_WARN ? DOCTOR_PROBLEM : DOCTOR_WARNING);
	else if (f->wal >= 4 * WAL_WARN)
		level = worse(level, DOCTOR_WARNING);
	if (level == DOCTOR_OK)
		return;
	held_text(f->transactions > f->catalog ? f->transactions : f->catalog, -1, rows);
	doctor_say(r, level, "the %s slot %s%s keeps dead rows of %s, and %s of WAL", f->kind,
	           f->name, f->active ? "" : ", which nobody reads,", rows,
	           text_bytes(f->wal < 0 ? 0 : f->wal, wal));
	doctor_advise(r,
	              "bring its reader back, or select pg_drop_replication_slot('%s'); "
	              "max_slot_wal_keep_size bounds what it may keep",
	              f->name);
}

enum status
doctor_slots(struct doctor *d, struct fault *fault)
{
	struct db_result *rows;
	size_t said = d->report->n;
	enum status st = db_call(d->db, sql_doctor_slots, NULL, &rows, fault);

	if (st != OK)
		return st;
	for (int i = 0; i < db_rows(rows); i++)
		judge_slot(d->report, &(struct slot_fact){
		                          .name = db_text(rows, i, 0),
		                          .kind = db_text(rows, i, 1),
		                          .active = db_int(rows, i, 2) != 0,
		                          .transactions = amount_at(rows, i, 3),
		                          .catalog = amount_at(rows, i, 4),
		                          .wal = amount_at(rows, i, 5),
		                      });
	if (d->report->n == said)
		doctor_say(d->report, DOCTOR_OK,
		           db_rows(rows) ? "%d, each of them read" : "there are none",
		           db_rows(rows));
	db_result_free(rows);
	return OK;
}

/* ---- dead rows ---- */

void
judge_table(struct doctor_report *r, const struct table_fact *f)
{
	char dead[32], live[32], bytes[32], age[32];
	bool many = f->dead >= DEAD_WARN && f->dead >= DEAD_TIMES * f->live;

	if (f->off) {
		doctor_say(r, DOCTOR_PROBLEM, "autovacuum is turned off for penstock.%s", f->name);
		doctor_advise(r, "alter table penstock.%s reset (autovacuum_enabled)", f->name);
	}
	if (!many)
		return;
	doctor_say(
	    r, f->dead >= DEAD_BAD ? DOCTOR_PROBLEM : DOCTOR_WARNING,
	    "penstock.%s has %s dead rows beside %s living ones, in %s; autovacuum %s%s%s", f->name,
	    text_count(f->dead, dead), text_count(f->live, live), text_bytes(f->bytes, bytes),
	    f->seconds < 0 ? "has never been there" : "was there ",
	    f->seconds < 0 ? "" : text_seconds(f->seconds, age), f->seconds < 0 ? "" : " ago");
	doctor_advise(
	    r,
	    "end what keeps them (snapshots, prepared, slots), then vacuum penstock.%s; if "
	    "nothing does, lower autovacuum_naptime",
	    f->name);
}

enum status
doctor_dead_rows(struct doctor *d, struct fault *fault)
{
	struct db_result *rows;
	size_t said = d->report->n;
	int64_t dead = 0, live = 0;
	char of_dead[32], of_live[32];
	enum status st = db_call(d->db, sql_doctor_dead_rows, NULL, &rows, fault);

	if (st != OK)
		return st;
	for (int i = 0; i < db_rows(rows); i++) {
		judge_table(d->report, &(struct table_fact){
		                           .name = db_text(rows, i, 0),
		                           .live = db_int(rows, i, 1),
		                           .dead = db_int(rows, i, 2),
		                           .bytes = db_int(rows, i, 3),
		                           .seconds = seconds_at(rows, i, 4),
		                           .off = db_int(rows, i, 5) != 0,
		                       });
		live += db_int(rows, i, 1);
		dead += db_int(rows, i, 2);
	}
	if (d->report->n == said)
		doctor_say(d->report, DOCTOR_OK,
		           "%s dead rows beside %s living ones in the tables of the queue",
		           text_count(dead, of_dead), text_count(live, of_live));
	db_result_free(rows);
	return OK;
}
