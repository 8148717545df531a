/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * queue_lease.c - what became of a lease, and giving it back.
 *
 * For the moments when a reply was lost. Asking waits for a transaction in
 * flight that holds the lease's row: a plain look could still see a lease
 * whose settlement is about to commit.
 */
#include <string.h>

#include "queue/queue_priv.h"

#define FIND_PATIENCE "2s"

enum status
queue_meaning(enum status status, struct fault *fault)
{
	if (status != SQL)
		return status;
	if (strcmp(fault->sqlstate, "PS001") == 0)
		status = FENCED;
	else if (strcmp(fault->sqlstate, "55P03") == 0)
		status = TIMEOUT;
	fault->status = status;
	return status;
}

enum status
queue_number(struct db *db, const char *sql, const struct db_args *args, int64_t *ret,
             struct fault *fault)
{
	struct fault own = { 0 };
	enum status st;

	if (!fault)
		fault = &own;
	st = db_call_int(db, sql, args, ret, fault);
	return st == OK ? OK : queue_meaning(st, fault);
}

enum status
queue_find(struct db *db, const struct uuid *token, struct fault *fault)
{
	struct db_args patience, args;
	struct fault own = { 0 };
	struct db_result *r = NULL;
	enum status st, end;
	bool there = false;

	if (!fault)
		fault = &own;
	st = db_pipe_begin(db, fault);
	if (st != OK)
		return st;
	db_args_init(&patience);
	db_arg_text(&patience, FIND_PATIENCE);
	db_args_init(&args);
	db_arg_uuid(&args, token);
	st = db_pipe_send(db, sql_lock_patience, &patience, fault);
	if (st == OK)
		st = db_pipe_send(db, sql_queue_find, &args, fault);
	if (st == OK)
		st = db_pipe_sync(db, fault);
	if (st == OK)
		st = db_pipe_next(db, NULL, fault);
	if (st == OK)
		st = db_pipe_next(db, &r, fault);
	if (st == OK)
		there = db_rows(r) > 0;
	db_result_free(r);
	end = db_pipe_end(db, st == OK ? fault : NULL);
	if (st == OK)
		st = end;
	if (st == UNKNOWN) /* a look changes nothing, so there is nothing to wonder about */
		st = AWAY;
	if (st != OK)
		return queue_meaning(st, fault);
	return there ? OK : NOT_FOUND;
}

enum status
queue_leases(struct db *db, struct arena *arena, int64_t host, struct uuid **ret_tokens,
             size_t *ret_n, struct fault *fault)
{
	struct uuid *tokens;
	struct db_result *r;
	struct db_args args;
	enum status st;

	db_args_init(&args);
	db_arg_int8(&args, host);
	st = db_call(db, sql_queue_leases, &args, &r, fault);
	if (st != OK)
		return st;
	*ret_n = (size_t)db_rows(r);
	*ret_tokens = tokens = arena_alloc(arena, (*ret_n + 1) * sizeof *tokens);
	for (size_t i = 0; i < *ret_n; i++) {
		size_t len;
		const void *bytes = db_bytes(r, (int)i, 0, &len);

		check(len == sizeof tokens[i].bytes);
		memcpy(tokens[i].bytes, bytes, len);
	}
	db_result_free(r);
	return OK;
}

enum status
queue_void(struct db *db, const struct uuid *token, struct fault *fault)
{
	struct db_args args;
	int64_t jobs = 0;
	enum status st;

	db_args_init(&args);
	db_arg_uuid(&args, token);
	st = queue_number(db, sql_queue_void, &args, &jobs, fault);
	return st == OK && jobs == 0 ? NOT_FOUND : st;
}

enum status
queue_blame(struct db *db, const struct uuid *token, int64_t job, int32_t lane, const char *code,
            const char *message, struct fault *fault)
{
	struct db_args args;
	int64_t blamed = 0;
	enum status st;

	db_args_init(&args);
	db_arg_uuid(&args, token);
	db_arg_int8(&args, job);
	db_arg_int4(&args, lane);
	db_arg_text(&args, code);
	db_arg_text(&args, message);
	st = queue_number(db, sql_queue_blame, &args, &blamed, fault);
	return st == OK && !blamed ? NOT_FOUND : st;
}

enum status
queue_body(struct db *db, struct arena *arena, int64_t job, int16_t input_hop,
           const void **ret_body, size_t *ret_len, struct fault *fault)
{
	struct db_args args;
	struct db_result *r;
	enum status st;

	db_args_init(&args);
	db_arg_int8(&args, job);
	db_arg_int2(&args, input_hop);
	st = db_call(db, sql_queue_body, &args, &r, fault);
	if (st != OK)
		return st;
	if (db_rows(r) == 0 || db_null(r, 0, 0)) {
		db_result_free(r);
		return fault_set(fault, NOT_FOUND, "the body of job %lld is not there",
		                 (long long)job);
	}
	*ret_body = db_bytes(r, 0, 0, ret_len);
	db_result_keep(r, arena);
	return OK;
}
