/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * counters.c - what counting costs: calls of a stage with counters beside the
 * same calls without, interleaved in one process.
 *
 *     counters STAGE.so [PAIRS]
 *
 * A pair is two segments of equal work, one counted and one not, in random
 * order; its ratio is that of their CPU times, so that other processes of the
 * machine do not come in. Printed: the median ratio and the interval of it by
 * resampling the pairs. Exit code 1: the upper end is beyond the bound.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stage/stage.h"

#define CALL 256      /* jobs */
#define CALLS 40      /* of a segment */
#define JOB_NS 1000.0 /* what a job shall take */
#define RESAMPLES 2000
#define BOUND 1.01

struct bench {
	struct release *release;
	struct arena *arena;
	struct counter_slot *slot;
	struct recorder_line *line;
	struct stage_job jobs[CALL];
	struct stage_job *at[CALL];
	uint64_t calls;
};

static void
die(const struct fault *fault)
{
	fault_print(fault, stderr);
	exit(2);
}

static void
open_stage(struct bench *b, const char *path, int64_t turns)
{
	struct config_option option = { .name = (char *)"turns",
		                        .type = CONFIG_T_INT,
		                        .integer = turns };
	struct config_stage stage = {
		.name = (char *)"spin", .plugin = (char *)"spin", .options = &option, .n_options = 1
	};
	struct stage_spec spec = {
		.pipeline = "bench", .stage = &stage, .path = path, .workers = 1
	};
	struct fault fault = { 0 };

	if (stage_open(&spec, &b->release, &fault) != OK ||
	    stage_thread_init(b->release, 0, &fault) != OK)
		die(&fault);
}

static void
close_stage(struct bench *b)
{
	stage_thread_fini(b->release, 0);
	stage_close(b->release);
}

/* CPU ns of one segment. */
static double
segment(struct bench *b, bool counted)
{
	int64_t from = clock_cpu();

	for (int c = 0; c < CALLS; c++) {
		struct stage_call call = {
			.release = b->release,
			.arena = b->arena,
			.slot = counted ? b->slot : NULL,
			.line = b->line,
			.lease = (const uint8_t *)"0123456789abcdef",
			.arrived_at = 1,
			.jobs = b->at,
			.n = CALL,
			.id = ++b->calls,
		};

		stage_call_run(&call);
	}
	arena_reset(b->arena);
	return (double)(clock_cpu() - from);
}

/* Turns that take JOB_NS, from the difference of two lengths: what a call costs besides falls out.
 */
static int64_t
calibrate(struct bench *b, const char *path)
{
	double ns[2] = { INFINITY, INFINITY };
	static const int64_t turns[2] = { 500, 1500 };

	for (int i = 0; i < 2; i++) {
		open_stage(b, path, turns[i]);
		for (int k = 0; k < 30; k++)
			ns[i] = fmin(ns[i], segment(b, false));
		close_stage(b);
	}
	return (int64_t)(JOB_NS * CALL * CALLS * 1000 / (ns[1] - ns[0]));
}

static int
ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double
median(double *v, int n)
{
	qsort(v, (size_t)n, sizeof *v, ascending);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static void
interval(const double *ratios, int n, double *ret_low, double *ret_high)
{
	double *medians = mem_array(NULL, RESAMPLES, sizeof(double));
	double *sample = mem_array(NULL, (size_t)n, sizeof(double));
	uint64_t random = 1;

	for (int r = 0; r < RESAMPLES; r++) {
		for (int i = 0; i < n; i++) {
			random = splitmix64(random);
			sample[i] = ratios[random % (uint64_t)n];
		}
		medians[r] = median(sample, n);
	}
	qsort(medians, RESAMPLES, sizeof(double), ascending);
	*ret_low = medians[RESAMPLES * 25 / 1000];
	*ret_high = medians[RESAMPLES * 975 / 1000];
	free(medians);
	free(sample);
}

static void
open_counters(struct bench *b)
{
	char path[] = "/tmp/penstock-bench-counters-XXXXXX";
	struct segment *counters;
	struct fault fault = { 0 };
	int fd = mkstemp(path);

	if (fd >= 0)
		close(fd);
	if (counters_create(path, "bench", &counters, &fault) != OK)
		die(&fault);
	unlink(path);
	b->slot = counters_slot(counters, 0, "bench", "spin", "bench");
	b->line = &counters->recorder[0];
}

static void
prepare(struct bench *b)
{
	struct fault fault = { 0 };

	if (arena_create(&b->arena, 0, &fault) != OK)
		die(&fault);
	open_counters(b);
	for (int i = 0; i < CALL; i++) {
		b->jobs[i].ps.id = i + 1;
		b->jobs[i].in.attributes = "{}";
		b->jobs[i].in.attributes_len = 2;
		b->at[i] = &b->jobs[i];
	}
}

int
main(int argc, char **argv)
{
	static struct bench b;
	int pairs = argc > 2 ? atoi(argv[2]) : 400;
	double *ratios, low, high, mid, plain = INFINITY;
	uint64_t random = 7;
	int64_t turns;

	if (argc < 2 || pairs < 2) {
		fprintf(stderr, "usage: counters STAGE.so [PAIRS]\n");
		return 2;
	}
	prepare(&b);
	turns = calibrate(&b, argv[1]);
	open_stage(&b, argv[1], turns);
	for (int i = 0; i < 20; i++) /* warm, and the mean of a job is known */
		segment(&b, i % 2);
	ratios = mem_array(NULL, (size_t)pairs, sizeof(double));
	for (int i = 0; i < pairs; i++) {
		double ns[2];
		bool counted_first;

		random = splitmix64(random);
		counted_first = random & 1;
		ns[counted_first] = segment(&b, counted_first);
		ns[!counted_first] = segment(&b, !counted_first);
		ratios[i] = ns[1] / ns[0];
		plain = fmin(plain, ns[0]);
	}
	interval(ratios, pairs, &low, &high);
	mid = median(ratios, pairs);
	printf("jobs of %.0f ns in calls of %d, %d interleaved segments of %d calls\n",
	       plain / CALL / CALLS, CALL, 2 * pairs, CALLS);
	printf(
	    "time with counters / without: %.4f, 95 %% interval %.4f to %.4f, asked: upper end <= %.2f: %s\n",
	    mid, low, high, BOUND, high <= BOUND ? "yes" : "no");
	free(ratios);
	close_stage(&b);
	return high <= BOUND ? 0 : 1;
}
