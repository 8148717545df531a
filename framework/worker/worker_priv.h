/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * worker_priv.h - what the files of worker/ share.
 *
 * Note on locks: pool->lock guards the heads of lanes, the cancelled jobs, the orphans, the tokens
 * that are held and the sleepers; it is held for a few instructions and never over a round trip.
 * Everything else belongs to one worker's thread, or is written before the
 * threads start.
 */
#ifndef PENSTOCK_WORKER_PRIV_H
#define PENSTOCK_WORKER_PRIV_H

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "db/db.h"
#include "memory/memory.h"
#include "queue/queue.h"
#include "stage/stage.h"
#include "worker/worker.h"

#define LANE_HEADS 16 /* priorities of one lane that are looked at together */

/* The queue in front of one stage, as this host knows it. */
struct lane {
	int32_t id;
	size_t pipeline, stage; /* indexes into config */
	const struct config_stage *conf;
	struct release *release;
	char title[POOL_TITLE];   /* "plugin x of stage a.b" */
	struct queue_head packed; /* so far; the janitor's */
	/* under pool->lock */
	struct queue_head heads[LANE_HEADS];
	size_t n_heads;
	bool ready;          /* something may be there */
	_Atomic bool paused; /* as far as was seen; claims ask the database */
	uint64_t told;   /* grows when somebody put jobs here: an older look must not deny them */
	uint64_t served; /* turn at which it was last chosen */
	double job_ns;   /* mean work of a job, chain included; 0: not known yet */
	double parcel_jobs; /* mean jobs that a claim took from a parcel; 0: not known yet */
	int32_t want;       /* of the last claim */
	int64_t asked;      /* jobs that workers claim, or have at hand */
	int32_t key_want;   /* so many jobs have no more of one key than its room, as far as leases
	                       told that had more; 0: none had */
	int64_t compare_until; /* mono: until then the database compares keys */
};

struct pool_pipeline {
	const struct config_pipeline *conf;
	struct lane *lanes; /* one for each stage, in order */
};

/* Where a job stands in its pipeline and in storage. */
struct position {
	size_t pipeline, stage;
	int16_t hop;       /* stages passed */
	int16_t input_hop; /* the hop whose output is its stored message; 0: the job's own */
	int16_t attempt;   /* the running one at this stage */
	int16_t hold;
	int16_t priority;
};

struct worker {
	struct pool *pool;
	uint32_t index;                /* in the pool */
	uint32_t line;                 /* in the segment */
	_Atomic(const char *) opening; /* title of the stage that it opens; NULL */
	pthread_t thread;
	bool started;
	struct db *db;
	struct db *db_read;         /* opened when a stage first asks */
	uint64_t epoch, read_epoch; /* the pool's, when each of them was connected */
	struct arena
	    *arena[2]; /* the lease at hand lives in [0]; the next one is claimed into [1] */
	struct counter_slot **slots; /* one for each lane of the pool */
	struct stage_completions *completions;
	struct list later; /* struct later_job: promised by plugins of this worker's calls */
	size_t n_later;
	struct stage_hooks hooks;
	const struct lane *lease_lane; /* of the lease at hand, with where its jobs began */
	struct position lease_at;
	struct lane
	    *asked_lane;    /* of the claim in flight, or the lease at hand; under pool->lock */
	int32_t asked;      /* so many jobs of it; under pool->lock */
	int64_t arrived_at; /* mono: when the lease at hand had come */
	struct settle_output *kept; /* of the lease at hand: what fused stages made, to be kept */
	size_t n_kept;
	struct settle_child *children; /* that stages of the lease at hand split off */
	size_t n_children, cap_children;
	bool in_transaction; /* of the lease at hand */
	bool in_savepoint;
	bool lost; /* the connection died under the lease at hand */
	uint64_t calls;
	uint64_t turns;
	int64_t idle_ns; /* current pause between two looks */
	bool looked;     /* the last look found something, and no claim got it since */
	bool woken;      /* under pool->lock */
	bool sleeping;   /* under pool->lock */
	pthread_cond_t wake;
};

/* Of leases, in no order. */
struct tokens {
	struct uuid *at;
	size_t n, cap;
};

struct pool {
	const struct pool_options *options;
	const struct config *config;
	struct segment *segment;
	struct pool_pipeline *pipelines;
	size_t n_pipelines;
	struct queue_place *leaving; /* stages that leave */
	size_t n_leaving;
	struct lane *lanes; /* all, grouped by pipeline */
	size_t n_lanes;
	int32_t *lane_ids;
	struct worker *workers;
	uint32_t n_workers;
	_Atomic int64_t host;        /* id of this boot; 0: not registered now */
	_Atomic int64_t valid_until; /* mono: the last confirmed beat was sent L before */
	_Atomic uint64_t epoch;      /* grows when the janitor had to connect anew: after a
	                              * failover that may be another server, and an old one may
	                              * live on and answer whoever only reads */
	_Atomic bool stopping;
	_Atomic uint32_t n_sleeping;
	pthread_mutex_t lock;
	uint64_t turn;
	int64_t scanned_at; /* mono: the last look at whole lanes began */
	int64_t scan_ns;    /* and took */
	size_t next_pipeline;
	int64_t *cancelled; /* running jobs of any host that shall end; sorted, under lock */
	_Atomic size_t n_cancelled;
	struct tokens orphans;   /* whose fate is to be voided */
	struct tokens held;      /* that a worker is about to claim under, or has jobs under */
	_Atomic int64_t wake_at; /* mono: when a deferred job that we know of is due */
	struct janitor *janitor;
	_Atomic uint32_t n_running; /* worker threads that have not ended */
	_Atomic uint32_t n_begun;   /* that have opened the stages, or could not */
	bool working;               /* under lock: they may claim */
	pthread_cond_t begin;
	struct fault begin_fault; /* under lock: why one could not */
	int kick;                 /* eventfd: interrupts the janitor's wait */
	int stop_fd;              /* readable: stop */
	int wait_fd;              /* epoll over both */
};

/* ---- pool.c ---- */

/* Starts the workers that do not run yet, and waits until each has opened its stages. STOPPED: it
 * is to end meanwhile. */
enum status pool_start_workers(struct pool *pool, struct fault *fault);
/* Sleeps until woken or for at most ns. True: woken. [worker] */
bool pool_sleep(struct pool *pool, struct worker *worker, int64_t ns);
void pool_wake(struct pool *pool, uint32_t most);           /* up to `most` sleepers [any] */
void pool_wake_worker(struct pool *pool, struct worker *w); /* [any] */
/* Takes over what people asked for. [janitor] */
void pool_asked(struct pool *pool, const struct queue_asked *asked);
bool pool_cancelled(struct pool *pool, int64_t job); /* shall this job end? [any] */
bool pool_valid(const struct pool *pool); /* may this host still believe in its leases? */

/* ---- pool_lanes.c: which lane to claim next, and how much of it ---- */

struct lane *pool_lane(struct pool *pool, int32_t id);
/* The lane to claim next, or NULL: downstream first, pipelines in turn, and now and then the one
 * that waited longest. Fills in the claim but for its token. [worker] */
struct lane *pool_choose(struct pool *pool, struct worker *worker, struct queue_claim *ret_claim,
                         struct arena *arena);
/* Of what the worker's last choice asked for, only n jobs came, or are still at hand: others may
 * ask for the rest. What a plugin has promised by then counts by itself. [worker] */
void pool_ask_no_more(struct pool *pool, struct worker *worker, int32_t n);
/* What a claim taught: where the lane begins now, how large its parcels are. */
void pool_claimed(struct pool *pool, struct lane *lane, enum status status,
                  const struct lease *lease, int64_t last, int32_t parcels);
/* Note on counting keys. Where a stage has a limit for each key, far from it, the database needs to
 * know how many jobs of one key a claim takes at most. To read the keys costs it more than the
 * claim, and the host has the messages anyway. So a claim promises to begin at most a part of the
 * limit of each key (the q of docs/decisions/0008), and its worker counts before it begins. A lease
 * that has more is given back, and the next ones are smaller; where they would become too small the
 * database compares for a while, and parks what has no room. */
/* The jobs of a lease, of which at most `most` have one key: may it begin? */
bool pool_counted(struct pool *pool, struct lane *lane, const struct lease *lease, size_t most);
/* Jobs were put into a lane. */
void pool_ready(struct pool *pool, int32_t lane, int16_t priority);
/* Somebody else put jobs into a lane; of which priority is not known. [janitor] */
void pool_rung(struct pool *pool, int32_t lane);
bool pool_scan_due(struct pool *pool); /* has nobody looked for long? [any] */
/* Reads the heads of all lanes through `db`. *ret_any: whether something may be ready. */
enum status pool_scan(struct pool *pool, struct db *db, struct arena *arena, bool *ret_any,
                      struct fault *fault);
void pool_measured(struct pool *pool, struct lane *lane, size_t jobs, int64_t took_ns);

/* ---- pool_tokens.c: tokens of leases ---- */

/* Nobody can settle under this token: its fate is to be voided. [any] */
void pool_orphan(struct pool *pool, const struct uuid *token);
bool pool_next_orphan(struct pool *pool, struct uuid *ret); /* false: there is none [any] */
void pool_orphan_voided(struct pool *pool, const struct uuid *token); /* [any] */
/* Note on late claims: a claim whose reply was lost may commit whenever the server comes to it,
 * long after its token was voided in vain. So a token is held from before its claim is sent until
 * its lease is over, and the janitor gives back what the database says that this host has and that
 * nobody holds. [any] */
void pool_hold(struct pool *pool, const struct uuid *token);
void pool_let_go(struct pool *pool, const struct uuid *token);
bool pool_holds(struct pool *pool, const struct uuid *token);

/* ---- pool_tell.c: what is told outside ---- */

void pool_phase(struct pool *pool, enum pool_phase phase); /* tells the supervisor */
void pool_count(struct worker *worker, enum host_counter c, uint64_t n);
void pool_state(struct worker *worker, enum worker_state state);
/* The time since the last change of state was no work after all: a claim brought nothing. */
void pool_was_idle(struct worker *worker);
/* What lines of the log are about while jobs of this lane are at hand. */
struct log_about pool_about(const struct lane *lane, size_t n, int64_t first, int attempt);
struct counter_slot *pool_slot(const struct worker *worker, int32_t lane); /* NULL: not counted */

/* ---- what becomes of a job ---- */

struct verdict {
	int64_t job;
	enum settle_kind kind;
	int32_t lane;
	int64_t delay_ms;
	int16_t hop, input_hop, attempt, hold;
	int64_t bytes;
	bool failure; /* a row of failure: code and message say why */
	int32_t failure_lane;
	int16_t failure_attempt;
	const char *code, *message, *release;
	bool output; /* the message changed and must be stored at `hop` */
	const char *attributes;
	size_t attributes_len;
	const void *body;
	size_t body_len;
};

struct outcome {
	enum ps_outcome kind;
	const char *route, *code, *message;
	int64_t delay_ms;
	enum ps_join join;
};

/* worker_chain.c: a branch for each stage to which `route` leads at once, if it does; how many. */
size_t chain_branch(struct worker *worker, const struct position *at, int64_t job,
                    const char *route);

/* worker_verdict.c: pure, no database */
/* Applies a stage's outcome to a job at `at`. Returns true when the job goes on to another stage
 * (*ret_next; the caller may fuse), false when it leaves the lease as *ret says. */
bool verdict_of(const struct pool *pool, const struct position *at, const struct outcome *outcome,
                uint64_t random, struct verdict *ret, size_t *ret_next);
/* Back to the lane where it stands, as if it had not been claimed. */
void verdict_hand_back(const struct pool *pool, const struct position *at, bool isolate,
                       struct verdict *ret);
/* On to a stage's lane as a parcel. */
void verdict_forward(const struct pool *pool, const struct position *at, size_t next,
                     struct verdict *ret);
int64_t verdict_backoff_ms(const struct config_stage *stage, int attempt, uint64_t random);
/* Groups verdicts into the sets, outputs and failures of one settlement, in the arena. */
void verdict_settle(struct verdict *verdicts, size_t n, struct arena *arena, struct settle *ret);

/* ---- worker_chain.c: a lease through its fused stages ---- */

/* Runs the stages; one verdict for each job that leaves the lease now (those promised LATER stay).
 * STOPPED: the work must not be settled (connection lost in a transaction, host no longer valid).
 */
enum status chain_run(struct worker *worker, struct lease *lease, struct verdict **ret_verdicts,
                      size_t *ret_n);

/* ---- worker_transaction.c: a stage's SQL in the settlement's transaction ---- */

/* Runs one call of a transactional stage between savepoints; again job by job when not every job is
 * DONE. */
void transaction_call(struct worker *worker, struct stage_call *call);
struct pg_conn *transaction_db(void *worker); /* hook of ps_db() */
/* Forgets an open transaction: its work is given up. */
void transaction_abandon(struct worker *worker);

/* ---- worker_settle.c: the end of a lease ---- */

/* One round trip: settles the verdicts and claims the next lease into arena[1]. Sees every failure
 * through: on return nothing is left to settle for this token. *ret_lease NULL: nothing claimed. */
void settle_turn(struct worker *worker, const struct uuid *token, struct verdict *verdicts,
                 size_t n, bool claim_next, struct lease **ret_lease);
/* Waits for the database with back-off. False: the host is stopping. */
bool settle_reconnect(struct worker *worker);

/* ---- worker_keys.c: limits for each key ---- */

/* How many jobs of a lease have the same value of an attribute, at most. Text as the database reads
 * it: "7" and 7 are one key, and null is none. */
size_t keys_most(const struct lease *lease, const char *name, struct arena *arena);

/* ---- worker_later.c: jobs that a plugin promised ---- */

struct later_job {
	struct list node;
	uint64_t token;
	struct uuid lease;
	int64_t job;
	struct position at;
	int64_t deadline;
	const struct lane *lane;
};
void later_add(struct worker *worker, const struct lease *lease, const struct position *at,
               const struct stage_job *job);
/* Does a lease hold jobs that are promised? */
bool later_of(const struct worker *worker, const struct uuid *lease);
/* Settles what has completed; gives up what is past its deadline. */
void later_settle(struct worker *worker);
void later_give_up(struct worker *worker); /* all: at a stop */

/* ---- worker_loop.c ---- */

/* Behind a pooler a look-up is a transaction, which must not stay open. */
void worker_end_look_up(struct worker *worker);
/* Connects, and starts the thread, which opens the stages and then waits for pool->working. After
 * a failure it may be tried again. */
enum status worker_start(struct pool *pool, uint32_t index, struct fault *fault);
void worker_join(struct worker *worker); /* takes one that was not started */

/* ---- worker_crash.c ---- */

void crash_watch_process(void); /* before threads start */
/* Takes the signals of crashes out of a set that is to be blocked: a blocked one kills without its
 * handler. */
void crash_unblock(sigset_t *set);
void crash_watch_thread(struct recorder_line *line);
/* This thread opens the stage of that title, which is copied to `opening` when it dies in it; NULL:
 * it does no more. */
void crash_opens(const char *title, char opening[POOL_TITLE]);
void crash_unwatch_thread(void);

/* ---- watchdog.c ---- */

/* What a worker was last seen in. */
struct watched_call {
	uint64_t call;
	int64_t job;
	int64_t since;  /* mono */
	int64_t looked; /* mono: the last time */
	bool spared;    /* it has had the grace once more */
};
/* Looks at every worker's recorder line; `watched` has one element for each. Does not return when a
 * stage is far beyond its timeout. [janitor] */
void watchdog_look(struct pool *pool, struct watched_call *watched);

/* ---- janitor.c, janitor_duties.c ---- */

enum duty {
	DUTY_BEAT,    /* this host lives */
	DUTY_ORPHANS, /* leases that nobody can settle go back */
	DUTY_BELL,    /* enqueue notifies while somebody sleeps */
	DUTY_WAKE,    /* due jobs become ready */
	DUTY_WATCH,   /* what people asked for */
	DUTY_ORDER,   /* turns of ordering keys */
	DUTY_KEYS,    /* room of keys that nobody was given */
	DUTY_FIRE,    /* schedules */
	DUTY_REAP,    /* hosts that are dead, and what they held */
	DUTY_BLOCKS,  /* room for job ids */
	DUTY_PACK,    /* many small parcels become few */
	DUTY_RETIRE,  /* what is over for long */
	DUTY_LEAVE,   /* stages that work off what they have */
	DUTY_N
};

/* Another host's beat, as this one has seen it. */
struct watch {
	int64_t host, beat;
	int64_t since; /* mono: first seen with this beat */
};

struct janitor {
	struct pool *pool;
	struct db *db;
	struct arena *arena;
	struct uuid boot;
	int64_t at[DUTY_N];         /* mono: next time; 0: in every round */
	struct watched_call *calls; /* one for each worker */
	struct watch *watches;
	size_t n_watches;
	bool told_why; /* of the outage at hand */
	bool listens;  /* notifications come; otherwise everybody looks, at most poll_most apart */
	bool going;    /* has the word to register */
	int64_t leave_next; /* transactions from here on know nothing of stages that leave; 0 */
	bool bell;
	int64_t order_ns;   /* where nobody tells: pause between looks for turns */
	int64_t busy_since; /* mono; 0: some worker sleeps */
};

enum status janitor_open(struct pool *pool, struct fault *fault); /* connects, checks, registers */
enum status janitor_run(struct pool *pool, struct fault *fault);  /* until stop_fd, and the drain */
void janitor_close(struct pool *pool);
void janitor_void_orphans(struct pool *pool);
/* A boot in the database: from now on this host may hold leases. `former`: the boot that it
 * replaces, 0: none. */
enum status janitor_register(struct janitor *j, int64_t former, struct fault *fault);
/* What is due now; stops at the first that fails. */
enum status janitor_do_duties(struct janitor *j, struct fault *fault);
int64_t janitor_until_next(const struct janitor *j); /* ns */

/* ---- registration (register.c) ---- */

/* As people know this host: the setting `name`, or the machine's. */
const char *register_host_name(const struct config *config, char machine[HOST_NAME_MAX + 1]);
/* A pipeline without the stages that leave it; ids of the others' lanes in ret_lanes. */
enum status register_pipeline(struct db *db, struct arena *arena,
                              const struct config_pipeline *conf, int32_t *ret_lanes,
                              struct fault *fault);
enum status register_schedules(struct db *db, struct arena *arena, const struct config *config,
                               struct fault *fault);

#endif
