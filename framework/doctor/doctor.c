/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * doctor.c - the checks in their order, and what they say.
 *
 * One that cannot look says so and the next one goes on: a doctor who stops
 * at the first wound finds no second one.
 */
#include <stdlib.h>
#include <string.h>

#include "doctor/doctor_priv.h"

/* schema comes before those that need it, hosts before those that ask which hosts live. */
/* clang-format off */
const struct doctor_check doctor_checks[] = {
	/* name          schema what it looks at */
	{ "version",     false, doctor_version },   /* of the server */
	{ "session",     false, doctor_session },   /* a pooler in between */
	{ "settings",    false, doctor_settings },  /* data or speed lost by the server's settings */
	{ "clock",       false, doctor_clock },     /* this machine's and the database's */
	{ "roles",       false, doctor_roles },     /* present, and held by this session's role */
	{ "schema",      false, doctor_schema },    /* migrations and functions as this program has them */
	{ "unlogged",    true,  doctor_unlogged },  /* tables that a crash empties */
	{ "indexes",     true,  doctor_indexes },   /* invalid ones */
	{ "blocks",      true,  doctor_blocks },    /* partitions ahead of the ids */
	{ "snapshots",   false, doctor_snapshots }, /* sessions that keep dead rows */
	{ "prepared",    false, doctor_prepared },  /* prepared transactions that do */
	{ "slots",       false, doctor_slots },     /* replication slots that do */
	{ "dead_rows",   true,  doctor_dead_rows }, /* in the tables of the queue */
	{ "connections", true,  doctor_connections }, /* in use, and needed */
	{ "hosts",       true,  doctor_hosts },     /* alive, and of one version */
	{ "leases",      true,  doctor_leases },    /* held by hosts that are gone */
	{ "lanes",       true,  doctor_lanes },     /* dead letters, ready jobs that nobody serves */
	{ "plugins",     false, doctor_plugins },   /* files of the configured stages */
	{ NULL, false, NULL }
};
/* clang-format on */

const char *
doctor_level_text(enum doctor_level level)
{
	static const char *const texts[] = { "ok", "warning", "problem" };

	return texts[level];
}

/* ---- findings ---- */

static char *
clean_text(const char *format, va_list args)
{
	struct buf raw;
	char *clean;

	buf_init(&raw);
	buf_vprintf(&raw, format, args);
	clean = mem_alloc(raw.len + 1);
	text_clean(raw.data, raw.len, clean, raw.len + 1);
	buf_done(&raw);
	return clean;
}

void
doctor_say(struct doctor_report *r, enum doctor_level level, const char *format, ...)
{
	struct doctor_finding finding = { .check = r->check, .level = level };
	va_list args;

	va_start(args, format);
	finding.text = clean_text(format, args);
	va_end(args);
	r->findings = mem_array(r->findings, r->n + 1, sizeof *r->findings);
	r->findings[r->n++] = finding;
}

void
doctor_advise(struct doctor_report *r, const char *format, ...)
{
	va_list args;

	check(r->n > 0 && !r->findings[r->n - 1].advice);
	va_start(args, format);
	r->findings[r->n - 1].advice = clean_text(format, args);
	va_end(args);
}

size_t
doctor_count(const struct doctor_report *report, enum doctor_level level)
{
	size_t n = 0;

	for (size_t i = 0; i < report->n; i++)
		n += report->findings[i].level == level;
	return n;
}

void
doctor_report_done(struct doctor_report *report)
{
	for (size_t i = 0; i < report->n; i++) {
		free(report->findings[i].text);
		free(report->findings[i].advice);
	}
	free(report->findings);
	*report = (struct doctor_report){ 0 };
}

/* ---- the round ---- */

static void
say_fault(struct doctor_report *r, const struct fault *fault)
{
	if (fault->status == AWAY || fault->status == UNKNOWN) {
		doctor_say(r, DOCTOR_PROBLEM, "the connection was lost: %s", fault->text);
		doctor_advise(r, "%s",
		              "see the server's log; a pooler or a firewall may end sessions too");
		return;
	}
	doctor_say(r, DOCTOR_WARNING, "could not be looked at: %s", fault->text);
	if (strcmp(fault->sqlstate, "42501") == 0)
		doctor_advise(r,
		              "ask as a role that hosts use, or grant penstock_host to this one");
	else if (fault->hint[0])
		doctor_advise(r, "%s", fault->hint);
}

static enum status
look(struct doctor *d, const struct doctor_check *c)
{
	size_t before = d->report->n;
	struct fault fault = { 0 };
	enum status st;

	d->report->check = c->name;
	st = c->look(d, &fault);
	if (st != OK)
		say_fault(d->report, &fault);
	check(d->report->n > before);
	return st;
}

void
doctor_examine(struct db *db, const struct config *config, struct doctor_report *report)
{
	struct doctor d = { .db = db, .config = config, .report = report };

	for (const struct doctor_check *c = doctor_checks; c->name; c++)
		if ((d.schema || !c->schema) && look(&d, c) != OK && !db_alive(db))
			break;
	for (size_t i = 0; i < d.n_hosts; i++) {
		free(d.hosts[i].name);
		free(d.hosts[i].machine);
		free(d.hosts[i].version);
	}
	free(d.hosts);
}
