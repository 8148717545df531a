/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * profile_measure.c - two readings of the segment, and what is looked at between them.
 *
 * Reads the segment, /proc and the database's own views; writes nothing
 * anywhere. What cannot be seen (a server on another machine, sessions of
 * another role) stays PROFILE_UNKNOWN, and is said so. The database may
 * be away: then the lanes are unknown too.
 */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/cli_priv.h"
#include "counters/counters.h"
#include "host/host.h"
#include "load/load.h"
#include "sql_text.h"
#include "stage/stage.h"
#include "worker/worker.h"

#define LOOK_EVERY (20 * MSEC)
#define SESSIONS_EVERY (100 * MSEC)
#define LANES_EVERY SEC

/* All that is read at one moment. */
struct reading {
	int64_t at;
	struct counters_row *rows;
	size_t n_rows;
	struct counters_host host;
	struct load_cores cores;
};

struct measure {
	struct cli *cli;
	struct profile_measured *m;
	const struct config_pipeline *pipeline;
	const struct segment *segment;
	struct db *db; /* NULL: away */
	struct reading from, to;
	uint64_t looks, session_looks, lane_looks;
	double queue_active, queue_cpu, queue_lock, stage_active, stage_cpu, stage_lock, lock_held;
	bool hidden;
	double least_ready;
	int64_t sessions_at, lanes_at;
};

/* ---- one reading ---- */

static enum status
read_all(struct measure *m, struct reading *r, struct fault *fault)
{
	*r = (struct reading){ .at = clock_mono() };
	load_cores_read(m->db, m->segment, &r->cores);
	counters_host(m->segment, &r->host);
	if (!counters_sum(m->segment, &r->rows, &r->n_rows))
		return fault_set(fault, TIMEOUT, "the counters never stood still; try again");
	return OK;
}

static void
reading_done(struct reading *r)
{
	free(r->rows);
	load_cores_done(&r->cores);
}

/* ---- between the two ---- */

static size_t
stage_index(const struct config_pipeline *p, const char *stage)
{
	for (size_t i = 0; i < p->n_stages; i++)
		if (strcmp(p->stages[i].name, stage) == 0)
			return i;
	return p->n_stages;
}

static void
look_at_workers(struct measure *m)
{
	const struct segment *s = m->segment;
	uint32_t n_slots = counters_n_slots(s);

	m->looks++;
	for (uint32_t w = 0; w < s->n_workers && w < COUNTERS_WORKERS; w++) {
		const struct recorder_line *line = &s->recorder[w];
		uint32_t slot = __atomic_load_n(&line->slot, __ATOMIC_RELAXED);
		size_t i;

		if (!__atomic_load_n(&line->call, __ATOMIC_ACQUIRE) || slot >= n_slots ||
		    strcmp(s->slot[slot].pipeline, m->pipeline->name) != 0)
			continue;
		i = stage_index(m->pipeline, s->slot[slot].stage);
		if (i < m->pipeline->n_stages)
			m->m->stages[i].inside++;
	}
	for (uint32_t k = 0; k < n_slots; k++) {
		const struct counter_slot *slot = &s->slot[k];
		size_t i;

		if (!slot->value[COUNTER_later] || strcmp(slot->pipeline, m->pipeline->name) != 0)
			continue;
		i = stage_index(m->pipeline, slot->stage);
		if (i < m->pipeline->n_stages)
			m->m->stages[i].in_flight +=
			    (double)(int64_t)(slot->value[COUNTER_later] -
			                      slot->value[COUNTER_later_ended]);
	}
}

/* The database may go while we look: then what depends on it is what was seen so far. */
static void
lost(struct measure *m, const struct fault *fault)
{
	log_fault(LOG_WARNING, "the database does not answer; going on without it", fault);
	db_close(m->db);
	m->db = NULL;
}

static void
look_at_sessions(struct measure *m)
{
	struct fault fault = { 0 };
	struct db_result *r;

	if (db_call(m->db, sql_profile_sessions, NULL, &r, &fault) != OK) {
		lost(m, &fault);
		return;
	}
	m->session_looks++;
	m->hidden |= db_int(r, 0, 0) > 0;
	m->queue_active += (double)db_int(r, 0, 1);
	m->queue_cpu += (double)db_int(r, 0, 2);
	m->queue_lock += (double)db_int(r, 0, 3);
	m->stage_active += (double)db_int(r, 0, 4);
	m->stage_cpu += (double)db_int(r, 0, 5);
	m->stage_lock += (double)db_int(r, 0, 6);
	m->lock_held += db_int(r, 0, 3) + db_int(r, 0, 6) > 0;
	db_result_free(r);
}

static void
look_at_lanes(struct measure *m)
{
	struct fault fault = { 0 };
	struct db_args args;
	struct db_result *r;
	double ready = 0;

	db_args_init(&args);
	db_arg_text(&args, m->pipeline->name);
	if (db_call(m->db, sql_depths, &args, &r, &fault) != OK) {
		lost(m, &fault);
		return;
	}
	m->lane_looks++;
	for (int k = 0; k < db_rows(r); k++) {
		size_t i = stage_index(m->pipeline, db_text(r, k, 1));

		if (i == m->pipeline->n_stages)
			continue;
		m->m->stages[i].ready += (double)db_int(r, k, 2);
		m->m->stages[i].leased += (double)db_int(r, k, 3);
		ready += (double)db_int(r, k, 2);
	}
	db_result_free(r);
	if (m->lane_looks == 1 || ready < m->least_ready)
		m->least_ready = ready;
}

static void
look(struct measure *m)
{
	int64_t now = clock_mono();

	look_at_workers(m);
	if (m->db && now >= m->sessions_at) {
		look_at_sessions(m);
		m->sessions_at = now + SESSIONS_EVERY;
	}
	if (m->db && now >= m->lanes_at) {
		look_at_lanes(m);
		m->lanes_at = now + LANES_EVERY;
	}
}

static enum status
watch(struct measure *m, int64_t for_ns, struct fault *fault)
{
	int64_t until = m->from.at + for_ns, now;
	struct cli_progress progress;

	cli_progress_begin(&progress, m->cli, "measuring, ms");
	while ((now = clock_mono()) < until) {
		struct timespec t = { 0, until - now < LOOK_EVERY ? until - now : LOOK_EVERY };

		look(m);
		cli_progress_step(&progress, (now - m->from.at) / MSEC, for_ns / MSEC);
		nanosleep(&t, NULL);
	}
	if (m->db)
		look_at_lanes(m);
	cli_progress_end(&progress);
	if (kill(m->segment->supervisor_pid, 0) != 0 && errno == ESRCH)
		return fault_set(fault, STOPPED, "the host ended while it was measured");
	return OK;
}

/* ---- from readings to numbers ---- */

static double
seconds_of(uint64_t from, uint64_t to)
{
	return to > from ? (double)(to - from) / 1e9 : 0;
}

static double
more(uint64_t from, uint64_t to)
{
	return to > from ? (double)(to - from) : 0;
}

static const struct counters_row *
row_before(const struct reading *r, const struct counters_row *row)
{
	static const struct counters_row none;

	for (size_t i = 0; i < r->n_rows; i++)
		if (strcmp(r->rows[i].pipeline, row->pipeline) == 0 &&
		    strcmp(r->rows[i].stage, row->stage) == 0 &&
		    strcmp(r->rows[i].release, row->release) == 0)
			return &r->rows[i];
	return &none;
}

static void
add_times(struct profile_seen_stage *s, const struct histogram *a, const struct histogram *b)
{
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		double n = more(a->bucket[i], b->bucket[i]);

		s->timed += n;
		s->time_sum += n * histogram_middle(i) / 1e9;
	}
}

static void
add_row(struct profile_seen_stage *s, const struct counters_row *from,
        const struct counters_row *to)
{
	const uint64_t *a = from->value, *b = to->value;

#define MORE(name) more(a[COUNTER_##name], b[COUNTER_##name])
#define SECONDS(name) seconds_of(a[COUNTER_##name], b[COUNTER_##name])
	s->jobs += MORE(jobs);
	s->came += MORE(came);
	s->again += MORE(retried) + MORE(snoozed);
	s->ended += MORE(settled_completed) + MORE(settled_discarded) + MORE(settled_cancelled) +
	            MORE(settled_dead);
	s->calls += MORE(calls);
	s->wall += SECONDS(wall_ns);
	s->cpu += SECONDS(cpu_ns);
	s->db += SECONDS(db_ns);
	s->blocked += SECONDS(blocked_ns);
	s->promised += MORE(later);
	s->later += SECONDS(later_ns);
	s->later_worker += SECONDS(later_worker_ns);
#undef MORE
#undef SECONDS
	add_times(s, &from->time, &to->time);
}

/* The work of other pipelines takes its part of the workers and cores. */
struct others {
	double wall, cpu, calls;
};

static void
add_rows(struct measure *m, struct others *others)
{
	for (size_t k = 0; k < m->to.n_rows; k++) {
		const struct counters_row *to = &m->to.rows[k], *from = row_before(&m->from, to);
		size_t i = stage_index(m->pipeline, to->stage);

		if (strcmp(to->pipeline, m->pipeline->name) == 0 && i < m->pipeline->n_stages) {
			add_row(&m->m->stages[i], from, to);
			continue;
		}
		others->wall += seconds_of(from->value[COUNTER_wall_ns],
		                           to->value[COUNTER_wall_ns]);
		others->cpu += seconds_of(from->value[COUNTER_cpu_ns], to->value[COUNTER_cpu_ns]);
		others->calls += more(from->value[COUNTER_calls], to->value[COUNTER_calls]);
	}
}

static double
state_seconds(const struct measure *m, enum worker_state state)
{
	return seconds_of(m->from.host.state_ns[state], m->to.host.state_ns[state]);
}

static void
share_with_others(struct measure *m, const struct others *others, double host_cpu)
{
	struct profile_seen *seen = &m->m->seen;
	double calls = 0, cpu = 0, share, rest;

	for (size_t i = 0; i < seen->n_stages; i++) {
		calls += m->m->stages[i].calls;
		cpu += m->m->stages[i].cpu;
	}
	share = calls + others->calls > 0 ? calls / (calls + others->calls) : 1;
	rest = fmax(host_cpu - cpu - others->cpu, 0);
	seen->workers_elsewhere = (others->wall + seen->trips * (1 - share)) / seen->seconds;
	seen->trips *= share;
	seen->host_cpu = cpu + rest * share;
}

static void
add_sessions(struct measure *m)
{
	struct profile_seen *seen = &m->m->seen;
	double n = (double)m->session_looks;

	seen->queue_active = seen->stage_active = seen->queue_cpu = seen->stage_cpu =
	    seen->queue_lock = seen->stage_lock = PROFILE_UNKNOWN;
	m->m->sessions_hidden = m->hidden;
	if (m->session_looks == 0 || m->hidden)
		return;
	seen->queue_active = m->queue_active / n;
	seen->queue_cpu = m->queue_cpu / n;
	seen->queue_lock = m->queue_lock / n;
	seen->stage_active = m->stage_active / n;
	seen->stage_cpu = m->stage_cpu / n;
	seen->stage_lock = m->stage_lock / n;
	seen->lock_held = m->lock_held / n;
}

static void
add_means(struct measure *m)
{
	for (size_t i = 0; i < m->pipeline->n_stages; i++) {
		struct profile_seen_stage *s = &m->m->stages[i];

		s->inside /= (double)(m->looks ? m->looks : 1);
		s->in_flight /= (double)(m->looks ? m->looks : 1);
		s->ready = m->lane_looks ? s->ready / (double)m->lane_looks : PROFILE_UNKNOWN;
		s->leased = m->lane_looks ? s->leased / (double)m->lane_looks : PROFILE_UNKNOWN;
	}
	m->m->seen.least_ready = m->lane_looks ? m->least_ready : PROFILE_UNKNOWN;
}

static void
make_seen(struct measure *m)
{
	struct profile_seen *seen = &m->m->seen;
	struct others others = { 0 };
	struct load_cores_used used;
	struct profile_machine machine;

	load_cores_between(&m->from.cores, &m->to.cores, &used);
	machine = load_cores_machine(&used);
	m->m->stretch = profile_stretch(&machine);
	m->m->waiting = m->m->stretch * machine.used / machine.seconds;
	add_rows(m, &others);
	add_means(m);
	seen->seconds = (double)(m->to.at - m->from.at) / 1e9;
	seen->samples = (double)m->looks;
	seen->workers = m->segment->n_workers;
	seen->processes = m->segment->n_processes > 0 ? m->segment->n_processes : 1;
	seen->cores = used.cores;
	seen->idle = state_seconds(m, WORKER_IDLE) + state_seconds(m, WORKER_AWAY) +
	             state_seconds(m, WORKER_STARTING) + state_seconds(m, WORKER_STOPPED);
	seen->trips = state_seconds(m, WORKER_CLAIMING) + state_seconds(m, WORKER_SETTLING);
	seen->cores_wait = used.wait;
	seen->server_cpu = used.server_cpu;
	add_sessions(m);
	share_with_others(m, &others, used.host_cpu);
	seen->cores_elsewhere = fmax(used.busy + used.stolen - seen->host_cpu -
	                                 fmax(seen->server_cpu, 0),
	                             0) /
	                        seen->seconds;
	seen->cores_elsewhere = fmin(seen->cores_elsewhere, seen->cores * 0.95);
}

/* ---- the caps of stages ---- */

static uint64_t
leads_to(const struct config_pipeline *p, size_t to)
{
	uint64_t from = 0;

	for (size_t i = 0; i < p->n_stages && i < 64; i++)
		from |= (uint64_t)config_leads(p, i, to) << i;
	return from;
}

/* What its plugin says of itself; a plugin that is not here any more has no cap that we know. */
static void
read_plugin(const struct config *config, const struct config_stage *conf,
            struct profile_seen_stage *ret)
{
	struct stage_manifest *manifest;
	struct fault fault = { 0 };
	char *path;

	if (stage_find(config->set.plugin_path, conf->plugin, &path, &fault) != OK)
		return;
	if (stage_manifest_read(path, &manifest, &fault) == OK) {
		ret->serial = strcmp(manifest->threading, "serial") == 0;
		if (manifest->max_in_flight > 0)
			ret->max_in_flight = (double)manifest->max_in_flight;
		stage_manifest_free(manifest);
	}
	free(path);
}

static void
read_stages(struct measure *m)
{
	const struct config_pipeline *p = m->pipeline;

	m->m->stages = mem_alloc((p->n_stages + 1) * sizeof *m->m->stages);
	m->m->seen.stages = m->m->stages;
	m->m->seen.n_stages = p->n_stages;
	for (size_t i = 0; i < p->n_stages; i++) {
		struct profile_seen_stage *s = &m->m->stages[i];

		s->name = p->stages[i].name;
		s->from = leads_to(p, i);
		s->max_running = (double)p->stages[i].max_running;
		s->rate = p->stages[i].rate;
		read_plugin(m->cli->config, &p->stages[i], s);
	}
}

/* ---- the whole ---- */

static enum status
open_segment(struct measure *m, struct fault *fault)
{
	char *path = host_segment_path(m->cli->config);
	enum status st = counters_open(path, &m->segment, fault);

	free(path);
	if (st == NOT_FOUND)
		fault_hint(fault, "a host on this machine must run with the same run_dir: "
		                  "penstock run");
	if (st != OK)
		return st;
	if (kill(m->segment->supervisor_pid, 0) == 0 || errno != ESRCH)
		return OK;
	st = fault_set(fault, STOPPED, "the host that counted here does not run any more");
	fault_hint(fault, "penstock run");
	return st;
}

static void
open_database(struct measure *m)
{
	struct db_options options = { .conninfo = m->cli->config->set.database,
		                      .application = "penstock profile" };
	struct fault fault = { 0 };

	if (db_open(&options, &m->db, &fault) == OK)
		return;
	m->db = NULL;
	cli_say(m->cli, "the database does not answer, so its part stays unknown: %s", fault.text);
}

enum status
profile_measure(struct cli *cli, const struct config_pipeline *pipeline, int64_t for_ns,
                struct profile_measured *ret, struct fault *fault)
{
	struct measure m = { .cli = cli, .m = ret, .pipeline = pipeline };
	enum status st;

	*ret = (struct profile_measured){ 0 };
	st = open_segment(&m, fault);
	if (st == OK) {
		open_database(&m);
		read_stages(&m);
		st = read_all(&m, &m.from, fault);
		if (st == OK)
			st = watch(&m, for_ns, fault);
		if (st == OK)
			st = read_all(&m, &m.to, fault);
		if (st == OK)
			make_seen(&m);
		reading_done(&m.from);
		reading_done(&m.to);
		db_close(m.db);
	}
	counters_close(m.segment);
	return st;
}

void
profile_measured_done(struct profile_measured *m)
{
	free(m->stages);
}
