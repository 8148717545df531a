/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * top.c - penstock top: what is happening now, on a screen of its own.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/cli_priv.h"
#include "host/host.h"
#include "top/top.h"

#define EVERY SEC
#define EVERY_LEAST (50 * MSEC)
#define EVERY_MOST (3600 * SEC)

static unsigned
width_of_output(void)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;

	if (columns && atoi(columns) > 0)
		return (unsigned)atoi(columns);
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	return 80;
}

int
top_command(struct cli *cli)
{
	struct top_options options = { .every_ns = EVERY };
	struct fault fault = { 0 };
	enum status st;
	char *path;
	int end;

	if (cli_flag(cli, "every") &&
	    text_duration(cli_value(cli, "every"), &options.every_ns, &fault) != OK)
		return cli_fail_option("every", &fault);
	if (options.every_ns < EVERY_LEAST || options.every_ns > EVERY_MOST)
		return cli_usage(cli, "--every is at least 50ms and at most 1h");
	end = cli_config(cli);
	if (end != CLI_OK)
		return end;
	path = host_segment_path(cli->config);
	options.segment_path = path;
	options.conninfo = cli->config->set.database;
	options.pipeline = cli->argc > 0 ? cli->argv[0] : NULL;
	options.sort = cli_value(cli, "sort");
	options.colour = cli->colour;
	if (cli->json || cli_flag(cli, "once"))
		st = top_once(&options, width_of_output(), cli->json, stdout, &fault);
	else
		st = top_screen(&options, &fault);
	free(path);
	if (st == NOT_FOUND)
		fault_hint(&fault, "a host on this machine must run with the same name and "
		                   "run_dir: penstock run");
	return st == OK ? CLI_OK : cli_fail(&fault);
}
