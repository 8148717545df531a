/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cli_table.c - rows as a table for people or as JSON for programs.
 *
 * A cell keeps both forms: people read "12.3 MiB" and "4 min", programs the
 * exact number. libsmartcols lays the table out.
 */
#include <inttypes.h>
#include <libsmartcols/libsmartcols.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/cli_priv.h"

struct cell {
	char *shown; /* NULL: nothing */
	char *json;
};

struct cli_table {
	const struct cli_column *columns;
	size_t n_columns, n, cap; /* cells */
	struct cell *cells;
};

struct cli_table *
cli_table_new(const struct cli_column *columns)
{
	struct cli_table *t = mem_alloc(sizeof *t);

	t->columns = columns;
	while (columns[t->n_columns].name)
		t->n_columns++;
	return t;
}

void
cli_table_free(struct cli_table *t)
{
	for (size_t i = 0; i < t->n; i++) {
		free(t->cells[i].shown);
		free(t->cells[i].json);
	}
	free(t->cells);
	free(t);
}

size_t
cli_table_rows(const struct cli_table *t)
{
	return t->n / t->n_columns;
}

/* ---- cells ---- */

static enum cli_kind
next_kind(const struct cli_table *t)
{
	return t->columns[t->n % t->n_columns].kind;
}

static void
add(struct cli_table *t, char *shown, char *json)
{
	if (t->n == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 64;
		t->cells = mem_array(t->cells, t->cap, sizeof *t->cells);
	}
	t->cells[t->n++] = (struct cell){ shown, json };
}

void
cli_cell_none(struct cli_table *t)
{
	add(t, NULL, mem_dup("null"));
}

void
cli_cell_text(struct cli_table *t, const char *text)
{
	struct buf json;
	size_t size;
	char *clean;

	if (!text) {
		cli_cell_none(t);
		return;
	}
	size = strlen(text) * 4 + 1;
	clean = mem_alloc(size);
	text_clean(text, strlen(text), clean, size);
	if (next_kind(t) == CLI_JSON) {
		add(t, clean, mem_dup(text));
		return;
	}
	buf_init(&json);
	buf_add_json(&json, text, strlen(text));
	add(t, clean, buf_steal(&json));
}

void
cli_cell_double(struct cli_table *t, double v)
{
	char out[32];
	char *shown;

	switch (next_kind(t)) {
	case CLI_SECONDS: shown = mem_dup(text_seconds(v, out)); break;
	case CLI_PERCENT: shown = mem_printf("%.0f %%", v * 100); break;
	default: shown = mem_printf("%.4g", v); break;
	}

	add(t, shown, isfinite(v) ? mem_printf("%.15g", v) : mem_dup("null"));
}

/* microseconds since 1970 */
static void
cell_time(struct cli_table *t, int64_t us)
{
	time_t s = (time_t)(us / 1000000);
	char local[40], utc[40];
	struct tm tm;

	localtime_r(&s, &tm);
	strftime(local, sizeof local, "%F %T", &tm);
	gmtime_r(&s, &tm);
	strftime(utc, sizeof utc, "%FT%T", &tm);
	add(t, mem_dup(local), mem_printf("\"%s.%06dZ\"", utc, (int)(us % 1000000)));
}

void
cli_cell_int(struct cli_table *t, int64_t v)
{
	char out[32];
	char *shown;

	switch (next_kind(t)) {
	case CLI_COUNT: shown = mem_dup(text_count(v, out)); break;
	case CLI_BYTES: shown = mem_dup(text_bytes(v, out)); break;
	case CLI_SECONDS: cli_cell_double(t, (double)v); return;
	case CLI_TIME: cell_time(t, v); return;
	case CLI_YES: add(t, v ? mem_dup("yes") : NULL, mem_dup(v ? "true" : "false")); return;
	default: shown = mem_printf("%" PRId64, v); break;
	}
	add(t, shown, mem_printf("%" PRId64, v));
}

static void
cell_of(struct cli_table *t, const struct db_result *r, int row, int col)
{
	if (db_null(r, row, col)) {
		cli_cell_none(t);
		return;
	}
	switch (next_kind(t)) {
	case CLI_TEXT:
	case CLI_JSON: cli_cell_text(t, db_text(r, row, col)); break;
	case CLI_SECONDS: cli_cell_double(t, db_float(r, row, col)); break;
	case CLI_TIME: cell_time(t, db_time_us(r, row, col)); break;
	default: cli_cell_int(t, db_int(r, row, col)); break;
	}
}

void
cli_table_result(struct cli_table *t, const struct db_result *r)
{
	for (int row = 0; row < db_rows(r); row++)
		for (size_t c = 0; c < t->n_columns; c++)
			cell_of(t, r, row, (int)c);
}

/* ---- printing ---- */

void
cli_table_json(struct cli_table *t, struct buf *out)
{
	buf_addc(out, '[');
	for (size_t i = 0; i < t->n; i++) {
		size_t c = i % t->n_columns;

		if (c == 0)
			buf_adds(out, i == 0 ? "{" : ", {");
		else
			buf_adds(out, ", ");
		buf_printf(out, "\"%s\": %s", t->columns[c].name, t->cells[i].json);
		if (c + 1 == t->n_columns)
			buf_addc(out, '}');
	}
	buf_addc(out, ']');
}

static bool
is_number(enum cli_kind kind)
{
	return kind == CLI_COUNT || kind == CLI_NUMBER || kind == CLI_BYTES ||
	       kind == CLI_SECONDS || kind == CLI_PERCENT;
}

/* Letters of the name that people see: the unit of "cpu_s" is for programs, they see it in the
 * cell. */
static size_t
shown_length(const struct cli_column *column)
{
	size_t len = strlen(column->name);
	bool unit = column->kind == CLI_SECONDS && len > 2 &&
	            strcmp(column->name + len - 2, "_s") == 0;

	return unit ? len - 2 : len;
}

static void
print_table(const struct cli_table *t, const struct cli *cli)
{
	struct libscols_table *table = scols_new_table();

	check(table);
	scols_table_enable_colors(table, cli->colour);
	for (size_t c = 0; c < t->n_columns; c++) {
		int flags = (is_number(t->columns[c].kind) ? SCOLS_FL_RIGHT : 0) |
		            (t->columns[c].kind == CLI_JSON ? SCOLS_FL_TRUNC : 0);
		struct libscols_column *column;
		char *title = mem_dupn(t->columns[c].name, shown_length(&t->columns[c]));

		for (char *p = title; *p; p++)
			*p = *p == '_' ? ' ' : (char)(*p >= 'a' && *p <= 'z' ? *p - 32 : *p);
		column = scols_table_new_column(table, title, 0, flags);
		check(column);
		if (cli->colour)
			scols_cell_set_color(scols_column_get_header(column), "bold");
		free(title);
	}
	for (size_t i = 0; i < t->n; i += t->n_columns) {
		struct libscols_line *line = scols_table_new_line(table, NULL);

		check(line);
		for (size_t c = 0; c < t->n_columns; c++)
			scols_line_set_data(line, c,
			                    t->cells[i + c].shown ? t->cells[i + c].shown : "");
	}
	scols_print_table(table);
	scols_unref_table(table);
}

void
cli_table_print(struct cli_table *t, const struct cli *cli)
{
	struct buf json;

	if (!cli->json) {
		if (t->n > 0)
			print_table(t, cli);
		return;
	}
	buf_init(&json);
	cli_table_json(t, &json);
	puts(json.data);
	buf_done(&json);
}

void
cli_table_fields(const struct cli_table *t)
{
	size_t width = 12;

	for (size_t c = 0; c < t->n_columns; c++)
		if (shown_length(&t->columns[c]) > width)
			width = shown_length(&t->columns[c]);
	for (size_t i = 0; i < t->n; i++) {
		const struct cli_column *column = &t->columns[i % t->n_columns];

		if (t->cells[i].shown)
			printf("%-*.*s %s\n", (int)width, (int)shown_length(column), column->name,
			       t->cells[i].shown);
	}
}

int
cli_call(struct cli *cli, const char *sql, const struct db_args *args, struct db_result **ret)
{
	struct fault fault = { 0 };
	struct db *db;
	int end = cli_open(cli, &db);

	if (end != CLI_OK)
		return end;
	if (db_call(db, sql, args, ret, &fault) != OK)
		end = cli_fail(&fault);
	db_close(db);
	return end;
}

static int
show(struct cli *cli, const char *sql, const struct db_args *args, const struct cli_column *columns,
     bool filtered)
{
	struct cli_table *t;
	struct db_result *r;
	int end = cli_call(cli, sql, args, &r);

	if (end != CLI_OK)
		return end;
	if (filtered && db_rows(r) == 0 &&
	    (end = cli_check_names(cli, cli_value(cli, "pipeline"), cli_value(cli, "stage"))) !=
	        CLI_OK) {
		db_result_free(r);
		return end;
	}
	t = cli_table_new(columns);
	cli_table_result(t, r);
	db_result_free(r);
	cli_table_print(t, cli);
	cli_table_free(t);
	return CLI_OK;
}

int
cli_show(struct cli *cli, const char *sql, const struct db_args *args,
         const struct cli_column *columns)
{
	return show(cli, sql, args, columns, false);
}

int
cli_show_found(struct cli *cli, const char *sql, const struct db_args *args,
               const struct cli_column *columns)
{
	return show(cli, sql, args, columns, true);
}

void
cli_show_fields(const struct cli *cli, const struct db_result *r, const struct cli_column *columns)
{
	struct cli_table *t = cli_table_new(columns);

	cli_table_result(t, r);
	if (cli->json)
		cli_table_print(t, cli);
	else
		cli_table_fields(t);
	cli_table_free(t);
}
