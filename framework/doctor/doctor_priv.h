/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * doctor_priv.h - the checks, and their judging parts: pure functions of what was read.
 */
#ifndef PENSTOCK_DOCTOR_PRIV_H
#define PENSTOCK_DOCTOR_PRIV_H

#include "doctor/doctor.h"

/* A host as its row and its beats show it. */
struct doctor_host {
	int64_t id, beat, running;
	char *name, *machine, *version;
	bool alive; /* its beat moved, or its row came, while we looked */
	bool polls; /* notifications do not reach it */
};

struct doctor {
	struct db *db;
	const struct config *config;
	struct doctor_report *report;
	bool schema; /* there is one: the checks of its tables make sense */
	struct doctor_host *hosts;
	size_t n_hosts;
};

/* Reads and judges; says at least one thing, or returns why it could not look. */
typedef enum status doctor_look(struct doctor *d, struct fault *fault);

struct doctor_check {
	const char *name; /* NULL ends the table */
	bool schema;      /* makes sense with the schema in place only */
	doctor_look *look;
};
extern const struct doctor_check doctor_checks[];

/* The checks, in the order of the table. */
doctor_look doctor_version, doctor_session, doctor_settings, doctor_clock;
doctor_look doctor_schema, doctor_roles, doctor_unlogged, doctor_indexes, doctor_blocks;
doctor_look doctor_snapshots, doctor_prepared, doctor_slots, doctor_dead_rows;
doctor_look doctor_connections, doctor_hosts, doctor_leases, doctor_lanes, doctor_plugins;

/* ---- findings ---- */

/* A finding of the check that looks now; the text is made harmless for a terminal. */
void doctor_say(struct doctor_report *r, enum doctor_level level, const char *format, ...)
    printf_like(3, 4);
/* What to do about the finding that was said last. */
void doctor_advise(struct doctor_report *r, const char *format, ...) printf_like(2, 3);

/* ---- judging: no database, no clock ---- */

struct setting_fact {
	const char *name, *value;
	int64_t amount; /* bytes or milliseconds */
};
void judge_settings(struct doctor_report *r, const struct setting_fact *facts, size_t n);
void judge_version(struct doctor_report *r, int version); /* 150004 */

/* pooled: the setting `pooler` says that a pooler changes sessions. */
void judge_session(struct doctor_report *r, const struct db_session_fact *f, bool pooled);
void judge_listen(struct doctor_report *r, enum status st); /* of db_listen_works() */
void judge_clock(struct doctor_report *r, int64_t ahead_ns, int64_t trip_ns);

struct connections_fact {
	int64_t most, used, hosts, need;
	bool here; /* a host of this machine is listed: its connections are among the used */
};
void judge_connections(struct doctor_report *r, const struct connections_fact *f);

struct role_fact {
	const char *name;
	bool present, member, usage;
};
void judge_roles(struct doctor_report *r, const struct role_fact *roles, size_t n, const char *me,
                 bool superuser);
void judge_blocks(struct doctor_report *r, int64_t block, int64_t ahead, int64_t left);

/* Of what holds the horizon of dead rows. seconds < 0: not known. */
enum doctor_level judge_held(int64_t transactions, double seconds);

/* Texts are NULL where this role may not see them. */
struct snapshot_fact {
	int64_t pid;
	const char *application, *role, *state, *kind, *query;
	int64_t transactions;
	double seconds; /* < 0: not known */
};
void judge_snapshot(struct doctor_report *r, const struct snapshot_fact *f);

struct slot_fact {
	const char *name, *kind;
	bool active;
	int64_t transactions, catalog, wal; /* -1: keeps none */
};
void judge_slot(struct doctor_report *r, const struct slot_fact *f);

struct table_fact {
	const char *name;
	int64_t live, dead, bytes;
	double seconds; /* since autovacuum; < 0: never */
	bool off;       /* autovacuum is turned off for it */
};
void judge_table(struct doctor_report *r, const struct table_fact *f);

void judge_hosts(struct doctor_report *r, const struct doctor_host *hosts, size_t n,
                 int64_t watched_ns);

struct lease_fact {
	int64_t host, leases, jobs;
	double seconds; /* since the oldest was taken */
	bool listed, alive;
};
/* others: living hosts, who will give back what the dead hold after `life_s`. */
void judge_lease(struct doctor_report *r, const struct lease_fact *f, size_t others, double life_s);

struct lane_fact {
	const char *pipeline, *stage;
	int position;
	int64_t ready, dead;
	double seconds;
	bool configured; /* on this machine */
	double paused;   /* seconds; < 0: it is not */
	int64_t held;    /* that have not ended and are not dead */
	bool served;     /* by a host that lives */
};
void judge_lane(struct doctor_report *r, const struct lane_fact *f, size_t living);

#endif
