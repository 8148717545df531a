/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * profile.c - penstock profile: which resource holds a pipeline back, and what a change would buy.
 *
 * Tables for the eye, then sentences that say what they mean. The numbers come
 * from profile_measure.c, the reasoning from profile/.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli_priv.h"

#define MEASURE_FOR (30 * SEC)
#define MEASURE_LEAST SEC
#define MEASURE_MOST (24 * 3600 * SEC)
#define CHANGES_SHOWN 6

static const struct cli_column stage_columns[] = {
	{ "stage", CLI_TEXT },      { "jobs_per_s", CLI_NUMBER },
	{ "visits", CLI_NUMBER },   { "ready", CLI_COUNT },
	{ "waits_s", CLI_SECONDS }, { "runs_s", CLI_SECONDS },
	{ "cpu_s", CLI_SECONDS },   { "db_s", CLI_SECONDS },
	{ "of_time", CLI_PERCENT }, { "of_run", CLI_PERCENT },
	{ NULL, CLI_TEXT }
};
static const struct cli_column resource_columns[] = {
	{ "resource", CLI_TEXT },     { "stage", CLI_TEXT },    { "capacity", CLI_NUMBER },
	{ "a_job", CLI_TEXT },        { "busy", CLI_PERCENT },  { "bound_per_s", CLI_NUMBER },
	{ "most_used_by", CLI_TEXT }, { "share", CLI_PERCENT }, { NULL, CLI_TEXT }
};
static const struct cli_column change_columns[] = { { "change", CLI_TEXT },
	                                            { "stage", CLI_TEXT },
	                                            { "jobs_per_s", CLI_NUMBER },
	                                            { "gain", CLI_PERCENT },
	                                            { NULL, CLI_TEXT } };

/* What the output is made of. */
struct report {
	struct cli *cli;
	const char *pipeline;
	const struct profile_measured *m;
	const struct profile *p;
	struct buf sentences; /* one a line */
};

/* ---- names ---- */

static const char *
user_name(const struct report *r, size_t stage)
{
	return stage < r->p->n_stages ? r->m->stages[stage].name : "claims and settlements";
}

static const char *
resource_name(const struct profile_resource *r)
{
	return r->kind == PROFILE_CAP ? profile_cap_name(r->cap) : profile_kind_name(r->kind);
}

static char *
change_text(const struct profile_change *c)
{
	switch (c->kind) {
	case CHANGE_STAGE: return mem_dup("twice as fast");
	case CHANGE_WORKERS: return mem_dup("two more workers");
	case CHANGE_CORES: return mem_dup("twice as many cores");
	case CHANGE_LEASES: return mem_dup("leases twice as large");
	case CHANGE_CAP:
		if (c->cap == CAP_SERIAL)
			return mem_dup("two at a time, not serial");
		return mem_printf("twice the %s", profile_cap_name(c->cap));
	case CHANGE_NONE: break;
	}
	return mem_dup("nothing");
}

static const char *
change_stage(const struct report *r, const struct profile_change *c)
{
	return c->kind == CHANGE_STAGE || c->kind == CHANGE_CAP ? r->m->stages[c->stage].name
	                                                        : NULL;
}

/* ---- tables ---- */

static void
cell_known(struct cli_table *t, double v)
{
	if (v < 0 || !isfinite(v))
		cli_cell_none(t);
	else
		cli_cell_double(t, v);
}

static struct cli_table *
stages_table(const struct report *r)
{
	struct cli_table *t = cli_table_new(stage_columns);

	for (size_t i = 0; i < r->p->n_stages; i++) {
		const struct profile_stage *s = &r->p->stages[i];
		double ready = r->m->stages[i].ready;

		cli_cell_text(t, r->m->stages[i].name);
		cli_cell_double(t, s->rate);
		cli_cell_double(t, s->visits);
		if (ready < 0)
			cli_cell_none(t);
		else
			cli_cell_int(t, (int64_t)(ready + 0.5));
		cell_known(t, s->wait_s);
		cli_cell_double(t, s->run_s);
		cli_cell_double(t, s->cpu_s);
		cli_cell_double(t, s->db_s);
		cell_known(t, s->share);
		cli_cell_double(t, s->run_share);
	}
	return t;
}

static struct cli_table *
resources_table(const struct report *r)
{
	struct cli_table *t = cli_table_new(resource_columns);

	for (size_t i = 0; i < r->p->n_resources; i++) {
		const struct profile_resource *x = &r->p->resources[i];
		char time[32];

		cli_cell_text(t, resource_name(x));
		cli_cell_text(t, x->kind == PROFILE_CAP ? r->m->stages[x->stage].name : NULL);
		cli_cell_double(t, x->capacity);
		cli_cell_text(t, x->cap == CAP_RATE ? "1 start" : text_seconds(x->demand, time));
		cli_cell_double(t, x->busy);
		cell_known(t, x->bound);
		cli_cell_text(t, user_name(r, x->most));
		cli_cell_double(t, x->most_share);
	}
	return t;
}

static struct cli_table *
changes_table(const struct report *r)
{
	struct cli_table *t = cli_table_new(change_columns);

	for (size_t i = 0; i < r->p->n_changes; i++) {
		const struct profile_change *c = &r->p->changes[i];
		char *text;

		if (!r->cli->json && i == CHANGES_SHOWN)
			break;
		text = change_text(c);
		cli_cell_text(t, text);
		cli_cell_text(t, change_stage(r, c));
		cli_cell_double(t, c->rate);
		cli_cell_double(t, c->gain);
		free(text);
	}
	return t;
}

/* ---- sentences ---- */

static void say(struct report *r, const char *format, ...) printf_like(2, 3);

static void
say(struct report *r, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	check(text);
	buf_adds(&r->sentences, text);
	buf_addc(&r->sentences, '\n');
	free(text);
}

static int
percent(double share)
{
	return (int)(share * 100 + 0.5);
}

static const struct profile_change *
change_of(const struct profile *p, enum profile_change_kind kind, enum profile_cap cap,
          size_t stage)
{
	for (size_t i = 0; i < p->n_changes; i++) {
		const struct profile_change *c = &p->changes[i];

		if (c->kind == kind && c->cap == cap && (stage == p->n_stages || c->stage == stage))
			return c;
	}
	return NULL;
}

/* " twice as fast: +38 %, 245/s." */
static void
say_gain(struct report *r, const char *what, const struct profile_change *c)
{
	if (c)
		say(r, "  %s: +%d %%, %.4g jobs/s.", what, percent(c->gain), c->rate);
	else
		say(r, "  %s would buy nothing.", what);
}

static bool
server_binds(const struct profile *p, const struct profile_resource *x)
{
	return x->kind == PROFILE_DATABASE && x == &p->resources[1];
}

static void
say_cap(struct report *r, const struct profile_resource *x)
{
	const char *stage = r->m->stages[x->stage].name;
	const char *cap = profile_cap_name(x->cap);

	switch (x->cap) {
	case CAP_SERIAL:
		say(r,
		    "%s holds it back: it runs one call at a time, and that is %d %% of the time.",
		    stage, percent(x->busy));
		break;
	case CAP_RATE:
		say(r, "%s holds it back: its rate of %.4g jobs/s is used to %d %%.", stage,
		    x->capacity, percent(x->busy));
		break;
	default:
		say(r, "%s holds it back: of its %s %.4g, %d %% are taken.", stage, cap,
		    x->capacity, percent(x->busy));
	}
}

static void
say_binding(struct report *r, const struct profile_resource *x)
{
	const char *name = user_name(r, x->most);
	const char *holds = x->most < r->p->n_stages ? "holds" : "hold";
	int busy = percent(x->busy), share = percent(x->most_share);

	if (x->kind == PROFILE_CAP)
		say_cap(r, x);
	else if (x->kind == PROFILE_WORKERS)
		say(r,
		    "%s %s it back: the %.4g worker threads are busy %d %% of the time, %d %% "
		    "of that with it.",
		    name, holds, r->m->seen.workers, busy, share);
	else if (server_binds(r->p, x))
		say(r,
		    "%s %s it back: the cores are %d %% busy, most of it by the database's "
		    "server, %d %% of that for %s.",
		    name, holds, busy, share, x->most < r->p->n_stages ? "it" : "them");
	else if (x->kind == PROFILE_CORES)
		say(r, "%s %s it back: cores are %d %% busy, %d %% of that is %s.", name, holds,
		    busy, share, name);
	else
		say(r,
		    "%s %s it back: in the database sessions wait for one another's locks in "
		    "%d %% of the time; %d %% of the time that these are held is %s.",
		    name, holds, busy, share, name);
}

static void
say_changes(struct report *r, const struct profile_resource *x)
{
	const struct profile *p = r->p;
	char *what;

	if (x->cap == CAP_RATE) {
		say_gain(r, "twice the rate", change_of(p, CHANGE_CAP, CAP_RATE, x->stage));
		return;
	}
	if (x->most < p->n_stages) {
		what = mem_printf("%s twice as fast", user_name(r, x->most));
		say_gain(r, what, change_of(p, CHANGE_STAGE, CAP_NONE, x->most));
		free(what);
	} else {
		say_gain(r, "leases twice as large",
		         change_of(p, CHANGE_LEASES, CAP_NONE, p->n_stages));
	}
	if (x->kind == PROFILE_CAP && x->cap != CAP_SERIAL) {
		what = mem_printf("%s twice as high", profile_cap_name(x->cap));
		say_gain(r, what, change_of(p, CHANGE_CAP, x->cap, x->stage));
		free(what);
	}
	say_gain(r, "two more workers", change_of(p, CHANGE_WORKERS, CAP_NONE, p->n_stages));
}

static void
say_load(struct report *r)
{
	const struct profile *p = r->p;
	const struct profile_resource *x = &p->resources[p->binding];

	switch (p->load) {
	case PROFILE_NO_JOBS:
		say(r, "No job of %s ended in %.0f s%s: there is nothing to say.", r->pipeline,
		    r->m->seen.seconds,
		    r->m->seen.least_ready >= 1 ? ", though jobs are ready" : " and none is ready");
		return;
	case PROFILE_KEEPS_UP:
		say(r,
		    "Nothing holds it back: %.4g jobs/s come and are done. It could do about "
		    "%.4g; then %s would bind, used most by %s.",
		    p->rate, p->bound, resource_name(x), user_name(r, x->most));
		return;
	case PROFILE_SATURATED: break;
	}
	say_binding(r, x);
	say_changes(r, x);
}

static void
say_unknown(struct report *r)
{
	const struct profile_seen *seen = &r->m->seen;

	if (r->m->sessions_hidden)
		say(r, "What workers' sessions do is hidden from this role, so locks are not seen; "
		       "hint: grant pg_read_all_stats.");
	if (seen->server_cpu < 0)
		say(r,
		    "The database's server is not on this machine, or its processes cannot be seen "
		    "from here: its cores are not known.");
	if (seen->cores_elsewhere > 0.1)
		say(r,
		    "%.2g cores were busy with other things; %.2g are counted as there for this "
		    "pipeline. Work on a core took %d %% longer for it; what is predicted holds "
		    "while that stays so.",
		    seen->cores_elsewhere, r->p->cores, percent(r->m->stretch));
}

static void
say_little(struct report *r)
{
	const struct profile *p = r->p;

	if (p->little_holds) {
		if (p->load != PROFILE_NO_JOBS)
			say(r, "Little's law holds at every stage: the counters fit together.");
		return;
	}
	for (size_t i = 0; i < p->n_stages; i++) {
		const struct profile_stage *s = &p->stages[i];

		if (!s->little_holds)
			say(r,
			    "The counters of %s do not fit: %.3g jobs were seen inside, rate "
			    "times time is %.3g. Do not trust this profile.",
			    r->m->stages[i].name, s->little_n, s->little_xr);
	}
}

/* ---- output ---- */

static void
title(const struct cli *cli, const char *text)
{
	printf("\n%s%s%s\n", cli->colour ? "\033[1m" : "", text, cli->colour ? "\033[0m" : "");
}

static const char *const load_names[] = { "none", "keeps up", "saturated" };

static void
print_json(const struct report *r, struct cli_table *const tables[3])
{
	const struct profile *p = r->p;
	struct buf out;

	buf_init(&out);
	buf_adds(&out, "{\"pipeline\": ");
	buf_add_json(&out, r->pipeline, strlen(r->pipeline));
	buf_printf(&out, ", \"seconds\": %.3f, \"load\": \"%s\", \"jobs_per_s\": %.6g",
	           r->m->seen.seconds, load_names[p->load], p->rate);
	buf_printf(&out,
	           ", \"cores\": %.4g, \"cores_of_others\": %.4f, \"stretch\": %.4f, "
	           "\"waiting_for_others\": %.4f",
	           r->m->seen.cores, r->m->seen.cores_elsewhere, r->m->stretch, r->m->waiting);
	if (p->load != PROFILE_NO_JOBS) {
		const struct profile_resource *x = &p->resources[p->binding];

		if (isfinite(p->bound))
			buf_printf(&out, ", \"bound_per_s\": %.6g", p->bound);
		buf_printf(&out, ", \"binding\": \"%s\"", profile_kind_name(x->kind));
		if (x->kind == PROFILE_CAP)
			buf_printf(&out, ", \"cap\": \"%s\"", profile_cap_name(x->cap));
		buf_adds(&out, ", \"most_used_by\": ");
		buf_add_json(&out, user_name(r, x->most), strlen(user_name(r, x->most)));
	}
	buf_printf(&out, ", \"little_holds\": %s", p->little_holds ? "true" : "false");
	buf_adds(&out, ", \"stages\": ");
	cli_table_json(tables[0], &out);
	buf_adds(&out, ", \"resources\": ");
	cli_table_json(tables[1], &out);
	buf_adds(&out, ", \"changes\": ");
	cli_table_json(tables[2], &out);
	buf_adds(&out, ", \"text\": ");
	buf_add_json(&out, r->sentences.data, r->sentences.len);
	buf_adds(&out, "}\n");
	fputs(out.data, stdout);
	buf_done(&out);
}

static void
print_text(const struct report *r, struct cli_table *const tables[3])
{
	const struct cli *cli = r->cli;

	printf("%s: %.4g jobs/s in %.1f s, %.4g workers, %.4g cores\n", r->pipeline, r->p->rate,
	       r->m->seen.seconds, r->m->seen.workers, r->m->seen.cores);
	title(cli, "Stages, for each job of theirs; WAITS is READY over the rate (Little's law)");
	cli_table_print(tables[0], cli);
	if (r->p->load != PROFILE_NO_JOBS) {
		title(cli, "Resources, for each job of the pipeline");
		cli_table_print(tables[1], cli);
		if (cli_table_rows(tables[2]) > 0) {
			title(cli, "What a change would buy");
			cli_table_print(tables[2], cli);
		}
	}
	printf("\n%s", r->sentences.data);
}

static void
print_report(struct report *r)
{
	struct cli_table *tables[3];

	buf_init(&r->sentences);
	say_load(r);
	say_unknown(r);
	say_little(r);
	tables[0] = stages_table(r);
	tables[1] = resources_table(r);
	tables[2] = changes_table(r);
	if (r->cli->json)
		print_json(r, tables);
	else
		print_text(r, tables);
	for (size_t i = 0; i < countof(tables); i++)
		cli_table_free(tables[i]);
	buf_done(&r->sentences);
}

static int
find_pipeline(struct cli *cli, const char *name, const struct config_pipeline **ret)
{
	const char *names[64], *nearest;
	size_t n = 0;

	*ret = config_find(cli->config, name);
	if (*ret)
		return CLI_OK;
	for (; n < cli->config->n_pipelines && n < countof(names); n++)
		names[n] = cli->config->pipelines[n].name;
	nearest = text_nearest(name, names, n);
	return cli_usage(cli, "the configuration has no pipeline `%s`%s%s%s", name,
	                 nearest ? "; did you mean `" : "", nearest ? nearest : "",
	                 nearest ? "`?" : "");
}

int
profile_command(struct cli *cli)
{
	struct profile_measured measured = { 0 };
	const struct config_pipeline *pipeline;
	struct fault fault = { 0 };
	int64_t for_ns = MEASURE_FOR;
	struct profile profile;
	enum status st;
	int end;

	if (cli_flag(cli, "for") && text_duration(cli_value(cli, "for"), &for_ns, &fault) != OK)
		return cli_fail_option("for", &fault);
	if (for_ns < MEASURE_LEAST || for_ns > MEASURE_MOST)
		return cli_usage(cli, "--for is at least 1s and at most 24h");
	end = cli_config(cli);
	if (end == CLI_OK)
		end = find_pipeline(cli, cli->argv[0], &pipeline);
	if (end != CLI_OK)
		return end;
	st = profile_measure(cli, pipeline, for_ns, &measured, &fault);
	if (st == OK) {
		struct report report = {
			.cli = cli, .pipeline = pipeline->name, .m = &measured, .p = &profile
		};

		profile_make(&measured.seen, &profile);
		print_report(&report);
		profile_done(&profile);
	}
	profile_measured_done(&measured);
	return st == OK ? CLI_OK : cli_fail(&fault);
}
