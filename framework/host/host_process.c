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
#include <unistd.h>

#include "host/host_priv.h"
#include "worker/worker.h"

int
host_process_run(const struct supervisor *s, struct generation *g, uint32_t i, int stop_fd)
{
	struct host_shared *shared = &g->shared[i];
	struct pool_options pool_options = {
		.config = g->config,
		.segment = s->segment,
		.first_worker = g->first + i * g->workers,
		.n_workers = g->workers,
		.host_id = &shared->host_id,
		.blames = &shared->blames,
		.dev = s->options->dev,
		.supervisor = s->id,
		.generation = g->number,
		.line = &shared->line,
		.news_fd = s->news_fd,
		.go_fd = g->child[i].go_fd,
		.give_up = g->give_up,
		.leads = i == 0,
		.removed = g->removed,
		.n_removed = g == s->now ? 0 : g->n_removed,
	};
	struct pool *pool;
	enum status st;

	/* this process's copy of the configuration */
	g->config->set.worker_memory = g->sizes.worker_memory;
	g->config->set.lease_bytes = g->sizes.lease_bytes;
	if (g->drops_leaving)
		config_drop_leaving(g->config);
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
