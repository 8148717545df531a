/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * enqueue.c - penstock enqueue: one job, a file of JSON lines, or a folder.
 *
 * Streams: at most one batch of messages is in memory, and each batch is one
 * transaction. What was enqueued before an error stays, and is told.
 */
#include <errno.h>
#include <fts.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli_priv.h"
#include "queue/queue.h"

#define BATCH_JOBS 10000
#define BATCH_BYTES (16 * MiB)
#define BODY_MOST (64 * MiB)

struct stream {
	struct cli *cli;
	struct db *db;
	const char *pipeline;
	int16_t priority;
	struct queue_enqueue_one one;
	struct arena *arena; /* of the batch */
	struct queue_message *messages;
	size_t n;
	int64_t bytes;
	int64_t jobs, first, last; /* enqueued so far */
	struct cli_progress progress;
	int64_t total; /* 0: not known */
};

static enum status
flush(struct stream *s, struct fault *fault)
{
	int64_t first, last;
	enum status st;

	if (s->n == 0)
		return OK;
	st = queue_enqueue(s->db, s->arena, s->pipeline, s->messages, s->n, s->priority, &first,
	                   &last, fault);
	if (st != OK)
		return st;
	if (s->jobs == 0)
		s->first = first;
	s->last = last;
	s->jobs += (int64_t)s->n;
	s->n = 0;
	s->bytes = 0;
	arena_reset(s->arena);
	cli_progress_step(&s->progress, s->jobs, s->total);
	return OK;
}

/* The texts must live in the batch's arena. */
static enum status
put(struct stream *s, const char *attributes, size_t len, struct fault *fault)
{
	s->messages[s->n++] = (struct queue_message){ .attributes = attributes,
		                                      .attributes_len = len };
	s->bytes += (int64_t)len;
	return s->n == BATCH_JOBS || s->bytes > BATCH_BYTES ? flush(s, fault) : OK;
}

/* ---- one ---- */

static enum status
enqueue_one(struct stream *s, const char *attributes, const char *body_path, struct fault *fault)
{
	struct buf body;
	enum status st = OK;

	buf_init(&body);
	if (body_path)
		st = file_read(strcmp(body_path, "-") == 0 ? "/dev/stdin" : body_path, BODY_MOST,
		               &body, fault);
	if (st == OK) {
		const struct queue_message m = {
			.attributes = attributes,
			.attributes_len = strlen(attributes),
			.body = body_path ? (body.data ? body.data : "") : NULL,
			.body_len = body.len,
		};

		st = queue_message_check(&m, fault);
		if (st != OK)
			fault_where(fault, "the job");
		else
			st = queue_enqueue_one(s->db, s->pipeline, &m, &s->one, &s->first, fault);
		s->last = s->first;
		s->jobs = st == OK;
	}
	buf_done(&body);
	return st;
}

/* ---- lines ---- */

static bool
blank(const char *line, size_t len)
{
	return strspn(line, " \t\r\n") >= len;
}

/* A wrong line is told by its number, and nothing of its batch is enqueued. */
static enum status
check_line(const char *path, int64_t number, const struct queue_message *m, struct fault *fault)
{
	enum status st = queue_message_check(m, fault);

	if (st != OK)
		fault_where(fault, "%s:%" PRId64, path, number);
	return st;
}

static enum status
enqueue_lines(struct stream *s, const char *path, struct fault *fault)
{
	bool standard = strcmp(path, "-") == 0;
	FILE *f = standard ? stdin : fopen(path, "re");
	enum status st = OK;
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	if (!f)
		return fault_errno(fault, errno, "cannot read %s", path);
	for (int64_t number = 1; st == OK && (len = getline(&line, &size, f)) >= 0; number++) {
		struct queue_message m = { .attributes = line, .attributes_len = (size_t)len };

		while (m.attributes_len > 0 && strchr("\r\n", line[m.attributes_len - 1]))
			m.attributes_len--;
		if (blank(line, m.attributes_len))
			continue;
		st = check_line(standard ? "stdin" : path, number, &m, fault);
		if (st == OK)
			st = put(s, arena_dupn(s->arena, line, m.attributes_len), m.attributes_len,
			         fault);
	}
	if (st == OK && ferror(f))
		st = fault_errno(fault, errno, "cannot read %s", path);
	free(line);
	if (!standard)
		fclose(f);
	return st == OK ? flush(s, fault) : st;
}

/* ---- a folder ---- */

static bool
is_entry(const FTSENT *e)
{
	switch (e->fts_info) {
	case FTS_F:
	case FTS_SL:
	case FTS_SLNONE:
	case FTS_DEFAULT:
		return true; /* also what is no file: the pipeline says why it cannot be one */
	default: return false;
	}
}

static int
by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

typedef enum status take_entry(struct stream *s, const FTSENT *e, struct fault *fault);

static enum status
count_entry(struct stream *s, const FTSENT *e, struct fault *fault)
{
	(void)e;
	(void)fault;
	s->total++;
	return OK;
}

static enum status
put_entry(struct stream *s, const FTSENT *e, struct fault *fault)
{
	struct buf json;
	enum status st;

	if (text_utf8(e->fts_path, e->fts_pathlen) != e->fts_pathlen) {
		cli_say(s->cli, "skipped, its name is not UTF-8: %s", e->fts_path);
		return OK;
	}
	buf_init(&json);
	buf_adds(&json, "{\"path\": ");
	buf_add_json(&json, e->fts_path, e->fts_pathlen);
	buf_addc(&json, '}');
	st = put(s, arena_dupn(s->arena, json.data, json.len), json.len, fault);
	buf_done(&json);
	return st;
}

static enum status
walk(struct stream *s, char *root, take_entry *take, struct fault *fault)
{
	char *const roots[] = { root, NULL };
	FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
	enum status st = OK;
	FTSENT *e;

	if (!tree)
		return fault_errno(fault, errno, "cannot read %s", root);
	while (st == OK && (e = fts_read(tree)) != NULL) {
		if (e->fts_info == FTS_DNR || e->fts_info == FTS_ERR || e->fts_info == FTS_NS)
			st = fault_errno(fault, e->fts_errno, "cannot read %s", e->fts_path);
		else if (is_entry(e))
			st = take(s, e, fault);
	}
	fts_close(tree);
	return st;
}

static enum status
enqueue_folder(struct stream *s, const char *path, struct fault *fault)
{
	char root[PATH_MAX];
	enum status st;

	if (!realpath(path, root))
		return fault_errno(fault, errno, "cannot find %s", path);
	st = walk(s, root, count_entry, fault);
	if (st == OK)
		st = walk(s, root, put_entry, fault);
	return st == OK ? flush(s, fault) : st;
}

/* ---- the command ---- */

static enum status
enqueue_all(struct stream *s, struct fault *fault)
{
	struct cli *cli = s->cli;

	if (cli_flag(cli, "lines"))
		return enqueue_lines(s, cli_value(cli, "lines"), fault);
	if (cli_flag(cli, "folder"))
		return enqueue_folder(s, cli_value(cli, "folder"), fault);
	return enqueue_one(s, cli->argc > 1 ? cli->argv[1] : "{}", cli_value(cli, "body"), fault);
}

static void
report(const struct stream *s)
{
	if (s->cli->json)
		printf("{\"jobs\": %" PRId64 ", \"first\": %" PRId64 ", \"last\": %" PRId64 "}\n",
		       s->jobs, s->first, s->last);
	else if (s->jobs == 1)
		printf("%" PRId64 "\n", s->first);
	else
		printf("%" PRId64 " jobs, %" PRId64 " to %" PRId64 "\n", s->jobs, s->first,
		       s->last);
}

/* As W3C Trace Context writes it: version-trace-span-flags, in small hex digits. */
static bool
is_traceparent(const char *text)
{
	static const char form[] = "xx-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-xxxxxxxxxxxxxxxx-xx";
	size_t i = 0;

	while (form[i] && text[i] &&
	       (form[i] == '-' ? text[i] == '-' : strchr("0123456789abcdef", text[i]) != NULL))
		i++;
	return !form[i] && !text[i];
}

/* What one job may have, and many may not. */
static int
read_one(struct stream *s)
{
	static const char *const names[] = { "delay", "at", "key", "traceparent", "ordering-key" };
	struct cli *cli = s->cli;
	bool many = cli_flag(cli, "lines") || cli_flag(cli, "folder");
	struct fault fault = { 0 };
	int64_t delay_ns = 0;

	for (size_t i = 0; i < countof(names); i++)
		if (many && cli_flag(cli, names[i]))
			return cli_usage(cli, "--%s is for one job", names[i]);
	if (cli_flag(cli, "delay") && cli_flag(cli, "at"))
		return cli_usage(cli, "--delay or --at: only one of them");
	if (cli_flag(cli, "delay") &&
	    text_duration(cli_value(cli, "delay"), &delay_ns, &fault) != OK)
		return cli_fail_option("delay", &fault);
	if (cli_flag(cli, "traceparent") && !is_traceparent(cli_value(cli, "traceparent")))
		return cli_usage(
		    cli,
		    "--traceparent `%s`: it must be 00-TRACE-SPAN-FLAGS, of 32, 16 and "
		    "2 hex digits",
		    cli_value(cli, "traceparent"));
	s->one = (struct queue_enqueue_one){
		.priority = s->priority,
		.delay_ms = delay_ns / MSEC,
		.run_at = cli_value(cli, "at"),
		.key = cli_value(cli, "key"),
		.traceparent = cli_value(cli, "traceparent"),
		.ordering_key = cli_value(cli, "ordering-key"),
	};
	return CLI_OK;
}

static int
read_arguments(struct stream *s)
{
	struct cli *cli = s->cli;
	int sources = cli_flag(cli, "lines") + cli_flag(cli, "folder") +
	              (cli->argc > 1 || cli_flag(cli, "body"));
	struct fault fault = { 0 };
	int64_t priority = 0;

	if (sources > 1)
		return cli_usage(cli, "one job, --lines or --folder: only one of them");
	if (cli_flag(cli, "priority") &&
	    text_int(cli_value(cli, "priority"), INT16_MIN, INT16_MAX, &priority, &fault) != OK)
		return cli_fail_option("priority", &fault);
	s->pipeline = cli->argv[0];
	s->priority = (int16_t)priority;
	return read_one(s);
}

int
enqueue_command(struct cli *cli)
{
	struct stream s = { .cli = cli };
	struct fault fault = { 0 };
	enum status st;
	int end = read_arguments(&s);

	if (end == CLI_OK)
		end = cli_open(cli, &s.db);
	if (end != CLI_OK)
		return end;
	st = arena_create(&s.arena, 0, &fault);
	check(st == OK);
	s.messages = mem_array(NULL, BATCH_JOBS, sizeof *s.messages);
	cli_progress_begin(&s.progress, cli, "enqueued");
	st = enqueue_all(&s, &fault);
	cli_progress_end(&s.progress);
	if (st == OK || s.jobs > 0)
		report(&s);
	free(s.messages);
	arena_destroy(s.arena);
	db_close(s.db);
	return st == OK ? CLI_OK : cli_fail(&fault);
}
