/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * clock.c - the kernel's clocks behind hooks that tests replace.
 */
#include <time.h>

#include "base/base.h"

static int64_t
read_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * SEC + ts.tv_nsec;
}

static int64_t
mono(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

static int64_t
cpu(void)
{
	return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

static int64_t
wall(void)
{
	return read_clock(CLOCK_REALTIME);
}

struct clock_hooks clock_hooks = { .mono = mono, .cpu = cpu, .wall = wall };
