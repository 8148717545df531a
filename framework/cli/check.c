/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check.c - penstock check: would a host start with this configuration?
 */
#include <stdlib.h>

#include "cli/cli_priv.h"
#include "stage/stage.h"

/* Appends what is wrong with one stage. */
static void
check_stage(const struct config *config, const struct config_stage *stage, struct buf *report)
{
	struct fault fault = { 0 };
	struct stage_manifest *manifest = NULL;
	size_t before = report->len;
	char *path = NULL;
	enum status st = stage_find(config->set.plugin_path, stage->plugin, &path, &fault);

	if (st == OK && config->set.strict_files)
		st = stage_trust(path, &fault);
	if (st == OK)
		st = stage_manifest_read(path, &manifest, &fault);
	if (st == OK)
		st = stage_check(manifest, stage, report, &fault);
	if (st != OK && report->len == before)
		buf_printf(report, "%s:%d: %s%s%s\n", stage->file, stage->line, fault.text,
		           fault.hint[0] ? "; " : "", fault.hint);
	stage_manifest_free(manifest);
	free(path);
}

int
check_command(struct cli *cli)
{
	const struct config *config;
	struct buf report;
	size_t stages = 0;
	int end = cli_config(cli);

	if (end != CLI_OK)
		return end;
	config = cli->config;
	buf_init(&report);
	for (size_t p = 0; p < config->n_pipelines; p++)
		for (size_t i = 0; i < config->pipelines[p].n_stages; i++, stages++)
			check_stage(config, &config->pipelines[p].stages[i], &report);
	if (report.len > 0) {
		fputs(report.data, stderr);
		end = CLI_WRONG;
	} else {
		cli_say(cli, "%s: well; %zu %s, %zu %s",
		        config->path ? config->path : "the defaults", config->n_pipelines,
		        config->n_pipelines == 1 ? "pipeline" : "pipelines", stages,
		        stages == 1 ? "stage" : "stages");
	}
	buf_done(&report);
	return end;
}
