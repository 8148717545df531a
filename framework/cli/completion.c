/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * completion.c - penstock completion: what may stand where the cursor is.
 *
 * One answer for all shells, from the table of commands; a shell's own script
 * only asks for it (completion_scripts.c). Reads the configuration for names
 * of pipelines and stages, asks no database, and is silent about mistakes:
 * nobody wants to read them in the middle of a line.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/cli_priv.h"

struct line {
	struct cli *cli;
	char **words; /* words of the command and arguments, options taken out */
	int n;
	const struct cli_command *command; /* NULL: none yet */
	int n_command;                     /* words of its name */
	const struct cli_option *open;     /* the option whose value the last word is */
	const char *pipeline;              /* of --pipeline */
	const char *last;                  /* the word to complete */
	size_t prefix;                     /* of it: --option= in front of a value */
};

/* ---- what stands in front of the cursor ---- */

static const struct cli_option *
find_in(const struct cli_option *options, const char *word, size_t n)
{
	for (const struct cli_option *o = options; o->name; o++) {
		if (word[1] != '-' && word[1] && word[1] == o->letter)
			return o;
		if (word[1] == '-' && strlen(o->name) == n - 2 &&
		    memcmp(o->name, word + 2, n - 2) == 0)
			return o;
	}
	return NULL;
}

/* The option of that word, of n bytes up to a "=". */
static const struct cli_option *
find_option(const struct line *line, const char *word, size_t n)
{
	const struct cli_option *o = NULL;

	if (line->command)
		o = find_in(line->command->options, word, n);
	return o ? o : find_in(cli_global_options, word, n);
}

static void
take_value(struct line *line, const struct cli_option *o, char *value)
{
	if (strcmp(o->name, "pipeline") == 0)
		line->pipeline = value;
	else if (strcmp(o->name, "config") == 0)
		line->cli->config_path = value;
}

static void
take_word(struct line *line, char *word)
{
	line->words[line->n++] = word;
	line->command = cli_find_command(line->n, line->words, &line->n_command);
}

static void
read_line(struct line *line, struct cli *cli)
{
	int n = cli->argc - 1; /* without the last */
	bool only_words = false;

	line->words = mem_array(NULL, (size_t)cli->argc + 1, sizeof *line->words);
	for (int i = 0; i < n; i++) {
		char *word = cli->argv[i];
		size_t len = strcspn(word, "=");
		const struct cli_option *o;

		if (only_words || word[0] != '-' || !word[1]) {
			take_word(line, word);
			continue;
		}
		only_words = strcmp(word, "--") == 0;
		o = find_option(line, word, len);
		if (!o || !o->value)
			continue;
		if (word[1] != '-' && word[2])
			take_value(line, o, word + 2);
		else if (word[len])
			take_value(line, o, word + len + 1);
		else if (i + 1 < n)
			take_value(line, o, cli->argv[++i]);
		else
			line->open = o;
	}
	line->last = n >= 0 ? cli->argv[n] : "";
	if (!line->open && !only_words && strncmp(line->last, "--", 2) == 0 &&
	    line->last[strcspn(line->last, "=")]) {
		size_t len = strcspn(line->last, "=");

		line->open = find_option(line, line->last, len);
		line->prefix = len + 1;
	}
}

/* ---- answers ---- */

static bool
begins(const char *text, size_t n, const char *with)
{
	return n >= strlen(with) && memcmp(text, with, strlen(with)) == 0;
}

static void
offer(const struct line *line, const char *word, size_t n, const char *tail, const char *help)
{
	if (!begins(word, n, line->last + line->prefix))
		return;
	printf("%.*s%.*s%s", (int)line->prefix, line->last, (int)n, word, tail);
	if (help)
		printf("\t%s", help);
	putchar('\n');
}

static void
offer_options(const struct line *line, const struct cli_option *options)
{
	for (const struct cli_option *o = options; o->name; o++) {
		char *word = mem_printf("--%s", o->name);

		offer(line, word, strlen(word), "", o->help);
		free(word);
	}
}

/* Does the command's name begin with these words? Its next one, or NULL. */
static const char *
next_word(const struct cli_command *c, char **words, int n)
{
	const char *p = c->name;

	for (int i = 0; i < n; i++) {
		size_t len = strcspn(p, " ");

		if (strlen(words[i]) != len || memcmp(words[i], p, len) != 0 || !p[len])
			return NULL;
		p += len + 1;
	}
	return p;
}

static void
offer_commands(const struct line *line, char **words, int n)
{
	const char *before = NULL;

	for (const struct cli_command *c = cli_commands; c->name; c++) {
		const char *word = next_word(c, words, n);
		size_t len = word ? strcspn(word, " ") : 0;

		/* commands that share a word stand together in the table */
		if (!word || (before && strncmp(before, word, len) == 0 &&
		              (before[len] == ' ' || !before[len])))
			continue;
		before = word;
		offer(line, word, len, "", word[len] ? NULL : c->summary);
	}
}

static const struct config *
settings(const struct line *line)
{
	struct cli *cli = line->cli;

	if (!cli->config && config_load(cli->config_path, NULL, 0, &cli->config, NULL, NULL) != OK)
		return NULL;
	return cli->config;
}

static void
offer_pipelines(const struct line *line)
{
	const struct config *config = settings(line);

	for (size_t i = 0; config && i < config->n_pipelines; i++) {
		const char *name = config->pipelines[i].name;

		offer(line, name, strlen(name), "", NULL);
	}
}

/* Of the pipeline, or of all when none is named. */
static void
offer_stages(const struct line *line, const char *pipeline)
{
	const struct config *config = settings(line);

	for (size_t i = 0; config && i < config->n_pipelines; i++) {
		const struct config_pipeline *p = &config->pipelines[i];

		for (size_t s = 0; s < p->n_stages; s++)
			if (!pipeline || strcmp(p->name, pipeline) == 0)
				offer(line, p->stages[s].name, strlen(p->stages[s].name), "", NULL);
	}
}

static void
offer_settings(const struct line *line)
{
	size_t n;
	const char *const *names = config_setting_names(&n);

	for (size_t i = 0; i < n; i++)
		offer(line, names[i], strlen(names[i]), "=", NULL);
}

static void
offer_words(const struct line *line, const char *words)
{
	for (const char *p = words; *p; p += *p == ' ') {
		size_t n = strcspn(p, " ");

		offer(line, p, n, "", NULL);
		p += n;
	}
}

/* args, n: arguments of the command in front of this value */
static void
offer_value(const struct line *line, const char *name, size_t len, char **args, int n)
{
	const struct cli_kind_of_value *kind = cli_kind(name, len);

	switch (kind ? kind->values : CLI_ANY) {
	case CLI_ANY: break;
	case CLI_WORDS: offer_words(line, kind->words); break;
	case CLI_FILES: puts(":files"); break;
	case CLI_FOLDERS: puts(":folders"); break;
	case CLI_PIPELINES: offer_pipelines(line); break;
	case CLI_STAGES: offer_stages(line, n > 0 ? args[0] : line->pipeline); break;
	case CLI_COMMANDS: offer_commands(line, args, n); break;
	case CLI_SETTINGS: offer_settings(line); break;
	}
}

static void
offer_arguments(const struct line *line)
{
	char **args = line->words + line->n_command;
	int n = line->n - line->n_command;
	size_t len;
	const char *name = cli_argument(line->command, n, &len);

	/* `help job show`: the command's second word is another argument in the parser */
	if (!name && n > 0 && n < line->command->most)
		name = cli_argument(line->command, 0, &len);
	if (name)
		offer_value(line, name, len, args, n);
}

int
completion_words_command(struct cli *cli)
{
	struct line line = { .cli = cli, .last = "" };

	read_line(&line, cli);
	if (line.open) {
		if (line.open->value)
			offer_value(&line, line.open->value, strlen(line.open->value), NULL, 0);
	} else if (line.last[0] == '-') {
		if (line.command)
			offer_options(&line, line.command->options);
		offer_options(&line, cli_global_options);
	} else {
		offer_commands(&line, line.words, line.n);
		if (line.command)
			offer_arguments(&line);
	}
	free(line.words);
	return CLI_OK;
}
