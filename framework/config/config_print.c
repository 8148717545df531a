/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_print.c - the sample configuration and the manual, from settings.def.
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
