/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cli_main.c - from argv to a command: parsing by the table, settings, errors.
 */
#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli_priv.h"

/* ---- messages ---- */

/* A path that leads to no file that may be used, in an argument or in the configuration: not the
 * system's trouble. */
static bool
named_wrongly(int errnum)
{
	return errnum == ENOENT || errnum == ENOTDIR || errnum == EISDIR || errnum == EACCES ||
	       errnum == ELOOP || errnum == ENAMETOOLONG;
}

int
cli_fail(const struct fault *fault)
{
	struct fault timely = *fault;

	/* PostgreSQL reads it, and says what it is not */
	if (strcmp(fault->sqlstate, "22007") == 0 && !fault->hint[0]) {
		fault_hint(&timely, "a time is written as 2027-01-31 08:00, 2027-01-31 08:00+01, "
		                    "or tomorrow 08:00");
		fault = &timely;
	}
	fault_print(fault, stderr);
	switch (fault->status) {
	case AWAY:
	case UNKNOWN:
	case TIMEOUT: return CLI_AWAY;
	case SYSTEM: return named_wrongly(fault->errnum) ? CLI_WRONG : CLI_AWAY;
	case SQL:
		/* our own refusals, and values that are none, are wrong input; the rest is the
		 * database's trouble */
		if (strcmp(fault->sqlstate, "PS005") == 0)
			return CLI_AWAY; /* a full queue */
		return strncmp(fault->sqlstate, "PS", 2) == 0 ||
		               strncmp(fault->sqlstate, "22", 2) == 0
		           ? CLI_WRONG
		           : CLI_AWAY;
	default: return CLI_WRONG;
	}
}

int
cli_fail_option(const char *option, struct fault *fault)
{
	fault_where(fault, "--%s", option);
	return cli_fail(fault);
}

static void
say(const char *format, va_list args)
{
	char *text;

	if (vasprintf(&text, format, args) < 0)
		return;
	text_print(text, stderr);
	free(text);
}

int
cli_usage(const struct cli *cli, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("penstock: ", stderr);
	say(format, args);
	va_end(args);
	if (cli->command)
		fprintf(stderr, "\nusage: penstock %s%s%s\nhint: penstock help %s\n",
		        cli->command->name, cli->command->arguments[0] ? " " : "",
		        cli->command->arguments, cli->command->name);
	else
		fputs("\nhint: penstock help\n", stderr);
	return CLI_WRONG;
}

void
cli_say(const struct cli *cli, const char *format, ...)
{
	va_list args;

	if (cli->quiet)
		return;
	va_start(args, format);
	say(format, args);
	va_end(args);
	fputc('\n', stderr);
}

/* ---- which command ---- */

/* How many words of argv the command's name takes; 0: it is another. */
static int
matches(const struct cli_command *command, int argc, char **argv)
{
	const char *p = command->name;
	int words = 0;

	while (*p) {
		size_t n = strcspn(p, " ");

		if (words >= argc || strlen(argv[words]) != n || strncmp(argv[words], p, n) != 0)
			return 0;
		words++;
		p += n;
		p += *p == ' ';
	}
	return words;
}

/* The command with the most words: `jobs cancel` before `jobs`. */
const struct cli_command *
cli_find_command(int argc, char **argv, int *ret_words)
{
	const struct cli_command *found = NULL;

	*ret_words = 0;
	for (const struct cli_command *c = cli_commands; c->name; c++) {
		int words = matches(c, argc, argv);

		if (words > *ret_words) {
			*ret_words = words;
			found = c;
		}
	}
	return found;
}

/* Arguments in front of the command's words: options of every command, and their values. */
static int
options_before(int argc, char **argv)
{
	int i = 1;

	while (i < argc && argv[i][0] == '-') {
		bool value = false;

		for (const struct cli_option *o = cli_global_options; o->name; o++)
			if (o->value && (strcmp(argv[i] + 1 + (argv[i][1] == '-'), o->name) == 0 ||
			                 (argv[i][1] == o->letter && argv[i][2] == '\0')))
				value = true;
		i += value ? 2 : 1;
	}
	return (i < argc ? i : argc) - 1;
}

/* The first word of commands alone: what may follow. */
static bool
say_second_words(const char *word)
{
	size_t len = strlen(word);
	bool any = false;

	for (const struct cli_command *c = cli_commands; c->name; c++) {
		if (strncmp(c->name, word, len) != 0 || c->name[len] != ' ')
			continue;
		fprintf(stderr, "%s`%s`", any ? ", " : "; there is ", c->name);
		any = true;
	}
	return any;
}

static int
unknown_command(int argc, char **argv)
{
	const char *names[64];
	size_t n = 0;
	char *typed = argc > 1 ? mem_printf("%s %s", argv[0], argv[1]) : mem_dup(argv[0]);
	const char *nearest;

	for (const struct cli_command *c = cli_commands; c->name && n < countof(names); c++)
		names[n++] = c->name;
	nearest = text_nearest(typed, names, n);
	if (!nearest)
		nearest = text_nearest(argv[0], names, n);
	fputs("penstock: there is no command `", stderr);
	text_print(argv[0], stderr);
	fputc('`', stderr);
	if ((argc > 1 || !say_second_words(argv[0])) && nearest)
		fprintf(stderr, "; did you mean `%s`?", nearest);
	fputs("\nhint: penstock help\n", stderr);
	free(typed);
	return CLI_WRONG;
}

/* ---- values ---- */

const struct cli_kind_of_value *
cli_kind(const char *name, size_t n)
{
	for (const struct cli_kind_of_value *k = cli_kinds; k->name; k++)
		if (strlen(k->name) == n && memcmp(k->name, name, n) == 0)
			return k;
	return NULL;
}

const char *
cli_argument(const struct cli_command *command, int n, size_t *ret_len)
{
	const char *p = command->arguments;

	while (*(p += strspn(p, " []."))) {
		*ret_len = strcspn(p, " [].");
		if (n-- == 0)
			return p;
		p += *ret_len;
	}
	return NULL;
}

/* Is it one of the few words that may stand there? */
static int
check_value(const struct cli *cli, const char *kind_name, size_t n, const char *value)
{
	const struct cli_kind_of_value *kind = cli_kind(kind_name, n);
	size_t len = strlen(value), word;

	if (!kind || kind->values != CLI_WORDS)
		return CLI_OK;
	for (const char *p = kind->words; *p; p += word, p += *p == ' ') {
		word = strcspn(p, " ");
		if (word == len && memcmp(p, value, len) == 0)
			return CLI_OK;
	}
	return cli_usage(cli, "there is no %.*s `%s`; one of: %s", (int)n, kind_name, value,
	                 kind->words);
}

/* The first that must be there and is not, as help names it. */
static int
missing_argument(const struct cli *cli)
{
	const char *p = cli->command->arguments;
	int n = 0;
	size_t len;

	for (; *p; p += len + strspn(p + len, " "), n++) {
		len = strcspn(p, " ");
		if (n >= cli->argc && *p != '[')
			return cli_usage(cli, "%.*s is missing", (int)strcspn(p, " ."), p);
	}
	return cli_usage(cli, "something is missing");
}

static int
check_arguments(const struct cli *cli)
{
	const char *name;
	size_t len;
	int end = CLI_OK;

	for (int i = 0; end == CLI_OK && i < cli->argc; i++)
		if ((name = cli_argument(cli->command, i, &len)))
			end = check_value(cli, name, len, cli->argv[i]);
	return end;
}

/* ---- options ---- */

#define OWN_BASE 256 /* getopt's value of the command's first option */
#define GLOBAL_BASE 512

struct parser {
	struct cli *cli;
	struct option longs[2 * CLI_OPTIONS_MAX];
	char shorts[4 * CLI_OPTIONS_MAX];
	size_t n_longs, n_shorts;
	bool help, version, no_color;
};

static void
add_options(struct parser *p, const struct cli_option *options, int base)
{
	for (int i = 0; options[i].name; i++) {
		check(i < CLI_OPTIONS_MAX);
		p->longs[p->n_longs++] = (struct option){
			.name = options[i].name,
			.has_arg = options[i].value ? required_argument : no_argument,
			.val = base + i,
		};
		if (!options[i].letter)
			continue;
		p->shorts[p->n_shorts++] = options[i].letter;
		if (options[i].value)
			p->shorts[p->n_shorts++] = ':';
	}
}

/* From getopt's value, which is a letter where one was typed. A command's own letter goes before a
 * global one. */
static int
option_index(const struct cli_option *options, int base, int c)
{
	for (int i = 0; options[i].name; i++)
		if (c == base + i || (c < OWN_BASE && c == options[i].letter))
			return i;
	return -1;
}

void
cli_override(struct cli *cli, const char *name, const char *value)
{
	cli->overrides = mem_array(cli->overrides, cli->n_overrides + 1, sizeof *cli->overrides);
	cli->overrides[cli->n_overrides++] = (struct config_override){ name, value };
}

static int
take_setting(struct cli *cli, char *text)
{
	char *equals = strchr(text, '=');

	if (!equals)
		return cli_usage(cli, "--set wants NAME=VALUE, not `%s`", text);
	*equals = '\0';
	cli_override(cli, text, equals + 1);
	return CLI_OK;
}

static int
take_global(struct parser *p, const char *name, char *value)
{
	struct cli *cli = p->cli;

	if (strcmp(name, "config") == 0)
		cli->config_path = value;
	else if (strcmp(name, "database") == 0)
		cli_override(cli, "database", value);
	else if (strcmp(name, "set") == 0)
		return take_setting(cli, value);
	else if (strcmp(name, "json") == 0)
		cli->json = true;
	else if (strcmp(name, "quiet") == 0)
		cli->quiet = true;
	else if (strcmp(name, "no-color") == 0)
		p->no_color = true;
	else if (strcmp(name, "help") == 0)
		p->help = true;
	else
		p->version = true;
	return CLI_OK;
}

static size_t
add_names(const char **names, size_t n, const struct cli_option *options)
{
	for (; options && options->name; options++)
		names[n++] = options->name;
	return n;
}

/* An option that there is not, with the nearest; or one whose value is missing, or too much. */
static int
wrong_option(const struct parser *p, const char *word)
{
	const char *names[2 * CLI_OPTIONS_MAX], *nearest = NULL;
	bool is_long = word[0] == '-' && word[1] == '-' && word[2];
	char *name = mem_dupn(word + 2 * is_long, strcspn(word + 2 * is_long, "="));
	size_t n = add_names(names, 0, p->cli->command ? p->cli->command->options : NULL);
	int end;

	n = add_names(names, n, cli_global_options);
	if (is_long)
		nearest = text_nearest(name, names, n);
	if (nearest && strcmp(nearest, name) == 0)
		end = cli_usage(
		    p->cli, strchr(word, '=') ? "--%s takes no value" : "--%s wants a value", name);
	else if (nearest)
		end = cli_usage(p->cli, "what is `%s`? did you mean `--%s`?", word, nearest);
	else
		end = cli_usage(p->cli, "what is `%s`?", word);
	free(name);
	return end;
}

static int
take_options(struct parser *p, int argc, char **argv)
{
	const struct cli_option *own = p->cli->command ? p->cli->command->options : NULL;
	int c, i, end = CLI_OK;

	if (own)
		add_options(p, own, OWN_BASE);
	add_options(p, cli_global_options, GLOBAL_BASE);
	opterr = 0;
	optind = 0;
	while (end == CLI_OK && (c = getopt_long(argc, argv, p->shorts, p->longs, NULL)) != -1) {
		if (c == '?' || c == ':')
			return wrong_option(p, argv[optind - 1]);
		if (own && (i = option_index(own, OWN_BASE, c)) >= 0) {
			p->cli->values[i] = own[i].value ? optarg : own[i].name;
			if (own[i].value)
				end = check_value(p->cli, own[i].value, strlen(own[i].value),
				                  optarg);
		} else if ((i = option_index(cli_global_options, GLOBAL_BASE, c)) >= 0) {
			end = take_global(p, cli_global_options[i].name, optarg);
		}
	}
	return end;
}

const char *
cli_value(const struct cli *cli, const char *name)
{
	for (int i = 0; cli->command->options[i].name; i++)
		if (strcmp(cli->command->options[i].name, name) == 0)
			return cli->values[i];
	check(!"an option of the command");
	return NULL;
}

/* ---- settings and the database ---- */

int
cli_config(struct cli *cli)
{
	struct fault fault = { 0 };
	struct buf report;
	enum status st;

	if (cli->config)
		return CLI_OK;
	buf_init(&report);
	st = config_load(cli->config_path, cli->overrides, cli->n_overrides, &cli->config, &report,
	                 &fault);
	if (st != OK) {
		if (report.len > 0)
			text_print(report.data, stderr);
		else
			fault_print(&fault, stderr);
	}
	buf_done(&report);
	return st == OK ? CLI_OK : CLI_WRONG;
}

int
cli_open(struct cli *cli, struct db **ret_db)
{
	struct fault fault = { 0 };
	struct db_options options = { .application = "penstock command" };
	int end = cli_config(cli);

	if (end != CLI_OK)
		return end;
	options.conninfo = cli->config->set.database;
	options.pooled = settings_pooled(&cli->config->set);
	if (db_open(&options, ret_db, &fault) == OK)
		return CLI_OK;
	if (!fault.hint[0])
		fault_hint(
		    &fault,
		    "--database, PENSTOCK_DATABASE or the setting `database` say where it is; "
		    "`penstock dev` makes a private one");
	return cli_fail(&fault);
}

/* ---- main ---- */

static void
look_around(struct cli *cli, bool no_color)
{
	const char *term = getenv("TERM"), *off = getenv("NO_COLOR");
	bool dumb = term && strcmp(term, "dumb") == 0;

	cli->colour = isatty(STDOUT_FILENO) && !no_color && !(off && *off) && !dumb;
	cli->progress = isatty(STDERR_FILENO) && !cli->quiet && !dumb;
}

static int
run(struct cli *cli, int argc, char **argv)
{
	struct parser parser = { .cli = cli };
	int words = 0, before, end;

	before = options_before(argc, argv);
	if (before + 1 < argc) {
		cli->command = cli_find_command(argc - before - 1, argv + before + 1, &words);
		if (!cli->command)
			return unknown_command(argc - before - 1, argv + before + 1);
	}
	/* the command's words go: the options before them move up */
	memmove(argv + words, argv, (size_t)(before + 1) * sizeof *argv);
	end = take_options(&parser, argc - words, argv + words);
	if (end != CLI_OK)
		return end;
	look_around(cli, parser.no_color);
	cli->argc = argc - words - optind;
	cli->argv = argv + words + optind;
	if (parser.version) {
		printf("penstock %s\n", PENSTOCK_VERSION);
		return CLI_OK;
	}
	if (parser.help && cli->command) {
		cli_help_command(cli->command, stdout);
		return CLI_OK;
	}
	if (!cli->command) {
		if (cli->argc > 0)
			return cli_usage(cli, "options go behind the command: penstock %s ...",
			                 cli->argv[0]);
		cli_help_all(parser.help ? stdout : stderr);
		return parser.help ? CLI_OK : CLI_WRONG;
	}
	if (cli->argc < cli->command->least)
		return missing_argument(cli);
	if (cli->command->most >= 0 && cli->argc > cli->command->most)
		return cli_usage(cli, "`%s` is too much", cli->argv[cli->command->most]);
	end = check_arguments(cli);
	return end == CLI_OK ? cli->command->run(cli) : end;
}

int
cli_main(int argc, char **argv)
{
	struct cli cli = { 0 };
	int end;

	setlocale(LC_CTYPE, "C.UTF-8");
	end = run(&cli, argc, argv);
	config_free(cli.config);
	free(cli.pair_name);
	free(cli.overrides);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "penstock: cannot write the output: %s\n", strerror(errno));
		return end == CLI_OK ? CLI_FOUND : end;
	}
	return end;
}
