/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * top_priv.h - what the files of top/ share.
 */
#ifndef PENSTOCK_TOP_PRIV_H
#define PENSTOCK_TOP_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "counters/counters.h"
#include "top/top.h"

#define TOP_UNKNOWN (-1.0)

/* ---- what the database says (top_database.c) ---- */

struct top_lane {
	char pipeline[64], stage[64];
	double ready, leased, oldest_s; /* oldest TOP_UNKNOWN: none is ready */
};
struct top_host {
	char name[64], machine[64];
	int64_t pid, running;
};
/* A copy that belongs to who asked. */
struct top_depths {
	bool known;
	char why[160]; /* not known */
	struct top_lane *lanes;
	size_t n_lanes;
	struct top_host *hosts;
	size_t n_hosts;
};
struct top_database;
struct top_database *top_database_start(const char *conninfo);
void top_database_stop(struct top_database *database);
void top_database_read(struct top_database *database, struct top_depths *ret);
/* Waits until it has answered or failed once, but not long. */
void top_database_wait(struct top_database *database);
void top_depths_done(struct top_depths *depths);

/* ---- what is shown (top_read.c) ---- */

struct top_row {
	char pipeline[64], stage[64];
	double rate;            /* jobs a second */
	double inside;          /* jobs in the plugin, and promised ones */
	double ready, oldest_s; /* TOP_UNKNOWN */
	double waits_s;         /* a job in its lane, by Little's law; TOP_UNKNOWN */
	double p50_s, p99_s;    /* of the time of a job; TOP_UNKNOWN without jobs */
	double cpu;             /* cores */
	double allocated;       /* bytes a job; TOP_UNKNOWN without jobs */
	double errors;          /* a second: RETRY, FAIL */
	double share;           /* of the time of all stages shown */
	bool cpu_partial;       /* the plugin may have threads that nobody counts */
};
struct top_view {
	char host[64];
	int64_t up_ns;
	double seconds; /* that rates are over */
	bool ended;     /* the supervisor does not live any more */
	bool fresh;     /* false: nothing to compare with yet */
	struct top_row *rows;
	size_t n_rows;
	double rate, inside, ready, errors, cpu; /* totals; rate: jobs that ended */
	struct counters_host totals;
	struct top_depths depths;
};

struct top_reader;
enum status top_reader_open(const struct top_options *options, struct top_reader **ret,
                            struct fault *fault);
void top_reader_close(struct top_reader *reader);
/* What happened since the last look that was at least `least_ns` ago. pipeline NULL: all. */
void top_reader_look(struct top_reader *reader, const char *pipeline, struct top_view *ret);
void top_view_done(struct top_view *view);
/* Names of the pipelines that were seen, in order; borrowed until the next look. */
size_t top_reader_pipelines(const struct top_reader *reader, const char **ret, size_t most);

enum top_sort {
	SORT_ORDER,
	SORT_RATE,
	SORT_INSIDE,
	SORT_QUEUE,
	SORT_P99,
	SORT_CPU,
	SORT_ERRORS,
	SORT_N
};
const char *top_sort_name(enum top_sort sort);
bool top_sort_find(const char *name, enum top_sort *ret);
void top_view_sort(struct top_view *view, enum top_sort sort);

/* ---- a frame (top_frame.c): lines of text with a look, for a screen or for a file ---- */

enum top_look { LOOK_PLAIN, LOOK_BOLD, LOOK_TITLE, LOOK_DIM, LOOK_ALERT };
struct top_line {
	enum top_look look;
	char *text;
	int bar_from, bar_cells; /* columns that are a bar; 0 cells: none */
};
struct top_frame {
	struct top_line *lines;
	size_t n, cap;
	size_t head; /* lines above the rows, which scroll */
	size_t body;
	unsigned width;
};
void top_frame_make(const struct top_view *view, unsigned width, enum top_sort sort,
                    const char *pipeline, bool paused, struct top_frame *ret);
void top_frame_help(unsigned width, struct top_frame *ret);
void top_frame_done(struct top_frame *frame);
void top_frame_json(const struct top_view *view, struct buf *out);
/* "1.2k", "340us", "12M": at most five characters. */
const char *top_short_count(double v, char out[16]);
const char *top_short_time(double seconds, char out[16]);
const char *top_short_bytes(double v, char out[16]);

#endif
