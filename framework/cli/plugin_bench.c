/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * plugin_bench.c - penstock plugin bench: what a job costs in one build of a plugin, or in two.
 *
 * Two builds run in one process, on one thread, call by call in random order
 * and over the same input: whatever moves the machine moves both. Runs in a
 * child, so that a plugin that crashes is told.
 */
#include <inttypes.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli_priv.h"
#include "load/load.h"
#include "memory/memory.h"
#include "stage/stage.h"

#define CALL_AIM (100 * 1000) /* ns: what a call shall take, so that clocks cost little of it */
#define CALL_MOST 1000
#define WARM_UP 20
#define CALLS_MOST 200000

struct side {
	const char *name;
	char *path;
	struct stage_manifest *manifest;
	struct config *config;
	struct release *release;
	struct counter_slot *slot;
	struct call_sample *calls;
	double *instructions;
	struct histogram time; /* of a job, by calls */
	uint64_t seen;
};

struct match {
	struct cli *cli;
	struct plugin_lines lines;
	struct side side[2]; /* 0: OLD, 1: NEW; or 1 alone */
	int first;           /* side that takes part first */
	struct arena *arena;
	size_t n, room, per_call;
	int counter;      /* of instructions; -1 */
	char *no_counter; /* why not */
};

/* ---- instructions ---- */

static void
open_counter(struct match *m)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE,
		.size = sizeof attr,
		.config = PERF_COUNT_HW_INSTRUCTIONS,
		.disabled = 1,
		.exclude_kernel = 1,
		.exclude_hv = 1,
	};

	m->counter = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (m->counter < 0)
		m->no_counter = mem_printf("not counted on this machine: %m");
}

static void
counter_begin(const struct match *m)
{
	if (m->counter < 0)
		return;
	ioctl(m->counter, PERF_EVENT_IOC_RESET, 0);
	ioctl(m->counter, PERF_EVENT_IOC_ENABLE, 0);
}

static double
counter_end(const struct match *m)
{
	uint64_t n = 0;

	if (m->counter < 0)
		return 0;
	ioctl(m->counter, PERF_EVENT_IOC_DISABLE, 0);
	return read(m->counter, &n, sizeof n) == sizeof n ? (double)n : 0;
}

/* ---- calls ---- */

static void
fill_job(const struct match *m, struct stage_job *job, size_t i)
{
	const struct plugin_line *line = &m->lines.line[i % m->lines.n];

	job->ps.id = (int64_t)i + 1;
	job->ps.attempt = line->attempt;
	job->ps.max_attempts = line->max_attempts;
	job->in.attributes = line->attributes;
	job->in.attributes_len = strlen(line->attributes);
	if (line->has_body) {
		job->in.body = line->body.data ? line->body.data : "";
		job->in.body_len = line->body.len;
	}
	job->user = job;
}

/* One call over the lines from `from` on; what it cost is the newest in the slot's ring. */
static void
run_call(struct match *m, struct side *s, size_t from, size_t n, struct call_sample *ret_sample,
         double *ret_instructions)
{
	static const struct stage_hooks none;
	struct call_sample calls[CALLS_KEPT];
	struct stage_job *jobs, **list;
	struct stage_call call = { .release = s->release,
		                   .arena = m->arena,
		                   .hooks = &none,
		                   .slot = s->slot,
		                   .n = n,
		                   .id = from + 1 };
	uint64_t lost = 0;
	size_t got;

	arena_reset(m->arena);
	jobs = arena_alloc(m->arena, n * sizeof *jobs);
	list = arena_alloc(m->arena, n * sizeof(struct stage_job *));
	memset(jobs, 0, n * sizeof *jobs);
	for (size_t i = 0; i < n; i++) {
		list[i] = &jobs[i];
		fill_job(m, list[i], from + i);
	}
	call.jobs = list;
	counter_begin(m);
	stage_call_run(&call);
	*ret_instructions = counter_end(m);
	got = counters_calls(s->slot, &s->seen, calls, &lost);
	check(got == 1 && lost == 0);
	*ret_sample = calls[0];
}

static void
run_side(struct match *m, int side, size_t from, bool kept)
{
	struct side *s = &m->side[side];
	struct call_sample sample;
	double instructions;

	run_call(m, s, from, m->per_call, &sample, &instructions);
	if (!kept)
		return;
	s->calls[m->n] = sample;
	s->instructions[m->n] = instructions;
	histogram_add(&s->time, sample.wall_ns / m->per_call, m->per_call);
}

static void
run_round(struct match *m, size_t round, bool kept)
{
	size_t from = round * m->per_call;
	int head = (int)(splitmix64(round) & 1);

	if (m->first == 1) {
		run_side(m, 1, from, kept);
	} else {
		run_side(m, head, from, kept);
		run_side(m, 1 - head, from, kept);
	}
	m->n += kept;
}

static size_t
most_of(const struct side *s)
{
	const struct ps_stage *d = release_descriptor(s->release);

	return d->max_call && d->max_call < CALL_MOST ? d->max_call : CALL_MOST;
}

/* As many jobs as fit into CALL_AIM, by the slower side; of its calls the fastest counts, since
 * others were interrupted. */
static void
choose_call(struct match *m)
{
	uint64_t slowest = 1;
	size_t most = CALL_MOST;

	for (int i = m->first; i < 2; i++) {
		uint64_t least = UINT64_MAX;

		for (size_t k = 0; k < WARM_UP; k++) {
			struct call_sample sample;
			double instructions;

			run_call(m, &m->side[i], k, 1, &sample, &instructions);
			least = sample.wall_ns < least ? sample.wall_ns : least;
		}
		slowest = least > slowest ? least : slowest;
		most = most_of(&m->side[i]) < most ? most_of(&m->side[i]) : most;
	}
	m->per_call = CALL_AIM / slowest;
	if (m->per_call > most)
		m->per_call = most;
	if (m->per_call == 0)
		m->per_call = 1;
}

static void
make_room(struct match *m)
{
	if (m->n < m->room)
		return;
	m->room = m->room ? 2 * m->room : 1024;
	for (int i = m->first; i < 2; i++) {
		struct side *s = &m->side[i];

		s->calls = mem_array(s->calls, m->room, sizeof *s->calls);
		s->instructions = mem_array(s->instructions, m->room, sizeof *s->instructions);
	}
}

static void
run_rounds(struct match *m, int64_t ns)
{
	struct cli_progress progress;
	int64_t begun, passed = 0;

	for (size_t i = 0; i < WARM_UP; i++)
		run_round(m, i, false);
	cli_progress_begin(&progress, m->cli, "measured, milliseconds");
	begun = clock_mono();
	while ((passed < ns || m->n < PROFILE_CALLS_LEAST) && m->n < CALLS_MOST) {
		make_room(m);
		run_round(m, m->n, true);
		passed = clock_mono() - begun;
		cli_progress_step(&progress, passed / MSEC, ns / MSEC);
	}
	cli_progress_end(&progress);
}

/* ---- what came out ---- */

static void
instructions_of(const struct match *m, const struct side *s, struct profile_series *ret)
{
	double *cost = mem_array(NULL, m->n, sizeof *cost);
	uint32_t *jobs = mem_array(NULL, m->n, sizeof *jobs);

	for (size_t i = 0; i < m->n; i++) {
		cost[i] = s->instructions[i];
		jobs[i] = s->calls[i].jobs;
	}
	*ret = (struct profile_series){ .cost = cost, .jobs = jobs, .n = m->n };
}

static size_t
make_pairs(const struct match *m, struct profile_pair *pairs)
{
	static const enum profile_metric metrics[] = { PROFILE_WALL, PROFILE_CPU, PROFILE_ALLOCATED,
		                                       PROFILE_ERRORS };
	const struct side *old = &m->side[0], *new = &m->side[1];
	size_t n = 0;

	for (; n < countof(metrics); n++) {
		pairs[n].metric = metrics[n];
		profile_series_of(metrics[n], old->calls, m->n, &pairs[n].before);
		profile_series_of(metrics[n], new->calls, m->n, &pairs[n].after);
	}
	if (m->counter < 0)
		return n;
	pairs[n].metric = PROFILE_INSTRUCTIONS;
	instructions_of(m, old, &pairs[n].before);
	instructions_of(m, new, &pairs[n].after);
	return n + 1;
}

static int
judge(struct match *m, double fail_on)
{
	struct profile_rule rule = { .fail_on = fail_on,
		                     .fail_on_share = fail_on / 5,
		                     .alpha = PROFILE_ALPHA,
		                     .paired = true,
		                     .seed = 1 };
	struct profile_pair pairs[8];
	struct profile_effect effects[8];
	struct load_comparison c = { 0 };
	size_t n = make_pairs(m, pairs);
	int end;

	profile_compare_all(pairs, n, &rule, effects);
	buf_init(&c.warnings);
	if (m->no_counter)
		buf_printf(&c.warnings, "instructions are %s\n", m->no_counter);
	c.n = n;
	c.effects = mem_alloc(n * sizeof *c.effects);
	for (size_t i = 0; i < n; i++) {
		c.effects[i] = (struct load_effect){ m->side[1].manifest->name, effects[i] };
		profile_series_free(&pairs[i].before);
		profile_series_free(&pairs[i].after);
	}
	c.verdict = profile_verdict_all(effects, n);
	end = cli_compare_print(m->cli, m->side[0].name, m->side[1].name, &c, fail_on,
	                        cli_flag(m->cli, "markdown"));
	load_comparison_done(&c);
	return end;
}

struct sums {
	double jobs, wall, cpu, allocated, errors, instructions;
};

static void
sum_up(const struct match *m, const struct side *s, struct sums *ret)
{
	*ret = (struct sums){ 0 };
	for (size_t i = 0; i < m->n; i++) {
		ret->jobs += s->calls[i].jobs;
		ret->wall += (double)s->calls[i].wall_ns;
		ret->cpu += (double)s->calls[i].cpu_ns;
		ret->allocated += (double)s->calls[i].allocated;
		ret->errors += s->calls[i].errors;
		ret->instructions += s->instructions[i];
	}
}

static void
print_alone(const struct match *m)
{
	const struct side *s = &m->side[1];
	struct sums sums;
	char a[32], b[32], c[32];

	sum_up(m, s, &sums);
	if (m->cli->json) {
		printf(
		    "{\"plugin\": \"%s\", \"calls\": %zu, \"jobs_a_call\": %zu, \"wall_s\": %.12f, "
		    "\"p50_s\": %.12f, \"p99_s\": %.12f, \"cpu_s\": %.12f, \"allocated\": %.1f, "
		    "\"errors\": %.6f, \"instructions\": ",
		    s->manifest->name, m->n, m->per_call, sums.wall / sums.jobs / 1e9,
		    histogram_quantile(&s->time, 0.5) / 1e9,
		    histogram_quantile(&s->time, 0.99) / 1e9, sums.cpu / sums.jobs / 1e9,
		    sums.allocated / sums.jobs, sums.errors / sums.jobs);
		if (m->counter < 0)
			printf("null}\n");
		else
			printf("%.1f}\n", sums.instructions / sums.jobs);
		return;
	}
	printf("calls        %zu of %zu jobs\n", m->n, m->per_call);
	printf("time         %s a job; p50 %s, p99 %s by calls\n",
	       text_ns((int64_t)(sums.wall / sums.jobs), a),
	       text_ns((int64_t)histogram_quantile(&s->time, 0.5), b),
	       text_ns((int64_t)histogram_quantile(&s->time, 0.99), c));
	printf("CPU          %s a job\n", text_ns((int64_t)(sums.cpu / sums.jobs), a));
	printf("allocated    %s a job\n", text_bytes((int64_t)(sums.allocated / sums.jobs), a));
	if (m->counter < 0)
		printf("instructions %s\n", m->no_counter);
	else
		printf("instructions %s a job\n",
		       text_count((int64_t)(sums.instructions / sums.jobs), a));
	printf("errors       %.2f %% of the jobs\n", 100 * sums.errors / sums.jobs);
}

/* ---- the plugins ---- */

static enum status
open_side(struct side *s, struct fault *fault)
{
	struct stage_spec spec = {
		.pipeline = "bench",
		.stage = &s->config->pipelines[0].stages[0],
		.path = s->path,
		.workers = 1,
	};
	enum status st = stage_open(&spec, &s->release, fault);

	if (st == OK)
		st = stage_thread_init(s->release, 0, fault);
	if (st == OK && release_descriptor(s->release)->flags & PS_FLAG_LATER)
		st = fault_set(fault, INVALID,
		               "%s ends jobs later: what a job costs is not what its call costs",
		               s->name);
	s->slot = mem_alloc(sizeof *s->slot);
	return st;
}

static int
run_child(struct match *m, int64_t ns, double fail_on)
{
	struct fault fault = { 0 };
	enum status st = OK;

	for (int i = m->first; st == OK && i < 2; i++)
		st = open_side(&m->side[i], &fault);
	if (st != OK)
		return cli_fail(&fault);
	open_counter(m);
	if (m->per_call == 0)
		choose_call(m);
	run_rounds(m, ns);
	if (m->first == 0)
		return judge(m, fail_on);
	print_alone(m);
	return CLI_OK;
}

static int
run_guarded(struct match *m, int64_t ns, double fail_on)
{
	int status, end;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		end = run_child(m, ns, fail_on);
		fflush(NULL);
		_exit(end);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid) {
		fputs("penstock: cannot run the plugin in a process of its own\n", stderr);
		return CLI_AWAY;
	}
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	fprintf(stderr, "penstock: it crashed: signal %d (%s)\n", WTERMSIG(status),
	        strsignal(WTERMSIG(status)));
	return CLI_AWAY;
}

static enum status
read_side(struct match *m, int side, const char *name, struct fault *fault)
{
	const char *options = cli_value(m->cli, "options"), *old = cli_value(m->cli, "old-options");
	struct side *s = &m->side[side];
	enum status st = cli_plugin_path(m->cli, name, &s->path, fault);

	s->name = name;
	options = side == 0 && old ? old : options;
	if (st == OK)
		st = stage_manifest_read(s->path, &s->manifest, fault);
	return st == OK ? plugin_config(s->manifest, options ? options : "", &s->config, fault)
	                : st;
}

static enum status
read_all(struct match *m, struct fault *fault)
{
	const char *old = cli_value(m->cli, "against"), *call = cli_value(m->cli, "call");
	int64_t per_call = 0;
	enum status st = read_side(m, 1, m->cli->argv[0], fault);

	m->first = old ? 0 : 1;
	if (st == OK && old)
		st = read_side(m, 0, old, fault);
	if (st == OK)
		st = plugin_lines_read(cli_value(m->cli, "input"), &m->lines, fault);
	if (st == OK && call)
		st = text_int(call, 1, CALL_MOST, &per_call, fault);
	m->per_call = (size_t)per_call;
	return st == OK ? arena_create(&m->arena, 0, fault) : st;
}

static void
match_done(struct match *m)
{
	for (int i = 0; i < 2; i++) {
		stage_manifest_free(m->side[i].manifest);
		config_free(m->side[i].config);
		free(m->side[i].path);
	}
	plugin_lines_done(&m->lines);
	if (m->arena)
		arena_destroy(m->arena);
}

int
plugin_bench_command(struct cli *cli)
{
	struct match m = { .cli = cli };
	struct fault fault = { 0 };
	double fail_on;
	int64_t ns;
	int end;

	if (!cli_flag(cli, "input"))
		return cli_usage(cli, "--input is needed: a file with a job a line");
	end = cli_duration(cli, "for", 5 * SEC, &ns);
	if (end == CLI_OK)
		end = cli_fail_on(cli, &fail_on);
	if (end == CLI_OK)
		end = cli_config(cli);
	if (end != CLI_OK)
		return end;
	end = read_all(&m, &fault) == OK ? run_guarded(&m, ns, fail_on) : cli_fail(&fault);
	match_done(&m);
	return end;
}
