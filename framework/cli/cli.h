/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cli.h - the command line: one table of commands, one file for each of them.
 *
 * Data goes to stdout, messages and progress to stderr. The table (commands.c)
 * makes the parser, `penstock help` and docs/commands.md.
 */
#ifndef PENSTOCK_CLI_H
#define PENSTOCK_CLI_H

/* Runs what argv asks for. Returns an enum cli_exit. */
int cli_main(int argc, char **argv);

enum cli_exit {
	CLI_OK = 0,
	CLI_FOUND = 1, /* it worked, and what it looked at is not well; or the work failed */
	CLI_WRONG = 2, /* usage, configuration, input: change something and try again */
	CLI_AWAY = 3   /* the database or the system: try again later */
};

#endif
