/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * doctor_work.c - hosts that beat, leases of hosts that are gone, lanes that nobody serves.
 *
 * Whether a host lives is seen by its beat alone: watched on our own clock
 * until it moves, and for no longer than hosts themselves wait before they
 * take one for dead.
 */
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "doctor/doctor_priv.h"
#include "sql_text.h"

#define LOOK_AGAIN_MS 100
#define OLD_S 60.0 /* ready for so long without a host: nobody is about to come */

/* "1 job", "3 400 jobs" */
static const char *
count_of(int64_t n, const char *what, char out[64])
{
	char count[32];

	snprintf(out, 64, "%s %s%s", text_count(n, count), what, n == 1 ? "" : "s");
	return out;
}

static const char *
jobs_text(int64_t n, char out[64])
{
	return count_of(n, "job", out);
}

/* ---- hosts ---- */

static size_t
count_alive(const struct doctor_host *hosts, size_t n)
{
	size_t alive = 0;

	for (size_t i = 0; i < n; i++)
		alive += hosts[i].alive;
	return alive;
}

static void
say_beating(struct doctor_report *r, const struct doctor_host *hosts, size_t n)
{
	size_t polls = 0;

	for (size_t i = 0; i < n; i++)
		polls += hosts[i].polls;
	if (n == 0)
		doctor_say(r, DOCTOR_OK, "none is running");
	else if (polls == 0)
		doctor_say(r, DOCTOR_OK,
		           "%zu beating, of version %s; LISTEN tells them of new jobs", n,
		           PENSTOCK_VERSION);
	else
		doctor_say(r, DOCTOR_OK,
		           "%zu beating, of version %s; %zu of them poll, new jobs wait for up to "
		           "poll_most",
		           n, PENSTOCK_VERSION, polls);
}

void
judge_hosts(struct doctor_report *r, const struct doctor_host *hosts, size_t n, int64_t watched_ns)
{
	size_t alive = count_alive(hosts, n), said = r->n;
	char watched[32], jobs[64];

	for (size_t i = 0; i < n; i++) {
		const struct doctor_host *h = &hosts[i];

		if (!h->alive) {
			doctor_say(r, alive || h->running == 0 ? DOCTOR_WARNING : DOCTOR_PROBLEM,
			           "host %s on %s (%" PRId64 ") did not beat for %s; it holds %s",
			           h->name, h->machine, h->id, text_ns(watched_ns, watched),
			           jobs_text(h->running, jobs));
			doctor_advise(
			    r, "%s",
			    alive
			        ? "living hosts take its jobs over; if it should live, see its log"
			        : "start a host: penstock run; its jobs are taken over then");
		} else if (strcmp(h->version, PENSTOCK_VERSION) != 0) {
			doctor_say(r, DOCTOR_WARNING,
			           "host %s on %s runs penstock %s, this program is %s", h->name,
			           h->machine, h->version, PENSTOCK_VERSION);
			doctor_advise(
			    r,
			    "bring all machines to one version; two beside each other are for the "
			    "time of an upgrade");
		}
	}
	if (r->n == said)
		say_beating(r, hosts, n);
}

static struct doctor_host *
find_host(struct doctor *d, int64_t id)
{
	for (size_t i = 0; i < d->n_hosts; i++)
		if (d->hosts[i].id == id)
			return &d->hosts[i];
	return NULL;
}

static void
keep_host(struct doctor *d, const struct db_result *rows, int i, bool alive)
{
	d->hosts = mem_array(d->hosts, d->n_hosts + 1, sizeof *d->hosts);
	d->hosts[d->n_hosts++] = (struct doctor_host){
		.id = db_int(rows, i, 0),
		.name = mem_dup(db_text(rows, i, 1)),
		.machine = mem_dup(db_text(rows, i, 2)),
		.version = mem_dup(db_text(rows, i, 3)),
		.beat = db_int(rows, i, 4),
		.running = db_int(rows, i, 5),
		.polls = db_int(rows, i, 6) != 0,
		.alive = alive,
	};
}

static void
drop_host(struct doctor *d, size_t i)
{
	free(d->hosts[i].name);
	free(d->hosts[i].machine);
	free(d->hosts[i].version);
	d->hosts[i] = d->hosts[--d->n_hosts];
}

/* Brings what we know to what is listed now: hosts may come, beat, and leave. */
static enum status
look_at_beats(struct doctor *d, bool first, struct fault *fault)
{
	struct db_result *rows;
	enum status st = db_call(d->db, sql_doctor_hosts, NULL, &rows, fault);

	if (st != OK)
		return st;
	for (size_t i = d->n_hosts; i > 0; i--) {
		bool listed = false;

		for (int k = 0; k < db_rows(rows) && !listed; k++)
			listed = db_int(rows, k, 0) == d->hosts[i - 1].id;
		if (!listed)
			drop_host(d, i - 1);
	}
	for (int k = 0; k < db_rows(rows); k++) {
		struct doctor_host *h = find_host(d, db_int(rows, k, 0));

		if (!h) {
			keep_host(d, rows, k, !first);
			continue;
		}
		h->alive = h->alive || h->beat != db_int(rows, k, 4);
		h->running = db_int(rows, k, 5);
	}
	db_result_free(rows);
	return OK;
}

enum status
doctor_hosts(struct doctor *d, struct fault *fault)
{
	int64_t begun = clock_mono();
	enum status st = look_at_beats(d, true, fault);

	while (st == OK && count_alive(d->hosts, d->n_hosts) < d->n_hosts &&
	       clock_mono() - begun < d->config->set.lease_life) {
		poll(NULL, 0, LOOK_AGAIN_MS);
		st = look_at_beats(d, false, fault);
	}
	if (st == OK)
		judge_hosts(d->report, d->hosts, d->n_hosts, clock_mono() - begun);
	return st;
}

/* ---- leases ---- */

void
judge_lease(struct doctor_report *r, const struct lease_fact *f, size_t others, double life_s)
{
	char jobs[64], age[32];

	if (f->alive || (others > 0 && f->seconds < 3 * life_s))
		return;
	doctor_say(
	    r, DOCTOR_PROBLEM, "%s leased to host %" PRId64 ", which %s: the oldest lease since %s",
	    jobs_text(f->jobs, jobs), f->host,
	    f->listed ? "does not beat" : "is not listed any more", text_seconds(f->seconds, age));
	doctor_advise(
	    r, "%s",
	    others
	        ? "a living host should have given them back: see the logs for what its reaper says"
	        : "start a host: penstock run; it gives them back after lease_life");
}

enum status
doctor_leases(struct doctor *d, struct fault *fault)
{
	size_t said = d->report->n, living = count_alive(d->hosts, d->n_hosts);
	struct db_result *rows;
	char of_jobs[64];
	int64_t jobs = 0;
	enum status st = db_call(d->db, sql_doctor_leases, NULL, &rows, fault);

	if (st != OK)
		return st;
	for (int i = 0; i < db_rows(rows); i++) {
		const struct doctor_host *h = find_host(d, db_int(rows, i, 0));

		judge_lease(d->report,
		            &(struct lease_fact){
		                .host = db_int(rows, i, 0),
		                .listed = db_int(rows, i, 1) != 0,
		                .alive = h && h->alive,
		                .leases = db_int(rows, i, 2),
		                .jobs = db_int(rows, i, 3),
		                .seconds = db_float(rows, i, 4),
		            },
		            living, (double)d->config->set.lease_life / (double)SEC);
		jobs += db_int(rows, i, 3);
	}
	if (d->report->n == said)
		doctor_say(d->report, DOCTOR_OK, "%s leased, none to a host that is gone",
		           jobs_text(jobs, of_jobs));
	db_result_free(rows);
	return OK;
}

/* ---- lanes ---- */

static void
judge_unserved(struct doctor_report *r, const struct lane_fact *f, size_t living)
{
	enum doctor_level level = f->seconds >= OLD_S ? DOCTOR_PROBLEM : DOCTOR_WARNING;
	char ready[64], age[32];

	jobs_text(f->ready, ready);
	text_seconds(f->seconds, age);
	if (f->position < 0 && f->served) {
		doctor_say(r, DOCTOR_WARNING,
		           "%s at the stage %s, which the pipeline %s does not have any more: a "
		           "host works them off",
		           jobs_text(f->held, ready), f->stage, f->pipeline);
		doctor_advise(r, "wait; penstock host status says which stages leave");
	} else if (f->paused >= 0 && f->position >= 0) {
		doctor_say(r, DOCTOR_WARNING, "%s waiting in %s/%s, which has been paused for %s",
		           ready, f->pipeline, f->stage, text_seconds(f->paused, age));
		doctor_advise(r, "penstock resume %s %s, when its reason is gone", f->pipeline,
		              f->stage);
	} else if (f->position < 0) {
		doctor_say(
		    r, level,
		    "%s waiting at the stage %s, which the pipeline %s does not have any more; the first "
		    "for %s",
		    jobs_text(f->held, ready), f->stage, f->pipeline, age);
		doctor_advise(
		    r, "put the stage back until they are done, or cancel them: penstock.cancel()");
	} else if (living == 0) {
		doctor_say(r, level, "%s waiting in %s/%s and no host is running; the first for %s",
		           ready, f->pipeline, f->stage, age);
		doctor_advise(r, "start a host: penstock run");
	} else if (!f->served && f->seconds >= OLD_S) {
		doctor_say(r, DOCTOR_WARNING,
		           f->configured
		               ? "%s waiting in %s/%s, which no host serves; the first for %s"
		               : "%s waiting in %s/%s, which no host serves and this machine's "
		                 "configuration does not have; the first for %s",
		           ready, f->pipeline, f->stage, age);
		doctor_advise(r, f->configured ? "reload the hosts: penstock reload"
		                               : "give a host the pipeline's file");
	}
}

void
judge_lane(struct doctor_report *r, const struct lane_fact *f, size_t living)
{
	char dead[64];

	if (f->position < 0 ? f->held > 0 : f->ready > 0)
		judge_unserved(r, f, living);
	if (f->dead == 0)
		return;
	doctor_say(r, DOCTOR_WARNING, "%s in %s/%s", count_of(f->dead, "dead letter", dead),
	           f->pipeline, f->stage);
	doctor_advise(
	    r,
	    "see why: penstock status %s; and which: penstock jobs --state dead --stage %s; then replay or "
	    "purge them",
	    f->pipeline, f->stage);
}

static bool
is_configured(const struct config *config, const char *pipeline, const char *stage)
{
	const struct config_pipeline *p = config_find(config, pipeline);

	for (size_t i = 0; p && i < p->n_stages; i++)
		if (strcmp(p->stages[i].name, stage) == 0)
			return true;
	return false;
}

/* Does one of these hosts live? Ids, with a blank between. */
static bool
is_served(const struct doctor *d, const char *ids)
{
	while (*ids) {
		char *end;
		int64_t id = strtoll(ids, &end, 10);

		for (size_t i = 0; i < d->n_hosts; i++)
			if (d->hosts[i].id == id && d->hosts[i].alive)
				return true;
		if (end == ids)
			return false;
		ids = end + (*end == ' ');
	}
	return false;
}

enum status
doctor_lanes(struct doctor *d, struct fault *fault)
{
	size_t said = d->report->n, living = count_alive(d->hosts, d->n_hosts);
	struct db_result *rows;
	char of_ready[64], age[32];
	int64_t ready = 0;
	double oldest = 0;
	enum status st = db_call(d->db, sql_doctor_lanes, NULL, &rows, fault);

	if (st != OK)
		return st;
	for (int i = 0; i < db_rows(rows); i++) {
		struct lane_fact f = {
			.pipeline = db_text(rows, i, 0),
			.stage = db_text(rows, i, 1),
			.position = (int)db_int(rows, i, 2),
			.ready = db_int(rows, i, 3),
			.dead = db_int(rows, i, 4),
			.seconds = db_float(rows, i, 5),
			.paused = db_null(rows, i, 6) ? -1 : db_float(rows, i, 6),
			.held = db_int(rows, i, 7),
			.served = is_served(d, db_text(rows, i, 8)),
		};

		f.configured = is_configured(d->config, f.pipeline, f.stage);
		judge_lane(d->report, &f, living);
		ready += f.ready;
		oldest = f.seconds > oldest ? f.seconds : oldest;
	}
	if (d->report->n == said && ready == 0)
		doctor_say(d->report, DOCTOR_OK, "no job waits, and there are no dead letters");
	else if (d->report->n == said)
		doctor_say(d->report, DOCTOR_OK,
		           "%s waiting, the first for %s; there are no dead letters",
		           jobs_text(ready, of_ready), text_seconds(oldest, age));
	db_result_free(rows);
	return OK;
}
