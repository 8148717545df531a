/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * plugin_test.c - penstock plugin test: does a plugin keep the contract, and what does it make of
 * this input, or of these lines of jobs?
 *
 * The plugin runs in a child process, so that one which crashes is told and
 * does not take the answer with it.
 */
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli_priv.h"
#include "memory/memory.h"
#include "stage/stage.h"

#define BODY_MOST (64 * MiB)
#define SHOWN_BODY 4000      /* bytes of a text */
#define LATER_PATIENCE 30000 /* ms */

struct trial {
	struct cli *cli;
	const char *path;
	struct stage_manifest *manifest;
	struct config *config;  /* of a pipeline with this one stage */
	const char *attributes; /* of the one input */
	struct buf body;
	bool has_body;
	int64_t repeat;
	struct plugin_lines lines; /* of --input, instead */
	int64_t set;               /* jobs in one call of them */
	struct plugin_faults faults;
	struct release *release;
	struct arena *arena;
	struct stage_completions *completions;
	int wake; /* eventfd: a promise was kept */
	int64_t took_ns;
	uint64_t calls;
	int failed;
};

static void
tell(struct trial *t, bool ok, const char *format, ...)
{
	va_list args;

	t->failed += !ok;
	if (ok && (t->cli->json || t->cli->quiet))
		return;
	fputs(ok ? "ok      " : "FAILED  ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

/* ---- the stage ---- */

/* Options are read as a configuration has them, by the same reader. */
enum status
plugin_config(const struct stage_manifest *manifest, const char *options,
              struct config **ret_config, struct fault *fault)
{
	char folder[] = "/tmp/penstock-test.XXXXXX", *path;
	struct buf text, report;
	enum status st;

	if (!mkdtemp(folder))
		return fault_set(fault, SYSTEM, "cannot make a folder in /tmp");
	path = mem_printf("%s/options", folder);
	buf_init(&text);
	buf_init(&report);
	buf_printf(
	    &text,
	    "pipeline: { name = \"test\"; stages = ( { name = \"%s\"; plugin = \"%s\"; options: { %s }; } ); };\n",
	    manifest->name, manifest->name, options);
	st = file_write(path, text.data, text.len, 0600, fault);
	if (st == OK)
		st = config_load(path, NULL, 0, ret_config, &report, fault);
	if (st == OK)
		st = stage_check(manifest, &(*ret_config)->pipelines[0].stages[0], &report, fault);
	unlink(path);
	rmdir(folder);
	buf_done(&text);
	buf_done(&report);
	free(path);
	return st;
}

static enum status
open_stage(struct trial *t, struct fault *fault)
{
	struct stage_spec spec = {
		.pipeline = "test",
		.stage = &t->config->pipelines[0].stages[0],
		.path = t->path,
		.workers = 1,
	};
	enum status st = stage_open(&spec, &t->release, fault);

	return st == OK ? stage_thread_init(t->release, 0, fault) : st;
}

static void
close_stage(struct trial *t)
{
	stage_thread_fini(t->release, 0);
	stage_close(t->release);
	t->release = NULL;
}

/* ---- calls ---- */

static struct stage_job *
make_job(struct trial *t, int64_t id, const char *attributes, const struct buf *body)
{
	struct stage_job *job = arena_alloc(t->arena, sizeof *job);

	job->ps.id = id;
	job->ps.attempt = 1;
	job->ps.max_attempts = 5;
	job->in.attributes = attributes;
	job->in.attributes_len = strlen(attributes);
	if (body) {
		job->in.body = body->data ? body->data : "";
		job->in.body_len = body->len;
	}
	job->user = job;
	return job;
}

static bool
cancelled(void *data, int64_t job)
{
	(void)job;
	return ((const struct trial *)data)->faults.cancel;
}

static const void *
no_body(void *data, struct stage_job *job, size_t *ret_len)
{
	(void)data;
	*ret_len = job->in.body_len;
	return NULL;
}

static void
run_call(struct trial *t, struct stage_job **jobs, size_t n)
{
	struct stage_hooks hooks = { .cancelled = cancelled, .body = no_body, .data = t };
	struct stage_call call = {
		.release = t->release,
		.arena = t->arena,
		.hooks = &hooks,
		.timeout_ns = t->faults.deadline ? 1 : 0,
		.jobs = jobs,
		.n = n,
		.completions = t->faults.full ? NULL : t->completions,
		.id = ++t->calls,
	};
	int64_t begun = clock_mono();

	stage_call_run(&call);
	t->took_ns += clock_mono() - begun;
}

static void
promise_kept(void *data)
{
	eventfd_write(((struct trial *)data)->wake, 1);
}

static char *
keep(struct trial *t, const char *text)
{
	return text ? arena_dupn(t->arena, text, strlen(text)) : NULL;
}

/* What a promise brought, in the place of what the call left. */
static void
take_completion(struct trial *t, const struct stage_completion *c)
{
	struct stage_job *job = c->user;

	job->ps.outcome = c->outcome;
	job->ps.route = keep(t, c->result.route);
	job->ps.delay_ms = c->result.delay_ms;
	job->ps.code = keep(t, c->result.code);
	job->ps.message = keep(t, c->result.message);
	if (c->result.attributes) {
		job->out.attributes = keep(t, c->result.attributes);
		job->out.attributes_len = c->result.attributes_len;
	}
	if (c->result.body_set) {
		job->out.body = c->result.body
		                    ? arena_dupn(t->arena, c->result.body, c->result.body_len)
		                    : NULL;
		job->out.body_len = c->result.body_len;
	}
}

static int
patience(int64_t begun)
{
	return LATER_PATIENCE - (int)((clock_mono() - begun) / MSEC);
}

/* Waits for as many promises of this call. False: one did not come. */
static bool
await(struct trial *t, size_t promises)
{
	struct pollfd p = { .fd = t->wake, .events = POLLIN };
	struct stage_completion *c;
	int64_t begun = clock_mono();
	eventfd_t n;

	while (promises > 0) {
		c = stage_completions_pop(t->completions);
		if (!c) {
			int left = patience(begun);

			if (left <= 0 || poll(&p, 1, left) == 0)
				return false;
			eventfd_read(t->wake, &n);
			continue;
		}
		take_completion(t, c);
		stage_completion_free(c);
		promises--;
	}
	t->took_ns += clock_mono() - begun;
	return true;
}

/* The host wants none of the promises any more: each must come all the same, and is refused. */
static bool
give_up(struct trial *t, struct stage_job **jobs, size_t n)
{
	int64_t begun = clock_mono();

	for (size_t i = 0; i < n; i++)
		if (jobs[i]->ps.outcome == PS_LATER && !stage_later_cancel(jobs[i]->token))
			await(t, 1);
	while (release_tokens_out(t->release) > 0) {
		if (patience(begun) <= 0)
			return false;
		poll(NULL, 0, 1);
	}
	return true;
}

/* False: it was told that a promise was not kept. */
static bool
keep_promises(struct trial *t, const char *what, struct stage_job **jobs, size_t n)
{
	bool given_up = t->faults.cancel || t->faults.deadline;
	size_t promises = 0;

	for (size_t i = 0; i < n; i++)
		promises += jobs[i]->ps.outcome == PS_LATER;
	if (promises == 0 || (given_up ? give_up(t, jobs, n) : await(t, promises)))
		return true;
	tell(t, false,
	     given_up ? "%s: ps_complete() did not come within %d s for a promise that was given up"
	              : "%s: a promise was not kept within %d s",
	     what, LATER_PATIENCE / 1000);
	return false;
}

static bool
contract_broken(const struct stage_job *job)
{
	static const char *const codes[] = { "NO_OUTCOME", "BAD_ROUTE", "BAD_MESSAGE",
		                             "BAD_OUTCOME" };

	for (size_t i = 0; i < countof(codes); i++)
		if (job->ps.outcome == PS_RETRY && job->ps.code &&
		    strcmp(job->ps.code, codes[i]) == 0)
			return true;
	return false;
}

static const char *
outcome_name(uint32_t outcome)
{
	static const char *const names[] = { "UNSET", "DONE",    "RETRY", "SNOOZE",
		                             "FAIL",  "DISCARD", "LATER", "SPLIT" };

	return outcome < countof(names) ? names[outcome] : "?";
}

/* ---- the checks ---- */

static void
check_input(struct trial *t, const char *what, const char *attributes, const struct buf *body,
            size_t n)
{
	struct stage_job *jobs[8];
	bool kept = true;

	check(n <= countof(jobs));
	for (size_t i = 0; i < n; i++)
		jobs[i] = make_job(t, (int64_t)i + 1, attributes, body);
	run_call(t, jobs, n);
	if (!keep_promises(t, what, jobs, n))
		return;
	for (size_t i = 0; i < n; i++) {
		if (contract_broken(jobs[i])) {
			tell(t, false, "%s: %s: %s", what, jobs[i]->ps.code, jobs[i]->ps.message);
			kept = false;
		}
	}
	if (kept)
		tell(t, true, "%s: %s %s", what, outcome_name(jobs[0]->ps.outcome),
		     jobs[0]->ps.code ? jobs[0]->ps.code : "");
	arena_reset(t->arena);
}

static void
check_contract(struct trial *t)
{
	const struct ps_stage *d = release_descriptor(t->release);
	struct buf bytes;
	size_t several = d->each || d->max_call == 0 ? 8 : d->max_call < 8 ? d->max_call : 8;

	if (d->max_in_flight && d->max_in_flight < several)
		several = d->max_in_flight;
	buf_init(&bytes);
	for (int i = 0; i < 4096; i++)
		buf_addc(&bytes, (char)(splitmix64((uint64_t)i) & 0xff));
	check_input(t, "a job with nothing in it", "{}", NULL, 1);
	check_input(t, "several jobs in one call", "{}", NULL, several);
	check_input(t, "a body of any bytes", "{\"a\": [1, {\"b\": null}], \"text\": \"\\u00e4\"}",
	            &bytes, 1);
	buf_done(&bytes);
}

/* ---- the input ---- */

static void
print_body(const struct stage_job *job)
{
	const char *body = job->out.body;
	size_t len = job->out.body_len;

	if (!body)
		return;
	printf("body         %zu bytes\n", len);
	if (text_utf8(body, len) == len)
		printf("\n%.*s%s\n", (int)(len < SHOWN_BODY ? len : SHOWN_BODY), body,
		       len > SHOWN_BODY ? "..." : "");
}

static void
print_result(const struct trial *t, const struct stage_job *job, int64_t repeat)
{
	double ns = (double)t->took_ns / (double)repeat;
	struct buf json;
	char took[32];

	if (!t->cli->json) {
		printf("outcome      %s%s%s\n", outcome_name(job->ps.outcome),
		       job->ps.route ? " by " : "", job->ps.route ? job->ps.route : "");
		if (job->ps.code)
			printf("code         %s\nmessage      %s\n", job->ps.code,
			       job->ps.message ? job->ps.message : "");
		printf("time         %s a job\n", text_ns((int64_t)ns, took));
		printf("attributes   %.*s\n", (int)job->out.attributes_len, job->out.attributes);
		for (const struct stage_child *c = job->children; c; c = c->next)
			printf("child        by %s: %.*s\n", c->route, (int)c->attributes_len,
			       c->attributes);
		print_body(job);
		return;
	}
	buf_init(&json);
	buf_printf(
	    &json,
	    "{\"outcome\": \"%s\", \"seconds\": %.9f, \"attributes\": %.*s, \"body_bytes\": %zu",
	    outcome_name(job->ps.outcome), ns / 1e9, (int)job->out.attributes_len,
	    job->out.attributes, job->out.body ? job->out.body_len : 0);
	if (job->ps.code) {
		buf_adds(&json, ", \"code\": ");
		buf_add_json(&json, job->ps.code, strlen(job->ps.code));
		buf_adds(&json, ", \"message\": ");
		buf_add_json(&json, job->ps.message ? job->ps.message : "",
		             job->ps.message ? strlen(job->ps.message) : 0);
	}
	printf("%s}\n", json.data);
	buf_done(&json);
}

static void
run_input(struct trial *t)
{
	struct stage_job *job = NULL;

	t->took_ns = 0;
	for (int64_t i = 0; i < t->repeat; i++) {
		arena_reset(t->arena);
		job = make_job(t, i + 1, t->attributes, t->has_body ? &t->body : NULL);
		run_call(t, &job, 1);
		if (!keep_promises(t, "the input", &job, 1))
			return;
	}
	if (contract_broken(job))
		tell(t, false, "the input: %s: %s", job->ps.code, job->ps.message);
	print_result(t, job, t->repeat);
}

/* ---- the lines ---- */

static struct stage_job *
make_line_job(struct trial *t, size_t i)
{
	const struct plugin_line *line = &t->lines.line[i];
	struct stage_job *job = make_job(t, (int64_t)i + 1, line->attributes,
	                                 line->has_body ? &line->body : NULL);

	job->ps.attempt = line->attempt;
	job->ps.max_attempts = line->max_attempts;
	if (t->faults.body && line->has_body) {
		job->in.body = NULL;
		job->body_absent = true;
	}
	return job;
}

/* The jobs of one call: as many as were asked for and the stage takes. */
static size_t
next_set(const struct trial *t, size_t from)
{
	const struct ps_stage *d = release_descriptor(t->release);
	size_t n = (size_t)t->set, left = t->lines.n - from;

	if (d->max_call > 0 && n > d->max_call)
		n = d->max_call;
	if (d->max_in_flight > 0 && n > d->max_in_flight)
		n = d->max_in_flight;
	return n < left ? n : left;
}

static bool
run_set(struct trial *t, size_t from, size_t n, struct buf *results, int64_t *most_allocations)
{
	struct stage_job **jobs;
	char what[64];
	int64_t made;

	arena_reset(t->arena);
	jobs = arena_alloc(t->arena, n * sizeof(struct stage_job *));
	for (size_t i = 0; i < n; i++)
		jobs[i] = make_line_job(t, from + i);
	plugin_world_call_begin();
	run_call(t, jobs, n);
	snprintf(what, sizeof what, "the job of line %" PRId64, t->lines.line[from].number);
	if (!keep_promises(t, what, jobs, n))
		return false;
	made = plugin_world_call_end();
	if (*most_allocations < made)
		*most_allocations = made;
	for (size_t i = 0; i < n; i++) {
		if (contract_broken(jobs[i]))
			tell(t, false, "the job of line %" PRId64 ": %s: %s",
			     t->lines.line[from + i].number, jobs[i]->ps.code, jobs[i]->ps.message);
		plugin_line_result(jobs[i], (int64_t)(from + i) + 1, &results[from + i]);
	}
	return true;
}

static int
compare(struct trial *t, const char *expect, const struct buf *results)
{
	struct fault fault = { 0 };
	struct buf report;
	size_t n;
	enum status st;

	buf_init(&report);
	st = plugin_lines_compare(expect, results, t->lines.n, t->cli->json, &report, &n, &fault);
	if (st == OK && t->cli->json)
		printf("{\"jobs\": %zu, \"different\": %zu, \"differences\": [%s]}\n", t->lines.n,
		       n, report.data ? report.data : "");
	else if (st == OK && n > 0)
		fputs(report.data, stderr);
	else if (st == OK)
		tell(t, true, "%zu jobs end as %s expects", t->lines.n, expect);
	if (n > 0)
		t->failed++;
	buf_done(&report);
	return st == OK ? CLI_OK : cli_fail(&fault);
}

static int
run_lines(struct trial *t)
{
	const char *expect = cli_value(t->cli, "expect");
	struct buf *results = mem_array(NULL, t->lines.n, sizeof *results);
	int64_t allocations = 0;
	int end = CLI_OK;
	bool kept = true;

	for (size_t i = 0; i < t->lines.n; i++)
		buf_init(&results[i]);
	plugin_world_begin(t->release, &t->faults,
	                   release_descriptor(t->release)->flags & PS_FLAG_LATER);
	for (size_t i = 0, n; i < t->lines.n && kept; i += n) {
		n = next_set(t, i);
		kept = run_set(t, i, n, results, &allocations);
	}
	for (size_t i = 0; i < t->lines.n && !expect; i++)
		if (results[i].len > 0)
			puts(results[i].data);
	if (expect && kept)
		end = compare(t, expect, results);
	if (kept && t->faults.alloc > allocations)
		tell(t, false,
		     "no call allocates %" PRId64 " times, so nothing failed: at most %" PRId64,
		     t->faults.alloc, allocations);
	for (size_t i = 0; i < t->lines.n; i++)
		buf_done(&results[i]);
	free(results);
	return end;
}

/* ---- the child, and its parent ---- */

static int
run_child(struct trial *t)
{
	struct plugin_faults faults = t->faults;
	struct fault fault = { 0 };
	int end = CLI_OK;
	enum status st = open_stage(t, &fault);

	if (st != OK)
		return cli_fail(&fault);
	tell(t, true, "it opens");
	t->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	t->completions = stage_completions_create(promise_kept, t);
	t->faults = (struct plugin_faults){ 0 }; /* the contract is checked without them */
	check_contract(t);
	t->faults = faults;
	close_stage(t);
	if (open_stage(t, &fault) != OK) {
		tell(t, false, "it does not open again: %s", fault.text);
		return CLI_FOUND;
	}
	tell(t, true, "it closes, and opens again");
	if (t->lines.n > 0)
		end = run_lines(t);
	else
		run_input(t);
	stage_completions_destroy(t->completions);
	close_stage(t);
	return end != CLI_OK ? end : t->failed ? CLI_FOUND : CLI_OK;
}

/* The child says here that it came to its end: a plugin may end it with any code. */
static int
run_guarded(struct trial *t)
{
	int *came_to_end, status, end;
	pid_t pid = -1;

	came_to_end = mmap(NULL, sizeof *came_to_end, PROT_READ | PROT_WRITE,
	                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	fflush(NULL);
	if (came_to_end != MAP_FAILED)
		pid = fork();
	if (pid == 0) {
		end = run_child(t);
		fflush(NULL);
		*came_to_end = 1;
		_exit(end);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid) {
		fputs("penstock: cannot run the plugin in a process of its own\n", stderr);
		return CLI_AWAY;
	}
	if (WIFEXITED(status) && *came_to_end)
		return WEXITSTATUS(status);
	if (WIFEXITED(status))
		fprintf(stderr, "FAILED  it ended its process, with the code %d\n",
		        WEXITSTATUS(status));
	else
		fprintf(stderr, "FAILED  it crashed: signal %d (%s)\n", WTERMSIG(status),
		        strsignal(WTERMSIG(status)));
	return CLI_FOUND;
}

static enum status
prepare(struct trial *t, char **ret_path, struct fault *fault)
{
	struct cli *cli = t->cli;
	const char *options = cli_value(cli, "options"), *body = cli_value(cli, "body"),
	           *input = cli_value(cli, "input");
	enum status st = cli_plugin_path(cli, cli->argv[0], ret_path, fault);

	if (st == OK)
		st = stage_manifest_read(*ret_path, &t->manifest, fault);
	if (st == OK)
		st = stage_loads(*ret_path, fault);
	if (st == OK)
		st = plugin_config(t->manifest, options ? options : "", &t->config, fault);
	if (st == OK)
		st = attributes_check(t->attributes, strlen(t->attributes), fault);
	if (st == OK && body) {
		st = file_read(strcmp(body, "-") == 0 ? "/dev/stdin" : body, BODY_MOST, &t->body,
		               fault);
		t->has_body = true;
	}
	if (st == OK && input)
		st = plugin_lines_read(input, &t->lines, fault);
	return st == OK ? arena_create(&t->arena, 0, fault) : st;
}

/* --input, or one input: each has options of its own. */
static int
check_usage(const struct cli *cli)
{
	static const char *const of_one[] = { "attributes", "body", "repeat" };
	static const char *const of_lines[] = { "expect", "call", "fault" };
	bool lines = cli_flag(cli, "input");

	for (size_t i = 0; i < countof(of_one); i++) {
		if (lines && cli_flag(cli, of_one[i]))
			return cli_usage(cli, "--%s does not go with --input", of_one[i]);
		if (!lines && cli_flag(cli, of_lines[i]))
			return cli_usage(cli, "--%s needs --input", of_lines[i]);
	}
	return CLI_OK;
}

static enum status
read_numbers(struct trial *t, struct fault *fault)
{
	const char *repeat = cli_value(t->cli, "repeat"), *set = cli_value(t->cli, "call");
	enum status st = plugin_faults_read(cli_value(t->cli, "fault"), &t->faults, fault);

	if (st == OK && repeat)
		st = text_int(repeat, 1, 100000000, &t->repeat, fault);
	if (st == OK && set)
		st = text_int(set, 1, 100000, &t->set, fault);
	return st;
}

int
plugin_test_command(struct cli *cli)
{
	const char *attributes = cli_value(cli, "attributes");
	struct trial t = { .cli = cli,
		           .wake = -1,
		           .repeat = 1,
		           .set = 1,
		           .attributes = attributes ? attributes : "{}" };
	struct fault fault = { 0 };
	char *path = NULL;
	int end = check_usage(cli);

	if (end == CLI_OK)
		end = cli_config(cli);
	if (end != CLI_OK)
		return end;
	if (read_numbers(&t, &fault) != OK)
		return cli_fail(&fault);
	buf_init(&t.body);
	if (prepare(&t, &path, &fault) == OK) {
		t.path = path;
		end = run_guarded(&t);
	} else {
		end = cli_fail(&fault);
	}
	if (t.arena)
		arena_destroy(t.arena);
	stage_manifest_free(t.manifest);
	config_free(t.config);
	plugin_lines_done(&t.lines);
	buf_done(&t.body);
	free(path);
	return end;
}
