/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * top.h - what is happening now: a screen of stages, from the shared segment.
 *
 * Reads the segment and, once a second on a thread and connection of its own,
 * the depths of lanes; writes nowhere. Goes on while the database is away, and shows
 * the last values of a host that has ended.
 */
#ifndef PENSTOCK_TOP_H
#define PENSTOCK_TOP_H

#include "base/base.h"

struct top_options {
	const char *segment_path;
	const char *conninfo;
	const char *pipeline; /* NULL: all */
	const char *sort;     /* a name of top_sort_find(); NULL: as configured */
	int64_t every_ns;     /* between two frames */
	bool colour;
};

/* Full screen, until q or a signal. The terminal is as before afterwards, whatever happens. */
enum status top_screen(const struct top_options *options, struct fault *fault);
/* One frame of what happens within every_ns, as text of `width` columns, or as a line of JSON. */
enum status top_once(const struct top_options *options, unsigned width, bool json, FILE *out,
                     struct fault *fault);

#endif
