/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * segment_bench.h - a counters segment in a folder of its own, for the tests of counters/.
 */
#ifndef PENSTOCK_TEST_SEGMENT_BENCH_H
#define PENSTOCK_TEST_SEGMENT_BENCH_H

#include "counters/counters.h"

/* Where the segment is, from segment_bench_make() on. */
extern char segment_bench_path[64];

/* Set-up and tear-down of a group of cmocka: 0 or -1. What the tests left at the path goes too. */
int segment_bench_make(void **state);
int segment_bench_remove(void **state);

/* The segment of host "mill-1" at the path; the test fails when it cannot be made. */
struct segment *segment_bench_create(void);

#endif
