/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * plugin_lint.c - penstock plugin lint: what plugins have in them that would hurt their host.
 */
#include <stdlib.h>

#include "cli/cli_priv.h"
#include "stage/stage.h"

struct report {
	struct cli *cli;
	struct cli_table *table; /* with --json */
	const char *path;        /* of the file at hand */
	size_t n, errors;
};

static void
found(void *data, const struct stage_finding *f)
{
	struct report *r = data;

	r->n++;
	r->errors += f->error;
	if (!r->table) {
		printf("%s: %s: %s: %s%s%s; %s\n", r->path, f->error ? "error" : "warning", f->rule,
		       f->what, f->what[0] ? " " : "", f->text, f->todo);
		return;
	}
	cli_cell_text(r->table, r->path);
	cli_cell_text(r->table, f->error ? "error" : "warning");
	cli_cell_text(r->table, f->rule);
	cli_cell_text(r->table, f->what[0] ? f->what : NULL);
	cli_cell_text(r->table, f->text);
	cli_cell_text(r->table, f->todo);
}

static int
lint(struct report *r, const char *name)
{
	struct fault fault = { 0 };
	size_t before = r->n;
	char *path = NULL;
	enum status st = cli_plugin_path(r->cli, name, &path, &fault);

	r->path = path;
	if (st == OK)
		st = stage_lint(path, found, r, &fault);
	if (st == OK && r->n == before)
		cli_say(r->cli, "%s: nothing found", path);
	free(path);
	return st == OK ? CLI_OK : cli_fail(&fault);
}

int
plugin_lint_command(struct cli *cli)
{
	static const struct cli_column columns[] = { { "file", CLI_TEXT }, { "level", CLI_TEXT },
		                                     { "rule", CLI_TEXT }, { "what", CLI_TEXT },
		                                     { "text", CLI_TEXT }, { "todo", CLI_TEXT },
		                                     { NULL, CLI_TEXT } };
	struct report r = { .cli = cli };
	int end = cli_config(cli), last;

	if (end != CLI_OK)
		return end;
	r.table = cli->json ? cli_table_new(columns) : NULL;
	for (int i = 0; i < cli->argc; i++) {
		last = lint(&r, cli->argv[i]);
		if (last > end)
			end = last;
	}
	if (r.table) {
		cli_table_print(r.table, cli);
		cli_table_free(r.table);
	}
	return end != CLI_OK ? end : r.errors > 0 ? CLI_FOUND : CLI_OK;
}
