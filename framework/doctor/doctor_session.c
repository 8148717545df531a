/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * doctor_session.c - what lies between this machine and the server: poolers, clocks, connections.
 *
 * Hosts listen, prepare statements and open their sessions with options of
 * their own: a pooler that gives each transaction another session breaks
 * that, unless the setting `pooler` says that there is one.
 */
#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "doctor/doctor_priv.h"
#include "sql_text.h"

/* ---- a pooler ---- */

static void
say_pooler(struct doctor_report *r, const struct db_session_fact *f, bool pooled)
{
	const char *seen = f->shared ? "was seen by another" : "was gone in its next transaction";

	if (db_session_changes(f) && pooled) {
		doctor_say(r, DOCTOR_OK,
		           "a pooler gives transactions to changing sessions, and the setting "
		           "`pooler` is \"transaction\": hosts poll");
	} else if (db_session_changes(f)) {
		doctor_say(
		    r, DOCTOR_PROBLEM,
		    "a pooler gives transactions to changing sessions, and the setting `pooler` is "
		    "\"none\": a setting of one session %s",
		    seen);
		doctor_advise(r,
		              "set pooler = \"transaction\" in penstock.conf; or point the setting "
		              "`database` of hosts at the server itself, where they can listen");
	} else if (f->pid_of_protocol != f->pid_of_server) {
		doctor_say(
		    r, DOCTOR_WARNING,
		    "a pooler is in between: it said process %d, the server says %d; it kept the session",
		    f->pid_of_protocol, f->pid_of_server);
		doctor_advise(
		    r, "hosts keep their sessions open, a pooler that keeps them saves nothing: "
		       "point the setting `database` of hosts at the server itself");
	} else if (pooled) {
		doctor_say(r, DOCTOR_WARNING,
		           "the setting `pooler` is \"transaction\", and no pooler is in between: "
		           "process %d",
		           f->pid_of_server);
		doctor_advise(r, "set pooler = \"none\": hosts then listen and prepare statements");
	} else if (f->kept) {
		doctor_say(r, DOCTOR_OK, "no pooler in between: process %d", f->pid_of_server);
	}
}

void
judge_session(struct doctor_report *r, const struct db_session_fact *f, bool pooled)
{
	say_pooler(r, f, pooled);
	if (f->kept)
		return;
	if (pooled) {
		doctor_say(r, DOCTOR_WARNING,
		           "behind a pooler a session cannot bring its own options, and this role "
		           "has not those that a host needs (jit off, timeouts)");
		doctor_advise(r, "alter role … set jit = off; alter role … set "
		                 "idle_in_transaction_session_timeout = '5min'; alter role … set "
		                 "timezone = 'UTC'; then `reconnect` in the pooler");
		return;
	}
	doctor_say(
	    r, DOCTOR_PROBLEM,
	    "the options that a host opens its sessions with (jit off, timeouts) were dropped "
	    "on the way");
	doctor_advise(r, "a pooler that ignores the startup parameter `options` does that: go "
	                 "around it, or set pooler = \"transaction\" if it is one of that kind");
}

void
judge_listen(struct doctor_report *r, enum status st)
{
	if (st != EMPTY && st != SQL)
		return;
	doctor_say(r, DOCTOR_WARNING, "%s: hosts poll for new jobs, which wait for up to poll_most",
	           st == EMPTY ? "LISTEN is taken and no notification comes"
	                       : "the server refuses LISTEN");
	doctor_advise(r, "see what is between this machine and the server; or lower poll_most");
}

/* A session of its own: what it marks must not be the one that the other checks use. */
enum status
doctor_session(struct doctor *d, struct fault *fault)
{
	const struct db_options options = {
		.conninfo = d->config->set.database,
		.application = "penstock doctor",
		.pooled = settings_pooled(&d->config->set),
	};
	struct db_session_fact f;
	struct db *db;
	enum status st = db_open(&options, &db, fault);

	if (st != OK)
		return st;
	st = db_session_look(db, &f, fault);
	if (st == OK)
		judge_session(d->report, &f, options.pooled);
	if (st == OK && !options.pooled && !db_session_changes(&f)) {
		st = db_listen_works(db, fault);
		judge_listen(d->report, st);
	}
	db_close(db);
	return st == EMPTY || st == SQL ? OK : st;
}

/* ---- clocks ---- */

void
judge_clock(struct doctor_report *r, int64_t ahead_ns, int64_t trip_ns)
{
	int64_t apart = ahead_ns < 0 ? -ahead_ns : ahead_ns;
	char by[32], trip[32];

	text_ns(apart, by);
	text_ns(trip_ns, trip);
	if (apart <= SEC + trip_ns / 2) {
		doctor_say(r, DOCTOR_OK, "%s apart, measured over a round trip of %s", by, trip);
		return;
	}
	doctor_say(
	    r, apart > 60 * SEC ? DOCTOR_PROBLEM : DOCTOR_WARNING,
	    "the database's clock is %s %s this machine's: jobs for later that are enqueued with "
	    "this machine's time become due %s",
	    by, ahead_ns > 0 ? "ahead of" : "behind", ahead_ns > 0 ? "early" : "late");
	doctor_advise(
	    r, "let NTP set the clocks (timedatectl); hosts themselves follow the database's");
}

enum status
doctor_clock(struct doctor *d, struct fault *fault)
{
	int64_t best = INT64_MAX, ahead = 0;

	for (int i = 0; i < 4; i++) { /* the first one is prepared as well */
		int64_t sent = clock_mono(), wall = clock_wall(), trip;
		struct db_result *rows;
		enum status st = db_call(d->db, sql_doctor_clock, NULL, &rows, fault);

		if (st != OK)
			return st;
		trip = clock_mono() - sent;
		if (trip < best) {
			best = trip;
			ahead = db_time_us(rows, 0, 0) * 1000 - (wall + trip / 2);
		}
		db_result_free(rows);
	}
	judge_clock(d->report, ahead, best);
	return OK;
}

/* ---- connections ---- */

void
judge_connections(struct doctor_report *r, const struct connections_fact *f)
{
	int64_t left = f->most - f->used;
	bool fits = f->here || f->need <= left;
	enum doctor_level level = f->need > f->most || !fits || left <= 0 ? DOCTOR_PROBLEM
	                          : left < f->most / 10                   ? DOCTOR_WARNING
	                                                                  : DOCTOR_OK;

	doctor_say(r, level,
	           "%" PRId64 " of %" PRId64 " connections in use, %" PRId64
	           " of them by hosts; a host as configured here %s %" PRId64,
	           f->used, f->most, f->hosts,
	           f->here ? "has"
	           : fits  ? "needs"
	                   : "does not get its",
	           f->need);
	if (level != DOCTOR_OK)
		doctor_advise(
		    r, "raise max_connections (restart), or the limit of the role or database; or "
		       "take fewer workers: each needs one, and each process one more");
}

/* As the supervisor counts them. */
static int64_t
connections_of(const struct settings *set)
{
	cpu_set_t cpus;
	int64_t cores = sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? CPU_COUNT(&cpus) : 1;
	int64_t workers = set->workers ? set->workers
	                               : (cores + set->processes - 1) / set->processes;

	return set->processes * (workers + 1);
}

enum status
doctor_connections(struct doctor *d, struct fault *fault)
{
	char machine[HOST_NAME_MAX + 1] = "";
	struct db_result *rows;
	struct db_args args;
	enum status st;

	gethostname(machine, sizeof machine - 1);
	db_args_init(&args);
	db_arg_text(&args, machine);
	st = db_call(d->db, sql_doctor_connections, &args, &rows, fault);
	if (st != OK)
		return st;
	judge_connections(d->report, &(struct connections_fact){
	                                 .most = db_int(rows, 0, 0),
	                                 .used = db_int(rows, 0, 1),
	                                 .hosts = db_int(rows, 0, 2),
	                                 .here = db_int(rows, 0, 3) != 0,
	                                 .need = connections_of(&d->config->set),
	                             });
	db_result_free(rows);
	return OK;
}
