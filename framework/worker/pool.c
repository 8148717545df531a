/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pool.c - what the workers of one host process share: who sleeps, what people asked for, and the
 * pool's life.
 *
 * Holds pool->lock for a few instructions and never over a round trip.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "worker/worker_priv.h"

/* Which worker is slow to open its stages is looked at so often. */
#define LOOK_AT_WORKERS 200 /* ms */

/* ---- sleeping ---- */

bool
pool_sleep(struct pool *pool, struct worker *w, int64_t ns)
{
	struct timespec until;
	int64_t at = clock_mono() + ns;
	bool woken;

	until.tv_sec = at / SEC;
	until.tv_nsec = at % SEC;
	pthread_mutex_lock(&pool->lock);
	w->sleeping = true;
	if (atomic_fetch_add(&pool->n_sleeping, 1) + 1 == pool->n_workers)
		eventfd_write(pool->kick, 1); /* all sleep: the janitor sets the doorbell */
	while (!w->woken && pthread_cond_timedwait(&w->wake, &pool->lock, &until) != ETIMEDOUT)
		;
	woken = w->woken;
	w->woken = w->sleeping = false;
	atomic_fetch_sub(&pool->n_sleeping, 1);
	pthread_mutex_unlock(&pool->lock);
	return woken;
}

void
pool_wake(struct pool *pool, uint32_t most)
{
	if (atomic_load(&pool->n_sleeping) == 0)
		return;
	pthread_mutex_lock(&pool->lock);
	for (uint32_t i = 0; i < pool->n_workers && most > 0; i++) {
		struct worker *w = &pool->workers[i];

		if (!w->sleeping || w->woken)
			continue;
		w->woken = true;
		pthread_cond_signal(&w->wake);
		most--;
	}
	pthread_mutex_unlock(&pool->lock);
}

void
pool_wake_worker(struct pool *pool, struct worker *w)
{
	pthread_mutex_lock(&pool->lock);
	w->woken = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&pool->lock);
}

/* ---- what people asked for ---- */

static bool
contains(const int32_t *lanes, size_t n, int32_t lane)
{
	for (size_t i = 0; i < n; i++)
		if (lanes[i] == lane)
			return true;
	return false;
}

void
pool_asked(struct pool *pool, const struct queue_asked *asked)
{
	bool resumed = false;

	for (size_t i = 0; i < pool->n_lanes; i++) {
		struct lane *lane = &pool->lanes[i];
		bool paused = contains(asked->paused, asked->n_paused, lane->id);

		resumed |= atomic_exchange(&lane->paused, paused) && !paused;
	}
	pthread_mutex_lock(&pool->lock);
	pool->cancelled = mem_array(pool->cancelled, asked->n_cancelled + 1,
	                            sizeof(*pool->cancelled));
	memcpy(pool->cancelled, asked->cancelled, asked->n_cancelled * sizeof(*pool->cancelled));
	atomic_store(&pool->n_cancelled, asked->n_cancelled);
	pthread_mutex_unlock(&pool->lock);
	if (resumed || asked->n_cancelled > 0)
		pool_wake(pool, pool->n_workers);
}

static int
compare_ids(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

bool
pool_cancelled(struct pool *pool, int64_t job)
{
	bool found;

	if (atomic_load(&pool->n_cancelled) == 0)
		return false;
	pthread_mutex_lock(&pool->lock);
	found = bsearch(&job, pool->cancelled, atomic_load(&pool->n_cancelled), sizeof(job),
	                compare_ids) != NULL;
	pthread_mutex_unlock(&pool->lock);
	return found;
}

bool
pool_valid(const struct pool *pool)
{
	return clock_mono() < atomic_load(&pool->valid_until);
}

/* ---- life ---- */

static void
lay_out_lanes(struct pool *pool)
{
	const struct config *config = pool->config;
	size_t next = 0;

	for (size_t p = 0; p < config->n_pipelines; p++)
		pool->n_lanes += config->pipelines[p].n_stages;
	pool->n_pipelines = config->n_pipelines;
	pool->lanes = mem_array(NULL, pool->n_lanes, sizeof(*pool->lanes));
	pool->lane_ids = mem_array(NULL, pool->n_lanes, sizeof(*pool->lane_ids));
	pool->pipelines = mem_array(NULL, pool->n_pipelines, sizeof(*pool->pipelines));
	for (size_t p = 0; p < config->n_pipelines; p++) {
		pool->pipelines[p] = (struct pool_pipeline){ &config->pipelines[p],
			                                     &pool->lanes[next] };
		for (size_t s = 0; s < config->pipelines[p].n_stages; s++)
			pool->lanes[next++] = (struct lane){
				.pipeline = p, .stage = s, .conf = &config->pipelines[p].stages[s]
			};
	}
}

static void
list_leaving(struct pool *pool)
{
	pool->leaving = mem_array(NULL, pool->n_lanes + 1, sizeof(*pool->leaving));
	for (size_t i = 0; i < pool->n_lanes; i++)
		if (pool->lanes[i].conf->onward)
			pool->leaving[pool->n_leaving++] = (struct queue_place){
				pool->pipelines[pool->lanes[i].pipeline].conf->name,
				pool->lanes[i].conf->name
			};
}

static void
open_wait(struct pool *pool)
{
	struct epoll_event in = { .events = EPOLLIN };

	pool->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pool->wait_fd = epoll_create1(EPOLL_CLOEXEC);
	check(pool->kick >= 0 && pool->wait_fd >= 0);
	check(epoll_ctl(pool->wait_fd, EPOLL_CTL_ADD, pool->kick, &in) == 0);
	check(epoll_ctl(pool->wait_fd, EPOLL_CTL_ADD, pool->stop_fd, &in) == 0);
}

static bool
told_to_stop(const struct pool *pool)
{
	struct pollfd p = { .fd = pool->stop_fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

/* Note on opening. While stages are opened the supervisor can see since when, and which one: it
 * names the plugin when the process dies in it, or never comes back from it. In a worker's thread
 * the name is told by the handler of the crash, or by the thread that waits for the workers. */
static void
tell_opening(struct pool *pool, bool begins)
{
	struct pool_line *line = pool->options->line;

	memset(line->opening, 0, sizeof(line->opening));
	atomic_store(&line->opening_since, begins ? clock_mono() : 0);
	eventfd_write(pool->options->news_fd, 1);
}

/* Of the workers that are not through, the first. */
static void
tell_slow_worker(struct pool *pool)
{
	for (uint32_t i = 0; i < pool->n_workers; i++) {
		const char *title = atomic_load(&pool->workers[i].opening);

		if (!title)
			continue;
		memcpy(pool->options->line->opening, title, POOL_TITLE);
		return;
	}
}

static enum status
wait_for_workers(struct pool *pool)
{
	eventfd_t kicks;

	while (atomic_load(&pool->n_begun) < pool->n_workers) {
		struct pollfd p[] = { { .fd = pool->kick, .events = POLLIN },
			              { .fd = pool->stop_fd, .events = POLLIN } };

		if (poll(p, countof(p), LOOK_AT_WORKERS) == 0)
			tell_slow_worker(pool);
		eventfd_read(pool->kick, &kicks);
		if (told_to_stop(pool))
			return STOPPED;
	}
	return OK;
}

enum status
pool_start_workers(struct pool *pool, struct fault *fault)
{
	enum status st = OK;

	tell_opening(pool, true);
	for (uint32_t i = 0; i < pool->n_workers && st == OK; i++)
		if (!pool->workers[i].pool)
			st = worker_start(pool, i, fault);
	if (st == OK)
		st = wait_for_workers(pool);
	tell_opening(pool, false);
	if (st != OK)
		return st;
	pthread_mutex_lock(&pool->lock);
	st = pool->begin_fault.status;
	if (st != OK)
		*fault = pool->begin_fault;
	pthread_mutex_unlock(&pool->lock);
	return st;
}

/* They work from now on; or, with stopping set, end. */
static void
let_go(struct pool *pool, bool working)
{
	pthread_mutex_lock(&pool->lock);
	pool->working = working;
	pthread_cond_broadcast(&pool->begin);
	pthread_mutex_unlock(&pool->lock);
}

static void
stop_workers(struct pool *pool)
{
	atomic_store(&pool->stopping, true);
	let_go(pool, pool->working);
	pool_wake(pool, pool->n_workers);
	for (uint32_t i = 0; i < pool->n_workers; i++)
		worker_join(&pool->workers[i]);
}

static enum status
load_stage(struct pool *pool, struct lane *lane, struct fault *fault)
{
	const struct settings *set = &pool->config->set;
	struct stage_spec spec = {
		.pipeline = pool->pipelines[lane->pipeline].conf->name,
		.stage = lane->conf,
		.state_dir = set->state_dir,
		.strict = set->strict_files && !pool->options->dev,
		.workers = pool->n_workers,
	};
	char *path;
	enum status st = stage_find(set->plugin_path, lane->conf->plugin, &path, fault);

	if (st != OK) {
		fault_where(fault, "%s:%d", lane->conf->file, lane->conf->line);
		return st;
	}
	spec.path = path;
	snprintf(lane->title, sizeof(lane->title), "plugin %s of stage %s.%s", lane->conf->plugin,
	         spec.pipeline, lane->conf->name);
	memcpy(pool->options->line->opening, lane->title, sizeof(lane->title));
	st = stage_open(&spec, &lane->release, fault);
	if (st != OK && !fault->where[0])
		fault_where(fault, "%s:%d", lane->conf->file, lane->conf->line);
	free(path);
	return st;
}

enum status
pool_create(const struct pool_options *options, int stop_fd, struct pool **ret_pool,
            struct fault *fault)
{
	struct pool *pool = mem_alloc(sizeof(*pool));
	enum status st = OK;

	pool->options = options;
	pool->config = options->config;
	pool->segment = options->segment;
	pool->n_workers = options->n_workers;
	pool->stop_fd = stop_fd;
	open_wait(pool);
	atomic_store(&pool->wake_at, INT64_MAX);
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->begin, NULL);
	pool->workers = mem_alloc(pool->n_workers * sizeof(*pool->workers));
	crash_watch_process();
	lay_out_lanes(pool);
	list_leaving(pool);
	tell_opening(pool, true);
	for (size_t i = 0; i < pool->n_lanes && st == OK; i++)
		st = load_stage(pool, &pool->lanes[i], fault);
	tell_opening(pool, false);
	if (st == OK) {
		pool_phase(pool, POOL_LOADED);
		st = janitor_open(pool, fault);
	}
	if (st != OK) {
		pool_destroy(pool);
		return st;
	}
	*ret_pool = pool;
	return OK;
}

enum status
pool_run(struct pool *pool, struct fault *fault)
{
	enum status st;

	let_go(pool, true);
	st = janitor_run(pool, fault);
	stop_workers(pool);
	janitor_void_orphans(pool);
	return st;
}

void
pool_destroy(struct pool *pool)
{
	if (!pool)
		return;
	stop_workers(pool);
	janitor_close(pool);
	for (size_t i = 0; i < pool->n_lanes; i++)
		if (pool->lanes[i].release)
			stage_close(pool->lanes[i].release);
	close(pool->wait_fd);
	close(pool->kick);
	pthread_cond_destroy(&pool->begin);
	pthread_mutex_destroy(&pool->lock);
	free(pool->lanes);
	free(pool->lane_ids);
	free(pool->pipelines);
	free(pool->leaving);
	free(pool->workers);
	free(pool->orphans.at);
	free(pool->held.at);
	free(pool->cancelled);
	free(pool);
}
