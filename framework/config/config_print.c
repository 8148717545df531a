/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_print.c - the sample configuration and the manual, from settings.def
 * and the lists of keys.
 */
#include <string.h>

#include "config/config_priv.h"

struct printed {
	const char *type; /* a word of settings.def */
	const char *name, *fallback, *environment, *help;
	double min, max;
};

static const struct printed rows[] = {
#define SETTING(type, name, fallback, min, max, env, help)                                         \
	{ #type, #name, fallback, env, help, min, max },
#include "config/settings.def"
#undef SETTING
};

struct key {
	const char *name, *fallback, *help; /* the last two with `code` in them */
};

static const struct key pipeline_keys[] = {
#define PIPELINE_KEY(name, fallback, help) { #name, fallback, help },
#include "config/pipeline_keys.def"
#undef PIPELINE_KEY
};

static const struct key stage_keys[] = {
#define STAGE_KEY(name, fallback, help) { #name, fallback, help },
#include "config/stage_keys.def"
#undef STAGE_KEY
};

static const struct key schedule_keys[] = {
#define SCHEDULE_KEY(name, fallback, help) { #name, fallback, help },
#include "config/schedule_keys.def"
#undef SCHEDULE_KEY
};

static bool
is(const struct printed *row, const char *type)
{
	return strcmp(row->type, type) == 0;
}

static const char *
quote(const struct printed *row)
{
	return is(row, "INT") || is(row, "BOOL") ? "" : "\"";
}

static const char *
type_word(const struct printed *row)
{
	static const char *const words[][2] = {
		{ "BOOL", "switch" },       { "INT", "number" },    { "SIZE", "size" },
		{ "DURATION", "duration" }, { "STRING", "string" }, { "PATH", "path" },
	};
	size_t i = 0;

	while (!is(row, words[i][0]))
		check(++i < countof(words));
	return words[i][1];
}

static void
print_range(const struct printed *row, FILE *out)
{
	char least[32], most[32];

	if (row->min == row->max)
		return;
	if (is(row, "DURATION"))
		fprintf(out, " (%s to %s)", text_ns((int64_t)row->min, least),
		        text_ns((int64_t)row->max, most));
	else if (is(row, "SIZE"))
		fprintf(out, " (%s to %s)", text_bytes((int64_t)row->min, least),
		        text_bytes((int64_t)row->max, most));
	else
		fprintf(out, " (%.0f to %.0f)", row->min, row->max);
}

void
config_print_sample(FILE *out)
{
	fputs("# SPDX-License-Identifier: BSD-2-Clause\n"
	      "# penstock.conf - every setting with its default; remove the # to change one.\n"
	      "# conf.d/*.conf beside this file is read after it, then pipelines.d/*.conf; an\n"
	      "# environment variable overrides the files, a flag overrides both.\n"
	      "# `penstock check` says what is wrong, with file and line.\n",
	      out);
	for (size_t i = 0; i < countof(rows); i++) {
		const struct printed *row = &rows[i];

		fprintf(out, "\n# %s", row->help);
		print_range(row, out);
		if (row->environment[0])
			fprintf(out, "; %s", row->environment);
		fprintf(out, "\n#%s = %s%s%s;\n", row->name, quote(row), row->fallback, quote(row));
	}
}

void
config_print_manual(FILE *out)
{
	fputs("| setting | type | default | environment | meaning |\n|---|---|---|---|---|\n", out);
	for (size_t i = 0; i < countof(rows); i++) {
		const struct printed *row = &rows[i];

		fprintf(out, "| `%s` | %s | `%s%s%s` | %s%s%s | %s", row->name, type_word(row),
		        quote(row), row->fallback, quote(row), row->environment[0] ? "`" : "",
		        row->environment, row->environment[0] ? "`" : "", row->help);
		print_range(row, out);
		fputs(" |\n", out);
	}
}

static void
print_keys(const struct key *keys, size_t n, FILE *out)
{
	fputs("| key | default | meaning |\n|---|---|---|\n", out);
	for (size_t i = 0; i < n; i++)
		fprintf(out, "| `%s` |%s%s | %s |\n", keys[i].name, keys[i].fallback[0] ? " " : "",
		        keys[i].fallback, keys[i].help);
}

void
config_print_pipeline_keys(FILE *out)
{
	print_keys(pipeline_keys, countof(pipeline_keys), out);
}

void
config_print_stage_keys(FILE *out)
{
	print_keys(stage_keys, countof(stage_keys), out);
}

void
config_print_schedule_keys(FILE *out)
{
	print_keys(schedule_keys, countof(schedule_keys), out);
}

/* ---- the manual page, as scdoc reads it ---- */

void
config_print_scd_text(const char *text, FILE *out)
{
	for (; *text; text++) {
		if (*text == '`') {
			fputc('*', out);
			continue;
		}
		/* what scdoc would take for markup; a line that begins with one of these as well */
		if (strchr("\\*_<>#|[]-.~", *text))
			fputc('\\', out);
		fputc(*text, out);
	}
}

static void
scd_settings(FILE *out)
{
	for (size_t i = 0; i < countof(rows); i++) {
		const struct printed *row = &rows[i];

		fprintf(out, "*%s* = %s", row->name, quote(row));
		config_print_scd_text(row->fallback, out);
		fprintf(out, "%s\n\t", quote(row));
		config_print_scd_text(row->help, out);
		print_range(row, out);
		fprintf(out, ". A %s", type_word(row));
		if (row->environment[0]) {
			fputs("; the environment has it as *", out);
			config_print_scd_text(row->environment, out);
			fputc('*', out);
		}
		fputs(".\n\n", out);
	}
}

static void
scd_keys(const struct key *keys, size_t n, FILE *out)
{
	for (size_t i = 0; i < n; i++) {
		fprintf(out, "*%s*\n\t", keys[i].name);
		config_print_scd_text(keys[i].help, out);
		if (keys[i].fallback[0]) {
			fputs(". Default: ", out);
			config_print_scd_text(keys[i].fallback, out);
		}
		fputs(".\n\n", out);
	}
}

static void
scd_head(FILE *out)
{
	fputs(
	    "penstock.conf(5) \"penstock\"\n\n"
	    "; SPDX-License-Identifier: BSD-2-Clause\n\n"
	    "# NAME\n\npenstock.conf - configuration of penstock: settings and pipelines\n\n"
	    "# DESCRIPTION\n\n"
	    "_penstock.conf_ is read first, then each _conf.d/\\*.conf_ beside it, then each\n"
	    "_pipelines.d/\\*.conf_, the files of a folder in the order of their names. A variable\n"
	    "of the environment overrides the files, *--set* NAME=VALUE overrides both.\n"
	    "*penstock check* says what is wrong, with file and line; *penstock config diff* what\n"
	    "differs between two configurations.\n\n"
	    "Each line ends with a semicolon. Durations and sizes are strings with a unit:\n"
	    "\"250ms\", \"16MiB\". A *#* begins a comment.\n\n"
	    "# SETTINGS\n\n",
	    out);
}

static void
scd_pipelines(FILE *out)
{
	fputs("# PIPELINES\n\n"
	      "A pipeline is a list of stages. A job goes from each stage to the one\n"
	      "that its outcome's route names, else to the next one; behind the last it is\n"
	      "completed.\n\n"
	      "```\n"
	      "pipeline: {\n"
	      "\tname = \"documents\";\n"
	      "\tstages = (\n"
	      "\t\t{ name = \"detect\"; options: { max_size = \"4MiB\"; };\n"
	      "\t\t  routes: { unknown = \"end\"; }; },\n"
	      "\t\t{ name = \"index\"; plugin = \"store\"; durable = true; }\n"
	      "\t);\n"
	      "};\n"
	      "```\n\n"
	      "## Keys of a pipeline\n\n",
	      out);
	scd_keys(pipeline_keys, countof(pipeline_keys), out);
	fputs("## Keys of a stage\n\n", out);
	scd_keys(stage_keys, countof(stage_keys), out);
	fputs(
	    "## Several stages at once\n\n"
	    "The job waits while a child of it runs in each branch, and goes on at *then* when they\n"
	    "ended, with what they made of its attributes. With *join* = \"all\", the default, it is\n"
	    "a dead letter when a branch is one. In the list branches stand behind one another: one\n"
	    "is over where the next one begins.\n\n"
	    "```\n"
	    "stages = (\n"
	    "\t{ name = \"text\"; routes: {\n"
	    "\t\tdone = { to = ( \"embed\", \"summarise\" ); then = \"store\"; join = \"all\"; };\n"
	    "\t}; },\n"
	    "\t{ name = \"embed\"; }, { name = \"summarise\"; }, { name = \"store\"; }\n"
	    ");\n"
	    "```\n\n"
	    "## A pipeline as a stage of another\n\n"
	    "The stages of pipeline _text_ are placed there, as _body.STAGE_. Its end leads to the\n"
	    "next stage, or where the route *end* says.\n\n"
	    "```\n"
	    "{ name = \"body\"; pipeline = \"text\"; routes: { end = \"store\"; }; }\n"
	    "```\n\n",
	    out);
}

static void
scd_schedules(FILE *out)
{
	fputs("# SCHEDULES\n\n"
	      "A schedule makes a job of a pipeline at each time that it names. A host registers\n"
	      "those of its configuration when it starts or reloads.\n\n"
	      "```\n"
	      "schedule: {\n"
	      "\tname = \"nightly\";\n"
	      "\tpipeline = \"documents\";\n"
	      "\tcron = \"30 2 * * mon-fri\";\n"
	      "\ttime_zone = \"Europe/Berlin\";\n"
	      "\tattributes: { path = \"/srv/files\"; };\n"
	      "};\n"
	      "```\n\n"
	      "## Keys of a schedule\n\n",
	      out);
	scd_keys(schedule_keys, countof(schedule_keys), out);
}

void
config_print_scd(FILE *out)
{
	scd_head(out);
	scd_settings(out);
	scd_pipelines(out);
	scd_schedules(out);
	fputs("# SEE ALSO\n\n*penstock*(1), *penstock-check*(1), *penstock-config-diff*(1)\n", out);
}
