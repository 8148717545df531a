/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * segment_bench.c - a folder, and the segment in it.
 */
#include "support/segment_bench.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

char segment_bench_path[64];
static char folder[32];

int
segment_bench_make(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/penstock-counters-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(segment_bench_path, sizeof segment_bench_path, "%s/counters", folder);
	return 0;
}

int
segment_bench_remove(void **state)
{
	(void)state;
	unlink(segment_bench_path);
	return rmdir(folder);
}

struct segment *
segment_bench_create(void)
{
	struct segment *segment = NULL;
	struct fault fault = { 0 };

	if (counters_create(segment_bench_path, "mill-1", &segment, &fault) != OK)
		fail_msg("%s", fault.text);
	return segment;
}
