/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * worker.h - the pool of one host process: worker threads and their janitor.
 *
 * Joins queue and stage. A worker owns a connection, two arenas that take
 * turns (one lease lives in each), its counter slots and its recorder line. The
 * janitor is the thread that called pool_run(): it beats, reaps, wakes,
 * packs, listens, and looks at empty lanes for all sleeping workers.
 */
#ifndef PENSTOCK_WORKER_H
#define PENSTOCK_WORKER_H

#include "base/base.h"
#include "config/config.h"
#include "counters/counters.h"

enum worker_state {
	WORKER_STARTING,
	WORKER_IDLE,
	WORKER_CLAIMING,
	WORKER_IN_STAGE,
	WORKER_SETTLING,
	WORKER_AWAY,
	WORKER_STOPPED
};

struct pool;

/* A job in whose stage a former boot died, as its recorder named it. */
struct crash_blame {
	struct uuid lease;
	int64_t job;
	int32_t lane; /* of the stage */
	int signo;    /* or RECORDER_TIMEOUT */
};
#define CRASH_BLAMES 64
struct crash_blames {
	uint32_t n;
	struct crash_blame list[CRASH_BLAMES];
};

struct pool_options {
	const struct config *config;
	struct segment *segment;
	uint32_t first_worker; /* index of the first worker's lines in the segment */
	uint32_t n_workers;
	int64_t *host_id; /* shared with the supervisor: in: id of the boot that this one replaces,
	                   * or 0; out: the own id, 0 after leaving */
	struct crash_blames *blames; /* told to the database at registration, and cleared */
	bool dev;
};

/* Waits for the database, checks the schema, registers pipelines and the host, loads every stage.
 * INVALID when a stage cannot be loaded, REFUSED when the schema is not known; STOPPED when stop_fd
 * became readable meanwhile. */
enum status pool_create(const struct pool_options *options, int stop_fd, struct pool **ret_pool,
                        struct fault *fault);
/* Runs the workers until stop_fd becomes readable, then drains: running calls end, what is left of
 * each lease is handed back uncharged. */
enum status pool_run(struct pool *pool, struct fault *fault);
void pool_destroy(struct pool *pool);

#endif
