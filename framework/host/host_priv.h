/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * host_priv.h - what the supervisor and its host processes share.
 */
#ifndef PENSTOCK_HOST_PRIV_H
#define PENSTOCK_HOST_PRIV_H

#include "counters/counters.h"
#include "host/host.h"
#include "worker/worker.h"

#define HOST_PROCESSES_MAX COUNTERS_PROCESSES

/* How a host process ends, as its exit code says. */
enum host_end {
	HOST_DRAINED = 0,
	HOST_UNFIT = 2 /* shared->fault says why; starting again would not help */,
	HOST_FAILED = 1
};

/* In memory shared over fork: what outlives a host process. */
struct host_shared {
	int64_t host_id; /* of the boot that lives or died last; 0 after a clean end */
	struct fault fault;
	struct crash_blames blames; /* what the last boot died of, as far as its recorder knows */
};

/* A host process from fork to exit. stop_fd becomes readable when it is to drain. Returns an enum
 * host_end. */
int host_process_run(const struct host_options *options, struct segment *segment,
                     uint32_t first_worker, uint32_t n_workers, struct host_shared *shared,
                     int stop_fd);

#endif
