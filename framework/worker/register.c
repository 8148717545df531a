/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * register.c - what a configuration says of pipelines, limits and schedules, into the database.
 *
 * A host does so before it is ready, `penstock dev` before others learn where its
 * database is. Both come here, so that neither leaves out what the other
 * knows. Never starts a transaction: who calls says what belongs together.
 */
#include "worker/worker_priv.h"

#include <string.h>
#include <unistd.h>

const char *
register_host_name(const struct config *config, char machine[HOST_NAME_MAX + 1])
{
	memset(machine, 0, HOST_NAME_MAX + 1);
	gethostname(machine, HOST_NAME_MAX);
	return config->set.name[0] ? config->set.name : machine;
}

enum status
register_pipeline(struct db *db, struct arena *arena, const struct config_pipeline *conf,
                  int32_t *ret_lanes, struct fault *fault)
{
	size_t n = conf->n_stages - conf->n_leaving;
	struct queue_stage *stages = arena_alloc(arena, (n + 1) * sizeof(*stages));
	enum status st;

	if (n == 0)
		return OK; /* the whole pipeline leaves */
	for (size_t s = 0; s < n; s++)
		stages[s] = (struct queue_stage){
			.name = conf->stages[s].name,
			.max_attempts = (int16_t)conf->stages[s].max_attempts,
			.max_running = (int32_t)conf->stages[s].max_running,
			.rate = conf->stages[s].rate,
			.burst = (int32_t)conf->stages[s].burst,
			.limit_key = conf->stages[s].limit_key,
			.max_per_key = (int32_t)conf->stages[s].max_per_key,
			.max_ready = (int32_t)conf->stages[s].max_ready,
			.refuses = conf->stages[s].refuses,
		};
	st = queue_register(db, conf->name, stages, n, fault);
	for (size_t s = 0; s < n && st == OK; s++)
		ret_lanes[s] = stages[s].lane;
	return st;
}

/* Those that stand in the configuration; what it had before and has no more goes. */
enum status
register_schedules(struct db *db, struct arena *arena, const struct config *config,
                   struct fault *fault)
{
	struct queue_schedule *schedules = arena_alloc(arena, (config->n_schedules + 1) *
	                                                          sizeof(*schedules));
	const char **pipelines = arena_alloc(arena, (config->n_pipelines + 1) * sizeof(*pipelines));
	char machine[HOST_NAME_MAX + 1], dropped[24];
	int64_t n = 0;
	enum status st;

	for (size_t i = 0; i < config->n_pipelines; i++)
		pipelines[i] = config->pipelines[i].name;
	for (size_t i = 0; i < config->n_schedules; i++) {
		const struct config_schedule *s = &config->schedules[i];

		schedules[i] = (struct queue_schedule){
			.name = s->name,
			.pipeline = s->pipeline,
			.cron = s->cron,
			.time_zone = s->time_zone,
			.attributes = s->attributes,
			.catch_up = config_catch_up_name(s->catch_up),
			.priority = (int32_t)s->priority,
			.source = arena_printf(arena, "%s:%d", s->file, s->line),
		};
	}
	st = queue_register_schedules(db, register_host_name(config, machine), pipelines,
	                              config->n_pipelines, schedules, config->n_schedules, &n,
	                              fault);
	snprintf(dropped, sizeof(dropped), "%lld", (long long)n);
	if (st == OK && n > 0)
		log_line(LOG_INFO, "schedules that the configuration has no more are dropped", "n",
		         dropped, NULL);
	return st;
}

enum status
register_config(struct db *db, const struct config *config, struct fault *fault)
{
	struct arena *arena;
	enum status st = arena_create(&arena, 0, fault);

	if (st != OK)
		return st;
	for (size_t p = 0; p < config->n_pipelines && st == OK; p++) {
		const struct config_pipeline *conf = &config->pipelines[p];
		int32_t *lanes = arena_alloc(arena, (conf->n_stages + 1) * sizeof(*lanes));

		st = register_pipeline(db, arena, conf, lanes, fault);
	}
	if (st == OK)
		st = register_schedules(db, arena, config, fault);
	arena_destroy(arena);
	return st;
}
