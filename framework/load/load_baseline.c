/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * load_baseline.c - a recording as rows, and back.
 */
#include "load/load.h"

#include <stdlib.h>
#include <string.h>

#include "sql_text.h"

#define ENDS_MOST 100000 /* jobs */

void
baseline_done(struct baseline *b)
{
	free(b->name);
	free(b->pipeline);
	free(b->machine);
	free(b->version);
	free(b->server);
	free(b->configuration);
	free(b->load);
	for (size_t i = 0; i < b->n_stages; i++)
		free(b->stages[i].calls);
	free(b->stages);
	free(b->ends);
	*b = (struct baseline){ 0 };
}

/* ---- what ended ---- */

enum status
load_moment_now(struct db *db, struct load_moment *ret, struct fault *fault)
{
	struct db_result *r;
	enum status st = db_call(db, sql_baseline_begin, NULL, &r, fault);

	if (st != OK)
		return st;
	snprintf(ret->at, sizeof ret->at, "%s", db_text(r, 0, 0));
	ret->block = db_int(r, 0, 1);
	snprintf(ret->server, sizeof ret->server, "%s", db_text(r, 0, 2));
	db_result_free(r);
	return OK;
}

static void
take_ends(const struct db_result *r, struct baseline *b)
{
	b->n_ends = (size_t)db_rows(r);
	b->ends = mem_array(b->ends, b->n_ends + 1, sizeof *b->ends);
	for (size_t i = 0; i < b->n_ends; i++)
		b->ends[i] = (struct load_end){ .jobs = (int32_t)db_int(r, (int)i, 0),
			                        .us = db_int(r, (int)i, 1) };
}

enum status
load_ends_since(struct db *db, const struct load_moment *moment, struct baseline *b,
                struct fault *fault)
{
	struct db_args args;
	struct db_result *r;
	enum status st;

	db_args_init(&args);
	db_arg_text(&args, b->pipeline);
	db_arg_text(&args, moment->at);
	db_arg_int8(&args, moment->block);
	db_arg_int4(&args, ENDS_MOST);
	st = db_call(db, sql_baseline_settled, &args, &r, fault);
	if (st != OK)
		return st;
	take_ends(r, b);
	b->server = mem_dup(moment->server);
	db_result_free(r);
	return OK;
}

/* ---- kept ---- */

struct columns {
	int32_t *jobs, *errors;
	int64_t *wall, *cpu, *db, *allocated;
};

static void
fill_columns(const struct load_stage *s, struct arena *arena, struct columns *c)
{
	size_t n = s->n_calls;

	c->jobs = arena_alloc(arena, (n + 1) * sizeof *c->jobs);
	c->errors = arena_alloc(arena, (n + 1) * sizeof *c->errors);
	c->wall = arena_alloc(arena, (n + 1) * sizeof *c->wall);
	c->cpu = arena_alloc(arena, (n + 1) * sizeof *c->cpu);
	c->db = arena_alloc(arena, (n + 1) * sizeof *c->db);
	c->allocated = arena_alloc(arena, (n + 1) * sizeof *c->allocated);
	for (size_t i = 0; i < n; i++) {
		c->jobs[i] = (int32_t)s->calls[i].jobs;
		c->errors[i] = (int32_t)s->calls[i].errors;
		c->wall[i] = (int64_t)s->calls[i].wall_ns;
		c->cpu[i] = (int64_t)s->calls[i].cpu_ns;
		c->db[i] = (int64_t)s->calls[i].db_ns;
		c->allocated[i] = (int64_t)s->calls[i].allocated;
	}
}

static enum status
keep_stage(struct db *db, int64_t id, size_t position, const struct load_stage *s,
           struct arena *arena, struct fault *fault)
{
	static const enum counter sums[] = { COUNTER_wall_ns, COUNTER_cpu_ns, COUNTER_db_ns,
		                             COUNTER_allocated };
	int64_t buckets[HISTOGRAM_BUCKETS];
	struct columns c;
	struct db_args args;

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		buckets[i] = (int64_t)s->time.bucket[i];
	fill_columns(s, arena, &c);
	db_args_init(&args);
	db_arg_int8(&args, id);
	db_arg_int4(&args, (int32_t)position);
	db_arg_text(&args, s->stage);
	db_arg_text(&args, s->release);
	db_arg_int8(&args, (int64_t)s->value[COUNTER_calls]);
	db_arg_int8(&args, (int64_t)s->value[COUNTER_jobs]);
	db_arg_int8(&args, (int64_t)(s->value[COUNTER_retried] + s->value[COUNTER_failed]));
	for (size_t i = 0; i < countof(sums); i++)
		db_arg_int8(&args, (int64_t)s->value[sums[i]]);
	db_arg_int8s(&args, arena, buckets, HISTOGRAM_BUCKETS);
	db_arg_int8(&args, (int64_t)s->lost);
	db_arg_int4s(&args, arena, c.jobs, s->n_calls);
	db_arg_int4s(&args, arena, c.errors, s->n_calls);
	db_arg_int8s(&args, arena, c.wall, s->n_calls);
	db_arg_int8s(&args, arena, c.cpu, s->n_calls);
	db_arg_int8s(&args, arena, c.db, s->n_calls);
	db_arg_int8s(&args, arena, c.allocated, s->n_calls);
	return db_call(db, sql_baseline_stage_put, &args, NULL, fault);
}

/* In the order of the statement. */
static void
arg_shared(struct db_args *args, const struct profile_machine *m)
{
	const double known[] = { m->cores, m->used, m->others, m->stolen, m->waited };

	for (size_t i = 0; i < countof(known); i++)
		if (m->known && known[i] >= 0)
			db_arg_double(args, known[i]);
		else
			db_arg_null(args);
}

static enum status
put(struct db *db, const struct baseline *b, struct arena *arena, int64_t *ret_id,
    struct fault *fault)
{
	int32_t *jobs = arena_alloc(arena, (b->n_ends + 1) * sizeof *jobs);
	int64_t *us = arena_alloc(arena, (b->n_ends + 1) * sizeof *us);
	struct db_args args;
	struct db_result *r;
	enum status st;

	for (size_t i = 0; i < b->n_ends; i++) {
		jobs[i] = b->ends[i].jobs;
		us[i] = b->ends[i].us;
	}
	db_args_init(&args);
	db_arg_text(&args, b->name);
	db_arg_text(&args, b->pipeline);
	db_arg_double(&args, b->seconds);
	db_arg_text(&args, b->machine);
	db_arg_int4(&args, (int32_t)b->workers);
	db_arg_text(&args, b->version);
	db_arg_text(&args, b->configuration);
	db_arg_text(&args, b->load);
	db_arg_int4s(&args, arena, jobs, b->n_ends);
	db_arg_int8s(&args, arena, us, b->n_ends);
	arg_shared(&args, &b->shared);
	st = db_call(db, sql_baseline_put, &args, &r, fault);
	if (st != OK)
		return st;
	if (db_rows(r) == 0) {
		st = fault_set(fault, REFUSED, "there is a baseline '%s' already", b->name);
		fault_hint(fault, "--replace puts the new one in its place; or take another name");
	} else {
		*ret_id = db_int(r, 0, 0);
	}
	db_result_free(r);
	return st;
}

static enum status
drop(struct db *db, const char *name, struct fault *fault)
{
	struct db_args args;

	db_args_init(&args);
	db_arg_text(&args, name);
	return db_call(db, sql_baseline_drop, &args, NULL, fault);
}

enum status
baseline_keep(struct db *db, const struct baseline *b, bool replace, struct fault *fault)
{
	struct arena *arena;
	enum status st = arena_create(&arena, 0, fault);
	int64_t id = 0;

	check(st == OK);
	st = db_begin(db, fault);
	if (st != OK)
		goto out;
	if (replace)
		st = drop(db, b->name, fault);
	if (st == OK)
		st = put(db, b, arena, &id, fault);
	for (size_t i = 0; st == OK && i < b->n_stages; i++)
		st = keep_stage(db, id, i, &b->stages[i], arena, fault);
	if (st == OK)
		st = db_commit(db, fault);
	else
		db_rollback(db, NULL);
out:
	arena_destroy(arena);
	return st;
}

/* ---- fetched ---- */

static double
float_or_unknown(const struct db_result *r, int col)
{
	return db_null(r, 0, col) ? PROFILE_UNKNOWN : db_float(r, 0, col);
}

/* Columns 12 to 16 of baseline_list. */
static void
take_shared(const struct db_result *r, double seconds, struct profile_machine *ret)
{
	*ret = (struct profile_machine){ .known = !db_null(r, 0, 14), .seconds = seconds };
	if (!ret->known)
		return;
	ret->cores = db_float(r, 0, 12);
	ret->used = db_float(r, 0, 13);
	ret->others = db_float(r, 0, 14);
	ret->stolen = db_float(r, 0, 15);
	ret->waited = float_or_unknown(r, 16);
}

static enum status
fetch_head(struct db *db, const char *name, struct baseline *b, struct fault *fault)
{
	struct db_args args;
	struct db_result *r;
	enum status st;

	db_args_init(&args);
	db_arg_text(&args, name);
	st = db_call(db, sql_baseline_list, &args, &r, fault);
	if (st != OK)
		return st;
	if (db_rows(r) == 0) {
		st = fault_set(fault, NOT_FOUND, "there is no baseline '%s'", name);
		fault_hint(fault, "penstock baseline list");
	} else {
		b->id = db_int(r, 0, 0);
		b->name = mem_dup(db_text(r, 0, 1));
		b->pipeline = mem_dup(db_text(r, 0, 2));
		b->recorded_at_us = db_time_us(r, 0, 3);
		b->seconds = db_float(r, 0, 4);
		b->load = mem_dup(db_text(r, 0, 6));
		b->machine = mem_dup(db_text(r, 0, 7));
		b->workers = db_int(r, 0, 8);
		b->version = mem_dup(db_text(r, 0, 9));
		b->server = mem_dup(db_text(r, 0, 10));
		b->configuration = mem_dup(db_text(r, 0, 11));
		take_shared(r, b->seconds, &b->shared);
	}
	db_result_free(r);
	return st;
}

static void
take_stages(const struct db_result *r, struct baseline *b)
{
	b->n_stages = (size_t)db_rows(r);
	b->stages = mem_alloc((b->n_stages + 1) * sizeof *b->stages);
	for (size_t i = 0; i < b->n_stages; i++) {
		struct load_stage *s = &b->stages[i];
		int row = (int)i;

		snprintf(s->stage, sizeof s->stage, "%s", db_text(r, row, 1));
		snprintf(s->release, sizeof s->release, "%s", db_text(r, row, 2));
		s->value[COUNTER_calls] = (uint64_t)db_int(r, row, 3);
		s->value[COUNTER_jobs] = (uint64_t)db_int(r, row, 4);
		s->value[COUNTER_failed] = (uint64_t)db_int(r, row, 5); /* and retried ones */
		s->value[COUNTER_wall_ns] = (uint64_t)db_int(r, row, 6);
		s->value[COUNTER_cpu_ns] = (uint64_t)db_int(r, row, 7);
		s->value[COUNTER_db_ns] = (uint64_t)db_int(r, row, 8);
		s->value[COUNTER_allocated] = (uint64_t)db_int(r, row, 9);
		s->lost = (uint64_t)db_int(r, row, 10);
	}
}

static enum status
query(struct db *db, const char *sql, int64_t id, int position, struct db_result **ret,
      struct fault *fault)
{
	struct db_args args;

	db_args_init(&args);
	db_arg_int8(&args, id);
	if (position >= 0)
		db_arg_int4(&args, position);
	return db_call(db, sql, &args, ret, fault);
}

static enum status
fetch_stage(struct db *db, const struct baseline *b, size_t position, struct fault *fault)
{
	struct load_stage *s = &b->stages[position];
	struct db_result *r;
	enum status st = query(db, sql_baseline_histogram, b->id, (int)position, &r, fault);

	if (st != OK)
		return st;
	for (int i = 0; i < db_rows(r) && i < HISTOGRAM_BUCKETS; i++) {
		s->time.bucket[i] = (uint64_t)db_int(r, i, 0);
		s->time.n += s->time.bucket[i];
	}
	db_result_free(r);
	st = query(db, sql_baseline_calls, b->id, (int)position, &r, fault);
	if (st != OK)
		return st;
	s->n_calls = (size_t)db_rows(r);
	s->calls = mem_alloc((s->n_calls + 1) * sizeof *s->calls);
	for (size_t i = 0; i < s->n_calls; i++)
		s->calls[i] = (struct call_sample){
			.sequence = i + 1,
			.jobs = (uint32_t)db_int(r, (int)i, 0),
			.errors = (uint32_t)db_int(r, (int)i, 1),
			.wall_ns = (uint64_t)db_int(r, (int)i, 2),
			.cpu_ns = (uint64_t)db_int(r, (int)i, 3),
			.db_ns = (uint64_t)db_int(r, (int)i, 4),
			.allocated = (uint64_t)db_int(r, (int)i, 5),
		};
	db_result_free(r);
	return OK;
}

enum status
baseline_fetch(struct db *db, const char *name, struct baseline *ret, struct fault *fault)
{
	struct db_result *r;
	enum status st = fetch_head(db, name, ret, fault);

	if (st == OK)
		st = query(db, sql_baseline_stages, ret->id, -1, &r, fault);
	if (st != OK)
		return st;
	take_stages(r, ret);
	db_result_free(r);
	for (size_t i = 0; st == OK && i < ret->n_stages; i++)
		st = fetch_stage(db, ret, i, fault);
	if (st == OK)
		st = query(db, sql_baseline_ends, ret->id, -1, &r, fault);
	if (st != OK)
		return st;
	take_ends(r, ret);
	db_result_free(r);
	return OK;
}
