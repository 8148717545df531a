/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * queue_janitor.c - the statements that keep a queue in order: scan, reap, wake, pack, blocks,
 * and what people asked for.
 */
#include <stdlib.h>
#include <string.h>

#include "queue/queue_priv.h"

static size_t
heads_of(const struct db_result *r, int32_t lane)
{
	size_t n = 0;

	for (int row = 0; row < db_rows(r); row++)
		n += db_int(r, row, 0) == lane;
	return n;
}

static void
read_heads(const struct db_result *r, struct arena *arena, int32_t lane, struct queue_heads *ret)
{
	ret->n = 0;
	ret->heads = arena_alloc(arena, (heads_of(r, lane) + 1) * sizeof *ret->heads);
	for (int row = 0; row < db_rows(r); row++)
		if (db_int(r, row, 0) == lane)
			ret->heads[ret->n++] = (struct queue_head){
				.priority = (int16_t)db_int(r, row, 1),
				.from = db_int(r, row, 2),
			};
}

enum status
queue_scan(struct db *db, struct arena *arena, const int32_t *lanes, size_t n,
           struct queue_heads *ret_heads, struct fault *fault)
{
	struct db_args args;
	struct db_result *r;
	enum status st;

	db_args_init(&args);
	db_arg_int4s(&args, arena, lanes, n);
	st = db_call(db, sql_queue_scan, &args, &r, fault);
	if (st != OK)
		return st;
	for (size_t i = 0; i < n; i++)
		read_heads(r, arena, lanes[i], &ret_heads[i]);
	db_result_free(r);
	return OK;
}

static size_t
count_heads(const struct queue_heads *known, size_t n)
{
	size_t all = 0;

	for (size_t i = 0; i < n; i++)
		all += known[i].n;
	return all;
}

enum status
queue_peek(struct db *db, struct arena *arena, const int32_t *lanes,
           const struct queue_heads *known, size_t n, struct queue_heads *ret_heads,
           struct fault *fault)
{
	size_t all = count_heads(known, n), at = 0;
	int32_t *lane = arena_alloc(arena, (all + 1) * sizeof *lane);
	int16_t *priority = arena_alloc(arena, (all + 1) * sizeof *priority);
	int64_t *from = arena_alloc(arena, (all + 1) * sizeof *from);
	struct db_args args;
	struct db_result *r;
	enum status st;

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < known[i].n; k++, at++) {
			lane[at] = lanes[i];
			priority[at] = known[i].heads[k].priority;
			from[at] = known[i].heads[k].from;
		}
	db_args_init(&args);
	db_arg_int4s(&args, arena, lane, all);
	db_arg_int2s(&args, arena, priority, all);
	db_arg_int8s(&args, arena, from, all);
	st = db_call(db, sql_queue_peek, &args, &r, fault);
	if (st != OK)
		return st;
	for (size_t i = 0; i < n; i++)
		read_heads(r, arena, lanes[i], &ret_heads[i]);
	db_result_free(r);
	return OK;
}

enum status
queue_reap(struct db *db, int64_t host, int64_t beat, struct fault *fault)
{
	struct db_args args;
	int64_t reaped = 0;
	enum status st;

	db_args_init(&args);
	db_arg_int8(&args, host);
	db_arg_int8(&args, beat);
	st = queue_number(db, sql_queue_reap, &args, &reaped, fault);
	return st == OK && !reaped ? NOT_FOUND : st;
}

enum status
queue_reap_leases(struct db *db, int64_t *ret_jobs, struct fault *fault)
{
	return queue_number(db, sql_queue_reap_leases, NULL, ret_jobs, fault);
}

/* Statements that say how many jobs they moved, and when there will be more to do. */
static enum status
call_timed(struct db *db, const char *sql, const struct db_args *args, int64_t *ret_jobs,
           int64_t *ret_next_ms, struct fault *fault)
{
	int64_t told[] = { 0, -1 };
	enum status st = db_call_ints(db, sql, args, told, countof(told), fault);

	if (st != OK)
		return st;
	*ret_jobs = told[0];
	*ret_next_ms = told[1];
	return OK;
}

enum status
queue_wake(struct db *db, int32_t limit, int64_t *ret_jobs, int64_t *ret_next_ms,
           struct fault *fault)
{
	struct db_args args;

	db_args_init(&args);
	db_arg_int4(&args, limit);
	return call_timed(db, sql_queue_wake, &args, ret_jobs, ret_next_ms, fault);
}

enum status
queue_give_turns(struct db *db, int32_t limit, int64_t *ret_jobs, struct fault *fault)
{
	struct db_args args;

	db_args_init(&args);
	db_arg_int4(&args, limit);
	return queue_number(db, sql_queue_give_turns, &args, ret_jobs, fault);
}

enum status
queue_free_keys(struct db *db, int32_t limit, int64_t *ret_jobs, struct fault *fault)
{
	struct db_args args;

	db_args_init(&args);
	db_arg_int4(&args, limit);
	return queue_number(db, sql_queue_free_keys, &args, ret_jobs, fault);
}

enum status
queue_fire(struct db *db, int64_t *ret_jobs, int64_t *ret_next_ms, struct fault *fault)
{
	return call_timed(db, sql_queue_fire, NULL, ret_jobs, ret_next_ms, fault);
}

enum status
queue_pack(struct db *db, int32_t lane, int32_t limit, struct queue_head *at, int64_t *ret_parcels,
           struct fault *fault)
{
	struct db_args args;
	struct db_result *r;
	enum status st;

	db_args_init(&args);
	db_arg_int4(&args, lane);
	db_arg_int4(&args, limit);
	db_arg_int2(&args, at->priority);
	db_arg_int8(&args, at->from);
	st = db_call(db, sql_queue_pack, &args, &r, fault);
	if (st != OK)
		return st;
	*ret_parcels = db_int(r, 0, 0);
	*at = (struct queue_head){ .priority = db_null(r, 0, 1) ? 0 : (int16_t)db_int(r, 0, 1),
		                   .from = db_int(r, 0, 2) };
	db_result_free(r);
	return OK;
}

enum status
queue_make_blocks(struct db *db, struct fault *fault)
{
	int64_t made;

	return queue_number(db, sql_queue_make_blocks, NULL, &made, fault);
}

enum status
queue_close_block(struct db *db, int64_t age_ms, struct fault *fault)
{
	struct db_args args;
	int64_t closed;

	db_args_init(&args);
	db_arg_int8(&args, age_ms);
	return queue_number(db, sql_queue_close_block, &args, &closed, fault);
}

enum status
queue_drop_block(struct db *db, int64_t keep_ms, int64_t *ret_jobs, struct fault *fault)
{
	struct db_args args;

	db_args_init(&args);
	db_arg_int8(&args, keep_ms);
	return queue_number(db, sql_queue_drop_block, &args, ret_jobs, fault);
}

enum status
queue_forget_keys(struct db *db, int32_t limit, int64_t *ret_keys, struct fault *fault)
{
	struct db_args args;

	db_args_init(&args);
	db_arg_int4(&args, limit);
	return queue_number(db, sql_queue_forget_keys, &args, ret_keys, fault);
}

static int
compare_ids(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

enum status
queue_watch(struct db *db, struct arena *arena, const int32_t *lanes, size_t n,
            struct queue_asked *ret, struct fault *fault)
{
	struct db_args args;
	struct db_result *r;
	enum status st;
	size_t rows;

	db_args_init(&args);
	db_arg_int4s(&args, arena, lanes, n);
	st = db_call(db, sql_queue_watch, &args, &r, fault);
	if (st != OK)
		return st;
	rows = (size_t)db_rows(r);
	*ret = (struct queue_asked){
		.cancelled = arena_alloc(arena, (rows + 1) * sizeof *ret->cancelled),
		.paused = arena_alloc(arena, (rows + 1) * sizeof *ret->paused),
	};
	for (int row = 0; row < (int)rows; row++)
		if (db_null(r, row, 0))
			ret->paused[ret->n_paused++] = (int32_t)db_int(r, row, 1);
		else
			ret->cancelled[ret->n_cancelled++] = db_int(r, row, 0);
	db_result_free(r);
	qsort(ret->cancelled, ret->n_cancelled, sizeof *ret->cancelled, compare_ids);
	return OK;
}
