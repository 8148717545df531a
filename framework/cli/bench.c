/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench.c - penstock bench: put load on a pipeline, say how it fared, find its limit.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli_priv.h"
#include "host/host.h"
#include "load/load.h"

#define STEPS_MOST 40
#define HALVINGS 4
#define GROWTH 1.6

struct bench {
	struct cli *cli;
	struct db *db;
	const struct config_pipeline *pipeline;
	char *segment_path;
	struct load_plan plan;
	struct load_payload payload;
	int64_t drain_ns, p99_ns; /* p99_ns: of --find-limit */
	const char *svg;          /* where a drawing goes; NULL: none */
	struct load_timeline *timeline;
	struct cli_progress progress;
};

/* ---- arguments ---- */

static int
read_number(struct cli *cli, const char *option, int64_t least, int64_t fallback, int64_t *ret)
{
	const char *text = cli_value(cli, option);
	struct fault fault = { 0 };

	*ret = fallback;
	if (!text || text_int(text, least, 1000000000, ret, &fault) == OK)
		return CLI_OK;
	return cli_fail_option(option, &fault);
}

static int
read_rate(struct cli *cli, const char *option, double fallback, double *ret)
{
	const char *text = cli_value(cli, option);
	char *end;

	*ret = fallback;
	if (!text)
		return CLI_OK;
	*ret = strtod(text, &end);
	if (end == text || (*end && strcmp(end, "/s") != 0) || !(*ret > 0 && *ret <= 1e7))
		return cli_usage(cli, "--%s wants jobs a second, like 200, not `%s`", option, text);
	return CLI_OK;
}

static enum load_kind
kind_of(const struct cli *cli)
{
	const char *shape = cli_value(cli, "arrivals");

	if (cli_flag(cli, "in-flight"))
		return LOAD_CLOSED;
	if (!shape || strcmp(shape, "poisson") == 0)
		return LOAD_POISSON;
	if (strcmp(shape, "constant") == 0)
		return LOAD_CONSTANT;
	return strcmp(shape, "burst") == 0 ? LOAD_BURST : LOAD_RAMP;
}

static int
check_together(struct cli *cli)
{
	bool closed = cli_flag(cli, "in-flight"), limit = cli_flag(cli, "find-limit");

	if (closed && (cli_flag(cli, "rate") || cli_flag(cli, "arrivals")))
		return cli_usage(cli,
		                 "--in-flight is a closed loop: without --rate and --arrivals");
	if (cli_flag(cli, "copies") && !cli_flag(cli, "payload"))
		return cli_usage(cli, "--copies wants --payload, whose `path` names the file");
	if (cli_flag(cli, "rate-to") && kind_of(cli) != LOAD_RAMP)
		return cli_usage(cli, "--rate-to is for --arrivals ramp");
	if (kind_of(cli) == LOAD_RAMP && !cli_flag(cli, "rate-to"))
		return cli_usage(cli, "--arrivals ramp wants --rate-to");
	if (kind_of(cli) == LOAD_RAMP && cli_flag(cli, "jobs"))
		return cli_usage(cli, "a ramp has a duration: --for, not --jobs");
	if (limit && (closed || kind_of(cli) == LOAD_RAMP || cli_flag(cli, "record-baseline")))
		return cli_usage(cli,
		                 "--find-limit has open loops of one rate after the other, and "
		                 "records nothing");
	return CLI_OK;
}

static int
read_plan(struct bench *b)
{
	struct load_plan *p = &b->plan;
	struct cli *cli = b->cli;
	int end = check_together(cli);

	p->kind = kind_of(cli);
	p->seed = 1;
	if (end == CLI_OK)
		end = read_rate(cli, "rate", 100, &p->rate);
	if (end == CLI_OK)
		end = read_rate(cli, "rate-to", p->rate, &p->rate_to);
	if (end == CLI_OK)
		end = read_number(cli, "burst", 1, 100, &p->burst);
	if (end == CLI_OK)
		end = read_number(cli, "in-flight", 1, 1, &p->in_flight);
	if (end == CLI_OK)
		end = read_number(cli, "jobs", 1, 0, &p->count);
	if (end == CLI_OK)
		end = cli_duration(cli, "for", p->count ? 0 : 10 * SEC, &p->duration_ns);
	if (end == CLI_OK)
		end = cli_duration(cli, "drain", 60 * SEC, &b->drain_ns);
	if (end == CLI_OK)
		end = cli_duration(cli, "latency", SEC, &b->p99_ns);
	return end;
}

/* ---- one run ---- */

static void
show_progress(void *data, int64_t done, int64_t total)
{
	struct bench *b = data;

	cli_progress_step(&b->progress, done, total);
}

static enum status
run_once(struct bench *b, const struct load_plan *plan, int64_t backlog, struct load_result *ret,
         struct fault *fault)
{
	struct load_run run = {
		.db = b->db,
		.pipeline = b->pipeline->name,
		.segment_path = b->segment_path,
		.plan = plan,
		.payload = &b->payload,
		.backlog = backlog,
		.drain_ns = b->drain_ns,
		.timeline = b->timeline,
		.progress = show_progress,
		.data = b,
	};
	enum status st;

	cli_progress_begin(&b->progress, b->cli, "sent");
	st = load_run(&run, ret, fault);
	cli_progress_end(&b->progress);
	return st;
}

/* The longest is known to the nanosecond, so no percentile is above it. */
static double
quantile(const struct load_result *r, const struct histogram *h, double q)
{
	double ns = histogram_quantile(h, q);

	return (ns > (double)r->longest_ns && r->longest_ns > 0 ? (double)r->longest_ns : ns) / 1e9;
}

static void
add_json(const struct load_result *r, struct buf *out)
{
	static const struct {
		const char *name;
		double q;
	} at[] = { { "p50", 0.5 }, { "p90", 0.9 }, { "p99", 0.99 }, { "p999", 0.999 } };
	double jobs = r->enqueued > 0 ? (double)r->enqueued : 1;

	buf_printf(out,
	           "\"enqueued\": %" PRId64 ", \"completed\": %" PRId64 ", \"discarded\": %" PRId64
	           ", \"cancelled\": %" PRId64 ", \"dead\": %" PRId64 ", \"left\": %" PRId64
	           ", \"refused\": %" PRId64 ", \"failed_attempts\": %" PRId64
	           ", \"seconds\": %.6f, \"offered\": %.3f, \"achieved\": %.3f, \"latency_s\": {",
	           r->enqueued, r->completed, r->discarded, r->cancelled, r->dead, r->left,
	           r->refused, r->failures, r->seconds, r->offered, r->achieved);
	for (size_t i = 0; i < countof(at); i++)
		buf_printf(out, "\"%s\": %.9f, ", at[i].name, quantile(r, &r->time, at[i].q));
	buf_printf(out, "\"most\": %.9f}, \"from_creation_s\": {", (double)r->longest_ns / 1e9);
	for (size_t i = 0; i < countof(at); i++)
		buf_printf(out, "%s\"%s\": %.9f", i ? ", " : "", at[i].name,
		           quantile(r, &r->stay, at[i].q));
	buf_printf(out,
	           "}, \"sent_late_s\": {\"p50\": %.9f, \"p99\": %.9f}, \"wal_bytes_a_job\": %.1f",
	           histogram_quantile(&r->lag, 0.5) / 1e9, histogram_quantile(&r->lag, 0.99) / 1e9,
	           (double)r->wal / jobs);
	if (r->usage.memory > 0)
		buf_printf(out, ", \"host_cpu_s_a_job\": %.9f, \"host_memory_bytes\": %" PRId64,
		           (double)r->usage.cpu_ns / 1e9 / jobs, r->usage.memory);
	else
		buf_adds(out, ", \"host_cpu_s_a_job\": null, \"host_memory_bytes\": null");
}

static const char *
time_text(double seconds, char *out)
{
	return text_ns((int64_t)(seconds * 1e9), out);
}

static void
print_for_people(const struct load_result *r)
{
	double jobs = r->enqueued > 0 ? (double)r->enqueued : 1;
	char a[32], b[32], c[32], d[32], e[32];

	printf("jobs         %" PRId64 " sent, %" PRId64 " completed, %" PRId64
	       " discarded, %" PRId64 " dead, %" PRId64 " left; %" PRId64 " failed attempts\n",
	       r->enqueued, r->completed, r->discarded, r->dead, r->left, r->failures);
	printf("rate         %.1f/s offered, %.1f/s achieved, over %.1f s\n", r->offered,
	       r->achieved, r->seconds);
	printf("latency      p50 %s, p90 %s, p99 %s, p99.9 %s, most %s; from the intended start\n",
	       time_text(quantile(r, &r->time, 0.5), a), time_text(quantile(r, &r->time, 0.9), b),
	       time_text(quantile(r, &r->time, 0.99), c),
	       time_text(quantile(r, &r->time, 0.999), d), text_ns(r->longest_ns, e));
	printf("             p50 %s, p99 %s from creation; sent late by p50 %s, p99 %s\n",
	       time_text(quantile(r, &r->stay, 0.5), a), time_text(quantile(r, &r->stay, 0.99), b),
	       text_ns((int64_t)histogram_quantile(&r->lag, 0.5), c),
	       text_ns((int64_t)histogram_quantile(&r->lag, 0.99), d));
	if (r->usage.memory > 0)
		printf("host         %s CPU a job, %s of memory at the end\n",
		       text_ns((int64_t)((double)r->usage.cpu_ns / jobs), a),
		       text_bytes(r->usage.memory, b));
	else
		printf("host         not on this machine: its CPU and memory are not known\n");
	printf("database     %s of WAL a job\n", text_bytes((int64_t)((double)r->wal / jobs), a));
}

/* ---- a drawing ---- */

static int
keep_drawing(struct bench *b, struct buf *svg)
{
	struct fault fault = { 0 };
	enum status st = file_write(b->svg, svg->data, svg->len, 0644, &fault);

	buf_done(svg);
	if (st != OK)
		return cli_fail(&fault);
	cli_say(b->cli, "drawn: %s", b->svg);
	return CLI_OK;
}

static int
draw_run(struct bench *b)
{
	char *load = load_plan_text(&b->plan),
	     *title = mem_printf("penstock bench %s: %s", b->pipeline->name, load);
	struct buf svg;

	buf_init(&svg);
	load_timeline_plot(b->timeline, title, &svg);
	free(load);
	free(title);
	return keep_drawing(b, &svg);
}

static int
say_result(struct bench *b, const struct load_result *r)
{
	if (r->refused > 0)
		cli_say(b->cli, "%" PRId64 " jobs were refused: the queue is full", r->refused);
	if (r->discarded > r->completed)
		cli_say(b->cli, "most jobs were discarded: stages that end duplicates did no work; "
		                "hint: --copies FOLDER, or the stage's option for duplicates");
	if (r->left > 0)
		cli_say(b->cli,
		        "%" PRId64 " jobs are not done; hint: penstock status, or a longer "
		        "--drain",
		        r->left);
	return r->left > 0 || r->dead > 0 || r->refused > 0 ? CLI_FOUND : CLI_OK;
}

static int
print_run(struct bench *b, const struct load_result *r)
{
	char *text = load_plan_text(&b->plan);
	struct buf json;
	int end;

	if (b->cli->json) {
		buf_init(&json);
		buf_printf(&json, "{\"pipeline\": \"%s\", \"load\": \"%s\", ", b->pipeline->name,
		           text);
		add_json(r, &json);
		printf("%s}\n", json.data);
		buf_done(&json);
	} else {
		printf("load         %s\n", text);
		print_for_people(r);
	}
	free(text);
	if (b->svg && (end = draw_run(b)) != CLI_OK)
		return end;
	return say_result(b, r);
}

/* ---- with a recording ---- */

static enum status
begin_recording(struct bench *b, struct load_watch **ret_watch, struct load_moment *moment,
                struct fault *fault)
{
	enum status st = load_watch_start(b->db, b->segment_path, b->pipeline, ret_watch, fault);

	if (st == OK && (st = load_moment_now(b->db, moment, fault)) != OK)
		load_watch_drop(*ret_watch);
	return st;
}

static enum status
keep_recording(struct bench *b, struct load_watch *watch, const struct load_moment *moment,
               struct fault *fault)
{
	char *load = load_plan_text(&b->plan);
	struct baseline made = { 0 };
	enum status st;

	cli_record_head(b->cli, b->pipeline, load, &made);
	free(load);
	made.name = mem_dup(cli_value(b->cli, "record-baseline"));
	st = load_watch_stop(watch, b->db, &made, fault);
	if (st == OK)
		st = load_ends_since(b->db, moment, &made, fault);
	if (st == OK)
		st = baseline_keep(b->db, &made, cli_flag(b->cli, "replace"), fault);
	baseline_done(&made);
	return st;
}

static int
run_plan(struct bench *b)
{
	bool recording = cli_flag(b->cli, "record-baseline");
	struct load_watch *watch = NULL;
	struct load_moment moment;
	struct load_result result;
	struct fault fault = { 0 };
	enum status st = OK;

	if (recording)
		st = begin_recording(b, &watch, &moment, &fault);
	if (st == OK) {
		st = run_once(b, &b->plan, 0, &result, &fault);
		if (recording && st == OK)
			st = keep_recording(b, watch, &moment, &fault);
		else
			load_watch_drop(watch);
	}
	return st == OK ? print_run(b, &result) : cli_fail(&fault);
}

/* ---- the limit ---- */

struct step {
	double rate, p99_s;
	bool holds;
	struct load_result result;
};
struct search {
	struct bench *bench;
	struct step steps[STEPS_MOST];
	size_t n;
	double holds, breaks; /* 0: none yet */
};

static bool
step_holds(const struct bench *b, const struct step *s)
{
	const struct load_result *r = &s->result;

	return !r->broken && r->left == 0 && r->refused == 0 && s->p99_s * 1e9 <= (double)b->p99_ns;
}

static void
tell_step(const struct bench *b, const struct step *s)
{
	char p99[32];

	cli_say(b->cli, "%8.1f/s  achieved %8.1f/s  p99 %9s  %s", s->rate, s->result.achieved,
	        time_text(s->p99_s, p99),
	        s->holds           ? "holds"
	        : s->result.broken ? "the backlog grows"
	                           : "breaks");
}

/* More jobs than come in twice the time that the limit allows are a backlog. */
static enum status
try_rate(struct search *search, double rate, struct fault *fault)
{
	struct bench *b = search->bench;
	struct step *s = &search->steps[search->n];
	struct load_plan plan = b->plan;
	enum status st;

	plan.rate = rate;
	s->rate = rate;
	st = run_once(b, &plan, (int64_t)(2 * rate * (double)b->p99_ns / 1e9) + 100, &s->result,
	              fault);
	if (st != OK)
		return st;
	s->p99_s = quantile(&s->result, &s->result.time, 0.99);
	s->holds = step_holds(b, s);
	if (s->holds && rate > search->holds)
		search->holds = rate;
	if (!s->holds && (search->breaks == 0 || rate < search->breaks))
		search->breaks = rate;
	search->n++;
	tell_step(b, s);
	return OK;
}

/* Up until it breaks, down until it holds, then halves between. */
static enum status
find_limit(struct search *search, struct fault *fault)
{
	double rate = search->bench->plan.rate;
	enum status st = try_rate(search, rate, fault);

	while (st == OK && search->breaks == 0 && search->n < STEPS_MOST - HALVINGS)
		st = try_rate(search, rate *= GROWTH, fault);
	while (st == OK && search->holds == 0 && rate > 0.5 && search->n < STEPS_MOST - HALVINGS)
		st = try_rate(search, rate /= 2, fault);
	for (int i = 0; st == OK && i < HALVINGS && search->holds > 0 && search->breaks > 0; i++)
		st = try_rate(search, (search->holds + search->breaks) / 2, fault);
	return st;
}

static int
print_limit(const struct search *search)
{
	struct bench *b = search->bench;
	struct buf json;
	char p99[32];

	if (!b->cli->json) {
		printf("limit        %.1f/s hold with p99 <= %s", search->holds,
		       text_ns(b->p99_ns, p99));
		if (search->breaks > 0)
			printf("; %.1f/s do not", search->breaks);
		printf("\n");
		return search->holds > 0 ? CLI_OK : CLI_FOUND;
	}
	buf_init(&json);
	buf_printf(&json, "{\"pipeline\": \"%s\", \"p99_limit_s\": %.9f, \"holds\": %.3f, ",
	           b->pipeline->name, (double)b->p99_ns / 1e9, search->holds);
	buf_printf(&json,
	           search->breaks > 0 ? "\"breaks\": %.3f, \"steps\": ["
	                              : "\"breaks\": null, \"steps\": [",
	           search->breaks);
	for (size_t i = 0; i < search->n; i++) {
		buf_printf(&json, "%s{\"rate\": %.3f, \"holds\": %s, ", i ? ", " : "",
		           search->steps[i].rate, search->steps[i].holds ? "true" : "false");
		add_json(&search->steps[i].result, &json);
		buf_addc(&json, '}');
	}
	printf("%s]}\n", json.data);
	buf_done(&json);
	return search->holds > 0 ? CLI_OK : CLI_FOUND;
}

static int
by_rate(const void *a, const void *b)
{
	const struct step *x = a, *y = b;

	return (x->rate > y->rate) - (x->rate < y->rate);
}

/* Steps by their rate, and the line that p99 must not pass. */
static int
draw_limit(struct search *search)
{
	struct bench *b = search->bench;
	double x[STEPS_MOST], p50[STEPS_MOST], p99[STEPS_MOST], limit[STEPS_MOST],
	    achieved[STEPS_MOST];
	char *title = mem_printf("penstock bench %s: --find-limit", b->pipeline->name);
	size_t n = search->n;
	struct buf svg;

	qsort(search->steps, n, sizeof *search->steps, by_rate);
	for (size_t i = 0; i < n; i++) {
		const struct step *s = &search->steps[i];

		x[i] = s->rate;
		p50[i] = quantile(&s->result, &s->result.time, 0.5);
		p99[i] = s->p99_s;
		limit[i] = (double)b->p99_ns / 1e9;
		achieved[i] = s->result.achieved;
	}
	{
		const struct load_series times[] = {
			{ "p50", "#0072b2", x, p50, n, false, true },
			{ "p99", "#d55e00", x, p99, n, false, true },
			{ "limit of p99", "#666", x, limit, n, true, false },
		};
		const struct load_series rates[] = {
			{ "achieved", "#009e73", x, achieved, n, false, true },
			{ "offered", "#666", x, x, n, true, false },
		};
		const struct load_panel panels[] = {
			{ "latency, from the intended start", true, true, times, countof(times) },
			{ "jobs a second", false, false, rates, countof(rates) },
		};

		buf_init(&svg);
		load_plot(
		    &(struct load_plot){ title, "jobs a second, offered", panels, countof(panels) },
		    &svg);
	}
	free(title);
	return keep_drawing(b, &svg);
}

static int
search_limit(struct bench *b)
{
	struct search *search = mem_alloc(sizeof *search);
	struct fault fault = { 0 };
	int end, drawn;

	search->bench = b;
	end = find_limit(search, &fault) == OK ? print_limit(search) : cli_fail(&fault);
	if (b->svg && search->n > 0 && (drawn = draw_limit(search)) != CLI_OK)
		end = drawn;
	free(search);
	return end;
}

/* ---- the command ---- */

/* Before minutes go by for a file that cannot be made. */
static int
check_drawing(struct bench *b)
{
	struct fault fault = { 0 };
	FILE *f;

	b->svg = cli_value(b->cli, "svg");
	if (!b->svg)
		return CLI_OK;
	f = fopen(b->svg, "ae");
	if (!f) {
		fault_errno(&fault, errno, "cannot write %s", b->svg);
		return cli_fail(&fault);
	}
	fclose(f);
	b->timeline = mem_alloc(sizeof *b->timeline);
	return CLI_OK;
}

static int
prepare(struct bench *b)
{
	struct cli *cli = b->cli;
	const char *salt = cli_value(cli, "salt");
	struct fault fault = { 0 };

	b->pipeline = config_find(cli->config, cli->argv[0]);
	if (!b->pipeline) {
		fault_set(&fault, NOT_FOUND, "the configuration has no pipeline '%s'",
		          cli->argv[0]);
		return cli_fail(&fault);
	}
	b->payload.salt = salt ? salt : "bench";
	b->payload.copies = cli_value(cli, "copies");
	if (load_payload_read(cli_value(cli, "payload"), &b->payload, &fault) != OK)
		return cli_fail(&fault);
	b->segment_path = host_segment_path(cli->config);
	return check_drawing(b);
}

int
bench_command(struct cli *cli)
{
	struct bench b = { .cli = cli };
	int end = read_plan(&b);

	if (end == CLI_OK)
		end = cli_open(cli, &b.db);
	if (end != CLI_OK)
		return end;
	end = prepare(&b);
	if (end == CLI_OK)
		end = cli_flag(cli, "find-limit") ? search_limit(&b) : run_plan(&b);
	load_payload_done(&b.payload);
	free(b.segment_path);
	free(b.timeline);
	db_close(b.db);
	return end;
}
