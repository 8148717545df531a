/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check.c - penstock check: would a host start with this configuration?
 */
#include "cli/cli_priv.h"
#include "stage/stage.h"

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
	for (size_t p = 0; p < config->n_pipelines; p++) {
		stage_check_pipeline(&config->set, &config->pipelines[p], &report);
		stages += config->pipelines[p].n_stages;
	}
	if (report.len > 0) {
		text_print(report.data, stderr);
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
