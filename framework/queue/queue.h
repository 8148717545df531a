/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * queue.h - a job's life in the database: claim, settle, reap, wake, pack.
 *
 * Knows nothing of plugins. Each function is a statement of framework/sql
 * with its arguments made and its rows read; the rules are in the SQL and in
 * docs/decisions. All take the connection of the calling thread.
 */
#ifndef PENSTOCK_QUEUE_H
#define PENSTOCK_QUEUE_H

#include "base/base.h"
#include "db/db.h"
#include "memory/memory.h"

enum hold { HOLD_NONE = 0, HOLD_CONTROL = 1, HOLD_ISOLATE = 2 };

struct queue_job {
	int64_t id;
	const char *attributes; /* NUL-terminated, in the arena or in a kept result */
	size_t attributes_len;
	const void *body; /* NULL when there is none, or when it is larger than what comes inline */
	size_t body_len;  /* always the true length */
	const char *traceparent; /* NULL when there is none */
};

struct lease {
	struct uuid token; /* drawn by the host before it sends the claim */
	int32_t lane;
	int16_t priority;
	int16_t attempt; /* the one that this claim began: 1 for the first */
	int16_t hop, input_hop;
	int16_t hold;
	int32_t key_room; /* most jobs of one key that its holder may begin; 0: it need not count */
	size_t n;
	struct queue_job *jobs; /* sorted by id */
	int64_t bytes;
};

/* Where the ready jobs of a lane begin: one for each priority that has any. */
struct queue_head {
	int16_t priority;
	int64_t from; /* parcel id: nothing ready is below it, as far as was seen */
};

struct queue_claim {
	struct uuid token;
	int64_t host;
	int32_t lane;
	int32_t want; /* jobs, at least 1 */
	int64_t want_bytes;
	int32_t lock; /* most parcels to lock: want divided by the lane's mean parcel size, at least
	                 1 */
	int64_t inline_bytes; /* bodies up to this size come with the claim */
	int32_t key_room;     /* of a lane with a limit for each key: the caller counts, and gives a
	                         lease with more jobs of one key back; 0: the database compares keys */
	const struct queue_head *heads;
	size_t n_heads;
};

enum settle_kind {
	SETTLE_READY = 0, /* a parcel of `lane`: the next stage, or handed back */
	SETTLE_DEFERRED = 1,
	SETTLE_COMPLETED = 2,
	SETTLE_DISCARDED = 3,
	SETTLE_CANCELLED = 4,
	SETTLE_DEAD = 5,
	/* wait for the children that the same settlement gives them */
	SETTLE_WAIT_ALL = 6, /* then go on to `lane`; dead when one failed */
	SETTLE_WAIT_ANY = 7, /* then go on to `lane` */
	SETTLE_LAST_ALL = 8, /* then are completed; dead when one failed */
	SETTLE_LAST_ANY = 9, /* then are completed */
	/* the same where some of them are branches, whose messages are joined to the job's */
	SETTLE_JOIN_ALL = 10,
	SETTLE_JOIN_ANY = 11,
	SETTLE_LAST_JOIN_ALL = 12,
	SETTLE_LAST_JOIN_ANY = 13
};

struct settle_set {
	enum settle_kind kind;
	int32_t lane;     /* where they go, or for ended jobs the lane where they ended */
	int64_t delay_ms; /* DEFERRED: from now, by the database's clock */
	int16_t hop, input_hop, attempt, hold;
	int64_t bytes;
	struct db_ids jobs; /* sorted, distinct; sets of one settlement are disjoint */
};

struct settle_output {
	int64_t job;
	int16_t hop;
	const char *attributes;
	size_t attributes_len;
	const void *body; /* NULL: none */
	size_t body_len;
};

struct settle_failure {
	int64_t job;
	int32_t lane;
	int16_t attempt;
	const char *code, *message, *release;
};

struct settle_child {
	int64_t parent;
	int32_t lane;           /* where it begins */
	const char *attributes; /* NULL: a branch of its parent, whose message it has */
	size_t attributes_len;
	const void *body; /* NULL: none */
	size_t body_len;
};

struct settle {
	struct settle_set *sets;
	size_t n_sets;
	struct settle_output *outputs;
	size_t n_outputs;
	struct settle_failure *failures;
	size_t n_failures;
	struct settle_child *children;
	size_t n_children;
};

/* One round trip of a worker: ends a lease, or a part of it, and takes the next one.
 *
 * in:  token+settle NULL: only a claim. claim NULL: only a settlement. in_transaction: a stage's
 *      transaction is open on this connection and commits with the settlement.
 * out: settled: OK; FENCED (the lease was lost: nothing of it happened, a stage's transaction was
 *      rolled back); AWAY (nothing happened); UNKNOWN (ask queue_find, never send again blindly);
 *      SQL (nothing happened).
 *      claimed: OK with *ret_lease in `arena`; EMPTY; AWAY; UNKNOWN (void the token when the
 *      database is back); SQL.
 * A failure of the claim alone never takes the settlement with it: it is then settled again by
 * itself. */
struct queue_turn {
	/* in */
	const struct uuid *token;
	const struct settle *settle;
	bool in_transaction;
	const struct queue_claim *claim;
	/* out */
	enum status settled, claimed;
	bool lease_ended; /* false after a part-settlement */
	struct lease *lease;
	int64_t last;       /* the largest parcel id that was touched */
	int32_t parcels;    /* how many the lease was made from */
	struct fault fault; /* of whichever failed */
};
void queue_turn(struct db *db, struct arena *arena, struct queue_turn *turn);

/* OK: the lease is there (and no commit is in flight for it); NOT_FOUND: settled or voided. */
enum status queue_find(struct db *db, const struct uuid *token, struct fault *fault);
/* The tokens under which a host holds jobs, in the arena. */
enum status queue_leases(struct db *db, struct arena *arena, int64_t host, struct uuid **ret_tokens,
                         size_t *ret_n, struct fault *fault);
/* Gives back what a token holds, uncharged and not isolated; NOT_FOUND when it holds nothing. */
enum status queue_void(struct db *db, const struct uuid *token, struct fault *fault);

/* A job in whose stage the holder of the token died: it alone is charged, and runs alone from now
 * on; at its lane's max_attempts it is dead. The rest of the lease goes back uncharged. NOT_FOUND:
 * the token does not hold it any more. */
enum status queue_blame(struct db *db, const struct uuid *token, int64_t job, int32_t lane,
                        const char *code, const char *message, struct fault *fault);

/* A message's body that did not come inline. */
enum status queue_body(struct db *db, struct arena *arena, int64_t job, int16_t input_hop,
                       const void **ret_body, size_t *ret_len, struct fault *fault);

/* ---- the janitor's work ---- */

/* Reads where ready jobs begin, for each lane: heads of lanes[i] into ret_heads[i] (arena), best
 * priority first. */
struct queue_heads {
	struct queue_head *heads;
	size_t n;
};
enum status queue_scan(struct db *db, struct arena *arena, const int32_t *lanes, size_t n,
                       struct queue_heads *ret_heads, struct fault *fault);
/* The same at or behind what is known: known[i] of lanes[i]. Cheap whatever lies dead before it,
 * and does not see what was committed late below it, or a priority that is new. */
enum status queue_peek(struct db *db, struct arena *arena, const int32_t *lanes,
                       const struct queue_heads *known, size_t n, struct queue_heads *ret_heads,
                       struct fault *fault);
/* Voids the host if its beat is still `beat`; OK when voided, NOT_FOUND when it moved or is gone.
 */
enum status queue_reap(struct db *db, int64_t host, int64_t beat, struct fault *fault);
/* Gives back the leases of hosts that are gone. */
enum status queue_reap_leases(struct db *db, int64_t *ret_jobs, struct fault *fault);
/* Moves due jobs to ready. *ret_next_ms: until the next one is due (database's clock), -1: none
 * known. */
enum status queue_wake(struct db *db, int32_t limit, int64_t *ret_jobs, int64_t *ret_next_ms,
                       struct fault *fault);
/* Places about `limit` jobs with ordering keys that have arrived: ready, or behind those of their
 * keys. */
enum status queue_give_turns(struct db *db, int32_t limit, int64_t *ret_jobs, struct fault *fault);
/* Makes jobs ready that wait for room of their key, of at most `limit` keys. */
enum status queue_free_keys(struct db *db, int32_t limit, int64_t *ret_jobs, struct fault *fault);
/* Fires the schedules that are due. *ret_next_ms: as for queue_wake(). */
enum status queue_fire(struct db *db, int64_t *ret_jobs, int64_t *ret_next_ms, struct fault *fault);
/* Merges small parcels of the lane; *ret_parcels: how many fewer there are. *at: where the last
 * call began, and then this one; from 0: behind the head, and when all was seen. */
enum status queue_pack(struct db *db, int32_t lane, int32_t limit, struct queue_head *at,
                       int64_t *ret_parcels, struct fault *fault);
enum status queue_make_blocks(struct db *db, struct fault *fault);
/* Ids go on in the next block when the first job of this one is older than age_ms. */
enum status queue_close_block(struct db *db, int64_t age_ms, struct fault *fault);
/* Drops the oldest block whose jobs all ended, or nearly, longer than keep_ms ago; *ret_jobs: how
 * many went, -1: there is no such block. SQL with SQLSTATE 55P03: it is in use, try again later. */
enum status queue_drop_block(struct db *db, int64_t keep_ms, int64_t *ret_jobs,
                             struct fault *fault);
enum status queue_forget_keys(struct db *db, int32_t limit, int64_t *ret_keys, struct fault *fault);

/* What people asked for, in the arena: running jobs of any host that shall end, sorted; which of
 * the lanes are paused. Ends what was asked for and not seen to. */
struct queue_asked {
	int64_t *cancelled;
	size_t n_cancelled;
	int32_t *paused;
	size_t n_paused;
};
enum status queue_watch(struct db *db, struct arena *arena, const int32_t *lanes, size_t n,
                        struct queue_asked *ret_asked, struct fault *fault);

/* ---- hosts ---- */

struct queue_host {
	int64_t id;
	int64_t beat;
};
/* former: id of the boot that this one replaces (its supervisor saw it die), 0: none; its leases
 * are voided in the same transaction. */
enum status queue_host_register(struct db *db, const struct uuid *boot, const char *name,
                                const char *machine, int pid, int64_t former, int64_t *ret_host,
                                struct fault *fault);
/* Hosts of other names or machines that live beside a boot, and when it was registered, by the
 * database's clock. */
enum status queue_host_company(struct db *db, int64_t host, int64_t *ret_beside, int64_t *ret_at_us,
                               struct fault *fault);
/* NOT_FOUND: somebody voided this host. */
enum status queue_host_beat(struct db *db, int64_t host, struct fault *fault);
/* For people: is it told of new jobs, or does it look for them? */
enum status queue_host_listens(struct db *db, int64_t host, bool listens, struct fault *fault);
enum status queue_host_list(struct db *db, struct arena *arena, struct queue_host **ret_hosts,
                            size_t *ret_n, struct fault *fault);
enum status queue_host_leave(struct db *db, int64_t host, struct fault *fault); /* after a drain */
/* Tells which lanes the host serves, and whose it is. */
enum status queue_host_serves(struct db *db, struct arena *arena, int64_t host,
                              const struct uuid *supervisor, const int32_t *lanes, size_t n,
                              struct fault *fault);

/* ---- pipelines and lanes ---- */

struct queue_stage {
	const char *name;
	int16_t max_attempts;
	int32_t max_running; /* jobs at once over all hosts; 0: no limit */
	double rate;         /* jobs a second over all hosts; 0: no limit */
	int32_t burst;
	const char *limit_key; /* the attribute that is a job's key; NULL: none */
	int32_t max_per_key;   /* jobs of a key at once over all hosts; 0: no limit */
	int32_t max_ready;     /* ready jobs that make the lane full; 0: never */
	bool refuses;
	int32_t lane; /* out */
};
/* Makes or updates a pipeline and its lanes, and gives their ids. */
enum status queue_register(struct db *db, const char *pipeline, struct queue_stage *stages,
                           size_t n, struct fault *fault);

struct queue_schedule {
	const char *name, *pipeline, *cron, *time_zone, *attributes, *catch_up;
	int32_t priority;
	const char *source; /* file and line */
};
/* Makes or updates the schedules of a host's configuration; those that came from it before, or from
 * one with these pipelines, and are not among them, are dropped. Those that people made by hand
 * stay. SQL with SQLSTATE PS004: one is wrong, and the text says where it stands. */
enum status queue_register_schedules(struct db *db, const char *host, const char *const *pipelines,
                                     size_t n_pipelines, const struct queue_schedule *schedules,
                                     size_t n, int64_t *ret_dropped, struct fault *fault);

/* ---- stages and pipelines that a supervisor's hosts serve no more ---- */

struct queue_place {
	const char *pipeline, *stage;
};
/* Inside a transaction: other hosts wait before they change these pipelines. */
enum status queue_lock_pipelines(struct db *db, struct arena *arena, const char *const *names,
                                 size_t n, struct fault *fault);
/* Inside that transaction: was the one with the number *id (0: none) committed? Its number is put
 * in its place. */
enum status queue_change(struct db *db, int64_t *id, bool *ret_committed, struct fault *fault);
/* REFUSED, with the numbers of their jobs, when there are jobs at places that no host of another
 * supervisor serves. */
enum status queue_check_removed(struct db *db, struct arena *arena,
                                const struct queue_place *places, size_t n,
                                const struct uuid *supervisor, struct fault *fault);
/* How many such jobs there are. */
enum status queue_removed(struct db *db, struct arena *arena, const struct queue_place *places,
                          size_t n, const struct uuid *supervisor, int64_t *ret_jobs,
                          struct fault *fault);
/* Whole pipelines take no new jobs any more, unless another supervisor's hosts serve them. */
enum status queue_retire(struct db *db, struct arena *arena, const char *const *pipelines, size_t n,
                         const struct uuid *supervisor, struct fault *fault);
/* Lanes of stages by their names, 0 where there is none. */
enum status queue_lanes(struct db *db, struct arena *arena, const char *pipeline,
                        const char *const *stages, size_t n, int32_t *ret_lanes,
                        struct fault *fault);
/* Transactions that began before *ret_next was asked for are over when a later *ret_oldest has
 * reached it. */
enum status queue_horizon(struct db *db, int64_t *ret_oldest, int64_t *ret_next,
                          struct fault *fault);

/* ---- doorbell: a host that is about to sleep asks enqueue to notify ---- */

enum status queue_bell_set(struct db *db, int64_t host, const int32_t *lanes, size_t n,
                           struct arena *arena, struct fault *fault);
enum status queue_bell_clear(struct db *db, int64_t host, struct fault *fault);

/* ---- enqueue, for the command line ---- */

struct queue_message {
	const char *attributes;
	size_t attributes_len;
	const void *body; /* NULL: none */
	size_t body_len;
};
/* One transaction for all of them: many go by COPY when this role may write the tables, else by
 * penstock.enqueue_many(). *ret_first and *ret_last: smallest and largest id. INVALID with the
 * message's index when one is malformed (not an object, not UTF-8, NUL byte, too large): nothing is
 * enqueued then, nor after AWAY and SQL. UNKNOWN: all of them, or none. */
enum status queue_enqueue(struct db *db, struct arena *arena, const char *pipeline,
                          const struct queue_message *messages, size_t n, int16_t priority,
                          int64_t *ret_first, int64_t *ret_last, struct fault *fault);
/* What only one job at a time has. */
struct queue_enqueue_one {
	int16_t priority;
	int64_t delay_ms;         /* 0: none */
	const char *run_at;       /* as PostgreSQL reads it; NULL: none */
	const char *key;          /* NULL: none; the id of its job is answered when there is one */
	const char *traceparent;  /* NULL: none */
	const char *ordering_key; /* NULL: none; not with a delay or run_at */
};
/* The job exists when it answers OK; after AWAY and UNKNOWN it may exist. */
enum status queue_enqueue_one(struct db *db, const char *pipeline,
                              const struct queue_message *message,
                              const struct queue_enqueue_one *how, int64_t *ret_id,
                              struct fault *fault);
/* The checks that queue_enqueue makes, for one message. */
enum status queue_message_check(const struct queue_message *message, struct fault *fault);

#endif
