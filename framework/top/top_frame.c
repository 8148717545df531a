/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * top_frame.c - a view as lines of text: what the screen draws and `--once` prints.
 *
 * Fits any width from 60 columns on: the name and the bar take what the numbers
 * leave. A name that is too long is cut by characters, never inside of one.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "top/top_priv.h"

#define WIDTH_LEAST 60u
#define NAME_MOST 44
#define BAR_MOST 60

/* ---- short numbers: at most six characters ---- */

const char *
top_short_count(double v, char out[16])
{
	static const char units[] = " kMGT";
	size_t u = 0;

	while (v >= 9999.5 && u + 2 < sizeof units) {
		v /= 1000;
		u++;
	}
	if (u == 0)
		snprintf(out, 16, v >= 99.95 || v == floor(v) ? "%.0f" : "%.1f", v);
	else
		snprintf(out, 16, v >= 99.95 ? "%.0f%c" : "%.1f%c", v, units[u]);
	return out;
}

const char *
top_short_time(double s, char out[16])
{
	if (s < 0)
		snprintf(out, 16, "-");
	else if (s < 999.5e-9)
		snprintf(out, 16, "%.0fns", s * 1e9);
	else if (s < 999.5e-6)
		snprintf(out, 16, s < 9.95e-6 ? "%.1fus" : "%.0fus", s * 1e6);
	else if (s < 999.5e-3)
		snprintf(out, 16, s < 9.95e-3 ? "%.1fms" : "%.0fms", s * 1e3);
	else if (s < 119.5)
		snprintf(out, 16, s < 9.95 ? "%.1fs" : "%.0fs", s);
	else if (s < 7200)
		snprintf(out, 16, "%.0fm", s / 60);
	else if (s < 172800)
		snprintf(out, 16, "%.0fh", s / 3600);
	else
		snprintf(out, 16, "%.0fd", fmin(s / 86400, 99999));
	return out;
}

const char *
top_short_bytes(double v, char out[16])
{
	static const char units[] = "BKMGT";
	size_t u = 0;

	if (v < 0) {
		snprintf(out, 16, "-");
		return out;
	}
	while (v >= 999.5 && u + 2 < sizeof units) {
		v /= 1024;
		u++;
	}
	snprintf(out, 16, v < 9.95 && u > 0 ? "%.1f%c" : "%.0f%c", v, units[u]);
	return out;
}

/* ---- lines ---- */

static struct top_line *
add(struct top_frame *f, enum top_look look, char *text)
{
	if (f->n == f->cap) {
		f->cap = f->cap ? f->cap * 2 : 32;
		f->lines = mem_array(f->lines, f->cap, sizeof *f->lines);
	}
	f->lines[f->n] = (struct top_line){ .look = look, .text = text };
	return &f->lines[f->n++];
}

void
top_frame_done(struct top_frame *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->lines[i].text);
	free(f->lines);
}

/* Bytes of the first `columns` characters; a name may hold any UTF-8, and wide ones are rare. */
static int
bytes_of(const char *text, int columns)
{
	const char *p = text;

	while (*p && columns > 0) {
		p++;
		while ((*p & 0xc0) == 0x80)
			p++;
		columns--;
	}
	return (int)(p - text);
}

static int
columns_of(const char *text)
{
	int n = 0;

	for (; *text; text++)
		n += (*text & 0xc0) != 0x80;
	return n;
}

/* Exactly `width` columns. */
static void
add_padded(struct buf *b, const char *text, int width)
{
	int n = columns_of(text);

	if (n > width) {
		buf_add(b, text, (size_t)bytes_of(text, width - 1));
		buf_adds(b, "~");
		return;
	}
	buf_adds(b, text);
	buf_printf(b, "%*s", width - n, "");
}

/* ---- the columns ---- */

struct layout {
	int name, bar;
	int numbers; /* columns between name and bar, as make_row_text() has them */
	bool waits;  /* there is room for what jobs waited */
};

#define NUMBERS_WIDTH 59
#define WAITS_WIDTH 7
#define WIDTH_OF_WAITS 92u /* of a screen that has room for them */

static struct layout
layout_of(unsigned width, const struct top_view *v)
{
	bool waits = width >= WIDTH_OF_WAITS;
	struct layout l = { .name = 12,
		            .waits = waits,
		            .numbers = NUMBERS_WIDTH + (waits ? WAITS_WIDTH : 0) };
	int rest = (int)width - l.numbers, longest = 12;

	for (size_t i = 0; i < v->n_rows; i++) {
		int n = columns_of(v->rows[i].pipeline) + 1 + columns_of(v->rows[i].stage);

		longest = n > longest ? n : longest;
	}
	longest = longest > NAME_MOST ? NAME_MOST : longest;
	l.name = rest - 5 < longest ? rest - 5 : longest;
	l.name = l.name < 8 ? 8 : l.name;
	l.bar = rest - l.name - 1;
	l.bar = l.bar < 0 ? 0 : l.bar > BAR_MOST ? BAR_MOST : l.bar;
	return l;
}

static char *
make_title(const struct layout *l)
{
	struct buf b;

	buf_init(&b);
	add_padded(&b, "STAGE", l->name);
	buf_printf(&b, "%8s%6s%8s%6s%*s%7s%7s%5s%6s%6s", "JOBS/S", "IN", "QUEUE", "AGE",
	           l->waits ? WAITS_WIDTH : 0, l->waits ? "WAITS" : "", "P50", "P99", "CPU",
	           "ALLOC", "ERR/S");
	if (l->bar >= 4)
		buf_adds(&b, " TIME");
	return buf_steal(&b);
}

static char *
make_row_text(const struct layout *l, const struct top_row *row, int *ret_cells)
{
	char *name = mem_printf("%s/%s", row->pipeline, row->stage);
	char t[10][16];
	struct buf b;

	*ret_cells = (int)(row->share * l->bar + 0.5);
	buf_init(&b);
	add_padded(&b, name, l->name);
	snprintf(t[6], 16, "%.0f%%%s", row->cpu * 100, row->cpu_partial ? "+" : "");
	buf_printf(&b, "%8s%6s%8s%6s%*s%7s%7s%5s%6s%6s", top_short_count(row->rate, t[0]),
	           top_short_count(row->inside, t[1]),
	           row->ready < 0 ? "-" : top_short_count(row->ready, t[2]),
	           top_short_time(row->oldest_s, t[3]), l->waits ? WAITS_WIDTH : 0,
	           l->waits ? top_short_time(row->waits_s, t[9]) : "",
	           top_short_time(row->p50_s, t[4]), top_short_time(row->p99_s, t[5]), t[6],
	           top_short_bytes(row->allocated, t[7]), top_short_count(row->errors, t[8]));
	if (*ret_cells > 0)
		buf_addc(&b, ' ');
	for (int i = 0; i < *ret_cells; i++)
		buf_adds(&b, "\u2588");
	free(name);
	return buf_steal(&b);
}

static void
add_rows(struct top_frame *f, const struct top_view *v, const struct layout *l)
{
	for (size_t i = 0; i < v->n_rows; i++) {
		const struct top_row *row = &v->rows[i];
		int cells;
		char *text = make_row_text(l, row, &cells);
		struct top_line *line = add(f, row->errors > 0 ? LOOK_ALERT : LOOK_PLAIN, text);

		line->bar_from = l->name + l->numbers + 1;
		line->bar_cells = cells;
	}
	if (v->n_rows == 0)
		add(f, LOOK_DIM, mem_dup("no stage has been called yet"));
}

/* ---- above and below ---- */

/* As enum worker_state of worker/, which is above this floor; counters_host() counts by it. */
enum { STATE_IDLE = 1, STATE_CLAIMING, STATE_IN_STAGE, STATE_SETTLING, STATE_AWAY };

static void
add_head(struct top_frame *f, const struct top_view *v, const char *pipeline, bool paused)
{
	const struct counters_host *h = &v->totals;
	char up[16], t[4][16];
	double oldest = TOP_UNKNOWN;

	add(f, LOOK_BOLD,
	    mem_printf("penstock top  %s  up %s  %s%s%s%s", v->host,
	               top_short_time((double)v->up_ns / 1e9, up),
	               pipeline ? "pipeline " : "all pipelines", pipeline ? pipeline : "",
	               paused ? "  [display paused]" : "", v->fresh ? "" : "  [measuring]"));
	if (v->ended)
		add(f, LOOK_ALERT, mem_dup("the host has ended: these are its last values"));
	add(f, LOOK_PLAIN,
	    mem_printf("ended %s/s  inside %s  ready %s  errors %s/s  cpu %.0f%%",
	               top_short_count(v->rate, t[0]), top_short_count(v->inside, t[1]),
	               v->depths.known ? top_short_count(v->ready, t[2]) : "-",
	               top_short_count(v->errors, t[3]), v->cpu * 100));
	add(f, LOOK_PLAIN,
	    mem_printf(
	        "workers: %d in stages, %d claiming or settling, %d idle, %d without database",
	        (int)h->workers[STATE_IN_STAGE],
	        (int)(h->workers[STATE_CLAIMING] + h->workers[STATE_SETTLING]),
	        (int)h->workers[STATE_IDLE], (int)h->workers[STATE_AWAY]));
	for (size_t i = 0; v->depths.known && i < v->n_rows; i++)
		oldest = fmax(oldest, v->rows[i].oldest_s);
	if (v->depths.known)
		add(f, LOOK_PLAIN,
		    mem_printf("connections: %d, %d in use, %d waiting; oldest ready job %s",
		               (int)h->connections, (int)h->in_use, (int)h->waiting,
		               top_short_time(oldest, t[0])));
	else
		add(f, LOOK_ALERT,
		    mem_printf("queue and hosts not known, the database says: %s", v->depths.why));
	add(f, LOOK_PLAIN, mem_dup(""));
}

static void
add_hosts(struct top_frame *f, const struct top_view *v)
{
	const struct counters_host *h = &v->totals;

	add(f, LOOK_PLAIN, mem_dup(""));
	add(f, LOOK_TITLE,
	    mem_printf("HOSTS  here: %d process%s, %d starts, %d deaths, %d arenas",
	               (int)h->processes, h->processes == 1 ? "" : "es", (int)h->starts,
	               (int)h->deaths, (int)h->arenas));
	for (size_t i = 0; v->depths.known && i < v->depths.n_hosts; i++) {
		const struct top_host *host = &v->depths.hosts[i];
		char n[16];

		add(f, LOOK_PLAIN,
		    mem_printf("%s on %s, pid %lld, %s jobs leased", host->name, host->machine,
		               (long long)host->pid, top_short_count((double)host->running, n)));
	}
}

void
top_frame_make(const struct top_view *v, unsigned width, enum top_sort sort, const char *pipeline,
               bool paused, struct top_frame *ret)
{
	struct layout l;

	*ret = (struct top_frame){ .width = width < WIDTH_LEAST ? WIDTH_LEAST : width };
	l = layout_of(ret->width, v);
	add_head(ret, v, pipeline, paused);
	add(ret, LOOK_TITLE, make_title(&l));
	ret->head = ret->n;
	add_rows(ret, v, &l);
	add_hosts(ret, v);
	ret->body = ret->n - ret->head;
	add(ret, LOOK_DIM,
	    mem_printf("q quit  s sort: %s  f filter: %s  p %s  h help  arrows scroll",
	               top_sort_name(sort), pipeline ? pipeline : "all",
	               paused ? "go on" : "pause"));
}

void
top_frame_help(unsigned width, struct top_frame *ret)
{
	static const char *const lines[] = {
		"JOBS/S   jobs given to the stage, since the last frame",
		"IN       jobs inside of the plugin, promised ones (LATER) too",
		"QUEUE    jobs that are ready in front of it, over all hosts",
		"AGE      since the first ready one was enqueued",
		"P50 P99  time of a job in the stage; of all jobs when there were none",
		"CPU      of one core; + : the plugin may have threads that nobody counts",
		"ALLOC    bytes that a job allocates",
		"ERR/S    jobs that ended RETRY or FAIL",
		"TIME     the stage's part of the time of all stages shown",
		"",
		"s        sort by the next column        r  turn the list back to the order",
		"f        the next pipeline, then all again",
		"p, blank stop drawing and go on; counters go on anyway",
		"arrows   scroll, also Page Up and Page Down",
		"q        quit",
	};

	*ret = (struct top_frame){ .width = width };
	add(ret, LOOK_BOLD, mem_dup("penstock top: columns and keys"));
	add(ret, LOOK_PLAIN, mem_dup(""));
	ret->head = ret->n;
	for (size_t i = 0; i < countof(lines); i++)
		add(ret, LOOK_PLAIN, mem_dup(lines[i]));
	ret->body = ret->n - ret->head;
	add(ret, LOOK_DIM, mem_dup("any key goes back"));
}

/* ---- JSON ---- */

static void
json_text(struct buf *out, const char *name, const char *text)
{
	buf_printf(out, "\"%s\": ", name);
	buf_add_json(out, text, strlen(text));
}

static void
json_number(struct buf *out, const char *name, double v)
{
	if (v < 0 || !isfinite(v))
		buf_printf(out, ", \"%s\": null", name);
	else
		buf_printf(out, ", \"%s\": %.9g", name, v);
}

static void
json_row(struct buf *out, const struct top_row *row)
{
	buf_addc(out, '{');
	json_text(out, "pipeline", row->pipeline);
	buf_adds(out, ", ");
	json_text(out, "stage", row->stage);
	json_number(out, "jobs_per_s", row->rate);
	json_number(out, "inside", row->inside);
	json_number(out, "ready", row->ready);
	json_number(out, "oldest_s", row->oldest_s);
	json_number(out, "waits_s", row->waits_s);
	json_number(out, "p50_s", row->p50_s);
	json_number(out, "p99_s", row->p99_s);
	json_number(out, "cpu", row->cpu);
	buf_printf(out, ", \"cpu_partial\": %s", row->cpu_partial ? "true" : "false");
	json_number(out, "allocated", row->allocated);
	json_number(out, "errors_per_s", row->errors);
	json_number(out, "share", row->share);
	buf_addc(out, '}');
}

void
top_frame_json(const struct top_view *v, struct buf *out)
{
	const struct counters_host *h = &v->totals;

	buf_addc(out, '{');
	json_text(out, "host", v->host);
	json_number(out, "up_s", (double)v->up_ns / 1e9);
	json_number(out, "seconds", v->seconds);
	buf_printf(out, ", \"ended\": %s", v->ended ? "true" : "false");
	json_number(out, "ended_per_s", v->rate);
	json_number(out, "inside", v->inside);
	json_number(out, "ready", v->depths.known ? v->ready : TOP_UNKNOWN);
	json_number(out, "errors_per_s", v->errors);
	json_number(out, "cpu", v->cpu);
	buf_printf(out, ", \"connections\": %d, \"in_use\": %d, \"waiting\": %d, \"workers\": %d",
	           (int)h->connections, (int)h->in_use, (int)h->waiting,
	           (int)(h->workers[STATE_IDLE] + h->workers[STATE_CLAIMING] +
	                 h->workers[STATE_IN_STAGE] + h->workers[STATE_SETTLING] +
	                 h->workers[STATE_AWAY]));
	buf_printf(out, ", \"database\": %s", v->depths.known ? "true" : "false");
	buf_adds(out, ", \"stages\": [");
	for (size_t i = 0; i < v->n_rows; i++) {
		buf_adds(out, i ? ", " : "");
		json_row(out, &v->rows[i]);
	}
	buf_adds(out, "], \"hosts\": [");
	for (size_t i = 0; i < v->depths.n_hosts; i++) {
		const struct top_host *host = &v->depths.hosts[i];

		buf_adds(out, i ? ", {" : "{");
		json_text(out, "name", host->name);
		buf_adds(out, ", ");
		json_text(out, "machine", host->machine);
		buf_printf(out, ", \"pid\": %lld, \"leased\": %lld}", (long long)host->pid,
		           (long long)host->running);
	}
	buf_adds(out, "]}\n");
}
