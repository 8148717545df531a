/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * queue_host.c - a host in the database: its boot, its beat, its doorbell, its pipelines.
 */
#include <string.h>

#include "queue/queue_priv.h"

enum status
queue_host_register(struct db *db, const struct uuid *boot, const char *name, const char *machine,
                    int pid, int64_t former, int64_t *ret_host, struct fault *fault)
{
	struct db_args args;

	db_args_init(&args);
	db_arg_uuid(&args, boot);
	db_arg_text(&args, name);
	db_arg_text(&args, machine);
	db_arg_int4(&args, pid);
	db_arg_text(&args, PENSTOCK_VERSION);
	db_arg_int8(&args, former);
	return queue_number(db, sql_host_register, &args, ret_host, fault);
}

enum status
queue_host_company(struct db *db, int64_t host, int64_t *ret_beside, int64_t *ret_at_us,
                   struct fault *fault)
{
	struct db_args args;
	struct db_result *r;
	enum status st;

	db_args_init(&args);
	db_arg_int8(&args, host);
	st = db_call(db, sql_host_company, &args, &r, fault);
	if (st != OK)
		return st;
	if (db_rows(r) == 1) {
		*ret_beside = db_int(r, 0, 0);
		*ret_at_us = db_time_us(r, 0, 1);
	} else {
		st = NOT_FOUND; /* somebody voided it at once */
	}
	db_result_free(r);
	return st;
}

enum status
queue_host_beat(struct db *db, int64_t host, struct fault *fault)
{
	struct db_args args;
	struct db_result *r;
	enum status st;

	db_args_init(&args);
	db_arg_int8(&args, host);
	st = db_call(db, sql_host_beat, &args, &r, fault);
	if (st != OK)
		return st;
	st = db_rows(r) > 0 ? OK : NOT_FOUND;
	db_result_free(r);
	return st;
}

enum status
queue_host_listens(struct db *db, int64_t host, bool listens, struct fault *fault)
{
	struct db_args args;

	db_args_init(&args);
	db_arg_int8(&args, host);
	db_arg_bool(&args, listens);
	return db_call(db, sql_host_listens, &args, NULL, fault);
}

enum status
queue_host_list(struct db *db, struct arena *arena, struct queue_host **ret_hosts, size_t *ret_n,
                struct fault *fault)
{
	struct queue_host *hosts;
	struct db_result *r;
	enum status st = db_call(db, sql_host_list, NULL, &r, fault);

	if (st != OK)
		return st;
	*ret_n = (size_t)db_rows(r);
	*ret_hosts = hosts = arena_alloc(arena, (*ret_n + 1) * sizeof *hosts);
	for (size_t i = 0; i < *ret_n; i++)
		hosts[i] = (struct queue_host){ db_int(r, (int)i, 0), db_int(r, (int)i, 1) };
	db_result_free(r);
	return OK;
}

enum status
queue_host_leave(struct db *db, int64_t host, struct fault *fault)
{
	struct db_args args;
	int64_t jobs;

	db_args_init(&args);
	db_arg_int8(&args, host);
	return queue_number(db, sql_host_leave, &args, &jobs, fault);
}

enum status
queue_host_serves(struct db *db, struct arena *arena, int64_t host, const struct uuid *supervisor,
                  const int32_t *lanes, size_t n, struct fault *fault)
{
	struct db_args args;

	db_args_init(&args);
	db_arg_int8(&args, host);
	db_arg_uuid(&args, supervisor);
	db_arg_int4s(&args, arena, lanes, n);
	return db_call(db, sql_host_serves, &args, NULL, fault);
}

enum status
queue_bell_set(struct db *db, int64_t host, const int32_t *lanes, size_t n, struct arena *arena,
               struct fault *fault)
{
	struct db_args args;

	db_args_init(&args);
	db_arg_int8(&args, host);
	db_arg_int4s(&args, arena, lanes, n);
	return db_call(db, sql_bell_set, &args, NULL, fault);
}

enum status
queue_bell_clear(struct db *db, int64_t host, struct fault *fault)
{
	struct db_args args;

	db_args_init(&args);
	db_arg_int8(&args, host);
	return db_call(db, sql_bell_clear, &args, NULL, fault);
}

/* ---- pipelines and lanes ---- */

static void
register_args(struct db_args *args, struct arena *arena, const char *pipeline,
              const struct queue_stage *stages, size_t n)
{
	struct db_bytes *names = arena_alloc(arena, n * 2 * sizeof *names), *keys = names + n;
	int16_t *attempts = arena_alloc(arena, n * sizeof *attempts);
	int32_t *running = arena_alloc(arena, n * 5 * sizeof *running), *burst = running + n;
	int32_t *ready = burst + n, *refuses = ready + n, *per_key = refuses + n;
	double *rate = arena_alloc(arena, n * sizeof *rate);

	for (size_t i = 0; i < n; i++) {
		names[i] = (struct db_bytes){ stages[i].name, strlen(stages[i].name) };
		attempts[i] = stages[i].max_attempts;
		running[i] = stages[i].max_running;
		rate[i] = stages[i].rate;
		burst[i] = stages[i].burst;
		ready[i] = stages[i].max_ready;
		refuses[i] = stages[i].refuses;
		per_key[i] = stages[i].max_per_key;
		if (stages[i].limit_key)
			keys[i] = (struct db_bytes){ stages[i].limit_key,
				                     strlen(stages[i].limit_key) };
		else
			keys[i] = (struct db_bytes){ "", 0 };
	}
	db_args_init(args);
	db_arg_text(args, pipeline);
	db_arg_texts(args, arena, names, n);
	db_arg_int2s(args, arena, attempts, n);
	db_arg_int4s(args, arena, running, n);
	db_arg_doubles(args, arena, rate, n);
	db_arg_int4s(args, arena, burst, n);
	db_arg_int4s(args, arena, ready, n);
	db_arg_int4s(args, arena, refuses, n);
	db_arg_texts(args, arena, keys, n);
	db_arg_int4s(args, arena, per_key, n);
}

enum status
queue_register(struct db *db, const char *pipeline, struct queue_stage *stages, size_t n,
               struct fault *fault)
{
	struct arena *arena;
	struct db_result *r;
	struct db_args args;
	enum status st = arena_create(&arena, 0, fault);

	if (st != OK)
		return st;
	register_args(&args, arena, pipeline, stages, n);
	st = db_call(db, sql_queue_register, &args, &r, fault);
	if (st == OK) {
		check((size_t)db_rows(r) == n);
		for (size_t i = 0; i < n; i++)
			stages[i].lane = (int32_t)db_int(r, (int)i, 0);
		db_result_free(r);
	}
	arena_destroy(arena);
	return st;
}

/* ---- schedules ---- */

/* One text of each schedule, at an offset into it. */
static void
add_texts(struct db_args *args, struct arena *arena, const struct queue_schedule *schedules,
          size_t n, size_t offset)
{
	struct db_bytes *texts = arena_alloc(arena, (n + 1) * sizeof *texts);

	for (size_t i = 0; i < n; i++) {
		const char *text;

		memcpy(&text, (const char *)&schedules[i] + offset, sizeof text);
		texts[i] = (struct db_bytes){ text, strlen(text) };
	}
	db_arg_texts(args, arena, texts, n);
}

static void
schedule_args(struct db_args *args, struct arena *arena, const char *host,
              const char *const *pipelines, size_t n_pipelines,
              const struct queue_schedule *schedules, size_t n)
{
	struct db_bytes *names = arena_alloc(arena, (n_pipelines + 1) * sizeof *names);
	int32_t *priority = arena_alloc(arena, (n + 1) * sizeof *priority);

	for (size_t i = 0; i < n_pipelines; i++)
		names[i] = (struct db_bytes){ pipelines[i], strlen(pipelines[i]) };
	for (size_t i = 0; i < n; i++)
		priority[i] = schedules[i].priority;
	db_args_init(args);
	db_arg_text(args, host);
	db_arg_texts(args, arena, names, n_pipelines);
	add_texts(args, arena, schedules, n, offsetof(struct queue_schedule, name));
	add_texts(args, arena, schedules, n, offsetof(struct queue_schedule, pipeline));
	add_texts(args, arena, schedules, n, offsetof(struct queue_schedule, cron));
	add_texts(args, arena, schedules, n, offsetof(struct queue_schedule, time_zone));
	add_texts(args, arena, schedules, n, offsetof(struct queue_schedule, attributes));
	db_arg_int4s(args, arena, priority, n);
	add_texts(args, arena, schedules, n, offsetof(struct queue_schedule, catch_up));
	add_texts(args, arena, schedules, n, offsetof(struct queue_schedule, source));
}

enum status
queue_register_schedules(struct db *db, const char *host, const char *const *pipelines,
                         size_t n_pipelines, const struct queue_schedule *schedules, size_t n,
                         int64_t *ret_dropped, struct fault *fault)
{
	struct arena *arena;
	struct db_args args;
	enum status st = arena_create(&arena, 0, fault);

	if (st != OK)
		return st;
	schedule_args(&args, arena, host, pipelines, n_pipelines, schedules, n);
	st = queue_number(db, sql_queue_register_schedules, &args, ret_dropped, fault);
	arena_destroy(arena);
	return st;
}
