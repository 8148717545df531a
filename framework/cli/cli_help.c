/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cli_help.c - help for people and docs/commands.md, from the table of commands.
 */
#include <string.h>

#include "cli/cli_priv.h"

void
cli_help_option(const struct cli_option *option, FILE *out)
{
	const struct cli_kind_of_value *kind = option->value
	                                           ? cli_kind(option->value, strlen(option->value))
	                                           : NULL;

	fputs(option->help, out);
	if (!kind || kind->values != CLI_WORDS)
		return;
	fputs(": ", out);
	for (const char *p = kind->words; *p; p++) {
		if (*p == ' ')
			fputs(", ", out);
		else
			fputc(*p, out);
	}
}

static void
print_options(const struct cli_option *options, FILE *out)
{
	for (const struct cli_option *o = options; o->name; o++) {
		char left[64];

		if (o->letter)
			snprintf(left, sizeof left, "-%c, --%s%s%s", o->letter, o->name,
			         o->value ? " " : "", o->value ? o->value : "");
		else
			snprintf(left, sizeof left, "    --%s%s%s", o->name, o->value ? " " : "",
			         o->value ? o->value : "");
		fprintf(out, "  %-26s ", left);
		cli_help_option(o, out);
		fputc('\n', out);
	}
}

void
cli_help_all(FILE *out)
{
	fputs("penstock - native stages over durable jobs in PostgreSQL\n\n"
	      "usage: penstock COMMAND [ARGUMENTS] [OPTIONS]\n\ncommands:\n",
	      out);
	for (const struct cli_command *c = cli_commands; c->name; c++)
		fprintf(out, "  %-16s %s\n", c->name, c->summary);
	fputs("\noptions of every command:\n", out);
	print_options(cli_global_options, out);
	fputs("\nexit codes: 0 well, 1 not well or failed, 2 wrong usage, configuration or input,\n"
	      "3 the database or the system is in trouble\n"
	      "more: penstock help COMMAND\n",
	      out);
}

void
cli_help_command(const struct cli_command *c, FILE *out)
{
	fprintf(out, "penstock %s - %s\n\nusage: penstock %s%s%s [OPTIONS]\n", c->name, c->summary,
	        c->name, c->arguments[0] ? " " : "", c->arguments);
	if (c->text[0])
		fprintf(out, "\n%s\n", c->text);
	if (c->options[0].name) {
		fputs("\noptions:\n", out);
		print_options(c->options, out);
	}
	fputs("\noptions of every command:\n", out);
	print_options(cli_global_options, out);
}

static void
markdown_options(const struct cli_option *options, FILE *out)
{
	fputs("\n| option | meaning |\n|---|---|\n", out);
	for (const struct cli_option *o = options; o->name; o++) {
		fputs("| `", out);
		if (o->letter)
			fprintf(out, "-%c`, `", o->letter);
		fprintf(out, "--%s%s%s` | ", o->name, o->value ? " " : "",
		        o->value ? o->value : "");
		cli_help_option(o, out);
		fputs(" |\n", out);
	}
}

static void
cli_help_markdown(FILE *out)
{
	fputs(
	    "# Commands\n\n"
	    "Made by `penstock help --markdown`.\n\n"
	    "Data goes to stdout, messages to stderr. Exit codes: 0 well, 1 not well or failed,\n"
	    "2 wrong usage, configuration or input, 3 the database or the system is in trouble.\n\n"
	    "Options of every command:\n",
	    out);
	markdown_options(cli_global_options, out);
	for (const struct cli_command *c = cli_commands; c->name; c++) {
		fprintf(out, "\n## penstock %s%s%s\n\n", c->name, c->arguments[0] ? " " : "",
		        c->arguments);
		fprintf(out, "%c%s.\n",
		        c->summary[0] - ('a' <= c->summary[0] && c->summary[0] <= 'z' ? 32 : 0),
		        c->summary + 1);
		if (c->text[0])
			fprintf(out, "\n%s\n", c->text);
		if (c->options[0].name)
			markdown_options(c->options, out);
	}
}

int
cli_help_run(struct cli *cli)
{
	const char *name = cli->argc > 0 ? cli->argv[0] : "";
	char both[64];
	int found = 0;

	if (cli_flag(cli, "markdown")) {
		cli_help_markdown(stdout);
		return CLI_OK;
	}
	if (cli_flag(cli, "pages")) {
		cli_manual_pages(stdout);
		return CLI_OK;
	}
	if (cli_flag(cli, "page"))
		return cli_manual_page(cli_value(cli, "page"), stdout)
		           ? CLI_OK
		           : cli_usage(cli, "there is no page `%s`", cli_value(cli, "page"));
	if (cli->argc == 0) {
		cli_help_all(stdout);
		return CLI_OK;
	}
	if (cli->argc == 2) {
		snprintf(both, sizeof both, "%s %s", cli->argv[0], cli->argv[1]);
		name = both;
	}
	for (const struct cli_command *c = cli_commands; c->name; c++) {
		size_t n = strlen(name);

		/* "plugin" means all of its commands */
		if (strcmp(c->name, name) != 0 &&
		    (strncmp(c->name, name, n) != 0 || c->name[n] != ' '))
			continue;
		if (found++)
			putchar('\n');
		cli_help_command(c, stdout);
	}
	return found ? CLI_OK : cli_usage(cli, "there is no command `%s`", name);
}
