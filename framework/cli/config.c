/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config.c - penstock config diff: what would a host do with another configuration?
 */
#include <stdlib.h>
#include <sys/stat.h>

#include "cli/cli_priv.h"

/* Reads a configuration beside the active one; a folder means its penstock.conf. */
static int
load(const struct cli *cli, const char *path, struct config **ret_config)
{
	struct fault fault = { 0 };
	struct stat st;
	struct buf report;
	char *file = stat(path, &st) == 0 && S_ISDIR(st.st_mode)
	                 ? mem_printf("%s/penstock.conf", path)
	                 : mem_dup(path);
	enum status status;

	buf_init(&report);
	status = config_load(file, cli->overrides, cli->n_overrides, ret_config, &report, &fault);
	if (status != OK && report.len > 0)
		text_print(report.data, stderr);
	else if (status != OK)
		fault_print(&fault, stderr);
	buf_done(&report);
	free(file);
	return status == OK ? CLI_OK : CLI_WRONG;
}

static int
print(const struct cli *cli, const struct config_diff *diff)
{
	static const struct cli_column columns[] = {
		{ "pipeline", CLI_TEXT }, { "stage", CLI_TEXT }, { "what", CLI_TEXT },
		{ "before", CLI_TEXT },   { "after", CLI_TEXT }, { "takes", CLI_TEXT },
		{ NULL, CLI_TEXT }
	};
	struct cli_table *t = cli_table_new(columns);
	size_t restarts = 0;

	for (size_t i = 0; i < diff->n; i++) {
		const struct config_change *c = &diff->changes[i];

		cli_cell_text(t, c->pipeline);
		cli_cell_text(t, c->stage);
		cli_cell_text(t, c->what);
		cli_cell_text(t, c->before);
		cli_cell_text(t, c->after);
		cli_cell_text(t, c->restart ? "restart" : "reload");
		restarts += c->restart;
	}
	if (diff->n > 0 || cli->json)
		cli_table_print(t, cli);
	cli_table_free(t);
	if (diff->n == 0)
		cli_say(cli, "no difference");
	else
		cli_say(cli, "%zu %s; %s", diff->n, diff->n == 1 ? "difference" : "differences",
		        restarts ? "a restart is needed" : "a reload is enough");
	return diff->n == 0 ? CLI_OK : CLI_FOUND;
}

int
config_diff_command(struct cli *cli)
{
	struct config *one = NULL, *other = NULL;
	struct config_diff diff;
	int end = cli->argc == 2 ? load(cli, cli->argv[0], &one) : cli_config(cli);

	if (end == CLI_OK)
		end = load(cli, cli->argv[cli->argc - 1], &other);
	if (end == CLI_OK) {
		config_diff(one ? one : cli->config, other, &diff);
		end = print(cli, &diff);
		config_diff_done(&diff);
	}
	config_free(other);
	config_free(one);
	return end;
}
