/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * plugin_test.c - penstock plugin test: does a plugin keep the contract, and what does it make of
 * this input?
 *
 * The plugin runs in a child process, so that one which crashes is told and
 * does not take the answer with it.
 */
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
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
	struct config *config; /* of a pipeline with this one stage */
	struct buf body;
	bool has_body;
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
static enum status
make_config(struct trial *t, const char *options, struct fault *fault)
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
	    t->manifest->name, t->manifest->name, options);
	st = file_write(path, text.data, text.len, 0600, fault);
	if (st == OK)
		st = config_load(path, NULL, 0, &t->config, &report, fault);
	if (st == OK)
		st = stage_check(t->manifest, &t->config->pipelines[0].stages[0], &report, fault);
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

static void
run_call(struct trial *t, struct stage_job **jobs, size_t n)
{
	static const struct stage_hooks none;
	struct stage_call call = {
		.release = t->release,
		.arena = t->arena,
		.hooks = &none,
		.jobs = jobs,
		.n = n,
		.completions = t->completions,
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

/* Waits for the job's promise and gives it the outcome that came. False: it did not come. */
static bool
await(struct trial *t, struct stage_job *job)
{
	struct pollfd p = { .fd = t->wake, .events = POLLIN };
	struct stage_completion *c;
	int64_t begun = clock_mono();

	while (!(c = stage_completions_pop(t->completions))) {
		int left = LATER_PATIENCE - (int)((clock_mono() - begun) / MSEC);
		eventfd_t n;

		if (left <= 0 || poll(&p, 1, left) == 0)
			return false;
		eventfd_read(t->wake, &n);
	}
	t->took_ns += clock_mono() - begun;
	job->ps.outcome = c->outcome;
	job->ps.code = c->result.code ? arena_dupn(t->arena, c->result.code, strlen(c->result.code))
	                              : NULL;
	job->ps.message = c->result.message
	                      ? arena_dupn(t->arena, c->result.message, strlen(c->result.message))
	                      : NULL;
	if (c->result.attributes)
		job->out.attributes = arena_dupn(t->arena, c->result.attributes,
		                                 c->result.attributes_len);
	stage_completion_free(c);
	return true;
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
	for (size_t i = 0; i < n; i++) {
		if (jobs[i]->ps.outcome == PS_LATER && !await(t, jobs[i])) {
			tell(t, false, "%s: a promise was not kept within %d s", what,
			     LATER_PATIENCE / 1000);
			return;
		}
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
run_input(struct trial *t, const char *attributes, int64_t repeat)
{
	struct stage_job *job = NULL;

	t->took_ns = 0;
	for (int64_t i = 0; i < repeat; i++) {
		arena_reset(t->arena);
		job = make_job(t, i + 1, attributes, t->has_body ? &t->body : NULL);
		run_call(t, &job, 1);
		if (job->ps.outcome == PS_LATER && !await(t, job)) {
			tell(t, false, "the input: a promise was not kept within %d s",
			     LATER_PATIENCE / 1000);
			return;
		}
	}
	if (contract_broken(job))
		tell(t, false, "the input: %s: %s", job->ps.code, job->ps.message);
	print_result(t, job, repeat);
}

/* ---- the child, and its parent ---- */

static int
run_child(struct trial *t, const char *attributes, int64_t repeat)
{
	struct fault fault = { 0 };
	enum status st = open_stage(t, &fault);

	if (st != OK)
		return cli_fail(&fault);
	tell(t, true, "it opens");
	t->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	t->completions = stage_completions_create(promise_kept, t);
	check_contract(t);
	close_stage(t);
	if (open_stage(t, &fault) != OK) {
		tell(t, false, "it does not open again: %s", fault.text);
		return CLI_FOUND;
	}
	tell(t, true, "it closes, and opens again");
	run_input(t, attributes, repeat);
	stage_completions_destroy(t->completions);
	close_stage(t);
	return t->failed ? CLI_FOUND : CLI_OK;
}

static int
run_guarded(struct trial *t, const char *attributes, int64_t repeat)
{
	int status, end;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		end = run_child(t, attributes, repeat);
		fflush(NULL);
		_exit(end);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid) {
		fputs("penstock: cannot run the plugin in a process of its own\n", stderr);
		return CLI_AWAY;
	}
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	fprintf(stderr, "FAILED  it crashed: signal %d (%s)\n", WTERMSIG(status),
	        strsignal(WTERMSIG(status)));
	return CLI_FOUND;
}

static enum status
prepare(struct trial *t, const char *attributes, char **ret_path, struct fault *fault)
{
	struct cli *cli = t->cli;
	const char *options = cli_value(cli, "options"), *body = cli_value(cli, "body");
	enum status st = cli_plugin_path(cli, cli->argv[0], ret_path, fault);

	if (st == OK)
		st = stage_manifest_read(*ret_path, &t->manifest, fault);
	if (st == OK)
		st = make_config(t, options ? options : "", fault);
	if (st == OK)
		st = attributes_check(attributes, strlen(attributes), fault);
	if (st == OK && body) {
		st = file_read(strcmp(body, "-") == 0 ? "/dev/stdin" : body, BODY_MOST, &t->body,
		               fault);
		t->has_body = true;
	}
	return st == OK ? arena_create(&t->arena, 0, fault) : st;
}

int
plugin_test_command(struct cli *cli)
{
	const char *attributes = cli_value(cli, "attributes"),
	           *repeat_text = cli_value(cli, "repeat");
	struct trial t = { .cli = cli, .wake = -1 };
	struct fault fault = { 0 };
	int64_t repeat = 1;
	char *path = NULL;
	int end = cli_config(cli);

	if (end != CLI_OK)
		return end;
	if (repeat_text && text_int(repeat_text, 1, 100000000, &repeat, &fault) != OK)
		return cli_fail(&fault);
	buf_init(&t.body);
	if (!attributes)
		attributes = "{}";
	if (prepare(&t, attributes, &path, &fault) == OK) {
		t.path = path;
		end = run_guarded(&t, attributes, repeat);
	} else {
		end = cli_fail(&fault);
	}
	if (t.arena)
		arena_destroy(t.arena);
	stage_manifest_free(t.manifest);
	config_free(t.config);
	buf_done(&t.body);
	free(path);
	return end;
}
