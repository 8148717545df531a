/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cli_manual.c - pages of the manual as scdoc(5) reads them, from the table of commands.
 *
 * penstock(1) lists the commands, penstock-COMMAND(1) is one of them, with
 * "-" for the blanks of its name; penstock.conf(5) comes from config/.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/cli_priv.h"

/* The caller frees. */
static char *
page_name(const struct cli_command *c)
{
	char *name = mem_printf("penstock-%s", c->name);

	for (char *p = name; (p = strchr(p, ' '));)
		*p = '-';
	return name;
}

static void
put_text(const char *text, FILE *out)
{
	config_print_scd_text(text, out);
}

static void
put_option(const struct cli_option *o, FILE *out)
{
	char *help = NULL;
	size_t len = 0;
	FILE *text = open_memstream(&help, &len);

	if (o->letter)
		fprintf(out, "*-%c*, ", o->letter);
	fprintf(out, "*--%s*", o->name);
	if (o->value)
		fprintf(out, " _%s_", o->value);
	fputs("\n\t", out);
	check(text);
	cli_help_option(o, text);
	fclose(text);
	put_text(help, out);
	free(help);
	fputs(".\n\n", out);
}

static void
put_options(const struct cli_option *options, FILE *out)
{
	for (const struct cli_option *o = options; o->name; o++)
		put_option(o, out);
}

static void
head(const char *name, const char *summary, FILE *out)
{
	fprintf(out, "%s(1) \"penstock\"\n\n; SPDX-License-Identifier: BSD-2-Clause\n\n# NAME\n\n",
	        name);
	put_text(name, out);
	fputs(" - ", out);
	put_text(summary, out);
	fputs("\n\n# SYNOPSIS\n\n", out);
}

static void
exit_codes(FILE *out)
{
	fputs(
	    "# EXIT STATUS\n\n"
	    "0 well; 1 not well or failed; 2 wrong usage, configuration or input; 3 the database\n"
	    "or the system is in trouble.\n\n",
	    out);
}

static void
command_page(const struct cli_command *c, const char *name, FILE *out)
{
	head(name, c->summary, out);
	fprintf(out, "*penstock %s* ", c->name);
	put_text(c->arguments, out);
	fprintf(out, "%s\\[_OPTIONS_\\]\n\n# DESCRIPTION\n\n", c->arguments[0] ? " " : "");
	put_text(c->text[0] ? c->text : c->summary, out);
	fputs(c->text[0] ? "\n\n" : ".\n\n", out);
	if (c->options[0].name) {
		fputs("# OPTIONS\n\n", out);
		put_options(c->options, out);
	}
	fputs("# OPTIONS OF EVERY COMMAND\n\n", out);
	put_options(cli_global_options, out);
	exit_codes(out);
	fputs("# SEE ALSO\n\n*penstock*(1), *penstock.conf*(5)\n", out);
}

static void
main_page(FILE *out)
{
	head("penstock", "native stages over durable jobs in PostgreSQL", out);
	fputs("*penstock* _COMMAND_ \\[_ARGUMENTS_\\] \\[_OPTIONS_\\]\n\n"
	      "# DESCRIPTION\n\n"
	      "*penstock* runs pipelines of stages, shared objects that it loads, over jobs that\n"
	      "PostgreSQL keeps. Data goes to stdout, messages to stderr.\n\n"
	      "# COMMANDS\n\n",
	      out);
	for (const struct cli_command *c = cli_commands; c->name; c++) {
		char *name = page_name(c);

		fprintf(out, "*%s*(1)\n\t", name);
		put_text(c->summary, out);
		fputs("\n\n", out);
		free(name);
	}
	fputs("# OPTIONS\n\n", out);
	put_options(cli_global_options, out);
	exit_codes(out);
	fputs("# SEE ALSO\n\n*penstock.conf*(5)\n", out);
}

void
cli_manual_pages(FILE *out)
{
	fputs("penstock\npenstock.conf\n", out);
	for (const struct cli_command *c = cli_commands; c->name; c++) {
		char *name = page_name(c);

		fprintf(out, "%s\n", name);
		free(name);
	}
}

bool
cli_manual_page(const char *name, FILE *out)
{
	bool found = true;

	if (strcmp(name, "penstock") == 0) {
		main_page(out);
		return true;
	}
	if (strcmp(name, "penstock.conf") == 0) {
		config_print_scd(out);
		return true;
	}
	found = false;
	for (const struct cli_command *c = cli_commands; c->name && !found; c++) {
		char *own = page_name(c);

		found = strcmp(own, name) == 0;
		if (found)
			command_page(c, own, out);
		free(own);
	}
	return found;
}
