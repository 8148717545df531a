/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * host.c - penstock reload, and penstock host: talk to the host on this machine.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli_priv.h"
#include "control/control.h"

#define PATIENCE (10 * SEC)

/* ---- asking ---- */

/* The host's answer, parsed. CLI_OK or the exit code. */
static int
ask(struct cli *cli, const char *request, bool read_only, int64_t timeout_ns, json_t **ret)
{
	struct fault fault = { 0 };
	struct buf answer;
	enum status st;
	char *path;
	int end = cli_config(cli);

	if (end != CLI_OK)
		return end;
	path = control_path(cli->config->set.run_dir, cli->config->set.name, read_only);
	buf_init(&answer);
	st = control_ask(path, request, timeout_ns, &answer, &fault);
	if (st == OK) {
		*ret = json_loadb(answer.data, answer.len, 0, NULL);
		if (!json_is_object(*ret)) {
			json_decref(*ret);
			st = fault_set(&fault, INVALID, "the host's answer is not understood");
		}
	}
	buf_done(&answer);
	free(path);
	return st == OK ? CLI_OK : cli_fail(&fault);
}

static const char *
text_of(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

static bool
says_ok(const json_t *answer)
{
	return json_is_true(json_object_get(answer, "ok"));
}

static void
print_json(const json_t *answer)
{
	char *text = json_dumps(answer, JSON_COMPACT | JSON_REAL_PRECISION(9));

	puts(text);
	free(text);
}

/* What it refused, and why. */
static int
refused(const struct cli *cli, const json_t *answer, const char *what)
{
	const char *reason = text_of(answer, "reason"), *where = text_of(answer, "where");
	const char *hint = text_of(answer, "hint"), *problems = text_of(answer, "problems");

	if (cli->json)
		print_json(answer);
	if (problems && problems[0])
		fputs(problems, stderr);
	fprintf(stderr, "penstock: %s: %s%s%s\n", what, where ? where : "",
	        where && where[0] ? ": " : "", reason ? reason : "the host does not say why");
	if (hint && hint[0])
		fprintf(stderr, "hint: %s\n", hint);
	return CLI_FOUND;
}

/* ---- reload ---- */

int
reload_command(struct cli *cli)
{
	bool wait = cli_flag(cli, "wait");
	char *request = mem_printf("reload%s%s", wait ? " wait" : "",
	                           cli_flag(cli, "drain") ? " drain" : "");
	const char *restarts;
	json_t *answer;
	int end = ask(cli, request, false, wait ? 0 : PATIENCE, &answer);

	free(request);
	if (end != CLI_OK)
		return end;
	restarts = text_of(answer, "restart");
	if (!says_ok(answer)) {
		end = refused(cli, answer, "the reload is rejected, nothing has changed");
	} else if (cli->json) {
		print_json(answer);
	} else if (!wait) {
		cli_say(cli,
		        "reloading; the host's log says how it ends, or: penstock reload --wait");
	} else {
		json_int_t n = json_integer_value(json_object_get(answer, "changes"));

		cli_say(cli, "reloaded; %lld %s", (long long)n, n == 1 ? "change" : "changes");
		if (restarts && restarts[0])
			cli_say(cli, "a restart is needed for: %s", restarts);
	}
	json_decref(answer);
	return end;
}

/* ---- tables ---- */

static void
add_cell(struct cli_table *t, const json_t *value)
{
	if (json_is_string(value))
		cli_cell_text(t, json_string_value(value));
	else if (json_is_real(value))
		cli_cell_double(t, json_real_value(value));
	else if (json_is_integer(value))
		cli_cell_int(t, json_integer_value(value));
	else if (json_is_boolean(value))
		cli_cell_int(t, json_is_true(value));
	else
		cli_cell_none(t);
}

static void
add_row(struct cli_table *t, const struct cli_column *columns, const json_t *object)
{
	for (size_t c = 0; columns[c].name; c++)
		add_cell(t, json_object_get(object, columns[c].name));
}

static struct cli_table *
table_of(const struct cli_column *columns, const json_t *list)
{
	struct cli_table *t = cli_table_new(columns);

	for (size_t i = 0; i < json_array_size(list); i++)
		add_row(t, columns, json_array_get(list, i));
	return t;
}

/* A limit that is none, and a name that was not given, are nothing to be shown. */
static void
leave_out_unset(json_t *answer)
{
	static const char *const names[] = { "cpus", "memory_limit" };
	const char *name = text_of(answer, "name");

	if (name && !name[0])
		json_object_del(answer, "name");
	for (size_t i = 0; i < countof(names); i++)
		if (json_number_value(json_object_get(answer, names[i])) == 0)
			json_object_del(answer, names[i]);
}

static void
print_status(const struct cli *cli, json_t *answer)
{
	static const struct cli_column fields[] = { { "name", CLI_TEXT },
		                                    { "state", CLI_TEXT },
		                                    { "version", CLI_TEXT },
		                                    { "pid", CLI_NUMBER },
		                                    { "uptime_s", CLI_SECONDS },
		                                    { "generation", CLI_NUMBER },
		                                    { "reloads", CLI_NUMBER },
		                                    { "log_level", CLI_TEXT },
		                                    { "cpus", CLI_NUMBER },
		                                    { "memory_limit", CLI_BYTES },
		                                    { "worker_memory", CLI_BYTES },
		                                    { "lease_bytes", CLI_BYTES },
		                                    { NULL, CLI_TEXT } };
	static const struct cli_column processes[] = {
		{ "pid", CLI_NUMBER },         { "generation", CLI_NUMBER },
		{ "phase", CLI_TEXT },         { "host", CLI_NUMBER },
		{ "workers", CLI_NUMBER },     { "leased", CLI_COUNT },
		{ "connections", CLI_NUMBER }, { "memory", CLI_BYTES },
		{ "started_s", CLI_SECONDS },  { NULL, CLI_TEXT }
	};
	const json_t *leaving = json_object_get(answer, "leaving");
	struct cli_table *t = cli_table_new(fields);

	leave_out_unset(answer);
	add_row(t, fields, answer);
	cli_table_fields(t);
	cli_table_free(t);
	for (size_t i = 0; i < json_array_size(leaving); i++)
		printf("%-12s %s\n", "leaving", json_string_value(json_array_get(leaving, i)));
	putchar('\n');
	t = table_of(processes, json_object_get(answer, "processes"));
	cli_table_print(t, cli);
	cli_table_free(t);
}

static void
print_workers(const struct cli *cli, json_t *answer)
{
	static const struct cli_column columns[] = {
		{ "worker", CLI_NUMBER },      { "pid", CLI_NUMBER },
		{ "generation", CLI_NUMBER },  { "state", CLI_TEXT },
		{ "since_s", CLI_SECONDS },    { "pipeline", CLI_TEXT },
		{ "stage", CLI_TEXT },         { "job", CLI_NUMBER },
		{ "jobs", CLI_NUMBER },        { "in_stage_s", CLI_SECONDS },
		{ "leased", CLI_COUNT },       { "promised", CLI_COUNT },
		{ "connections", CLI_NUMBER }, { NULL, CLI_TEXT }
	};
	struct cli_table *t = table_of(columns, json_object_get(answer, "workers"));

	cli_table_print(t, cli);
	cli_table_free(t);
}

/* Asks, and prints the answer: for programs a member of it, or all with NULL. */
static int
show(struct cli *cli, const char *request, const char *member,
     void (*print)(const struct cli *cli, json_t *answer))
{
	json_t *answer;
	int end = ask(cli, request, true, PATIENCE, &answer);

	if (end != CLI_OK)
		return end;
	if (!says_ok(answer))
		end = refused(cli, answer, "the host does not tell");
	else if (cli->json)
		print_json(member ? json_object_get(answer, member) : answer);
	else
		print(cli, answer);
	json_decref(answer);
	return end;
}

int
host_status_command(struct cli *cli)
{
	return show(cli, "status", NULL, print_status);
}

int
host_workers_command(struct cli *cli)
{
	return show(cli, "workers", "workers", print_workers);
}

/* ---- commands that change it ---- */

static int
tell(struct cli *cli, const char *request, const char *done)
{
	json_t *answer;
	int end = ask(cli, request, false, PATIENCE, &answer);

	if (end != CLI_OK)
		return end;
	if (!says_ok(answer))
		end = refused(cli, answer, "the host refuses");
	else if (cli->json)
		print_json(answer);
	else
		cli_say(cli, "%s", done);
	json_decref(answer);
	return end;
}

int
host_log_command(struct cli *cli)
{
	char *request = mem_printf("log-level %s", cli->argv[0]);
	char *done = mem_printf("the host logs at %s now", cli->argv[0]);
	int end = tell(cli, request, done);

	free(request);
	free(done);
	return end;
}

int
host_stop_command(struct cli *cli)
{
	return tell(cli, "stop", "the host drains and ends");
}
