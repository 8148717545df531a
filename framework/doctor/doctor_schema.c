/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * doctor_schema.c - is the schema the one that this program knows, with its roles, indexes and
 * partitions; and are the plugins there?
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "doctor/doctor_priv.h"
#include "sql_text.h"
#include "stage/stage.h"

/* ---- migrations ---- */

static const struct config_stage *
stage_at(const struct config *config, size_t at)
{
	for (size_t p = 0; p < config->n_pipelines; p++) {
		if (at < config->pipelines[p].n_stages)
			return &config->pipelines[p].stages[at];
		at -= config->pipelines[p].n_stages;
	}
	return NULL;
}

/* The configured stage is the first one of its plugin. */
static bool
is_first(const struct config *config, size_t at)
{
	const char *plugin = stage_at(config, at)->plugin;

	for (size_t i = 0; i < at; i++)
		if (strcmp(stage_at(config, i)->plugin, plugin) == 0)
			return false;
	return true;
}

/* Says what is missing of one component; counts what is there. */
static enum status
look_at_component(struct doctor *d, const struct db_schema_source *source, size_t *applied,
                  struct fault *fault)
{
	struct db_migration *list;
	size_t n;
	enum status st = db_schema_list(d->db, source, 1, &list, &n, fault);

	if (st != OK)
		return st;
	for (size_t i = 0; i < n; i++) {
		*applied += list[i].applied;
		if (list[i].applied)
			continue;
		doctor_say(d->report, DOCTOR_PROBLEM, "migration %04d_%s of %s is not applied",
		           list[i].version, list[i].name, list[i].component);
		doctor_advise(d->report, "penstock migrate up");
	}
	db_schema_list_free(list, n);
	return OK;
}

/* A plugin that cannot be found is said by the check of plugins. */
static enum status
look_at_plugin(struct doctor *d, const char *plugin, size_t *applied, struct fault *fault)
{
	struct fault none = { 0 };
	char *path, *folder;
	enum status st = OK;

	if (stage_find(d->config->set.plugin_path, plugin, &path, &none) != OK)
		return OK;
	folder = stage_migrations(path);
	free(path);
	if (folder)
		st = look_at_component(d, &(struct db_schema_source){ plugin, folder }, applied,
		                       fault);
	free(folder);
	return st;
}

static enum status
look_for_schema(struct doctor *d, struct fault *fault)
{
	struct db_result *rows;
	enum status st = db_call(d->db, sql_schema_exists, NULL, &rows, fault);

	if (st != OK)
		return st;
	d->schema = db_int(rows, 0, 0) != 0;
	db_result_free(rows);
	return OK;
}

/* Migrations of the core, then those of the plugins that the configuration names. */
static enum status
look_at_migrations(struct doctor *d, size_t *applied, struct fault *fault)
{
	const struct db_schema_source core = { "penstock", NULL };
	enum status st = look_at_component(d, &core, applied, fault);

	for (size_t i = 0; st == OK && stage_at(d->config, i); i++)
		if (is_first(d->config, i))
			st = look_at_plugin(d, stage_at(d->config, i)->plugin, applied, fault);
	return st;
}

enum status
doctor_schema(struct doctor *d, struct fault *fault)
{
	size_t applied = 0, said = d->report->n;
	enum status st = look_for_schema(d, fault);
	bool newer = false;

	if (st == OK)
		st = db_schema_check(d->db, &newer, fault);
	if (st == REFUSED) {
		doctor_say(d->report, DOCTOR_PROBLEM, "%s; this program is %s", fault->text,
		           PENSTOCK_VERSION);
		doctor_advise(d->report, "%s",
		              fault->hint[0] ? fault->hint : "penstock migrate up");
		return OK;
	}
	if (st == OK)
		st = look_at_migrations(d, &applied, fault);
	if (st == OK && newer && d->report->n == said)
		doctor_say(d->report, DOCTOR_OK,
		           "newer than penstock %s has it, and serves it until it is upgraded",
		           PENSTOCK_VERSION);
	else if (st == OK && d->report->n == said)
		doctor_say(d->report, DOCTOR_OK, "as penstock %s has it: %zu %s applied",
		           PENSTOCK_VERSION, applied, applied == 1 ? "migration" : "migrations");
	return st;
}

/* ---- roles ---- */

static void
judge_own_role(struct doctor_report *r, const struct role_fact *host, const char *me,
               bool superuser)
{
	if (superuser) {
		doctor_say(r, DOCTOR_WARNING,
		           "connected as the superuser %s: so are stages, when hosts do the same",
		           me);
		doctor_advise(
		    r, "create role penstock login in role penstock_host; and name it in the "
		       "setting `database`");
	} else if (host->present && !host->member) {
		doctor_say(r, DOCTOR_PROBLEM,
		           "%s is no member of penstock_host: hosts cannot work as it", me);
		doctor_advise(r, "grant penstock_host to %s", me);
	} else if (host->present && !host->usage) {
		doctor_say(r, DOCTOR_PROBLEM,
		           "%s is a member of penstock_host, but does not inherit its rights", me);
		doctor_advise(r, "alter role %s inherit; and grant penstock_host to it again", me);
	}
}

void
judge_roles(struct doctor_report *r, const struct role_fact *roles, size_t n, const char *me,
            bool superuser)
{
	size_t said = r->n;
	struct buf member;

	buf_init(&member);
	buf_adds(&member, "");
	for (size_t i = 0; i < n; i++) {
		if (!roles[i].present) {
			doctor_say(r, DOCTOR_PROBLEM, "the role %s is missing", roles[i].name);
			doctor_advise(
			    r,
			    "create role %s nologin; grant usage on schema penstock to it; delete from "
			    "penstock.migration where version = 0; then `penstock migrate up` grants its rights",
			    roles[i].name);
		}
		if (roles[i].usage)
			buf_printf(&member, "%s%s", member.len ? ", " : "", roles[i].name);
		if (strcmp(roles[i].name, "penstock_host") == 0)
			judge_own_role(r, &roles[i], me, superuser);
	}
	if (r->n == said)
		doctor_say(r, DOCTOR_OK, "all %zu are there; %s is in %s", n, me, member.data);
	buf_done(&member);
}

enum status
doctor_roles(struct doctor *d, struct fault *fault)
{
	struct role_fact roles[16];
	struct db_result *rows;
	size_t n;
	enum status st = db_call(d->db, sql_doctor_roles, NULL, &rows, fault);

	if (st != OK)
		return st;
	n = (size_t)db_rows(rows);
	check(n > 0 && n <= countof(roles));
	for (int i = 0; i < (int)n; i++)
		roles[i] = (struct role_fact){ db_text(rows, i, 0), db_int(rows, i, 1) != 0,
			                       db_int(rows, i, 2) != 0, db_int(rows, i, 3) != 0 };
	judge_roles(d->report, roles, n, db_text(rows, 0, 4), db_int(rows, 0, 5) != 0);
	db_result_free(rows);
	return OK;
}

/* ---- indexes and blocks ---- */

enum status
doctor_indexes(struct doctor *d, struct fault *fault)
{
	struct db_result *rows;
	enum status st = db_call(d->db, sql_doctor_indexes, NULL, &rows, fault);

	if (st != OK)
		return st;
	for (int i = 0; i < db_rows(rows); i++) {
		doctor_say(d->report, DOCTOR_PROBLEM,
		           "the index %s of %s is invalid: written, never read",
		           db_text(rows, i, 0), db_text(rows, i, 1));
		doctor_advise(d->report,
		              "reindex index concurrently %s, or drop it when it is not "
		              "penstock's own",
		              db_text(rows, i, 0));
	}
	if (db_rows(rows) == 0)
		doctor_say(d->report, DOCTOR_OK, "every index is valid");
	db_result_free(rows);
	return OK;
}

void
judge_blocks(struct doctor_report *r, int64_t block, int64_t ahead, int64_t left)
{
	char ids[32];

	text_count(left, ids);
	if (ahead < 0)
		doctor_say(r, DOCTOR_PROBLEM,
		           "the partitions of block %" PRId64
		           ", where the next id goes, are not all there: "
		           "enqueue fails",
		           block);
	else if (ahead < 2)
		doctor_say(r, DOCTOR_WARNING,
		           "partitions reach %" PRId64 " blocks beyond block %" PRId64
		           ", which has %s ids left",
		           ahead, block, ids);
	else
		doctor_say(r, DOCTOR_OK,
		           "partitions reach %" PRId64 " blocks beyond block %" PRId64
		           ", which has %s ids left",
		           ahead, block, ids);
	if (ahead < 2)
		doctor_advise(
		    r, "select penstock.make_blocks(); a running host does it every 30 s: see its "
		       "log when it does not");
}

enum status
doctor_blocks(struct doctor *d, struct fault *fault)
{
	struct db_result *rows;
	enum status st = db_call(d->db, sql_doctor_blocks, NULL, &rows, fault);

	if (st != OK)
		return st;
	judge_blocks(d->report, db_int(rows, 0, 0), db_int(rows, 0, 1), db_int(rows, 0, 2));
	db_result_free(rows);
	return OK;
}

/* ---- plugins ---- */

enum status
doctor_plugins(struct doctor *d, struct fault *fault)
{
	size_t stages = 0;
	struct buf report;
	char *save = NULL;

	(void)fault;
	buf_init(&report);
	buf_adds(&report, "");
	for (size_t p = 0; p < d->config->n_pipelines; p++) {
		stage_check_pipeline(&d->config->set, &d->config->pipelines[p], &report);
		stages += d->config->pipelines[p].n_stages;
	}
	for (char *line = strtok_r(report.data, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		doctor_say(d->report, DOCTOR_PROBLEM, "%s", line);
		doctor_advise(d->report,
		              "put it right, then `penstock check`: a host does not start like "
		              "this");
	}
	if (stages == 0)
		doctor_say(d->report, DOCTOR_OK, "no pipeline is configured on this machine");
	else if (report.len == 0)
		doctor_say(d->report, DOCTOR_OK,
		           "%zu %s: the files are there, and fit the configuration", stages,
		           stages == 1 ? "stage" : "stages");
	buf_done(&report);
	return OK;
}
