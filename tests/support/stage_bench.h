/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stage_bench.h - for tests: open a sample stage with options and run jobs through it.
 */
#ifndef TESTS_STAGE_BENCH_H
#define TESTS_STAGE_BENCH_H

#include "stage/stage.h"

#define STAGE_FILE(name) TEST_BUILD_DIR "/test/stages/" name ".so"

/* Options as a configuration would give them: rows up to one without a name. */
struct bench_option {
	const char *name;
	enum config_type type;
	int64_t integer;
	const char *text; /* string; of a list: comma-separated */
	double number;
};

struct bench {
	struct release *release;
	struct arena *arena;
	struct stage_hooks hooks;
	struct counter_slot *slot; /* NULL: not counted */
	struct recorder_line *line;
	struct stage_completions *completions;
	struct fault fault; /* of bench_open() */
	uint64_t calls;
};

/* Opens with room for `workers` workers, of which worker 0 is ready. The caller closes also after a
 * failure. */
enum status bench_open(struct bench *bench, const char *path, const struct bench_option *options,
                       uint32_t workers);
void bench_close(struct bench *bench);
/* A job of the bench's arena. body may be NULL. */
struct stage_job *bench_job(struct bench *bench, int64_t id, const char *attributes,
                            const char *body);
void bench_run(struct bench *bench, struct stage_job **jobs, size_t n);
/* One job, run. */
struct stage_job *bench_one(struct bench *bench, const char *attributes, const char *body);

/* Fixtures for cmocka: a folder below /tmp for all tests of a program. */
int bench_enter(void **state);
int bench_leave(void **state);
/* A path in it; valid until the next call. */
char *bench_inside(const char *name);

/* A stage of a configuration, for stage_check(); free with bench_stage_free(). */
struct config_stage *bench_stage(const struct bench_option *options);
void bench_stage_free(struct config_stage *stage);

#endif
