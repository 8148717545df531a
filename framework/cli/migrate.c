/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * migrate.c - penstock migrate up, down and status.
 *
 * The core's migrations are in this program; a plugin's lie in NAME.migrations
 * beside its NAME.so, and count when a configured pipeline uses the plugin.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/cli_priv.h"
#include "stage/stage.h"

#define SOURCES_MAX 64

struct sources {
	struct db_schema_source list[SOURCES_MAX];
	char *folders[SOURCES_MAX];
	size_t n;
};

static bool
known(const struct sources *s, const char *component)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->list[i].component, component) == 0)
			return true;
	return false;
}

static enum status
add_plugin(struct sources *s, const struct config *config, const char *plugin, struct fault *fault)
{
	char *path, *folder;
	enum status st;

	if (known(s, plugin))
		return OK;
	st = stage_find(config->set.plugin_path, plugin, &path, fault);
	if (st != OK)
		return st;
	folder = stage_migrations(path);
	free(path);
	if (!folder)
		return OK;
	check(s->n < SOURCES_MAX);
	s->folders[s->n] = folder;
	s->list[s->n++] = (struct db_schema_source){ plugin, folder };
	return OK;
}

static enum status
find_sources(struct sources *s, const struct config *config, struct fault *fault)
{
	enum status st = OK;

	*s = (struct sources){ .n = 1 };
	s->list[0] = (struct db_schema_source){ "penstock", NULL };
	for (size_t p = 0; p < config->n_pipelines; p++)
		for (size_t i = 0; i < config->pipelines[p].n_stages && st == OK; i++)
			st = add_plugin(s, config, config->pipelines[p].stages[i].plugin, fault);
	return st;
}

static void
free_sources(struct sources *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->folders[i]);
}

/* ---- up ---- */

struct told {
	const struct cli *cli;
	int n;
};

static void
tell(void *data, const struct db_migration *m, bool done, int64_t took_ns)
{
	struct told *told = data;
	char took[32];

	if (!done)
		return;
	told->n++;
	cli_say(told->cli, "%s %04d_%s  %s", m->component, m->version, m->name,
	        text_ns(took_ns, took));
}

int
cli_migrate_up(struct cli *cli, struct db *db)
{
	struct told told = { .cli = cli };
	struct fault fault = { 0 };
	struct sources sources;
	enum status st = find_sources(&sources, cli->config, &fault);

	if (st == OK)
		st = db_schema_up(db, sources.list, sources.n, tell, &told, &fault);
	free_sources(&sources);
	if (st != OK)
		return cli_fail(&fault);
	if (told.n == 0)
		cli_say(cli, "the schema is up to date");
	return CLI_OK;
}

int
migrate_up_command(struct cli *cli)
{
	struct db *db;
	int end = cli_open(cli, &db);

	if (end != CLI_OK)
		return end;
	end = cli_migrate_up(cli, db);
	db_close(db);
	return end;
}

/* ---- down ---- */

int
migrate_down_command(struct cli *cli)
{
	const char *component = cli_value(cli, "component"), *to = cli_value(cli, "to");
	struct db_schema_source source = { component ? component : "penstock", NULL };
	struct told told = { .cli = cli };
	struct fault fault = { 0 };
	struct sources sources;
	int64_t last = 0;
	struct db *db;
	enum status st;
	int end;

	if (to && text_int(to, 0, 9999, &last, &fault) != OK)
		return cli_fail_option("to", &fault);
	if (!cli_flag(cli, "confirm"))
		return cli_usage(cli, "this deletes the tables of %s; say --confirm to do it",
		                 source.component);
	end = cli_open(cli, &db);
	if (end != CLI_OK)
		return end;
	st = find_sources(&sources, cli->config, &fault);
	if (st == OK && !known(&sources, source.component))
		st = fault_set(&fault, NOT_FOUND,
		               "no configured pipeline uses a plugin %s with migrations",
		               source.component);
	for (size_t i = 0; i < sources.n; i++)
		if (strcmp(sources.list[i].component, source.component) == 0)
			source.folder = sources.list[i].folder;
	if (st == OK)
		st = db_schema_down(db, &source, (int)last, tell, &told, &fault);
	free_sources(&sources);
	db_close(db);
	return st == OK ? CLI_OK : cli_fail(&fault);
}

/* ---- status ---- */

int
migrate_status_command(struct cli *cli)
{
	static const struct cli_column columns[] = { { "component", CLI_TEXT },
		                                     { "version", CLI_NUMBER },
		                                     { "name", CLI_TEXT },
		                                     { "applied_at", CLI_TIME },
		                                     { NULL, CLI_TEXT } };
	struct fault fault = { 0 };
	struct db_migration *list = NULL;
	struct sources sources;
	struct cli_table *t;
	struct db *db;
	size_t n = 0;
	enum status st;
	int end = cli_open(cli, &db);

	if (end != CLI_OK)
		return end;
	st = find_sources(&sources, cli->config, &fault);
	if (st == OK)
		st = db_schema_list(db, sources.list, sources.n, &list, &n, &fault);
	free_sources(&sources);
	db_close(db);
	if (st != OK)
		return cli_fail(&fault);
	t = cli_table_new(columns);
	for (size_t i = 0; i < n; i++) {
		cli_cell_text(t, list[i].component);
		cli_cell_int(t, list[i].version);
		cli_cell_text(t, list[i].name);
		if (list[i].applied)
			cli_cell_int(t, list[i].applied_at_us);
		else
			cli_cell_none(t);
		if (!list[i].applied)
			end = CLI_FOUND;
	}
	cli_table_print(t, cli);
	cli_table_free(t);
	db_schema_list_free(list, n);
	if (end == CLI_FOUND)
		cli_say(cli, "hint: penstock migrate up");
	return end;
}
