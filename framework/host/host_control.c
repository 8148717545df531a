/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * host_control.c - what the control socket's requests do and answer.
 *
 * Reads the shared segment, which workers write without asking anybody: what is
 * said of a worker was true a moment ago, and two of its values may be of two
 * moments.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/host_priv.h"

static const char *const state_names[] = {
	[WORKER_STARTING] = "starting", [WORKER_IDLE] = "idle",
	[WORKER_CLAIMING] = "claiming", [WORKER_IN_STAGE] = "in stage",
	[WORKER_SETTLING] = "settling", [WORKER_AWAY] = "database away",
	[WORKER_STOPPED] = "stopped",
};
static const char *const phase_names[] = {
	[POOL_LOADING] = "loading stages",
	[POOL_LOADED] = "connecting",
	[POOL_WAITING] = "waiting for the database",
	[POOL_PREPARED] = "prepared",
	[POOL_READY] = "ready",
};

static double
seconds_since(int64_t mono)
{
	int64_t ns = mono ? clock_mono() - mono : 0;

	return ns > 0 ? (double)ns / 1e9 : 0;
}

static void
add_text(struct buf *out, const char *name, const char *text)
{
	buf_printf(out, ",\"%s\":", name);
	buf_add_json(out, text, strlen(text));
}

/* Bytes of memory that the process has; 0 when it is not there. */
static int64_t
memory_of(pid_t pid)
{
	char *path = mem_printf("/proc/%d/statm", (int)pid);
	struct fault ignored = { 0 };
	long long all = 0, resident = 0;
	struct buf text;

	buf_init(&text);
	if (pid && file_read(path, 256, &text, &ignored) == OK)
		(void)sscanf(text.data, "%lld %lld", &all, &resident);
	buf_done(&text);
	free(path);
	return (int64_t)resident * sysconf(_SC_PAGESIZE);
}

/* ---- workers ---- */

/* What it is in, if it is inside a stage. */
static void
add_stage(const struct supervisor *s, const struct recorder_line *line, struct buf *out)
{
	uint32_t slot = __atomic_load_n(&line->slot, __ATOMIC_RELAXED);
	const struct counter_slot *c = slot < COUNTERS_SLOTS ? &s->segment->slot[slot] : NULL;

	if (!__atomic_load_n(&line->call, __ATOMIC_ACQUIRE) || !c) {
		buf_adds(out, ",\"pipeline\":null,\"stage\":null,\"release\":null,\"job\":null,"
		              "\"exact\":null,\"jobs\":null,\"in_stage_s\":null");
		return;
	}
	add_text(out, "pipeline", c->pipeline);
	add_text(out, "stage", c->stage);
	add_text(out, "release", c->release);
	buf_printf(out, ",\"job\":%" PRId64 ",\"exact\":%s,\"jobs\":%u,\"in_stage_s\":%.3f",
	           __atomic_load_n(&line->job, __ATOMIC_RELAXED), line->exact ? "true" : "false",
	           line->n, seconds_since(__atomic_load_n(&line->entered_at, __ATOMIC_RELAXED)));
}

static void
add_worker(const struct supervisor *s, uint32_t w, struct buf *out)
{
	const struct worker_line *line = &s->segment->worker[w];
	uint32_t state = __atomic_load_n(&line->state, __ATOMIC_RELAXED);

	buf_printf(out, "{\"worker\":%u,\"pid\":%u,\"generation\":%u", w, line->pid,
	           line->generation);
	add_text(out, "state", state < countof(state_names) ? state_names[state] : "unknown");
	buf_printf(out, ",\"since_s\":%.3f",
	           seconds_since(__atomic_load_n(&line->since, __ATOMIC_RELAXED)));
	add_stage(s, &s->segment->recorder[w], out);
	buf_printf(out, ",\"leased\":%u,\"promised\":%u,\"connections\":%u}",
	           __atomic_load_n(&line->leased, __ATOMIC_RELAXED),
	           __atomic_load_n(&line->promised, __ATOMIC_RELAXED),
	           __atomic_load_n(&line->connections, __ATOMIC_RELAXED));
}

static void
answer_workers(const struct supervisor *s, struct buf *out)
{
	const struct generation *const all[] = { s->old, s->now, s->next };
	bool first = true;

	buf_adds(out, "{\"ok\":true,\"workers\":[");
	for (size_t k = 0; k < countof(all); k++)
		for (uint32_t i = 0; all[k] && i < all[k]->n * all[k]->workers; i++) {
			if (!all[k]->child[i / all[k]->workers].pid)
				continue;
			buf_adds(out, first ? "" : ",");
			add_worker(s, all[k]->first + i, out);
			first = false;
		}
	buf_adds(out, "]}");
}

/* ---- the host ---- */

static uint32_t
connections_of(const struct supervisor *s, const struct generation *g, uint32_t i)
{
	uint32_t n = generation_phase(g, i) == POOL_READY; /* the janitor's */

	for (uint32_t w = g->first + i * g->workers; w < g->first + (i + 1) * g->workers; w++)
		n += __atomic_load_n(&s->segment->worker[w].connections, __ATOMIC_RELAXED);
	return n;
}

static uint64_t
leased_of(const struct supervisor *s, const struct generation *g, uint32_t i)
{
	uint64_t n = 0;

	for (uint32_t w = g->first + i * g->workers; w < g->first + (i + 1) * g->workers; w++)
		n += __atomic_load_n(&s->segment->worker[w].leased, __ATOMIC_RELAXED);
	return n;
}

static void
add_process(const struct supervisor *s, const struct generation *g, uint32_t i, struct buf *out)
{
	enum pool_phase phase = generation_phase(g, i);

	buf_printf(out, "{\"pid\":%d,\"generation\":%u", (int)g->child[i].pid, g->number);
	add_text(out, "phase",
	         g->kill_at            ? "draining"
	         : !g->child[i].pid    ? "to be started again"
	         : phase <= POOL_READY ? phase_names[phase]
	                               : "unknown");
	buf_printf(out,
	           ",\"host\":%" PRId64 ",\"workers\":%u,\"leased\":%" PRIu64
	           ",\"connections\":%u,\"memory\":%" PRId64 ",\"started_s\":%.3f}",
	           g->shared[i].host_id, g->workers, leased_of(s, g, i), connections_of(s, g, i),
	           memory_of(g->child[i].pid), seconds_since(g->child[i].started_at));
}

static void
add_processes(const struct supervisor *s, struct buf *out)
{
	const struct generation *const all[] = { s->old, s->now, s->next };
	bool first = true;

	buf_adds(out, ",\"processes\":[");
	for (size_t k = 0; k < countof(all); k++)
		for (uint32_t i = 0; all[k] && i < all[k]->n; i++) {
			if (!all[k]->child[i].pid && all[k] != s->now)
				continue;
			buf_adds(out, first ? "" : ",");
			add_process(s, all[k], i, out);
			first = false;
		}
	buf_addc(out, ']');
}

/* Stages that work off what they have. */
static void
add_leaving(const struct supervisor *s, struct buf *out)
{
	const struct config *config = s->now->config;
	bool first = true;

	buf_adds(out, ",\"leaving\":[");
	for (size_t p = 0; p < config->n_pipelines; p++)
		for (size_t i = 0; i < config->pipelines[p].n_stages; i++) {
			if (!config->pipelines[p].stages[i].onward)
				continue;
			buf_printf(out, "%s\"%s.%s\"", first ? "" : ",", config->pipelines[p].name,
			           config->pipelines[p].stages[i].name);
			first = false;
		}
	buf_printf(out, "],\"leaving_jobs\":%" PRId64,
	           first ? 0 : atomic_load(&s->now->shared[0].line.leaving));
}

static const char *
state_of(const struct supervisor *s)
{
	if (s->stopping)
		return "stopping";
	if (s->next)
		return s->next->crossed ? "reloading: registering" : "reloading: preparing";
	if (s->old)
		return "working; the last generation drains";
	return generation_all(s->now, POOL_READY) ? "working" : "starting";
}

static void
answer_status(const struct supervisor *s, struct buf *out)
{
	const struct settings *set = &s->options->config->set;
	uint32_t level = __atomic_load_n(&s->segment->log_level, __ATOMIC_RELAXED);

	buf_adds(out, "{\"ok\":true");
	add_text(out, "name", set->name);
	add_text(out, "state", state_of(s));
	add_text(out, "version", PENSTOCK_VERSION);
	buf_printf(out, ",\"pid\":%d,\"uptime_s\":%.3f,\"generation\":%u,\"reloads\":%" PRIu64,
	           (int)getpid(), seconds_since(s->segment->started_mono_ns), s->now->number,
	           s->reload.ended);
	add_text(out, "log_level", log_level_name((enum log_level)level));
	buf_printf(out,
	           ",\"cpus\":%.15g,\"memory_limit\":%" PRId64 ",\"worker_memory\":%" PRId64
	           ",\"lease_bytes\":%" PRId64,
	           s->now->limits.cpus, s->now->limits.memory, s->now->sizes.worker_memory,
	           s->now->sizes.lease_bytes);
	add_leaving(s, out);
	add_processes(s, out);
	buf_addc(out, '}');
}

/* ---- requests ---- */

static bool
reload(struct supervisor *s, const struct control_request *request, uint64_t *ticket, bool again,
       struct buf *out)
{
	if (!again && s->stopping) {
		buf_adds(out,
		         "{\"ok\":false,\"status\":\"stopping\",\"reason\":\"the host stops\"}");
		return true;
	}
	if (!again)
		*ticket = reload_begin(s, control_has(request, "drain"));
	if (!control_has(request, "wait")) {
		buf_printf(out, "{\"ok\":true,\"reload\":%" PRIu64 "}", *ticket);
		return true;
	}
	if (s->reload.ended < *ticket)
		return false;
	reload_answer(s, out);
	return true;
}

static void
set_log_level(struct supervisor *s, const struct control_request *request, struct buf *out)
{
	for (int level = LOG_DEBUG; level <= LOG_ERROR; level++) {
		const char *name = log_level_name((enum log_level)level);

		if (!control_has(request, name))
			continue;
		__atomic_store_n(&s->segment->log_level, (uint32_t)level, __ATOMIC_RELAXED);
		log_line((enum log_level)level, "the log level is changed", "to", name, NULL);
		buf_printf(out, "{\"ok\":true,\"log_level\":\"%s\"}", name);
	}
}

bool
host_control(void *data, const struct control_request *request, uint64_t *ticket, bool again,
             struct buf *out)
{
	struct supervisor *s = data;

	switch (request->command) {
	case CONTROL_status: answer_status(s, out); break;
	case CONTROL_workers: answer_workers(s, out); break;
	case CONTROL_reload: return reload(s, request, ticket, again, out);
	case CONTROL_log_level: set_log_level(s, request, out); break;
	case CONTROL_stop:
		log_line(LOG_INFO, "told to stop", NULL);
		buf_adds(out, "{\"ok\":true}");
		supervisor_stop(s);
		break;
	case CONTROL_N: check(!"a command");
	}
	return true;
}
