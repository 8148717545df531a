/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * queue_enqueue.c - one message, or many in one transaction, for the command line.
 *
 * Few go by penstock.enqueue_many(), in one round trip. For many, a role that
 * may write the tables reserves ids, copies the rows in binary and schedules
 * exactly those ids; any other uses the function as well.
 */
#include <endian.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "queue/queue_priv.h"

#define ATTRIBUTES_MOST MiB
#define BODY_MOST (64 * MiB)
#define COPY_FROM 1000   /* jobs; below, four round trips more cost more than they save */
#define PARCEL_JOBS 1000 /* as many as penstock.enqueue_many() puts into one */

struct batch {
	struct db *db;
	struct arena *arena;
	const char *pipeline;
	const struct queue_message *messages;
	size_t n;
	int16_t priority;
	int32_t pipeline_id, lane;
	struct db_ids ids;
};

enum status
queue_message_check(const struct queue_message *m, struct fault *fault)
{
	if ((int64_t)m->attributes_len > ATTRIBUTES_MOST)
		return fault_set(fault, INVALID, "attributes of %zu bytes, at most %" PRId64,
		                 m->attributes_len, ATTRIBUTES_MOST);
	if ((int64_t)m->body_len > BODY_MOST)
		return fault_set(fault, INVALID, "a body of %zu bytes, at most %" PRId64,
		                 m->body_len, BODY_MOST);
	return json_check_object(m->attributes, m->attributes_len, fault);
}

static enum status
check_all(const struct batch *b, struct fault *fault)
{
	for (size_t i = 0; i < b->n; i++) {
		struct fault why = { 0 };

		if (queue_message_check(&b->messages[i], &why) != OK)
			return fault_set(fault, INVALID, "message %zu: %s", i + 1, why.text);
	}
	return OK;
}

static enum status
find_target(struct batch *b, bool *ret_may_copy, struct fault *fault)
{
	struct db_args args;
	struct db_result *r;
	enum status st;

	db_args_init(&args);
	db_arg_text(&args, b->pipeline);
	st = db_call(b->db, sql_enqueue_target, &args, &r, fault);
	if (st != OK)
		return st;
	b->pipeline_id = (int32_t)db_int(r, 0, 0);
	b->lane = (int32_t)db_int(r, 0, 1);
	*ret_may_copy = db_int(r, 0, 2) != 0;
	db_result_free(r);
	return OK;
}

/* ---- by COPY ---- */

static enum status
reserve(struct batch *b, struct fault *fault)
{
	struct db_args args;
	struct db_result *r;
	enum status st;

	db_args_init(&args);
	db_arg_int4(&args, (int32_t)b->n);
	st = db_call(b->db, sql_enqueue_reserve, &args, &r, fault);
	if (st != OK)
		return st;
	st = db_ids(r, 0, 0, b->arena, &b->ids, fault);
	db_result_free(r);
	check(st != OK || b->ids.n == b->n);
	return st;
}

static enum status
copy_rows(const struct batch *b, struct fault *fault)
{
	const uint32_t pipeline = htobe32((uint32_t)b->pipeline_id);
	int64_t rows = 0;
	enum status st = db_copy_begin(b->db, sql_enqueue_copy, fault);

	for (size_t i = 0; i < b->n && st == OK; i++) {
		const struct queue_message *m = &b->messages[i];
		const uint64_t id = htobe64((uint64_t)b->ids.ids[i]);
		const struct db_bytes row[] = {
			{ &id, sizeof id },
			{ &pipeline, sizeof pipeline },
			{ m->attributes, m->attributes_len },
			{ m->body, m->body_len },
		};

		st = db_copy_row(b->db, row, countof(row), fault);
	}
	if (st == OK)
		st = db_copy_end(b->db, &rows, fault);
	check(st != OK || rows == (int64_t)b->n);
	return st;
}

static enum status
schedule(const struct batch *b, struct fault *fault)
{
	size_t parcels = (b->n + PARCEL_JOBS - 1) / PARCEL_JOBS;
	int32_t *n = arena_alloc(b->arena, parcels * sizeof *n);
	int64_t *bytes = arena_alloc(b->arena, parcels * sizeof *bytes);
	struct db_ids *jobs = arena_alloc(b->arena, parcels * sizeof *jobs);
	struct db_args args;

	for (size_t i = 0; i < b->n; i++) {
		size_t p = i / PARCEL_JOBS;

		n[p]++;
		bytes[p] += (int64_t)(b->messages[i].attributes_len + b->messages[i].body_len);
		jobs[p].ids = b->ids.ids + p * PARCEL_JOBS;
		jobs[p].n = (size_t)n[p];
	}
	db_args_init(&args);
	db_arg_int4(&args, b->lane);
	db_arg_int2(&args, b->priority);
	db_arg_int4s(&args, b->arena, n, parcels);
	db_arg_int8s(&args, b->arena, bytes, parcels);
	db_arg_multiranges(&args, b->arena, jobs, parcels);
	return db_call(b->db, sql_enqueue_schedule, &args, NULL, fault);
}

static enum status
by_copy(struct batch *b, int64_t *ret_first, int64_t *ret_last, struct fault *fault)
{
	enum status st = db_begin(b->db, fault);

	if (st == OK)
		st = reserve(b, fault);
	if (st == OK)
		st = copy_rows(b, fault);
	if (st == OK)
		st = schedule(b, fault);
	if (st == OK) {
		*ret_first = b->ids.ids[0];
		*ret_last = b->ids.ids[b->n - 1];
		return db_commit(b->db, fault);
	}
	if (db_alive(b->db) && db_transaction_state(b->db) != DB_IDLE)
		db_rollback(b->db, NULL);
	return st;
}

/* ---- by the public function ---- */

/* A pipeline and not a plain call: that could not tell whether a lost reply was that of a commit.
 */
static enum status
call_function(struct db *db, const struct db_args *args, struct db_result **ret_result,
              struct fault *fault)
{
	enum status st = db_pipe_begin(db, fault), end;

	*ret_result = NULL;
	if (st != OK)
		return st;
	st = db_pipe_send(db, sql_enqueue_many, args, fault);
	if (st == OK)
		st = db_pipe_sync(db, fault);
	if (st == OK)
		st = db_pipe_next(db, ret_result, fault);
	end = db_pipe_end(db, st == OK ? fault : NULL);
	if (st == OK)
		st = end;
	if (st != OK) {
		db_result_free(*ret_result);
		*ret_result = NULL;
	}
	return st;
}

static enum status
by_function(struct batch *b, int64_t *ret_first, int64_t *ret_last, struct fault *fault)
{
	struct db_bytes *attributes = arena_alloc(b->arena, b->n * 2 * sizeof *attributes);
	struct db_bytes *bodies = attributes + b->n;
	struct db_args args;
	struct db_result *r;
	enum status st;

	for (size_t i = 0; i < b->n; i++) {
		const struct queue_message *m = &b->messages[i];

		attributes[i] = (struct db_bytes){ m->attributes, m->attributes_len };
		bodies[i] = (struct db_bytes){ m->body, m->body_len };
	}
	db_args_init(&args);
	db_arg_text(&args, b->pipeline);
	db_arg_jsons(&args, b->arena, attributes, b->n);
	db_arg_byteas(&args, b->arena, bodies, b->n);
	db_arg_int4(&args, b->priority);
	st = call_function(b->db, &args, &r, fault);
	if (st != OK)
		return st;
	*ret_first = db_int(r, 0, 0);
	*ret_last = db_int(r, 0, 1);
	db_result_free(r);
	return OK;
}

enum status
queue_enqueue(struct db *db, struct arena *arena, const char *pipeline,
              const struct queue_message *messages, size_t n, int16_t priority, int64_t *ret_first,
              int64_t *ret_last, struct fault *fault)
{
	struct batch b = { .db = db,
		           .arena = arena,
		           .pipeline = pipeline,
		           .messages = messages,
		           .n = n,
		           .priority = priority };
	bool may_copy = false;
	enum status st = check_all(&b, fault);

	check(n > 0 && n <= INT32_MAX);
	if (st == OK && n >= COPY_FROM)
		st = find_target(&b, &may_copy, fault);
	if (st != OK)
		return st;
	st = may_copy ? by_copy(&b, ret_first, ret_last, fault)
	              : by_function(&b, ret_first, ret_last, fault);
	if (st == UNKNOWN)
		fault_hint(fault, "They may have been enqueued: look before you send them again.");
	return st;
}

enum status
queue_enqueue_one(struct db *db, const char *pipeline, const struct queue_message *message,
                  const struct queue_enqueue_one *how, int64_t *ret_id, struct fault *fault)
{
	enum status st = queue_message_check(message, fault);
	struct db_args args;
	char *attributes;

	if (st != OK)
		return st;
	attributes = mem_dupn(message->attributes, message->attributes_len);
	db_args_init(&args);
	db_arg_text(&args, pipeline);
	db_arg_text(&args, attributes);
	db_arg_bytes(&args, message->body, message->body_len);
	db_arg_int4(&args, how->priority);
	if (how->delay_ms > 0)
		db_arg_int8(&args, how->delay_ms);
	else
		db_arg_null(&args);
	db_arg_text(&args, how->run_at);
	db_arg_text(&args, how->key);
	db_arg_text(&args, how->traceparent);
	db_arg_text(&args, how->ordering_key);
	st = queue_number(db, sql_enqueue_one, &args, ret_id, fault);
	free(attributes);
	return st;
}
