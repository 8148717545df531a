/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cli_compare.c - a comparison as a table, as Markdown, as JSON.
 */
#include <libsmartcols/libsmartcols.h>
#include <math.h>
#include <string.h>

#include "cli/cli_priv.h"
#include "load/load.h"

static const char *
value_text(enum profile_metric metric, double v, char *out)
{
	switch (metric) {
	case PROFILE_ALLOCATED: return text_bytes((int64_t)v, out);
	case PROFILE_ERRORS: snprintf(out, 32, "%.2f %%", 100 * v); return out;
	case PROFILE_INSTRUCTIONS: return text_count((int64_t)v, out);
	default: return text_ns((int64_t)v, out);
	}
}

/* Of shares these are percentage points. */
static void
effect_texts(const struct profile_effect *e, char effect[32], char interval[64])
{
	bool known = isfinite(e->low) && isfinite(e->high);

	if (known || e->blocks > 0)
		snprintf(effect, 32, "%+.1f %%", 100 * e->effect);
	else
		snprintf(effect, 32, "unknown");
	if (known)
		snprintf(interval, 64, "%+.1f to %+.1f %%", 100 * e->low, 100 * e->high);
	else
		snprintf(interval, 64, "unknown");
}

static bool
worth_showing(const struct load_effect *e)
{
	const struct profile_effect *p = &e->effect;

	return p->before > 0 || p->after > 0 || p->verdict == PROFILE_REGRESSION ||
	       (p->verdict == PROFILE_TOO_LITTLE && p->metric == PROFILE_WALL) ||
	       p->verdict == PROFILE_DISTURBED;
}

struct line {
	char before[32], after[32], effect[32], interval[64];
	const char *stage, *metric, *verdict;
};

static void
make_line(const struct load_effect *e, struct line *l)
{
	const struct profile_effect *p = &e->effect;

	l->stage = e->stage ? e->stage : "(end to end)";
	l->metric = profile_metric_name(p->metric);
	l->verdict = profile_verdict_name(p->verdict);
	value_text(p->metric, p->before, l->before);
	value_text(p->metric, p->after, l->after);
	effect_texts(p, l->effect, l->interval);
}

/* What to do about a verdict that does not tell; "" where it does. */
static const char *
advice_of(enum profile_verdict verdict)
{
	switch (verdict) {
	case PROFILE_DISTURBED:
		return "disturbed: what was seen may be what else the machine did; record again "
		       "while it does nothing else, or read the rows of CPU time";
	case PROFILE_TOO_LITTLE:
		return "too little data: record for longer, or allow more with --fail-on";
	default: return "";
	}
}

/* ---- for people ---- */

static void
print_table(const struct cli *cli, const struct load_comparison *c)
{
	static const char *const titles[] = { "STAGE",  "METRIC",   "BEFORE", "AFTER",
		                              "EFFECT", "INTERVAL", "VERDICT" };
	struct libscols_table *table = scols_new_table();

	check(table);
	scols_table_enable_colors(table, cli->colour);
	for (size_t i = 0; i < countof(titles); i++)
		scols_table_new_column(table, titles[i], 0, i >= 2 && i <= 5 ? SCOLS_FL_RIGHT : 0);
	for (size_t i = 0; i < c->n; i++) {
		struct libscols_line *row;
		const struct profile_effect *p = &c->effects[i].effect;
		struct line l;

		if (!worth_showing(&c->effects[i]))
			continue;
		make_line(&c->effects[i], &l);
		row = scols_table_new_line(table, NULL);
		check(row);
		scols_line_set_data(row, 0, l.stage);
		scols_line_set_data(row, 1, l.metric);
		scols_line_set_data(row, 2, l.before);
		scols_line_set_data(row, 3, l.after);
		scols_line_set_data(row, 4, l.effect);
		scols_line_set_data(row, 5, l.interval);
		scols_line_set_data(row, 6, l.verdict);
		if (cli->colour && p->verdict == PROFILE_REGRESSION)
			scols_line_set_color(row, "red");
	}
	scols_print_table(table);
	scols_unref_table(table);
}

static void
print_warnings(const struct load_comparison *c, const char *before, FILE *out)
{
	const char *p = c->warnings.data, *end;

	for (; p && *p; p = end + 1) {
		end = strchr(p, '\n');
		fprintf(out, "%s%.*s\n", before, (int)(end - p), p);
	}
}

static void
print_markdown(const char *before, const char *after, const struct load_comparison *c,
               double fail_on)
{
	printf("### %s: %s against %s\n\n", profile_verdict_name(c->verdict), after, before);
	print_warnings(c, "> **Mind:** ", stdout);
	printf("%s| stage | metric | before | after | effect | interval | verdict |\n"
	       "|---|---|--:|--:|--:|--:|---|\n",
	       c->warnings.len > 0 ? "\n" : "");
	for (size_t i = 0; i < c->n; i++) {
		struct line l;
		bool bad = c->effects[i].effect.verdict == PROFILE_REGRESSION;

		if (!worth_showing(&c->effects[i]))
			continue;
		make_line(&c->effects[i], &l);
		printf("| %s | %s | %s | %s | %s | %s | %s%s%s |\n", l.stage, l.metric, l.before,
		       l.after, l.effect, l.interval, bad ? "**" : "", l.verdict, bad ? "**" : "");
	}
	if (advice_of(c->verdict)[0])
		printf("\n%s.\n", advice_of(c->verdict));
	printf("\nCost of a job; a regression is more than %g %%. Intervals hold together, at "
	       "%g %%.\n",
	       100 * fail_on, 100 - 100 * PROFILE_ALPHA);
}

/* ---- for programs ---- */

static void
json_number(struct buf *json, const char *name, double v)
{
	if (isfinite(v))
		buf_printf(json, ", \"%s\": %.9g", name, v);
	else
		buf_printf(json, ", \"%s\": null", name);
}

static void
json_effect(struct buf *json, const struct load_effect *e)
{
	const struct profile_effect *p = &e->effect;

	buf_adds(json, "{\"stage\": ");
	if (e->stage)
		buf_add_json(json, e->stage, strlen(e->stage));
	else
		buf_adds(json, "null");
	buf_printf(json, ", \"metric\": \"%s\", \"verdict\": \"%s\"",
	           profile_metric_name(p->metric), profile_verdict_name(p->verdict));
	json_number(json, "before", p->before);
	json_number(json, "after", p->after);
	json_number(json, "effect", p->effect);
	json_number(json, "low", p->low);
	json_number(json, "high", p->high);
	buf_printf(json, ", \"calls_before\": %zu, \"calls_after\": %zu, \"why\": ", p->n_before,
	           p->n_after);
	buf_add_json(json, p->why, strlen(p->why));
	buf_addc(json, '}');
}

static void
print_json(const char *before, const char *after, const struct load_comparison *c, double fail_on)
{
	const char *p = c->warnings.data, *end;
	struct buf json;

	buf_init(&json);
	buf_adds(&json, "{\"before\": ");
	buf_add_json(&json, before, strlen(before));
	buf_adds(&json, ", \"after\": ");
	buf_add_json(&json, after, strlen(after));
	buf_printf(&json, ", \"fail_on\": %g, \"verdict\": \"%s\", \"warnings\": [", fail_on,
	           profile_verdict_name(c->verdict));
	for (bool first = true; p && *p; p = end + 1, first = false) {
		end = strchr(p, '\n');
		buf_adds(&json, first ? "" : ", ");
		buf_add_json(&json, p, (size_t)(end - p));
	}
	buf_adds(&json, "], \"advice\": ");
	buf_add_json(&json, advice_of(c->verdict), strlen(advice_of(c->verdict)));
	buf_adds(&json, ", \"effects\": [");
	for (size_t i = 0; i < c->n; i++) {
		buf_adds(&json, i ? ", " : "");
		json_effect(&json, &c->effects[i]);
	}
	printf("%s]}\n", json.data);
	buf_done(&json);
}

int
cli_compare_print(struct cli *cli, const char *before, const char *after,
                  const struct load_comparison *c, double fail_on, bool markdown)
{
	if (cli->json) {
		print_json(before, after, c, fail_on);
	} else if (markdown) {
		print_markdown(before, after, c, fail_on);
	} else {
		print_warnings(c, "warning: ", stderr);
		print_table(cli, c);
		printf("\n%s against %s: %s, with a limit of %g %%\n", after, before,
		       profile_verdict_name(c->verdict), 100 * fail_on);
		if (advice_of(c->verdict)[0])
			printf("%s\n", advice_of(c->verdict));
	}
	return profile_exit(c->verdict);
}
