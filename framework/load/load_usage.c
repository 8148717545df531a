/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * load_usage.c - CPU time and memory of the host's processes, from /proc.
 */
#include "load/load.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* utime and stime are the 14th and 15th field; the name, in brackets, may have blanks. */
static int64_t
cpu_of(uint32_t pid)
{
	char path[64], text[1024], *at;
	uint64_t user = 0, system = 0;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%" PRIu32 "/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	at = fgets(text, sizeof text, f) ? strrchr(text, ')') : NULL;
	fclose(f);
	if (!at ||
	    sscanf(at + 1, "%*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %" SCNu64 " %" SCNu64,
	           &user, &system) != 2)
		return 0;
	return (int64_t)((double)(user + system) / (double)sysconf(_SC_CLK_TCK) * 1e9);
}

/* The second field of statm is what is resident, in pages. */
static int64_t
memory_of(uint32_t pid)
{
	uint64_t pages = 0;
	char path[64];
	FILE *f;

	snprintf(path, sizeof path, "/proc/%" PRIu32 "/statm", pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fscanf(f, "%*s %" SCNu64, &pages) != 1)
		pages = 0;
	fclose(f);
	return (int64_t)pages * sysconf(_SC_PAGESIZE);
}

static bool
met_before(const struct segment *segment, uint32_t i)
{
	for (uint32_t k = 0; k < i; k++)
		if (segment->worker[k].pid == segment->worker[i].pid)
			return true;
	return false;
}

void
load_usage_now(const char *segment_path, struct load_usage *ret)
{
	const struct segment *segment;

	*ret = (struct load_usage){ 0 };
	if (counters_open(segment_path, &segment, NULL) != OK)
		return;
	for (uint32_t i = 0; i < segment->n_workers && i < COUNTERS_WORKERS; i++) {
		uint32_t pid = segment->worker[i].pid;

		if (pid == 0 || met_before(segment, i))
			continue;
		ret->cpu_ns += cpu_of(pid);
		ret->memory += memory_of(pid);
	}
	counters_close(segment);
}
