/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stage_bench.c - see stage_bench.h.
 */
#include "support/stage_bench.h"

#include <stdlib.h>
#include <string.h>

static void
set_list(struct config_option *to, const char *text)
{
	char *copy = mem_dup(text), *rest = copy, *word;

	while (*text && (word = strsep(&rest, ",")) != NULL) {
		to->items = mem_array(to->items, to->n_items + 1, sizeof *to->items);
		to->items[to->n_items++] = mem_dup(word);
	}
	free(copy);
}

struct config_stage *
bench_stage(const struct bench_option *options)
{
	struct config_stage *stage = mem_alloc(sizeof *stage);

	stage->name = mem_dup("bench");
	stage->plugin = mem_dup("bench");
	stage->file = mem_dup("/etc/penstock/pipelines.d/bench.conf");
	stage->line = 3;
	for (; options && options->name; options++) {
		struct config_option *to;

		stage->options = mem_array(stage->options, stage->n_options + 1,
		                           sizeof *stage->options);
		to = &stage->options[stage->n_options++];
		memset(to, 0, sizeof *to);
		to->name = mem_dup(options->name);
		to->type = options->type;
		to->boolean = options->integer != 0;
		to->integer = options->integer;
		to->number = options->number;
		to->file = mem_dup(stage->file);
		to->line = 10 + (int)stage->n_options;
		if (options->type == CONFIG_T_STRING)
			to->string = mem_dup(options->text);
		if (options->type == CONFIG_T_LIST)
			set_list(to, options->text);
	}
	return stage;
}

void
bench_stage_free(struct config_stage *stage)
{
	for (size_t i = 0; i < stage->n_options; i++) {
		struct config_option *o = &stage->options[i];

		for (size_t k = 0; k < o->n_items; k++)
			free(o->items[k]);
		free(o->items);
		free(o->name);
		free(o->string);
		free(o->file);
	}
	free(stage->options);
	free(stage->name);
	free(stage->plugin);
	free(stage->file);
	free(stage);
}

enum status
bench_open(struct bench *bench, const char *path, const struct bench_option *options,
           uint32_t workers)
{
	struct config_stage *stage = bench_stage(options);
	struct stage_spec spec = {
		.pipeline = "pipe",
		.stage = stage,
		.path = path,
		.workers = workers,
	};
	enum status st;

	memset(&bench->fault, 0, sizeof bench->fault);
	bench->release = NULL;
	check(arena_create(&bench->arena, 0, &bench->fault) == OK);
	st = stage_open(&spec, &bench->release, &bench->fault);
	bench_stage_free(stage);
	if (st == OK && workers > 0) {
		st = stage_thread_init(bench->release, 0, &bench->fault);
		if (st != OK) {
			stage_close(bench->release);
			bench->release = NULL;
		}
	}
	return st;
}

void
bench_close(struct bench *bench)
{
	stage_completions_destroy(bench->completions);
	if (bench->release) {
		stage_thread_fini(bench->release, 0);
		stage_close(bench->release);
	}
	arena_destroy(bench->arena);
	memset(bench, 0, sizeof *bench);
}

struct stage_job *
bench_job(struct bench *bench, int64_t id, const char *attributes, const char *body)
{
	struct stage_job *job = arena_alloc(bench->arena, sizeof *job);

	job->ps.id = id;
	job->ps.attempt = 1;
	job->ps.max_attempts = 5;
	job->in.attributes_len = strlen(attributes);
	job->in.attributes = arena_dupn(bench->arena, attributes, job->in.attributes_len);
	if (body) {
		job->in.body_len = strlen(body);
		job->in.body = arena_dupn(bench->arena, body, job->in.body_len);
	}
	job->user = job;
	return job;
}

void
bench_run(struct bench *bench, struct stage_job **jobs, size_t n)
{
	struct stage_call call = {
		.release = bench->release,
		.arena = bench->arena,
		.hooks = &bench->hooks,
		.slot = bench->slot,
		.line = bench->line,
		.lease = (const uint8_t *)"0123456789abcdef",
		.lane = 7,
		.jobs = jobs,
		.n = n,
		.completions = bench->completions,
		.id = ++bench->calls,
	};

	stage_call_run(&call);
}

struct stage_job *
bench_one(struct bench *bench, const char *attributes, const char *body)
{
	struct stage_job *job = bench_job(bench, 41, attributes, body);

	bench_run(bench, &job, 1);
	return job;
}

/* ---- a folder ---- */

static char folder[] = "/tmp/penstock-stage-XXXXXX";

int
bench_enter(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

int
bench_leave(void **state)
{
	char command[100];

	(void)state;
	snprintf(command, sizeof command, "rm -rf %s", folder);
	return system(command) == 0 ? 0 : -1;
}

char *
bench_inside(const char *name)
{
	static char path[200];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	return path;
}
