/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * host_reload.c - from one configuration to the next while jobs flow.
 *
 * Build beside, then swap. The new generation loads and opens every stage,
 * connects and checks while the old one works; its first process then registers
 * the pipelines, all or none, and judges what is removed in the same
 * transaction. Up to its commit the reload can fail and nothing has changed.
 * Behind it there is only forward: the others register, and the old generation
 * is told to drain. The work never pauses, since a stage has two workers for a
 * moment and never none.
 *
 * A stage that is removed stays in the new generation as one that leaves, even
 * when it has no jobs: what began before may still come to it. When it is empty
 * for good another swap, our own, goes on without it.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "host/host_priv.h"

#define QUIET_PAUSE (10 * SEC) /* after our own swap failed */

/* ---- its end ---- */

static void
ended(struct supervisor *s, bool ok, const struct fault *fault)
{
	struct reload *r = &s->reload;

	r->ended = r->begun;
	r->ok = ok;
	r->fault = fault ? *fault : (struct fault){ 0 };
	if (r->quiet)
		return;
	s->segment->reloads[ok ? RELOAD_DONE : RELOAD_REFUSED]++;
	if (ok)
		log_line(LOG_INFO, "the configuration is reloaded", "restart_needed_for",
		         r->restarts.len ? r->restarts.data : "nothing", NULL);
	else
		log_fault(LOG_ERROR, "the reload is rejected, nothing has changed", fault);
	host_notify("READY=1\nSTATUS=%s%s",
	            ok ? "reloaded" : "reload rejected: ", ok ? "" : fault->text);
}

static void
put_off(struct supervisor *s, const struct fault *why)
{
	log_fault(LOG_WARNING, "stages that left cannot go yet", why);
	s->reload.quiet_at = clock_mono() + QUIET_PAUSE;
}

/* Throws the new generation away. */
static void
reject(struct supervisor *s, const struct fault *fault)
{
	struct fault why = *fault; /* may lie in what is freed later */

	if (s->reload.quiet)
		put_off(s, &why);
	generation_stop(s->next, 0);
	s->old = s->next; /* there is none before a reload begins */
	s->next = NULL;
	ended(s, false, &why);
}

/* ---- its beginning ---- */

static void
log_problems(const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\n");
		char *line = mem_dupn(text, len);

		log_line(LOG_ERROR, "in the configuration", "problem", line, NULL);
		free(line);
		text += len + (text[len] == '\n');
	}
}

/* What it would change, and what it cannot. */
static void
note_changes(struct reload *r, const struct config *running, const struct config *config)
{
	struct config_diff diff;

	config_diff(running, config, &diff);
	r->changes = diff.n;
	for (size_t i = 0; i < diff.n; i++)
		if (diff.changes[i].restart)
			buf_printf(&r->restarts, "%s%s", r->restarts.len ? ", " : "",
			           diff.changes[i].what);
	config_diff_done(&diff);
}

static enum status
read_config(struct supervisor *s, struct config **ret, struct fault *fault)
{
	const struct host_options *o = s->options;
	enum status st = config_load(o->config_path, o->overrides, o->n_overrides, ret,
	                             &s->reload.problems, fault);

	if (st != OK) {
		log_problems(s->reload.problems.data);
		return st;
	}
	if ((*ret)->n_pipelines == 0)
		st = fault_set(fault, INVALID, "no pipeline is configured");
	else
		st = file_mkdirs((*ret)->set.state_dir, 0755, fault);
	if (st != OK)
		config_free(*ret);
	return st;
}

static bool
left_before(const struct config *running, const char *pipeline, const char *stage)
{
	const struct config_pipeline *p = config_find(running, pipeline);

	for (size_t i = 0; p && i < p->n_stages; i++)
		if (strcmp(p->stages[i].name, stage) == 0)
			return p->stages[i].onward != NULL;
	return false;
}

/* Stages that leave by this configuration and did not by the running one. The names are copies: a
 * process that runs without such stages takes them out of its configuration. */
static void
list_removed(struct generation *g, const struct config *config, const struct config *running)
{
	for (size_t p = 0; p < config->n_pipelines; p++) {
		const struct config_pipeline *pipeline = &config->pipelines[p];

		for (size_t i = pipeline->n_stages - pipeline->n_leaving; i < pipeline->n_stages;
		     i++) {
			const char *stage = pipeline->stages[i].name;

			if (running && left_before(running, pipeline->name, stage))
				continue;
			g->removed = mem_array(g->removed, g->n_removed + 1, sizeof *g->removed);
			g->removed[g->n_removed++] = (struct queue_place){ mem_dup(pipeline->name),
				                                           mem_dup(stage) };
		}
	}
}

/* The running configuration with what the files say now. */
static enum status
make_next(struct supervisor *s, bool drain, struct fault *fault)
{
	const struct config *running = s->now->config;
	struct config *config;
	enum status st = read_config(s, &config, fault);

	if (st != OK)
		return st;
	note_changes(&s->reload, running, config);
	config_keep_fixed(config, running);
	config_keep_leaving(config, running);
	st = generation_create(s, config, true, &s->next, fault);
	if (st != OK) {
		config_free(config);
		return st;
	}
	if (!drain)
		list_removed(s->next, config, running);
	return OK;
}

static void
start_next(struct supervisor *s)
{
	s->next->give_up = clock_mono() + s->next->config->set.reload_timeout;
	generation_start(s, s->next);
}

uint64_t
reload_begin(struct supervisor *s, bool drain)
{
	struct reload *r = &s->reload;
	struct fault fault = { 0 };

	if (s->next || s->old) { /* when that is over */
		r->wanted = true;
		r->drain |= drain;
		return r->begun + 1;
	}
	r->begun++;
	r->quiet = false;
	r->changes = 0;
	buf_reset(&r->problems);
	buf_reset(&r->restarts);
	buf_adds(&r->problems, "");
	buf_adds(&r->restarts, "");
	host_notify("RELOADING=1\nMONOTONIC_USEC=%lld\nSTATUS=reloading",
	            (long long)(clock_mono() / 1000));
	log_line(LOG_INFO, "reloading the configuration", NULL);
	if (make_next(s, drain, &fault) == OK)
		start_next(s);
	else
		ended(s, false, &fault);
	return r->begun;
}

/* Stages that left are empty: on without them. */
static void
begin_without_leaving(struct supervisor *s)
{
	struct fault fault = { 0 };

	if (generation_create(s, s->now->config, false, &s->next, &fault) != OK) {
		put_off(s, &fault);
		return;
	}
	s->reload.begun++;
	s->reload.quiet = true;
	s->next->drops_leaving = true;
	list_removed(s->next, s->now->config, NULL);
	start_next(s);
}

/* ---- on its way ---- */

/* From here on nothing fails. */
static void
swap(struct supervisor *s)
{
	uint32_t level = LOG_INFO, before = LOG_INFO;

	s->old = s->now;
	s->now = s->next;
	s->next = NULL;
	if (s->now->drops_leaving) {
		s->now->owned = s->old->owned;
		s->old->owned = false;
		config_drop_leaving(s->now->config);
		s->now->drops_leaving = false;
	}
	log_level_of(s->old->config->set.log_level, (enum log_level *)&before);
	log_level_of(s->now->config->set.log_level, (enum log_level *)&level);
	if (level != before) /* one that was set by hand stays while the files say the same */
		__atomic_store_n(&s->segment->log_level, level, __ATOMIC_RELAXED);
	s->segment->generation = s->now->number;
	generation_stop(s->old, s->old->config->set.drain);
	ended(s, true, NULL);
}

/* By the process's own words: what it saw when it tried last. */
static void
not_connected(const struct fault *seen, struct fault *fault)
{
	fault_set(fault, AWAY, "the database is away: %s",
	          seen->text[0] ? seen->text : "it does not answer");
	if (seen->hint[0])
		fault_hint(fault, "%s", seen->hint);
}

static void
not_in_time(struct supervisor *s)
{
	struct fault fault = { 0 };

	for (uint32_t i = 0; i < s->next->n; i++) {
		if (generation_phase(s->next, i) == POOL_WAITING && fault.status == OK)
			not_connected(&s->next->shared[i].fault, &fault);
		if (generation_opens_until(s->next, i) == INT64_MAX)
			continue;
		generation_opening_fault(s->next, i, NULL, &fault);
		kill(s->next->child[i].pid, SIGKILL); /* it would not hear of anything milder */
	}
	if (fault.status == OK)
		fault_set(&fault, TIMEOUT,
		          "the new processes were not prepared within reload_timeout");
	reject(s, &fault);
}

static void
step_next(struct supervisor *s)
{
	struct generation *g = s->next;

	if (!g->crossed && generation_all(g, POOL_PREPARED)) {
		g->crossed = true; /* as far as we can tell: the first one judges */
		generation_go(g, 0);
	} else if (!g->crossed && clock_mono() >= g->give_up) {
		not_in_time(s);
		return;
	}
	if (!g->crossed)
		return;
	if (g->child[0].pid && generation_phase(g, 0) == POOL_READY)
		for (uint32_t i = 1; i < g->n; i++)
			generation_go(g, i);
	if (generation_all(g, POOL_READY))
		swap(s);
}

/* Not before what was thrown away or drains is gone: the next one needs its place. */
static void
step_old(struct supervisor *s)
{
	if (generation_alive(s->old))
		return;
	generation_free(s->old);
	s->old = NULL;
	atomic_store(&s->now->shared[0].line.ask, true);
	if (s->reload.wanted) {
		s->reload.wanted = false;
		reload_begin(s, s->reload.drain);
		s->reload.drain = false;
	}
}

static bool
leaving_can_go(const struct supervisor *s)
{
	return atomic_load(&s->now->shared[0].line.left);
}

void
reload_step(struct supervisor *s)
{
	if (s->next)
		step_next(s);
	if (s->old)
		step_old(s);
	if (!s->next && !s->old && leaving_can_go(s) && clock_mono() >= s->reload.quiet_at)
		begin_without_leaving(s);
}

int64_t
reload_until(const struct supervisor *s)
{
	if (s->next)
		return s->next->crossed ? INT64_MAX : s->next->give_up;
	return !s->old && leaving_can_go(s) ? s->reload.quiet_at : INT64_MAX;
}

void
reload_child_ended(struct supervisor *s, uint32_t i, int status)
{
	struct generation *g = s->next;
	bool unfit = generation_unfit(g, i, status);
	struct fault fault = { 0 };
	char how[64];

	generation_death(status, how, sizeof how);
	if (unfit && (!g->crossed || i == 0)) {
		reject(s, &g->shared[i].fault);
	} else if (!g->crossed) {
		if (!generation_opening_fault(g, i, how, &fault))
			fault_set(&fault, INVALID, "a new process died before it was prepared: %s",
			          how);
		reject(s, &fault);
	} else {
		log_line(LOG_ERROR, "a new process died", "how", how, NULL);
		generation_restart(s, g, i);
	}
}

void
reload_abandon(struct supervisor *s)
{
	struct fault fault = { 0 };

	if (!s->next && !s->reload.wanted)
		return;
	fault_set(&fault, STOPPED, "the host stops");
	s->reload.wanted = false;
	if (s->reload.ended == s->reload.begun)
		s->reload.begun++; /* those who wait for the one that was to come */
	ended(s, false, &fault);
}

void
reload_answer(const struct supervisor *s, struct buf *out)
{
	const struct reload *r = &s->reload;

	buf_printf(out, "{\"ok\":%s", r->ok ? "true" : "false");
	if (r->ok) {
		buf_printf(out, ",\"generation\":%u,\"changes\":%zu,\"restart\":", s->now->number,
		           r->changes);
		buf_add_json(out, r->restarts.data, r->restarts.len);
		buf_addc(out, '}');
		return;
	}
	buf_printf(out, ",\"status\":\"%s\",\"reason\":", status_text(r->fault.status));
	buf_add_json(out, r->fault.text, strlen(r->fault.text));
	buf_adds(out, ",\"where\":");
	buf_add_json(out, r->fault.where, strlen(r->fault.where));
	buf_adds(out, ",\"hint\":");
	buf_add_json(out, r->fault.hint, strlen(r->fault.hint));
	buf_adds(out, ",\"problems\":");
	buf_add_json(out, r->problems.data, r->problems.len);
	buf_addc(out, '}');
}
