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

#include <stdatomic.h>

#include "base/base.h"
#include "config/config.h"
#include "counters/counters.h"
#include "queue/queue.h"

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

/* How far a host process is, in memory that it shares with its supervisor. */
enum pool_phase {
	POOL_LOADING,  /* stages */
	POOL_LOADED,   /* looks for the database */
	POOL_WAITING,  /* it is not there */
	POOL_PREPARED, /* nothing but the registration is missing, and that waits for a word */
	POOL_READY
};
#define POOL_TITLE 256
struct pool_line {
	_Atomic uint32_t phase;
	_Atomic uint64_t rounds; /* of the janitor: its pulse */
	_Atomic bool ask; /* set by the supervisor when nobody else of its processes is left: how
	                     many jobs have the stages that leave? */
	_Atomic int64_t leaving; /* so many */
	_Atomic int64_t
	    change; /* the transaction in which it changed the pipelines last; 0: none */
	_Atomic int64_t opening_since; /* mono: it opens stages since then; 0: it does not */
	char opening[POOL_TITLE];      /* the one that is at hand, or that it died in; "": none */
	_Atomic bool left;             /* none, and none can come any more */
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
	struct uuid supervisor;
	uint32_t generation;
	struct pool_line *line;
	int news_fd;     /* eventfd, written when the line changes */
	int go_fd;       /* readable: register now; -1: no need to ask */
	int64_t give_up; /* mono: no database by then, and no word to register, is a failure */
	bool leads; /* the first process of several: it judges the removals, and looks after the
	               stages that leave */
	const struct queue_place *removed; /* must have no jobs when it registers first */
	size_t n_removed;
};

/* Loads every stage, waits for the database, checks the schema, waits for the word, registers
 * pipelines and the host: up to the word nothing of it is seen outside of this process. INVALID
 * when a stage cannot be loaded, REFUSED when the schema is not known or a removed stage has jobs;
 * STOPPED when stop_fd became readable meanwhile. */
enum status pool_create(const struct pool_options *options, int stop_fd, struct pool **ret_pool,
                        struct fault *fault);
/* Runs the workers until stop_fd becomes readable, then drains: running calls end, what is left of
 * each lease is handed back uncharged. */
enum status pool_run(struct pool *pool, struct fault *fault);
void pool_destroy(struct pool *pool);

/* Every pipeline with its lanes and their limits, and every schedule, as a host registers them. */
enum status register_config(struct db *db, const struct config *config, struct fault *fault);

#endif
