/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cli_record.c - watch a pipeline on this machine for a while, and print what was seen.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/cli_priv.h"
#include "host/host.h"
#include "load/load.h"

int
cli_duration(struct cli *cli, const char *option, int64_t fallback, int64_t *ret_ns)
{
	const char *text = cli_value(cli, option);
	struct fault fault = { 0 };

	*ret_ns = fallback;
	if (!text)
		return CLI_OK;
	if (text_duration(text, ret_ns, &fault) != OK)
		return cli_fail_option(option, &fault);
	return *ret_ns > 0 ? CLI_OK : cli_usage(cli, "--%s wants more than nothing", option);
}

int
cli_fail_on(struct cli *cli, double *ret)
{
	const char *text = cli_value(cli, "fail-on");
	char *end;

	*ret = 0.05;
	if (!text)
		return CLI_OK;
	*ret = strtod(text, &end) / 100;
	if (end == text || (strcmp(end, "%") != 0 && *end) || !(*ret >= 0 && *ret <= 10))
		return cli_usage(cli, "--fail-on wants a percentage like 5%%, not `%s`", text);
	return CLI_OK;
}

/* ---- recording ---- */

static void
wait_for(struct cli *cli, int64_t ns)
{
	static const struct timespec pause = { .tv_nsec = 50 * MSEC };
	struct cli_progress progress;
	int64_t begun = clock_mono(), passed;

	cli_progress_begin(&progress, cli, "watched, seconds");
	while ((passed = clock_mono() - begun) < ns) {
		cli_progress_step(&progress, passed / SEC, (ns + SEC - 1) / SEC);
		nanosleep(&pause, NULL);
	}
	cli_progress_end(&progress);
}

void
cli_record_head(struct cli *cli, const struct config_pipeline *pipeline, const char *load,
                struct baseline *ret)
{
	ret->pipeline = mem_dup(pipeline->name);
	ret->machine = load_machine();
	ret->version = mem_dup(PENSTOCK_VERSION);
	ret->configuration = load_configuration(cli->config, pipeline);
	ret->load = mem_dup(load);
	ret->recorded_at_us = clock_wall() / 1000;
}

static enum status
watch(struct cli *cli, struct db *db, const struct config_pipeline *pipeline, int64_t ns,
      struct baseline *ret, struct fault *fault)
{
	char *path = host_segment_path(cli->config);
	struct load_moment moment;
	struct load_watch *watch;
	enum status st = load_watch_start(db, path, pipeline, &watch, fault);

	free(path);
	if (st != OK)
		return st;
	st = load_moment_now(db, &moment, fault);
	if (st != OK) {
		load_watch_drop(watch);
		return st;
	}
	wait_for(cli, ns);
	st = load_watch_stop(watch, db, ret, fault);
	return st == OK ? load_ends_since(db, &moment, ret, fault) : st;
}

int
cli_record(struct cli *cli, struct db *db, const char *name, int64_t ns, struct baseline *ret)
{
	const struct config_pipeline *pipeline = config_find(cli->config, name);
	struct fault fault = { 0 };

	if (!pipeline) {
		fault_set(&fault, NOT_FOUND, "the configuration has no pipeline '%s'", name);
		return cli_fail(&fault);
	}
	cli_record_head(cli, pipeline, "", ret);
	if (watch(cli, db, pipeline, ns, ret, &fault) != OK)
		return cli_fail(&fault);
	if (ret->n_stages > 0)
		return CLI_OK;
	fault_set(&fault, EMPTY, "no stage of '%s' ran on this machine meanwhile", name);
	fault_hint(&fault, "Put jobs into it while it is watched: penstock bench %s", name);
	fault_print(&fault, stderr);
	return CLI_FOUND;
}

/* ---- what was seen ---- */

static const struct cli_column stage_columns[] = {
	{ "stage", CLI_TEXT },       { "release", CLI_TEXT },
	{ "calls", CLI_COUNT },      { "jobs", CLI_COUNT },
	{ "errors", CLI_COUNT },     { "wall_s", CLI_SECONDS },
	{ "cpu_s", CLI_SECONDS },    { "database_s", CLI_SECONDS },
	{ "allocated", CLI_BYTES },  { "p50_s", CLI_SECONDS },
	{ "p99_s", CLI_SECONDS },    { "kept_calls", CLI_COUNT },
	{ "lost_calls", CLI_COUNT }, { NULL, CLI_TEXT }
};

static void
add_stage(struct cli_table *t, const struct load_stage *s)
{
	const uint64_t *v = s->value;
	double jobs = v[COUNTER_jobs] ? (double)v[COUNTER_jobs] : 1;

	cli_cell_text(t, s->stage);
	cli_cell_text(t, s->release);
	cli_cell_int(t, (int64_t)v[COUNTER_calls]);
	cli_cell_int(t, (int64_t)v[COUNTER_jobs]);
	cli_cell_int(t, (int64_t)(v[COUNTER_retried] + v[COUNTER_failed]));
	cli_cell_double(t, (double)v[COUNTER_wall_ns] / 1e9 / jobs);
	cli_cell_double(t, (double)v[COUNTER_cpu_ns] / 1e9 / jobs);
	cli_cell_double(t, (double)v[COUNTER_db_ns] / 1e9 / jobs);
	cli_cell_int(t, (int64_t)((double)v[COUNTER_allocated] / jobs));
	cli_cell_double(t, histogram_quantile(&s->time, 0.5) / 1e9);
	cli_cell_double(t, histogram_quantile(&s->time, 0.99) / 1e9);
	cli_cell_int(t, (int64_t)s->n_calls);
	cli_cell_int(t, (int64_t)s->lost);
}

static void
json_text(struct buf *json, const char *name, const char *text)
{
	buf_printf(json, "\"%s\": ", name);
	if (text)
		buf_add_json(json, text, strlen(text));
	else
		buf_adds(json, "null");
	buf_adds(json, ", ");
}

static void
json_shared(struct buf *json, const struct profile_machine *m)
{
	if (!m->known) {
		buf_adds(json, "\"cores\": null, \"cores_used\": null, \"cores_of_others\": null, "
		               "\"stretch\": null, ");
		return;
	}
	buf_printf(json,
	           "\"cores\": %g, \"cores_used\": %.4f, \"cores_of_others\": %.4f, "
	           "\"stretch\": %.4f, ",
	           m->cores, m->used / m->seconds, (m->others + m->stolen) / m->seconds,
	           profile_stretch(m));
}

static void
print_shared(const struct profile_machine *m)
{
	if (m->known)
		printf("of %g cores others used %.2f; work on a core took about %.0f %% longer for "
		       "it\n",
		       m->cores, (m->others + m->stolen) / m->seconds, 100 * profile_stretch(m));
	else
		printf("what else the machine did is not known\n");
}

void
cli_recording_print(struct cli *cli, const struct baseline *b)
{
	struct cli_table *t = cli_table_new(stage_columns);
	struct buf json;
	char took[32];

	for (size_t i = 0; i < b->n_stages; i++)
		add_stage(t, &b->stages[i]);
	if (!cli->json) {
		printf("%s%spipeline %s, %s, %" PRId64 " workers, %s\n", b->name ? b->name : "",
		       b->name ? ": " : "", b->pipeline, text_seconds(b->seconds, took), b->workers,
		       b->load[0] ? b->load : "whatever came");
		print_shared(&b->shared);
		printf("%s, penstock %s, PostgreSQL %s; a job costs in each stage\n\n", b->machine,
		       b->version, b->server);
		cli_table_print(t, cli);
		cli_table_free(t);
		return;
	}
	buf_init(&json);
	buf_addc(&json, '{');
	json_text(&json, "name", b->name);
	json_text(&json, "pipeline", b->pipeline);
	json_text(&json, "machine", b->machine);
	json_text(&json, "version", b->version);
	json_text(&json, "server", b->server);
	json_text(&json, "configuration", b->configuration);
	json_text(&json, "load", b->load);
	json_shared(&json, &b->shared);
	buf_printf(&json, "\"seconds\": %.3f, \"workers\": %" PRId64 ", \"stages\": ", b->seconds,
	           b->workers);
	cli_table_json(t, &json);
	printf("%s}\n", json.data);
	buf_done(&json);
	cli_table_free(t);
}
