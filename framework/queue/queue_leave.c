/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * queue_leave.c - stages and pipelines that a host serves no more.
 *
 * Asked and changed in one transaction, under the locks of the pipelines' rows.
 * Jobs of a transaction that is still open are seen by nobody: who waits for a
 * lane to be empty waits for those too (queue_horizon).
 */
#include <inttypes.h>
#include <string.h>

#include "queue/queue_priv.h"

static void
arg_names(struct db_args *args, struct arena *arena, const char *const *names, size_t n)
{
	struct db_bytes *texts = arena_alloc(arena, (n + 1) * sizeof *texts);

	for (size_t i = 0; i < n; i++)
		texts[i] = (struct db_bytes){ names[i], strlen(names[i]) };
	db_arg_texts(args, arena, texts, n);
}

enum status
queue_lock_pipelines(struct db *db, struct arena *arena, const char *const *names, size_t n,
                     struct fault *fault)
{
	struct db_args args;

	db_args_init(&args);
	arg_names(&args, arena, names, n);
	return db_call(db, sql_queue_lock_pipelines, &args, NULL, fault);
}

enum status
queue_change(struct db *db, int64_t *id, bool *ret_committed, struct fault *fault)
{
	struct db_args args;
	struct db_result *r;
	enum status st;

	db_args_init(&args);
	db_arg_int8(&args, *id);
	st = db_call(db, sql_queue_change, &args, &r, fault);
	if (st != OK)
		return st;
	*ret_committed = db_int(r, 0, 0) != 0;
	*id = db_int(r, 0, 1);
	db_result_free(r);
	return OK;
}

static enum status
ask_removed(struct db *db, struct arena *arena, const struct queue_place *places, size_t n,
            const struct uuid *supervisor, struct db_result **ret_rows, struct fault *fault)
{
	const char **pipelines = arena_alloc(arena, 2 * (n + 1) * sizeof *pipelines);
	const char **stages = pipelines + n;
	struct db_args args;

	for (size_t i = 0; i < n; i++) {
		pipelines[i] = places[i].pipeline;
		stages[i] = places[i].stage;
	}
	db_args_init(&args);
	arg_names(&args, arena, pipelines, n);
	arg_names(&args, arena, stages, n);
	db_arg_uuid(&args, supervisor);
	return db_call(db, sql_queue_removed, &args, ret_rows, fault);
}

enum status
queue_removed(struct db *db, struct arena *arena, const struct queue_place *places, size_t n,
              const struct uuid *supervisor, int64_t *ret_jobs, struct fault *fault)
{
	struct db_result *rows;
	enum status st = ask_removed(db, arena, places, n, supervisor, &rows, fault);

	if (st != OK)
		return st;
	*ret_jobs = 0;
	for (int i = 0; i < db_rows(rows); i++)
		*ret_jobs += db_int(rows, i, 2);
	db_result_free(rows);
	return OK;
}

enum status
queue_check_removed(struct db *db, struct arena *arena, const struct queue_place *places, size_t n,
                    const struct uuid *supervisor, struct fault *fault)
{
	struct db_result *rows;
	enum status st = ask_removed(db, arena, places, n, supervisor, &rows, fault);
	struct buf text;

	if (st != OK)
		return st;
	buf_init(&text);
	for (int i = 0; i < db_rows(rows); i++)
		buf_printf(&text, "%s stage %s.%s has %" PRId64 " %s", i ? "," : "",
		           db_text(rows, i, 0), db_text(rows, i, 1), db_int(rows, i, 2),
		           db_int(rows, i, 2) == 1 ? "job" : "jobs");
	if (db_rows(rows) > 0) {
		st = fault_set(fault, REFUSED, "what would be removed is in use:%s", text.data);
		fault_hint(fault, "let them end, or: penstock reload --drain, which keeps such "
		                  "stages until their jobs are gone");
	}
	buf_done(&text);
	db_result_free(rows);
	return st;
}

enum status
queue_retire(struct db *db, struct arena *arena, const char *const *pipelines, size_t n,
             const struct uuid *supervisor, struct fault *fault)
{
	struct db_args args;

	db_args_init(&args);
	arg_names(&args, arena, pipelines, n);
	db_arg_uuid(&args, supervisor);
	return db_call(db, sql_queue_retire, &args, NULL, fault);
}

enum status
queue_lanes(struct db *db, struct arena *arena, const char *pipeline, const char *const *stages,
            size_t n, int32_t *ret_lanes, struct fault *fault)
{
	struct db_result *rows;
	struct db_args args;
	enum status st;

	db_args_init(&args);
	db_arg_text(&args, pipeline);
	arg_names(&args, arena, stages, n);
	st = db_call(db, sql_queue_lanes, &args, &rows, fault);
	if (st != OK)
		return st;
	check((size_t)db_rows(rows) == n);
	for (size_t i = 0; i < n; i++)
		ret_lanes[i] = db_null(rows, (int)i, 0) ? 0 : (int32_t)db_int(rows, (int)i, 0);
	db_result_free(rows);
	return OK;
}

enum status
queue_horizon(struct db *db, int64_t *ret_oldest, int64_t *ret_next, struct fault *fault)
{
	struct db_result *rows;
	enum status st = db_call(db, sql_queue_horizon, NULL, &rows, fault);

	if (st != OK)
		return st;
	*ret_oldest = db_int(rows, 0, 0);
	*ret_next = db_int(rows, 0, 1);
	db_result_free(rows);
	return OK;
}
