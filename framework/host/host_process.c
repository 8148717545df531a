/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * host_process.c - one host process: a pool from its making to its drain.
 *
 * The world that plugins find is made here: SIGPIPE ignored, LC_NUMERIC C,
 * signals taken by a descriptor and never by a handler.
 */
#include <locale.h>
#include <signal.h>
#include <string.h>

#include "host/host_priv.h"
#include "worker/worker.h"

int
host_process_run(const struct host_options *options, struct segment *segment, uint32_t first_worker,
                 uint32_t n_workers, struct host_shared *shared, int stop_fd)
{
	struct pool_options pool_options = {
		.config = options->config,
		.segment = segment,
		.first_worker = first_worker,
		.n_workers = n_workers,
		.host_id = &shared->host_id,
		.blames = &shared->blames,
		.dev = options->dev,
	};
	struct pool *pool;
	enum status st;

	signal(SIGPIPE, SIG_IGN);
	setlocale(LC_ALL, "C.UTF-8");
	shared->fault = (struct fault){ 0 };
	st = pool_create(&pool_options, stop_fd, &pool, &shared->fault);
	if (st == STOPPED)
		return HOST_DRAINED;
	if (st != OK)
		return HOST_UNFIT;
	st = pool_run(pool, &shared->fault);
	pool_destroy(pool);
	if (st != OK)
		log_fault(LOG_ERROR, "the host process failed", &shared->fault);
	return st == OK ? HOST_DRAINED : HOST_FAILED;
}
