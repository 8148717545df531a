/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * burden.h - what the stages burden*.c share: ways to take time that can be halved exactly.
 */
#ifndef BURDEN_H
#define BURDEN_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static inline int64_t
burden_clock(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* By the thread's own clock: the same work on a busy machine as on a quiet one. */
static inline void
burden_cpu(int64_t us)
{
	int64_t until;
	volatile uint64_t x = 1;

	if (us <= 0)
		return;
	until = burden_clock(CLOCK_THREAD_CPUTIME_ID) + us * 1000;
	while (burden_clock(CLOCK_THREAD_CPUTIME_ID) < until)
		for (int i = 0; i < 2000; i++)
			x = x * 6364136223846793005u + 1;
}

static inline void
burden_wait(int64_t us)
{
	struct timespec t = { us / 1000000, us % 1000000 * 1000 };

	if (us > 0)
		nanosleep(&t, NULL);
}

/* In blocks of 64 KiB, each byte written, and freed again in rounds of 4 MiB: half of the bytes are
 * half of the work. Held all at once they would fall out of caches and back to the kernel, the more
 * the larger they are. */
static inline void
burden_alloc(int64_t bytes)
{
	enum { BLOCK = 65536, ROUND = 64 };
	void *kept[ROUND];

	while (bytes > 0) {
		int n = 0;

		for (; n < ROUND && bytes > 0; bytes -= BLOCK) {
			kept[n] = malloc(BLOCK);
			if (!kept[n])
				bytes = 0;
			else
				memset(kept[n++], 1, BLOCK);
		}
		while (n > 0)
			free(kept[--n]);
	}
}

#endif
