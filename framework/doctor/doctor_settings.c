/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * doctor_settings.c - the server's version, its settings, and tables that are not logged.
 *
 * Settings are read as this session has them: what ALTER ROLE and ALTER
 * DATABASE say is part of the finding.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "doctor/doctor_priv.h"
#include "sql_text.h"

/* ---- version ---- */

#define OLDEST 14
#define NEWEST 18

void
judge_version(struct doctor_report *r, int version)
{
	int major = version / 10000, minor = version % 10000;

	if (major < OLDEST) {
		doctor_say(r, DOCTOR_PROBLEM, "PostgreSQL %d.%d; penstock needs %d or newer", major,
		           minor, OLDEST);
		doctor_advise(r, "upgrade the server to PostgreSQL %d to %d", OLDEST, NEWEST);
	} else if (major > NEWEST) {
		doctor_say(r, DOCTOR_WARNING,
		           "PostgreSQL %d.%d is newer than what this program was made for", major,
		           minor);
		doctor_advise(
		    r, "look for a newer penstock; %d is the newest version that this one knows",
		    NEWEST);
	} else {
		doctor_say(r, DOCTOR_OK, "PostgreSQL %d.%d", major, minor);
	}
}

enum status
doctor_version(struct doctor *d, struct fault *fault)
{
	(void)fault;
	judge_version(d->report, db_server_version(d->db));
	return OK;
}

/* ---- settings ---- */

enum rule { ON, NOT_OFF, BYTES_AT_LEAST, NO_TIME_BELOW };

static const struct setting_rule {
	const char *name;
	enum rule rule;
	int64_t least; /* bytes or milliseconds */
	enum doctor_level level;
	const char *why, *advice;
} rules[] = {
	{ "fsync", ON, 0, DOCTOR_PROBLEM, "a crash of the machine may destroy the whole database",
	  "alter system set fsync = on; select pg_reload_conf();" },
	{ "full_page_writes", ON, 0, DOCTOR_PROBLEM,
	  "a page that was half written in a crash stays broken",
	  "alter system set full_page_writes = on; select pg_reload_conf();" },
	{ "synchronous_commit", NOT_OFF, 0, DOCTOR_PROBLEM,
	  "a crash of the server loses jobs whose enqueue was confirmed, and settlements",
	  "set it to on where it was turned off: the server, alter database, or alter role" },
	{ "autovacuum", ON, 0, DOCTOR_PROBLEM,
	  "dead rows stay in the tables of the queue, and each claim gets slower",
	  "alter system set autovacuum = on; select pg_reload_conf();" },
	{ "track_counts", ON, 0, DOCTOR_PROBLEM, "autovacuum does not see where rows died",
	  "alter system set track_counts = on; select pg_reload_conf();" },
	{ "track_activities", ON, 0, DOCTOR_WARNING,
	  "what a session does that holds a snapshot cannot be seen",
	  "alter system set track_activities = on; select pg_reload_conf();" },
	{ "track_io_timing", ON, 0, DOCTOR_OK, "time in reading and writing files is not measured",
	  "to see it in explain and pg_stat_database: alter system set track_io_timing = on; "
	  "select pg_reload_conf();" },
	{ "shared_buffers", BYTES_AT_LEAST, 128 * MiB, DOCTOR_WARNING,
	  "the tables of the queue may not stay in memory",
	  "alter system set shared_buffers = '1GB', or a quarter of the memory; then restart the "
	  "server" },
	{ "max_wal_size", BYTES_AT_LEAST, 1024 * MiB, DOCTOR_WARNING,
	  "frequent checkpoints, and more to write after each of them",
	  "alter system set max_wal_size = '4GB'; select pg_reload_conf();" },
	{ "statement_timeout", NO_TIME_BELOW, 30000, DOCTOR_WARNING,
	  "large settlements and migrations are cut off",
	  "alter role of the hosts: set statement_timeout = 0" },
	{ "transaction_timeout", NO_TIME_BELOW, 30000, DOCTOR_WARNING,
	  "transactions of stages are cut off",
	  "alter role of the hosts: set transaction_timeout = 0" },
	{ "idle_session_timeout", NO_TIME_BELOW, 600000, DOCTOR_WARNING,
	  "sessions of hosts that wait for work are ended",
	  "alter role of the hosts: set idle_session_timeout = 0" },
};

static bool
keeps(const struct setting_rule *rule, const struct setting_fact *f)
{
	switch (rule->rule) {
	case ON: return strcmp(f->value, "on") == 0;
	case NOT_OFF: return strcmp(f->value, "off") != 0;
	case BYTES_AT_LEAST: return f->amount >= rule->least;
	default: return f->amount == 0 || f->amount >= rule->least;
	}
}

/* The value as people write it. */
static const char *
shown(const struct setting_rule *rule, const struct setting_fact *f, char out[32])
{
	if (rule->rule == BYTES_AT_LEAST)
		return text_bytes(f->amount, out);
	if (rule->rule == NO_TIME_BELOW && f->amount > 0)
		return text_seconds((double)f->amount / 1000, out);
	return f->value;
}

static const struct setting_rule *
rule_of(const char *name)
{
	for (size_t i = 0; i < countof(rules); i++)
		if (strcmp(rules[i].name, name) == 0)
			return &rules[i];
	return NULL;
}

void
judge_settings(struct doctor_report *r, const struct setting_fact *facts, size_t n)
{
	struct buf well;
	char out[32];

	buf_init(&well);
	buf_adds(&well, "");
	for (size_t i = 0; i < n; i++) {
		const struct setting_rule *rule = rule_of(facts[i].name);

		if (!rule)
			continue;
		if (keeps(rule, &facts[i])) {
			buf_printf(&well, "%s%s %s", well.len ? ", " : "", rule->name,
			           shown(rule, &facts[i], out));
			continue;
		}
		doctor_say(r, rule->level, "%s is %s: %s", rule->name, shown(rule, &facts[i], out),
		           rule->why);
		doctor_advise(r, "%s", rule->advice);
	}
	if (well.len)
		doctor_say(r, DOCTOR_OK, "%s", well.data);
	buf_done(&well);
}

enum status
doctor_settings(struct doctor *d, struct fault *fault)
{
	struct setting_fact *facts;
	struct db_result *rows;
	enum status st = db_call(d->db, sql_doctor_settings, NULL, &rows, fault);

	if (st != OK)
		return st;
	facts = mem_alloc(((size_t)db_rows(rows) + 1) * sizeof *facts);
	for (int i = 0; i < db_rows(rows); i++)
		facts[i] = (struct setting_fact){ db_text(rows, i, 0), db_text(rows, i, 1),
			                          db_int(rows, i, 2) };
	judge_settings(d->report, facts, (size_t)db_rows(rows));
	free(facts);
	db_result_free(rows);
	return OK;
}

/* ---- unlogged ---- */

enum status
doctor_unlogged(struct doctor *d, struct fault *fault)
{
	struct db_result *rows;
	enum status st = db_call(d->db, sql_doctor_unlogged, NULL, &rows, fault);

	if (st != OK)
		return st;
	for (int i = 0; i < db_rows(rows); i++) {
		doctor_say(
		    d->report, DOCTOR_PROBLEM,
		    "%s is unlogged: a crash of the server empties it, and a standby has nothing of it",
		    db_text(rows, i, 0));
		doctor_advise(d->report, "alter table %s set logged", db_text(rows, i, 0));
	}
	if (db_rows(rows) == 0)
		doctor_say(d->report, DOCTOR_OK, "every table is logged");
	db_result_free(rows);
	return OK;
}
