/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * worker_settle.c - the end of a lease, whatever the database does.
 *
 * Never sends a settlement again that may have committed: after a lost reply
 * the token is looked up first. A token that cannot be brought to an end
 * here becomes an orphan, which the janitor voids when the database is back.
 */
#include <string.h>

#include "worker/worker_priv.h"

#define RECONNECT_LEAST (50 * MSEC)
#define RECONNECT_MOST (5 * SEC)
#define RECONNECT_TOLD SEC /* a pause of so much is no passing moment any more */

/* One more settlement in a row than a passing trouble (deadlock, full disk) deserves. */
#define SETTLE_TRIES 3

struct ending {
	struct worker *worker;
	const struct uuid *token;
	struct verdict *verdicts;
	size_t n;
	struct settle settle;
};

bool
settle_reconnect(struct worker *w)
{
	int64_t pause = RECONNECT_LEAST;
	struct fault fault = { 0 }, told = { 0 };

	pool_state(w, WORKER_AWAY);
	while (!atomic_load(&w->pool->stopping)) {
		w->epoch = atomic_load(&w->pool->epoch);
		if (db_reconnect(w->db, &fault) == OK) {
			pool_count(w, HOST_reconnects, 1);
			return true;
		}
		if (pause >= RECONNECT_TOLD && strcmp(told.text, fault.text) != 0) {
			log_fault(LOG_WARNING, "a worker waits for the database", &fault);
			told = fault; /* once, until the reason is another */
		}
		pool_sleep(w->pool, w, pause);
		pause = pause * 2 > RECONNECT_MOST ? RECONNECT_MOST : pause * 2;
	}
	return db_reconnect(w->db, &fault) == OK; /* one last try, to hand back */
}

/* What fused stages made, and the children that they split off, go with the settlement of the
 * chain; not with one that hands the jobs back instead. */
static void
add_kept(struct worker *w, struct settle *settle)
{
	struct settle_output *all;

	settle->children = w->children;
	settle->n_children = w->n_children;
	w->n_children = 0;
	if (w->n_kept == 0)
		return;
	all = arena_alloc(w->arena[0], (settle->n_outputs + w->n_kept) * sizeof(*all));
	memcpy(all, settle->outputs, settle->n_outputs * sizeof(*all));
	memcpy(all + settle->n_outputs, w->kept, w->n_kept * sizeof(*all));
	settle->outputs = all;
	settle->n_outputs += w->n_kept;
	w->n_kept = 0;
	w->kept = NULL;
}

/* What the database has confirmed: these equal its rows. */
static void
count_ended(const struct worker *w, const struct settle_set *set)
{
	struct counter_slot *slot = pool_slot(w, set->lane);

	switch (set->kind) {
	case SETTLE_COMPLETED: counter_add(slot, COUNTER_settled_completed, set->jobs.n); break;
	case SETTLE_DISCARDED: counter_add(slot, COUNTER_settled_discarded, set->jobs.n); break;
	case SETTLE_CANCELLED: counter_add(slot, COUNTER_settled_cancelled, set->jobs.n); break;
	case SETTLE_DEAD: counter_add(slot, COUNTER_settled_dead, set->jobs.n); break;
	default: break;
	}
}

static void
settled_ok(struct ending *e)
{
	struct pool *pool = e->worker->pool;

	pool_count(e->worker, HOST_settles, 1);
	for (size_t i = 0; i < e->settle.n_sets; i++)
		count_ended(e->worker, &e->settle.sets[i]);
	for (size_t i = 0; i < e->settle.n_children; i++)
		if (i == 0 || e->settle.children[i].lane != e->settle.children[i - 1].lane)
			pool_ready(pool, e->settle.children[i].lane, e->worker->lease_at.priority);
	if (e->worker->lease_lane &&
	    e->worker->lease_lane->conf->max_per_key > 0) /* others may follow */
		pool_ready(pool, e->worker->lease_lane->id, e->worker->lease_at.priority);
	for (size_t i = 0; i < e->settle.n_sets; i++) {
		const struct settle_set *set = &e->settle.sets[i];

		if (set->kind == SETTLE_READY)
			pool_ready(pool, set->lane, e->worker->lease_at.priority);
		if (set->kind == SETTLE_DEFERRED) {
			int64_t due = clock_mono() + set->delay_ms * MSEC,
			        was = atomic_load(&pool->wake_at);

			while (due < was &&
			       !atomic_compare_exchange_weak(&pool->wake_at, &was, due))
				;
		}
	}
}

static enum status
settle_once(struct ending *e, struct fault *fault)
{
	struct queue_turn turn = { .token = e->token, .settle = &e->settle };

	queue_turn(e->worker->db, e->worker->arena[0], &turn);
	*fault = turn.fault;
	return turn.settled;
}

/* The server refuses this settlement (a value that it cannot store, a deferred constraint of a
 * stage). One job alone is charged with it; several come back isolated and halved, so that the
 * innocent are found. */
static void
refuse(struct ending *e, const struct fault *fault)
{
	struct worker *w = e->worker;
	struct pool *pool = w->pool;
	struct fault again = { 0 };

	log_fault(LOG_ERROR, "the database refuses a settlement", fault);
	for (size_t i = 0; i < e->n; i++) {
		struct verdict *v = &e->verdicts[i];

		*v = (struct verdict){
			.job = v->job,
			.kind = SETTLE_READY,
			.lane = w->lease_lane->id,
			.hop = w->lease_at.hop,
			.input_hop = w->lease_at.input_hop,
			.attempt = (int16_t)(w->lease_at.attempt - 1),
			.hold = HOLD_ISOLATE,
			.bytes = v->bytes,
		};
	}
	if (e->n == 1) {
		const struct outcome retry = { .kind = PS_RETRY,
			                       .code = "SETTLE_REFUSED",
			                       .message = fault->text,
			                       .delay_ms = -1 };
		int64_t job = e->verdicts[0].job, bytes = e->verdicts[0].bytes;
		size_t next;

		verdict_of(pool, &w->lease_at, &retry, splitmix64((uint64_t)job), &e->verdicts[0],
		           &next);
		e->verdicts[0].job = job;
		e->verdicts[0].bytes = bytes;
	}
	verdict_settle(e->verdicts, e->n, w->arena[0], &e->settle);
	if (e->n > 1) {
		struct settle_set *halves = arena_alloc(w->arena[0], 2 * sizeof(*halves));
		size_t half = e->n / 2;

		halves[0] = halves[1] = e->settle.sets[0];
		halves[0].jobs.n = half;
		halves[1].jobs.ids += half;
		halves[1].jobs.n = e->n - half;
		halves[1].bytes = halves[0].bytes /= 2;
		e->settle.sets = halves;
		e->settle.n_sets = 2;
	}
	if (settle_once(e, &again) == OK)
		settled_ok(e);
	else
		pool_orphan(pool, e->token);
}

/* The reply was lost. Asks the database what became of the token, as often as it takes. */
static enum status
find_out(struct ending *e, struct fault *fault)
{
	struct worker *w = e->worker;
	enum status st;

	pool_count(w, HOST_unknown_commits, 1);
	do {
		if (!settle_reconnect(w))
			return AWAY;
		st = queue_find(w->db, e->token, fault);
	} while (st == AWAY || st == TIMEOUT);
	return st;
}

/* The disk is full, or memory is: the session is well, and would meet the same again at once. */
static void
wait_for_room(struct worker *w, const struct fault *fault, int64_t *pause)
{
	if (strncmp(fault->sqlstate, "53", 2) != 0 && strncmp(fault->sqlstate, "58", 2) != 0)
		return;
	if (*pause == RECONNECT_LEAST)
		log_fault(LOG_WARNING, "the database has no room for a settlement: trying again",
		          fault);
	pool_state(w, WORKER_AWAY);
	pool_sleep(w->pool, w, *pause);
	*pause = *pause * 2 > RECONNECT_MOST ? RECONNECT_MOST : *pause * 2;
}

/* Brings the token to an end after a first try that did not say OK. */
static void
settle_again(struct ending *e, enum status st, struct fault *fault, bool in_transaction)
{
	struct worker *w = e->worker;
	int64_t pause = RECONNECT_LEAST;
	int tries = 1;

	while (st != OK) {
		switch (st) {
		case FENCED:
			pool_count(w, HOST_refused, 1);
			log_line(LOG_WARNING,
			         "a settlement was refused: its lease had been given to others",
			         NULL);
			return;
		case AWAY:
		case UNKNOWN:
			wait_for_room(w, fault, &pause);
			st = find_out(e, fault);
			if (st ==
			    NOT_FOUND) /* it had committed, or was voided: either way it is over */
				return;
			if (st != OK || in_transaction) {
				pool_orphan(w->pool, e->token);
				return;
			}
			break;
		default:
			if (in_transaction || ++tries > SETTLE_TRIES) {
				refuse(e, fault);
				return;
			}
		}
		st = settle_once(e, fault);
	}
	settled_ok(e);
}

/* See the note on counting keys. */
static bool
has_room(struct worker *w, struct lane *lane, const struct lease *lease)
{
	if (lease->key_room == 0)
		return true;
	return pool_counted(w->pool, lane, lease,
	                    keys_most(lease, lane->conf->limit_key, w->arena[1]));
}

/* What the claim of a turn brought. */
static struct lease *
claimed(struct worker *w, struct lane *lane, struct queue_turn *turn)
{
	if (turn->claimed == OK && !has_room(w, lane, turn->lease)) {
		pool_orphan(w->pool, &turn->claim->token);
		turn->claimed = EMPTY;
	}
	pool_ask_no_more(w->pool, w, turn->claimed == OK ? (int32_t)turn->lease->n : 0);
	if (turn->claimed == UNKNOWN || turn->claimed == AWAY)
		pool_orphan(w->pool, &turn->claim->token);
	else
		pool_claimed(w->pool, lane, turn->claimed, turn->lease, turn->last, turn->parcels);
	if (turn->claimed == EMPTY)
		pool_count(w, HOST_empty_claims, 1);
	if (turn->claimed != OK) {
		pool_let_go(w->pool, &turn->claim->token);
		return NULL;
	}
	pool_count(w, HOST_claims, 1);
	pool_count(w, HOST_claimed_jobs, turn->lease->n);
	w->arrived_at = clock_mono();
	return turn->lease;
}

void
settle_turn(struct worker *w, const struct uuid *token, struct verdict *verdicts, size_t n,
            bool claim_next, struct lease **ret_lease)
{
	struct ending e = { .worker = w, .token = token, .verdicts = verdicts, .n = n };
	struct queue_claim claim;
	struct queue_turn turn = { .in_transaction = w->in_transaction };
	struct lane *lane = NULL;
	bool was_in_transaction = w->in_transaction;

	*ret_lease = NULL;
	if (token && n > 0) {
		verdict_settle(verdicts, n, w->arena[0], &e.settle);
		add_kept(w, &e.settle);
		turn.token = token;
		turn.settle = &e.settle;
	}
	if (claim_next)
		lane = pool_choose(w->pool, w, &claim, w->arena[1]);
	if (lane) {
		claim.token = uuid_random();
		pool_hold(w->pool, &claim.token);
		turn.claim = &claim;
	}
	if (!turn.settle && !turn.claim)
		return;
	pool_state(w, turn.settle ? WORKER_SETTLING : WORKER_CLAIMING);
	queue_turn(w->db, w->arena[1], &turn);
	w->in_transaction = w->in_savepoint = false;
	if (lane)
		*ret_lease = claimed(w, lane, &turn);
	if (!turn.settle && !*ret_lease)
		pool_was_idle(w);
	if (turn.settle && turn.settled == OK)
		settled_ok(&e);
	else if (turn.settle)
		settle_again(&e, turn.settled, &turn.fault, was_in_transaction);
	else if (turn.claimed == AWAY || turn.claimed == UNKNOWN)
		settle_reconnect(w);
	else if (turn.claimed != OK && turn.claimed != EMPTY)
		log_fault(LOG_WARNING, "a claim failed", &turn.fault);
}
